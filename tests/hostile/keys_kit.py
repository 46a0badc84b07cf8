"""An internet on this machine: real names and ports, real certificates, and servers that write down every byte.

Must not know any test. The gateway's names lead to a gateway; every other name, and every other port, leads to somebody
else, who has a good certificate for whatever he is called. No packet leaves the machine, and no name is looked up.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from anyint_resilience import Resilience
from tests.alone import ALONE
from tests.conformance.surfaces import Caller, Surface, Waits, calling
from tests.hostile.keys_servers import CONNECTED, FINE, Answer, Line, Listener, Seen, poured
from tests.waiting import until

__all__ = ["CHAT", "GATEWAY", "GATEWAYS", "KEY", "Listener", "Net", "Seen", "ca", "configured", "opened", "spilled"]

KEY = "ak/live+Zq7:w3Jc.9Tt4Bn"  # looks another way in base64 and percent-encoded
GATEWAY = "https://gateway.api.anyint.ai"
GATEWAYS = ("gateway.api.anyint.ai", "api.anyint.ai")
CHAT = "/openai/v1/chat/completions"


def _forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield re.escape(raw)
    yield re.escape(raw.hex().encode())
    yield from {re.escape(quote(secret, safe=safe).encode()) for safe in ("", "/", ":/+")}
    for shift in range(3):  # wherever it begins: the characters that depend on nothing else
        coded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")[-(-shift * 8 // 6) : -1]
        yield re.escape(coded)


_SOUGHT = re.compile(b"(?i:" + b"|".join(_forms(KEY)) + b")")


def spilled(heard: bytes) -> list[bytes]:
    """Return each place where the key stands in what a server got: plain, percent-encoded, in hexadecimal or base64."""
    return [bytes(heard[max(0, it.start() - 40) : it.end() + 8]) for it in _SOUGHT.finditer(heard)]


@cache
def ca(name: str) -> Any:
    """Return an authority; the clients trust the one of this name only."""
    import trustme

    return trustme.CA()


def trusted() -> ssl.SSLContext:
    """Return a client's TLS settings, and nobody else's: httpx writes into them whether it speaks HTTP/2."""
    return ssl.create_default_context(cadata=ca("trusted").cert_pem.bytes().decode())


@cache
def pem(folder: Path) -> str:
    """Return a file with the trusted authority, for requests."""
    file = folder / "ca.pem"
    ca("trusted").cert_pem.write_to_path(file)
    return str(file)


@cache
def serving(*names: str, by: str = "trusted", **more: Any) -> ssl.SSLContext:
    """Return the TLS settings of a server with a certificate for these names."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca(by).issue_cert(*names, **more).configure_cert(made)
    made.set_alpn_protocols(["h2", "http/1.1"])
    return made


