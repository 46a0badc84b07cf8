"""Proxies and certificates that the environment names, which clients use unless they are told not to."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ...router import is_loopback
from .context import Context
from .finding import Finding, failed, joined, ok, warning
from .paths import host_of

__all__ = ["Proxy", "check_certificates", "check_proxies", "lacking", "named_proxies", "proxy_for"]

_CONNECT: Final = 3.0  # seconds
_PORTS: Final = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}
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
    return Proxy(variable, parts.scheme.lower(), parts.hostname or "", port)


def bypassed(host: str, environ: Mapping[str, str]) -> bool:
    """Whether NO_PROXY names a host, in the ways that clients agree on."""
    listed = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",")
    for entry in (it.strip().lower() for it in listed):
        bare = entry.rpartition("://")[2].lstrip(".").partition(":")[0]
        if entry == "*" or (bare and (host == bare or host.endswith(f".{bare}"))):
            return True
    return False


def proxy_for(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy of the environment that requests to this URL go through, None if they go straight."""
    proxies = named_proxies(environ)
    found = proxies.get(urlsplit(url).scheme) or proxies.get("all")
    return None if found is None or bypassed(host_of(url), environ) else found


def check_proxies(ctx: Context) -> Finding:
    """See which proxies there are, which one the gateway is behind, and whether it answers."""
    proxies = named_proxies(ctx.environ)
    if not proxies:
        return ok("the environment names none")
    strange = [it for it in proxies.values() if it.scheme not in _PORTS or not it.host]
    findings = [failed(f"{it.variable} is no URL of a proxy", f"Set {it.variable}=http://host:port.") for it in strange]
    used = proxy_for(ctx.url, ctx.environ)
    if used is not None and used not in strange:
        findings.append(_used(ctx, used))
    names = ", ".join(it.variable for it in proxies.values())
    return joined(findings, f"{names} set; requests to {host_of(ctx.url)} go straight (NO_PROXY, or another scheme)")


def _used(ctx: Context, proxy: Proxy) -> Finding:
    host = host_of(ctx.url)
    where = f"requests to {host} go through {ctx.mask.foreign(proxy.place, 80)} ({proxy.variable})"
    try:
        with socket.create_connection((proxy.host, proxy.port or _PORTS[proxy.scheme]), timeout=ctx.left(_CONNECT)):
            pass
    except OSError as error:
        why = type(error).__name__ if error.strerror is None else error.strerror.lower()
        advice = f"Start it or unset {proxy.variable}; NO_PROXY={host} goes past it."
        return failed(f"{where}, which does not answer: {why}", advice)
    if is_loopback(host):
        return warning(f"{where}, though the gateway is on this machine", f"Set NO_PROXY={host}.")
    return ok(where)


def lacking(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that name certificates where there are none."""
    return [it for it in _FILES if environ.get(it) and not _there(it, environ[it])]


def _there(variable: str, value: str) -> bool:
    try:
        return Path(value).is_dir() if variable.endswith("_DIR") else Path(value).exists()
    except (OSError, ValueError):
        return False


def check_certificates(ctx: Context) -> Finding:
    """See whether the files of trusted certificates that the environment names are there."""
    named = [it for it in _FILES if ctx.environ.get(it)]
    findings = [
        failed(
            f"{it} names a file that is not there: https to the gateway fails",
            f"Unset {it}, or set it to a file of certificates (python -m certifi prints one).",
        )
        for it in lacking(ctx.environ)
    ]
    return joined(findings, f"{', '.join(named)} set, and there" if named else "the environment names no file")
