"""What a client is made of: the SDK, the HTTP client in it, and the layers that a request to the gateway goes through.

Must not import any client: one that the user's module did not import can't be what it made. Neither judges anything.
Clients have no public way to their transports, hence the private attributes; one that keeps them elsewhere has none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from ..._httpx.surface import Base
from ...config import Resilience
from .paths import SDKS, Sdk

__all__ = ["Anatomy", "Layer", "Part", "anatomy_of", "known"]

Kind: TypeAlias = Literal["ours", "retry", "wire", "other"]

_INNER: Final = (
    *("inner", "_inner", "_wrapped_transport", "wrapped_transport", "_transport", "transport", "_wrapped"),
    *("_sync_transport", "_async_transport", "_base_transport", "_base", "_adapter", "adapter"),
)
_DEEP: Final = 12
_RETRYING: Final = ("retry", "retries", "tenacity", "backoff", "stamina")
_COUNTS: Final = ("attempts", "max_attempts", "_max_attempts", "stop_after_attempt")
_MORE: Final = ("total", "max_retries", "_max_retries", "retries", "_retries")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer on the way of a request. ``attempts``: how often it sends in all; None: nobody knows."""

    kind: Kind
    name: str
    attempts: int | None = 1
    anyint: Resilience | None = None


@dataclass(slots=True)
class Part:
    """One HTTP client. ``layers`` from the outermost to the wire; ``elsewhere``: where ours is, if not on this way."""

    label: str
    library: str
    client: Any
    layers: list[Layer] = field(default_factory=list)
    elsewhere: str = ""

    @property
    def ours(self) -> list[Layer]:
        """Our own layers."""
        return [it for it in self.layers if it.kind == "ours"]


@dataclass(slots=True)
class Anatomy:
    """A client. ``retries``: how often its SDK sends again by itself. ``timeout``: seconds; ``...``: it keeps none."""

    what: str
    parts: list[Part]
    sdk: Sdk | None = None
    base_url: str = ""
    key: str = ""
    retries: int | None = None
    timeout: Any = ...
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


def _is(thing: object, module: str, *names: str) -> bool:
    loaded = sys.modules.get(module)
    classes = tuple(it for name in names if isinstance(it := getattr(loaded, name, None), type))
    return isinstance(thing, classes)


def _library(client: object) -> str | None:
    for name in ("httpx2", "httpx"):
        if _is(client, name, "Client", "AsyncClient"):
            return name
    if _is(client, "requests", "Session"):
        return "requests"
    return "aiohttp" if _is(client, "aiohttp", "ClientSession") else None


def _sdk(client: object) -> Sdk | None:
    openai, anthropic, genai = SDKS
    if _is(client, "openai", "OpenAI", "AsyncOpenAI"):
        return openai
    if _is(client, "anthropic", "Anthropic", "AsyncAnthropic"):
        return anthropic
    return genai if _is(client, "google.genai.client", "Client", "AsyncClient") else None


def _retry_client(client: object) -> bool:
    return _is(client, "aiohttp_retry", "RetryClient")


# --- each kind


def _of_client(client: Any, library: str, url: str) -> Anatomy:
    what = f"{library}.{type(client).__name__}"
    given = str(getattr(client, "base_url", None) or getattr(client, "_base_url", None) or "")
    headers = getattr(client, "headers", None)
    held = str(headers.get("authorization") or "") if headers is not None else ""
    found = Anatomy(what, [_part("calls", library, client, url)], base_url=given)
    found.key = held[7:].strip() if held[:7].lower() == "bearer " else ""
    found.closed = bool(getattr(client, "is_closed", getattr(client, "closed", False)))
    found.timeout = _timeout(client, library)
    return found


def _timeout(client: Any, library: str) -> Any:
    timeout = getattr(client, "timeout", ...)
    if library == "requests":
        return ...
    if library == "aiohttp":
        bounds = [it for it in (getattr(timeout, "total", None), getattr(timeout, "sock_read", None)) if it]
        return min(bounds) if bounds else None
    return getattr(timeout, "read", ...)


def _of_sdk(client: Any, sdk: Sdk, url: str) -> Anatomy:
    inner = client._client
    library = _library(inner) or "httpx"
    found = Anatomy(f"{sdk.name}.{type(client).__name__} on {library}", [_part("calls", library, inner, url)], sdk)
    found.base_url, found.retries = str(client.base_url), client.max_retries
    key = client.api_key or getattr(client, "auth_token", None)
    found.key = key if isinstance(key, str) else ""
    timeout = client.timeout
    found.timeout = timeout if timeout is None or isinstance(timeout, (int, float)) else getattr(timeout, "read", ...)
    found.closed = bool(getattr(inner, "is_closed", False))
    return found


