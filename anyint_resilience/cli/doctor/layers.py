"""The layers that a request to the gateway goes through in one HTTP client, from the outermost to the wire.

Must not import any client, nor judge anything. Clients have no public way to their transports, hence the private
attributes; in a transport of somebody else's any attribute may hold the next one.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from ..._httpx.surface import Base
from ...config import Resilience

__all__ = ["Layer", "Part", "attempts_of", "is_one_of", "part_of"]

Kind: TypeAlias = Literal["ours", "retry", "wire", "other"]

_DEEP: Final = 12
_LIBRARIES: Final = ("httpx", "httpx2", "requests")
_BELOW: Final = ("httpcore", "httpcore2", "urllib3")  # what a library's own transport stands on
_RETRYING: Final = frozenset(("retry", "retries", "retrying", "retrier", "retryer", "backoff", "tenacity", "stamina"))
_RETRY_PACKAGES: Final = frozenset(("httpx_retries", "aiohttp_retry", "tenacity", "backoff", "stamina", "retrying"))
_NOT: Final = frozenset(("no", "non", "not", "never", "without", "dont", "disable", "skip"))
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_COUNTS: Final = ("attempts", "max_attempts", "_max_attempts", "stop_after_attempt")
_MORE: Final = ("total", "max_retries", "_max_retries", "retries", "_retries")


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer on the way of a request. ``attempts``: how often it sends in all; None: nobody knows.

    ``dark``: it is somebody's own, and the next layer can't be seen in it, if there is one.
    """

    kind: Kind
    name: str
    attempts: int | None = 1
    anyint: Resilience | None = None
    dark: bool = False


@dataclass(slots=True)
class Part:
    """One HTTP client. ``layers`` from the outermost to the wire; ``elsewhere``: where ours is, if not on this way.

    ``proxied``: it goes through a proxy, whoever said so.
    """

    label: str
    library: str
    client: Any
    layers: list[Layer] = field(default_factory=list)
    elsewhere: str = ""
    proxied: bool = False

    @property
    def ours(self) -> list[Layer]:
        """Our own layers."""
        return [it for it in self.layers if it.kind == "ours"]


def is_one_of(thing: object, module: str, *names: str) -> bool:
    """Whether it is an instance of a class of a module, if that was imported at all."""
    loaded = sys.modules.get(module)
    classes = tuple(it for name in names if isinstance(it := getattr(loaded, name, None), type))
    return isinstance(thing, classes)


def part_of(label: str, library: str, client: Any, url: str) -> Part:
    """Take one HTTP client apart, for requests to this URL."""
    part = Part(label, library, client)
    if library == "aiohttp":
        part.layers = [*(_layer(it) for it in getattr(client, "_middlewares", None) or ()), Layer("wire", "aiohttp")]
        part.proxied = bool(getattr(client, "_default_proxy", None) or getattr(client, "trust_env", False))
        return part
    if library == "requests":
        chosen, places, sends = client.get_adapter(url), _adapters(client), "send"
        scheme = url.partition("://")[0]
        part.proxied = bool(client.trust_env or client.proxies.get(scheme) or client.proxies.get("all"))
    else:
        module: Any = sys.modules[library]
        chosen, places = client._transport_for_url(module.URL(url)), _transports(client)
        sends = "handle_async_request" if isinstance(client, module.AsyncClient) else "handle_request"
    way = list(_walk(chosen, sends))
    part.layers = [_layer(it, last=it is way[-1]) for it in way]
    part.proxied = part.proxied or "Proxy" in type(getattr(way[-1], "_pool", None)).__name__
    others = (name for name, it in places.items() if it is not chosen and _has_ours(it, sends))
    part.elsewhere = next(others, "")
    return part


def _adapters(session: Any) -> dict[str, Any]:
    return {f"the adapter for {prefix!r}": it for prefix, it in session.adapters.items()}