@cache
def anybody() -> ssl.SSLContext:
    """Return the TLS settings of a server that has a good certificate for whatever name it is called by."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def called(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        with suppress(Exception):  # a name that no certificate can have: the handshake fails
            connection.context = serving(name) if name else made

    made.sni_callback = called
    ca("trusted").issue_cert("nobody.test").configure_cert(made)
    return made


class Net:
    """Who is where. ``gateway`` and ``other`` (anybody else) are by TLS, ``plain`` is whoever listens on port 80."""

    def __init__(self) -> None:
        self.gateway = Listener("gateway", serving(*GATEWAYS))
        self.other = Listener("other", anybody())
        self.plain = Listener("plain")
        self.proxy = Listener("proxy", tunnel=self.through)
        self.all = (self.gateway, self.other, self.plain, self.proxy)
        self.names: list[str] = []
        self.places: dict[tuple[str, int], Listener] = {(name, 443): self.gateway for name in GATEWAYS}
        self._resolve, self._connect = socket.getaddrinfo, socket.socket.connect

    def moves(self, places: dict[str, tuple[int, str]]) -> None:
        """Let every server answer these paths with a redirect."""

        def answer(seen: Seen) -> Answer:
            status, to = places.get(seen.target.decode("latin-1"), (200, ""))
            return (status, {"Location": to}, b"") if to else FINE

        for listener in self.all:
            listener.answer = answer

    def spilled(self) -> dict[str, list[bytes]]:
        """Return where the key stands in what anybody but the gateway got, once all of it has come."""
        until(lambda: all(it.quiet() for it in self.all))
        return {it.name: found for it in self.all if it is not self.gateway and (found := spilled(it.heard))}

    def came(self) -> list[tuple[str, str, list[str]]]:
        """Return who was asked for what, in this order, and what ``Authorization`` came with it."""
        asked = [(seen.at, it.name, seen) for it in self.all for seen in it.seen]
        return [(name, seen.target.decode(), seen.all("authorization")) for _, name, seen in sorted(asked, key=_first)]

    def close(self) -> None:
        """Let nobody in any more."""
        for listener in self.all:
            listener.close()

    def reset(self) -> None:
        """Forget everything."""
        for listener in self.all:
            listener.reset()
        for name in GATEWAYS:
            self.places[name, 443] = self.gateway
        self.proxy.tunnel = self.through

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        """Put this net in the place of the machine's, and its proxies and authorities out of the environment."""
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "requests_ca_bundle", "curl_ca_bundle"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        patch.setattr(socket, "getaddrinfo", self.resolve)
        patch.setattr(socket.socket, "connect", lambda sock, address: self.connect(sock, address))

    def resolve(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        """Do as ``socket.getaddrinfo``: each name has an address of its own."""
        name = host.decode("ascii") if isinstance(host, bytes) else host
        if name is None or name == "localhost" or re.fullmatch(r"[0-9.]+|.*:.*", name):
            return self._resolve(host, port, *args, **kwargs)
        flags = kwargs.get("flags", args[3] if len(args) > 3 else 0)
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "not a number")
        name = name.lower().rstrip(".")
        if name not in self.names:
            self.names.append(name)
        place = (f"127.77.0.{self.names.index(name) + 1}", int(port or 0))
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place)]

    def connect(self, sock: socket.socket, address: Any) -> Any:
        """Do as ``socket.socket.connect``."""
        host = address[0] if isinstance(address, tuple) else ""
        if not host.startswith("127.77.0."):
            return self._connect(sock, address)
        name = self.names[int(host.rpartition(".")[2]) - 1]
        return self._connect(sock, self.at(name, address[1]).address)

    def at(self, name: str, port: int) -> Listener:
        """Return who is there."""
        return self.places.get((name, port), self.plain if port == 80 else self.other)

    def through(self, proxy: Listener, line: Line, target: str) -> None:
        """Be an honest proxy: connect, and pass on what comes."""
        name, _, port = target.rpartition(":")
        line.write(CONNECTED)
        with socket.socket() as beyond:
            self._connect(beyond, self.at(name.lower().rstrip("."), int(port)).address)
            back = threading.Thread(target=poured, args=(beyond, line.sock), daemon=True)
            back.start()
            with suppress(OSError):
                while data := line.raw():
                    beyond.sendall(data)
                beyond.shutdown(socket.SHUT_WR)
            back.join(20)


def _first(asked: tuple[int, str, Seen]) -> int:
    return asked[0]


def configured(**more: Any) -> Resilience:
    """Return a configuration with the key, whose waits take no time."""
    return Resilience(**{"api_key": KEY, "runtime": Waits().runtime(), "guards": ALONE, **more})


@contextmanager
def opened(
    surface: Surface, anyint: Resilience, folder: Path, *, proxy: str | None = None, **options: Any
) -> Iterator[Caller]:
    """Open a client that trusts the net's authority and follows redirects; what it is asked for goes by ``proxy``."""
    ask: dict[str, Any] = {}
    verify: Any = None
    if surface.is_httpx:
        options.setdefault("verify", trusted())
        if proxy is not None:
            options["proxy"] = proxy
    elif surface.library == "requests":
        verify = options.pop("verify", pem(folder))
        if proxy is not None:
            ask["proxies"] = {"http": proxy, "https": proxy}
    else:
        if "verify" in options:
            ask["ssl"] = options.pop("verify")
        if proxy is not None:
            ask["proxy"] = proxy
    with calling(surface, anyint, **{"follow_redirects": True, **options}) as caller:
        if surface.library == "requests":
            caller.client.verify = verify
        elif surface.library == "aiohttp":  # whose connector must be made on its event loop
            caller.client.connector._ssl = trusted()
        direct = caller.direct
        caller.direct = lambda method, url, **more: direct(method, url, **{**ask, **more})  # type: ignore[method-assign]
        yield caller