def _of_genai(client: Any, sdk: Sdk, url: str) -> Anatomy:
    api = client._api_client
    options = api._http_options
    parts = []
    for label, inner in (("calls", api._httpx_client), ("async calls", _genai_async(api))):
        library = _library(inner)
        if library is not None:
            parts.append(_part(label, library, inner, url))
        elif label == "async calls":
            parts.append(Part(label, "aiohttp", None, [Layer("wire", "a session of its own")]))
    found = Anatomy(f"google-genai.{type(client).__name__}", parts, sdk, base_url=str(options.base_url or ""))
    found.key = api.api_key if isinstance(api.api_key, str) else ""
    found.api_version = options.api_version
    retry = options.retry_options
    found.retries = 0 if retry is None else max(0, (5 if retry.attempts is None else retry.attempts) - 1)
    own = [it.client for it in parts if it.client is not None]
    found.timeout = options.timeout / 1000 if options.timeout else _timeout(own[0], parts[0].library) if own else ...
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
    found.parts[0].layers.insert(0, Layer("retry", "aiohttp_retry.RetryClient", _attempts(options)))
    return found


# --- the way of a request


def _part(label: str, library: str, client: Any, url: str) -> Part:
    part = Part(label, library, client)
    if library == "requests":
        part.layers, part.elsewhere = _of_adapters(client, url)
    elif library == "aiohttp":
        part.layers = _of_middlewares(client)
    else:
        part.layers, part.elsewhere = _of_transports(client, library, url)
    return part


def _of_transports(client: Any, library: str, url: str) -> tuple[list[Layer], str]:
    module: Any = sys.modules[library]
    chosen = client._transport_for_url(module.URL(url))
    layers = list(_walk(chosen))
    others = {"the default transport": getattr(client, "_transport", None), **_mounts(client)}
    places = [
        name for name, it in others.items() if it is not chosen and any(layer.kind == "ours" for layer in _walk(it))
    ]
    return layers, places[0] if places else ""


def _mounts(client: Any) -> dict[str, Any]:
    mounts: Any = getattr(client, "_mounts", {})
    return {f"the mount {getattr(pattern, 'pattern', pattern)!r}": it for pattern, it in mounts.items()}


def _of_adapters(session: Any, url: str) -> tuple[list[Layer], str]:
    chosen = session.get_adapter(url)
    layers = list(_walk(chosen))
    places = [
        f"the adapter for {prefix!r}"
        for prefix, it in session.adapters.items()
        if it is not chosen and any(layer.kind == "ours" for layer in _walk(it))
    ]
    return layers, places[0] if places else ""


def _of_middlewares(session: Any) -> list[Layer]:
    return [*(_layer(it) for it in getattr(session, "_middlewares", None) or ()), Layer("wire", "aiohttp")]


def _walk(outer: Any) -> Iterator[Layer]:
    """Yield the layers of a chain of transports or adapters, from the outermost to the wire."""
    seen: set[int] = set()
    while outer is not None and id(outer) not in seen and len(seen) < _DEEP:
        seen.add(id(outer))
        inner = _inner(outer)
        yield _layer(outer, last=inner is None)
        outer = inner


def _inner(outer: Any) -> Any:
    if type(outer).__module__.split(".")[0] in ("httpx", "httpx2", "requests") and not hasattr(outer, "inner"):
        return None
    for name in _INNER:
        found = getattr(outer, name, None)
        if found is not None and any(callable(getattr(found, it, None)) for it in _SENDS):
            return found
    return None


_SENDS: Final = ("handle_request", "handle_async_request", "send")


def _layer(thing: Any, *, last: bool = False) -> Layer:
    made = thing if hasattr(thing, "__qualname__") else type(thing)  # a middleware may be a function
    module = str(getattr(made, "__module__", ""))
    name = f"{module.partition('.')[0]}.{made.__qualname__}"
    if isinstance(thing, Base) or _is(thing, "anyint_resilience_requests", "ResilientAdapter"):
        return Layer("ours", type(thing).__name__, _ours(thing.anyint), thing.anyint)
    if _is(thing, "anyint_resilience_aiohttp", "ResilientMiddleware"):
        return Layer("ours", type(thing).__name__, _ours(thing.anyint), thing.anyint)
    if any(it in f"{module}.{made.__qualname__}".lower() for it in _RETRYING):
        return Layer("retry", name, _attempts(thing))
    if last:
        again = _wire_retries(thing)
        return Layer("wire", f"{name}(retries={again})" if again else name, again + 1)
    return Layer("other", name)


def _ours(anyint: Resilience) -> int:
    return anyint.policy.attempts if anyint.policy.enabled else 1


def _wire_retries(thing: Any) -> int:
    """Return how often a client's own transport or adapter connects or sends again."""
    again = getattr(getattr(thing, "_pool", None), "_retries", 0)
    urllib3 = getattr(thing, "max_retries", None)
    total = getattr(urllib3, "total", urllib3)
    found = again if urllib3 is None else total
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def _attempts(thing: Any) -> int | None:
    """Return how often something that retries sends in all, by the usual names; None: it does not say."""
    for holder in (thing, getattr(thing, "retry", None), getattr(thing, "_retry_options", None)):
        for names, more in ((_COUNTS, 0), (_MORE, 1)):
            for name in names:
                value = getattr(holder, name, None)
                if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                    return max(1, value + more)
    return None