def _transports(client: Any) -> dict[str, Any]:
    mounts: Any = getattr(client, "_mounts", {})
    named = {f"the mount {getattr(pattern, 'pattern', pattern)!r}": it for pattern, it in mounts.items()}
    return {"the default transport": getattr(client, "_transport", None), **named}


def _has_ours(outer: Any, sends: str) -> bool:
    return any(_layer(it).kind == "ours" for it in _walk(outer, sends))


def _walk(outer: Any, sends: str) -> Iterator[Any]:
    """Yield a chain of transports or adapters; ``sends``: the method that each has."""
    seen: set[int] = set()
    while outer is not None and id(outer) not in seen and len(seen) < _DEEP:
        seen.add(id(outer))
        yield outer
        outer = _inner(outer, sends)


def _inner(outer: Any, sends: str) -> Any:
    if hasattr(outer, "inner") and callable(getattr(outer.inner, sends, None)):
        return outer.inner
    if _root(type(outer)) in _LIBRARIES:
        return None
    return next((it for it in _held(outer) if _carries(it, sends)), None)


def _held(outer: Any) -> Iterator[Any]:
    """Yield whatever an object keeps in itself."""
    yield from list(getattr(outer, "__dict__", {}).values())
    for cls in type(outer).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            with suppress(AttributeError):
                yield getattr(outer, f"_{cls.__name__.lstrip('_')}{name}" if _is_mangled(name) else name)


def _is_mangled(name: str) -> bool:
    return name.startswith("__") and not name.endswith("__")


def _carries(thing: Any, sends: str) -> bool:
    if _root(type(thing)) in _BELOW or isinstance(thing, type) or not callable(getattr(thing, sends, None)):
        return False
    return sends != "send" or is_one_of(thing, "requests.adapters", "BaseAdapter")  # much else has a send


def _root(cls: type) -> str:
    return cls.__module__.partition(".")[0]


def _layer(thing: Any, *, last: bool = False) -> Layer:
    made = thing if hasattr(thing, "__qualname__") else type(thing)  # a middleware may be a function
    module = str(getattr(made, "__module__", ""))
    name = f"{module.partition('.')[0]}.{made.__qualname__}"
    if (
        isinstance(thing, Base)
        or is_one_of(thing, "anyint_resilience_requests", "ResilientAdapter")
        or is_one_of(thing, "anyint_resilience_aiohttp", "ResilientMiddleware")
    ):
        anyint: Resilience = thing.anyint
        return Layer("ours", type(thing).__name__, anyint.policy.attempts if anyint.policy.enabled else 1, anyint)
    if _retries(module, made.__qualname__):
        return Layer("retry", name, attempts_of(thing))
    if last:
        again = _wire_retries(thing)
        dark = not any(_root(it) in _LIBRARIES and "Base" not in it.__name__ for it in type(thing).__mro__)
        return Layer("wire", f"{name}(retries={again})" if again else name, again + 1, dark=dark)
    return Layer("other", name)


def _retries(module: str, qualname: str) -> bool:
    """Whether something sends again by itself, by its package or the words of its own name."""
    if module.partition(".")[0] in _RETRY_PACKAGES:
        return True
    words = [it.lower() for it in _WORD.findall(qualname.rpartition(".")[2])]
    return any(it in _RETRYING and (at == 0 or words[at - 1] not in _NOT) for at, it in enumerate(words))


def _wire_retries(thing: Any) -> int:
    """Return how often a client's own transport or adapter connects or sends again."""
    again = getattr(getattr(thing, "_pool", None), "_retries", 0)
    urllib3 = getattr(thing, "max_retries", None)
    total = getattr(urllib3, "total", urllib3)
    found = again if urllib3 is None else total
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def attempts_of(thing: Any) -> int | None:
    """Return how often something that retries sends in all, by the usual names; None: it does not say."""
    for holder in (thing, getattr(thing, "retry", None), getattr(thing, "_retry_options", None)):
        for names, more in ((_COUNTS, 0), (_MORE, 1)):
            for name in names:
                value = getattr(holder, name, None)
                if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                    return max(1, value + more)
    return None
