"""Proxies and certificates that the environment names, which clients use unless they are told not to."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ...router import is_loopback
from ..masking import PROXY_FORM
from .context import Context
from .finding import Finding, failed, joined, ok, warning
from .paths import host_of
from .sending import first_client

__all__ = ["Proxy", "check_certificates", "check_proxies", "named_proxies", "proxy_for", "unusable"]

_CONNECT: Final = 3.0  # seconds
_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}
_SOCKS: Final = {"httpx2": ("socksio", "socksio"), "httpx": ("socksio", "socksio"), "requests": ("socks", "PySocks")}
_KNOW_RANGES: Final = ("httpx2", "requests")  # NO_PROXY=10.0.0.0/8
_FILES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that the environment names: by which variable, and its host and port, without user and password."""

    variable: str
    scheme: str
    host: str
    port: int | None

    @property
    def place(self) -> str:
        """Host and port."""
        return self.host if self.port is None else f"{self.host}:{self.port}"


def named_proxies(environ: Mapping[str, str]) -> dict[str, Proxy]:
    """Return the proxies by the scheme they are for; ``all`` is for any."""
    found: dict[str, Proxy] = {}
    for scheme in ("https", "http", "all"):
        for variable in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY"):  # clients let the lower case win
            value = environ.get(variable, "").strip()
            if value:
                found.setdefault(scheme, _proxy(variable, value))
    return found


def _proxy(variable: str, value: str) -> Proxy:
    text = value if "://" in value else f"http://{value}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return Proxy(variable, "", "", None)
    if "@" in text.partition("://")[2][len(parts.netloc) :]:  # a / or # in a password ended the host too early
        return Proxy(variable, "", "", None)
    return Proxy(variable, parts.scheme.lower(), parts.hostname or "", port)


def bypassed(url: str, environ: Mapping[str, str]) -> bool:
    """Whether NO_PROXY names a URL's host, in the ways that clients agree on; a range where our client knows them."""
    host, listed = host_of(url), (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",")
    for entry in (it.strip().lower() for it in listed):
        bare, colon, port = entry.rpartition("://")[2].lstrip(".").partition(":")
        if entry == "*" or (bare and (host == bare or host.endswith(f".{bare}")) and (not colon or port == _port(url))):
            return True
        if "/" in bare and first_client() in _KNOW_RANGES and _inside(host, bare):
            return True
    return False


def _port(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
        return "" if port is None else str(port)
    except ValueError:
        return ""


def _inside(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy of the environment that requests to this URL go through, None if they go straight."""
    proxies = named_proxies(environ)
    found = proxies.get(urlsplit(url).scheme) or proxies.get("all")
    return None if found is None or bypassed(url, environ) else found


def check_proxies(ctx: Context) -> Finding:
    """See which proxies there are, which one the gateway is behind, and whether it answers."""
    proxies = named_proxies(ctx.environ)
    if not proxies:
        return ok("the environment names none")
    strange = [it for it in proxies.values() if it.scheme not in _PORTS or not it.host]
    findings = [
        failed(
            f"{it.variable} is no URL of a proxy",
            f"Set {it.variable}=http://host:port or http://user:password@host:port; {PROXY_FORM}.",
        )
        for it in strange
    ]
    findings += [it for proxy in proxies.values() if proxy not in strange for it in _socks(proxy)]
    used = proxy_for(ctx.url, ctx.environ)
    if used is not None and used not in strange:
        findings.append(_used(ctx, used))
    names = ", ".join(it.variable for it in proxies.values())
    return joined(findings, f"{names} set; requests to {host_of(ctx.url)} go straight (NO_PROXY, or another scheme)")


def _socks(proxy: Proxy) -> Iterator[Finding]:
    """Yield what a SOCKS proxy needs of the client that carries our requests, and is not there."""
    if not proxy.scheme.startswith("socks"):
        return
    client = first_client()
    package, extra = _SOCKS.get(client or "", ("", ""))
    if client == "aiohttp":
        yield warning(f"{proxy.variable} names a SOCKS proxy, which aiohttp can't use", "Use httpx, or an http proxy.")
    elif package and find_spec(package) is None:
        advice = f"python -m pip install '{client}[socks]', or unset {proxy.variable}."
        yield failed(f"{proxy.variable} names a SOCKS proxy, for which {client} needs {extra}", advice)


def _used(ctx: Context, proxy: Proxy) -> Finding:
    host = host_of(ctx.url)
    where = f"requests to {host} go through {ctx.mask.foreign(proxy.place, 80)} ({proxy.variable})"
    try:
        at, patience = (proxy.host, proxy.port or _PORTS[proxy.scheme]), ctx.left(_CONNECT)
        with socket.create_connection(at, timeout=patience) as connection:
            if proxy.scheme == "https" and not _speaks_tls(connection):
                advice = f"Most proxies are spoken to in plain http, also for https: {proxy.variable}=http://host:port."
                return failed(f"{where}, which does not speak TLS, as https:// says", advice)
    except OSError as error:
        why = type(error).__name__ if error.strerror is None else error.strerror.lower()
        advice = f"Start it or unset {proxy.variable}; NO_PROXY={host} goes past it."
        return failed(f"{where}, which does not answer: {why}", advice)
    if is_loopback(host):
        return warning(f"{where}, though the gateway is on this machine", f"Set NO_PROXY={host}.")
    return ok(where)


def _speaks_tls(connection: socket.socket) -> bool:
    """Whether there is TLS behind a connection; whose it is does not matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_socket(connection).close()
    except OSError:
        return False
    return True


def unusable(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name certificates which can't be used, and why."""
    found = {it: _problem(it, environ[it]) for it in _FILES if environ.get(it)}
    return {name: why for name, why in found.items() if why is not None}


def _problem(variable: str, value: str) -> str | None:
    path = Path(value)
    try:
        if variable.endswith("_DIR") or (path.is_dir() and variable != "SSL_CERT_FILE"):
            return None if path.is_dir() else "names a folder that is not there"
        if not path.exists():
            return "names a file that is not there"
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=value)
    except ssl.SSLError:
        return "names a file in which there is no certificate"
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return f"names what can't be read ({why.lower()})"
    return None


def check_certificates(ctx: Context) -> Finding:
    """See whether the trusted certificates that the environment names can be used."""
    named = [it for it in _FILES if ctx.environ.get(it)]
    findings = [
        failed(
            f"{name} {why}: https to the gateway fails",
            f"Unset {name}, or set it to a file of certificates (python -m certifi prints one).",
        )
        for name, why in unusable(ctx.environ).items()
    ]
    return joined(findings, f"{', '.join(named)} set, and usable" if named else "the environment names no file")
