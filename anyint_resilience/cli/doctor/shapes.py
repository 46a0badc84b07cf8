"""What a client is: the SDK, the HTTP clients in it, where it goes, with which key, and how patient it is.

Must not import any client: one that the user's module did not import can't be what it made. Judges nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .layers import Layer, Part, attempts_of, is_one_of, part_of
from .paths import SDKS, Sdk

__all__ = ["Anatomy", "anatomy_of", "known"]

_KEYS: Final = ("authorization", "x-api-key", "x-goog-api-key")
_AZURE: Final = ("AzureOpenAI", "AsyncAzureOpenAI")


@dataclass(slots=True)
class Anatomy:
    """A client. ``retries``: how often its SDK sends again by itself. ``timeout``: seconds; ``...``: it keeps none.

    ``silence``: seconds without a byte that it bears, where ``timeout`` is for the whole call. ``key_in``: where its
    key stands. ``azure``: the SDK speaks Azure's form of the API.
    """

    what: str
    parts: list[Part]
    sdk: Sdk | None = None
    base_url: str = ""
    key: str = ""
    key_in: str = "api_key"
    retries: int | None = None
    timeout: Any = ...
    silence: float | None = None
    azure: bool = False
    api_version: str | None = None
    closed: bool = False


def known(client: Any) -> bool:
    """Whether this is a client that can be looked at."""
    try:
        return _library(client) is not None or _sdk(client) is not None or _retry_client(client)
    except Exception:
        return False


def anatomy_of(client: Any, url: str) -> Anatomy:
    """Take a client apart, for requests to this URL. Raises TypeError if it is none."""
    if _retry_client(client):
        return _of_retry_client(client, url)
    sdk = _sdk(client)
    if sdk is None:
        library = _library(client)
        if library is None:
            raise TypeError(f"no client: {type(client).__name__}")
        return _of_client(client, library, url)
    return _of_genai(client, sdk, url) if sdk.name == "google-genai" else _of_sdk(client, sdk, url)


def _library(client: object) -> str | None:
    for name in ("httpx2", "httpx"):
        if is_one_of(client, name, "Client", "AsyncClient"):
            return name
    if is_one_of(client, "requests", "Session"):
        return "requests"
    return "aiohttp" if is_one_of(client, "aiohttp", "ClientSession") else None


def _sdk(client: object) -> Sdk | None:
    openai, anthropic, genai = SDKS
    if is_one_of(client, "openai", "OpenAI", "AsyncOpenAI"):
        return openai
    if is_one_of(client, "anthropic", "Anthropic", "AsyncAnthropic"):
        return anthropic
    return genai if is_one_of(client, "google.genai.client", "Client", "AsyncClient") else None


def _retry_client(client: object) -> bool:
    return is_one_of(client, "aiohttp_retry", "RetryClient")


# --- each kind


def _of_client(client: Any, library: str, url: str) -> Anatomy:
    what = f"{library}.{type(client).__name__}"
    given = str(getattr(client, "base_url", None) or getattr(client, "_base_url", None) or "")
    found = Anatomy(what, [part_of("calls", library, client, url)], base_url=given)
    found.key, found.key_in = _key_of(getattr(client, "headers", None))
    found.closed = bool(getattr(client, "is_closed", getattr(client, "closed", False)))
    found.timeout, found.silence = _timeouts(client, library)
    return found


def _key_of(headers: Any) -> tuple[str, str]:
    """Return the key that a client's own headers hold, and in which of them."""
    if headers is None:
        return "", ""
    for name in _KEYS:
        held = str(headers.get(name) or "")
        if name == "authorization":
            held = held[7:].strip() if held[:7].lower() == "bearer " else ""
        if held:
            return held, f"{name.title() if name == 'authorization' else name} header"
    return "", ""


def _timeouts(client: Any, library: str) -> tuple[Any, float | None]:
    """Return how long a call may take, or be silent, and of aiohttp's two the second."""
    timeout = getattr(client, "timeout", ...)
    if library == "requests":
        return ..., None
    if library == "aiohttp":
        return getattr(timeout, "total", None) or None, getattr(timeout, "sock_read", None) or None
    return getattr(timeout, "read", ...), None


def _of_sdk(client: Any, sdk: Sdk, url: str) -> Anatomy:
    inner = client._client
    library = _library(inner) or "httpx"
    found = Anatomy(f"{sdk.name}.{type(client).__name__} on {library}", [part_of("calls", library, inner, url)], sdk)
    found.base_url, found.retries = str(client.base_url), client.max_retries
    key = client.api_key or getattr(client, "auth_token", None)
    found.key = key if isinstance(key, str) else ""
    timeout = client.timeout
    found.timeout = timeout if timeout is None or isinstance(timeout, (int, float)) else getattr(timeout, "read", ...)
    found.closed = bool(getattr(inner, "is_closed", False))
    found.azure = is_one_of(client, "openai", *_AZURE)
    return found


def _of_genai(client: Any, sdk: Sdk, url: str) -> Anatomy:
    api = client._api_client
    options = api._http_options
    parts = []
    for label, inner in (("calls", api._httpx_client), ("async calls", _genai_async(api))):
        library = _library(inner)
        if library is not None:
            parts.append(part_of(label, library, inner, url))
        elif label == "async calls":
            parts.append(Part(label, "aiohttp", None, [Layer("wire", "a session of its own")]))
    found = Anatomy(f"google-genai.{type(client).__name__}", parts, sdk, base_url=str(options.base_url or ""))
    found.key = api.api_key if isinstance(api.api_key, str) else ""
    found.api_version = options.api_version
    retry = options.retry_options
    found.retries = 0 if retry is None else max(0, (5 if retry.attempts is None else retry.attempts) - 1)
    own = [it.client for it in parts if it.client is not None]
    if options.timeout:
        found.timeout = options.timeout / 1000
    elif own:
        found.timeout, found.silence = _timeouts(own[0], parts[0].library)
    found.closed = any(bool(getattr(it, "is_closed", getattr(it, "closed", False))) for it in own)
    return found


def _genai_async(api: Any) -> Any:
    """Return what its async calls go through: aiohttp wherever that is installed and no httpx client was given."""
    if api._http_options.aiohttp_client is not None:
        return api._http_options.aiohttp_client
    return None if api._use_aiohttp() else api._async_httpx_client


def _of_retry_client(client: Any, url: str) -> Anatomy:
    found = _of_client(client._client, "aiohttp", url)
    found.what = f"aiohttp_retry.RetryClient on {found.what}"
    options = getattr(client, "retry_options", None)
    found.parts[0].layers.insert(0, Layer("retry", "aiohttp_retry.RetryClient", attempts_of(options)))
    return found
