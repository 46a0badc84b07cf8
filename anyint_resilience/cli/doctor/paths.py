"""Which path each SDK's base URL must have at the gateway. Must not know where a URL was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ...contract.routes import HOSTS
from ...router import PORTS, is_loopback

__all__ = ["OPEN", "SDKS", "Sdk", "host_of", "is_gateway", "is_open", "path_problem", "shown"]


@dataclass(frozen=True, slots=True)
class Sdk:
    """An SDK: the end of its base URL, the variables it reads, the host it speaks to when it is told nothing."""

    name: str
    path: str
    url_variable: str
    key_variables: tuple[str, ...]
    own_host: str


SDKS: Final = (
    Sdk("openai", "/openai/v1", "OPENAI_BASE_URL", ("OPENAI_API_KEY",), "api.openai.com"),
    Sdk(
        "anthropic",
        "/anthropic",
        "ANTHROPIC_BASE_URL",
        ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
        "api.anthropic.com",
    ),
    Sdk(
        "google-genai",
        "/gemini",
        "GOOGLE_GEMINI_BASE_URL",
        ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        "generativelanguage.googleapis.com",
    ),
)


OPEN: Final = "plain http: our layer takes the key off there, and a client without it sends it in the open"


def host_of(url: str) -> str:
    """Return the host of a URL, an empty text where none can be read."""
    try:
        return (urlsplit(url).hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def shown(url: str) -> str:
    """Return a URL without user, password and query, which may hold secrets; nothing where it can't be read."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return ""
    host = parts.hostname
    if not parts.scheme or not host:
        return ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{parts.path}"


def is_gateway(url: str, gateway: str) -> bool:
    """Whether a URL is at the gateway that is configured, or at one of AnyInt's own hosts, by host and port.

    The port that plain http has counts as https's: ``is_open`` tells of it.
    """
    try:
        ours, other = urlsplit(gateway), urlsplit(url)
        ports = [it.port or PORTS.get(it.scheme, 0) for it in (ours, other)]
        own = other.port in (None, PORTS.get(other.scheme))
    except ValueError:
        return False
    if host_of(url) in HOSTS:
        return own
    return host_of(url) == host_of(gateway) and (ports[0] == ports[1] or is_open(url))


def is_open(url: str) -> bool:
    """Whether it is plain http to another machine: our layer sends no key there, and a bare client sends it openly."""
    return url.lower().startswith("http://") and not is_loopback(host_of(url))


def path_problem(sdk: Sdk, url: str, gateway: str) -> str | None:
    """Say what is wrong with the path of an SDK's base URL at the gateway, and what it must be; None if it is right."""
    try:
        path, mount = urlsplit(url).path.rstrip("/"), urlsplit(gateway).path.rstrip("/")
    except ValueError:
        return "it can't be read"
    if path in (sdk.path, mount + sdk.path):
        return None
    ends = f"ends in {path[-40:]}" if path else "has no path"
    return f"it {ends}, where the {sdk.name} SDK needs {mount}{sdk.path}"
