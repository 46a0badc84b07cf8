"""The surface of requests that the driver works on: sending, peeking, closing, handing back.

Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import ref

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.utils import rewind_body, select_proxy
from urllib3 import HTTPResponse, Retry

from anyint_resilience import Resilience
from anyint_resilience.callreport import CallReport
from anyint_resilience.calls import Call
from anyint_resilience.config import OVERRIDES
from anyint_resilience.contract.words import AuthStyle
from anyint_resilience.eavesdropping import reads_along
from anyint_resilience.effects import Answer, Peek, Peeked, Result, Send
from anyint_resilience.following import Following
from anyint_resilience.peeking import Head
from anyint_resilience.policy.hints import TELLING, WORDY, spends
from anyint_resilience.policy.model import Fault
from anyint_resilience.reports import attach
from anyint_resilience.router import Plan
from anyint_resilience.surface import Body, Errors, Place, SurfaceBase

from ._bodies import body_of, peek, replay_of, unread
from ._faults import fault_of
from ._heads import final, sized
from ._others import Whole, answering, asking, bounded, edited, going, holding, unbind
from ._reader import watched

if TYPE_CHECKING:
    from . import ResilientAdapter

__all__ = ["Parcel", "Surface", "spent"]


_NONE = (None, None)
_PLAIN = ("http", "all")  # or ``http://host``
_NO_RETRY = frozenset((None, 0))  # False is 0
OTHERS = frozenset(("host", "x-api-key", "x-goog-api-key", "x-stainless-retry-count"))
"""Headers that take a request off the lane on which only ``Authorization`` is looked at."""


class Parcel:
    """A request with what its session wants done with it, and the adapter that shall send it."""

    __slots__ = ("adapter", "foreign", "given", "options", "original", "request")

    def __init__(self, adapter: BaseAdapter, request: requests.PreparedRequest, options: dict[str, Any]) -> None:
        self.adapter = adapter
        self.request = request
        self.foreign = False  # none of AnyInt's: its answer is not looked at
        self.original = request  # what the caller gave: the response must not show our key
        self.options = options
        self.given: Any = options.get("timeout")  # the caller's own time-out; this request may have another


class Surface(SurfaceBase[Parcel, requests.Response]):
    """What the driver needs of requests, around one adapter."""

    def __init__(self, anyint: Resilience | None, inner: BaseAdapter, owner: ResilientAdapter, errors: Errors) -> None:
        super().__init__(anyint)
        self.inner = inner
        self.owner = owner
        self.errors = errors
        self._in_order = self.anyint.credentials.in_order_by_name

    def plan_of(self, parcel: Parcel) -> Plan | None:
        """Return its plan, remembered under its method and URL; a call of ours has but one layer that retries."""
        method, url = parcel.request.method, parcel.request.url
        try:
            plan = self.plans[method, url]
        except KeyError:
            plan = self._found(parcel, method, url)
        if plan is not None and second_layer(self.inner) is not None and self.policy_of(parcel).enabled:
            parcel.adapter = alone(self.inner)
        return plan

    def free(self) -> bool:
        """Whether nothing outside a request keeps it off the lane: no override, no retry layer below."""
        retry = getattr(self.inner, "max_retries", None)
        quiet = self.plain and self.shared.calm and not self.looked_at() and OVERRIDES.get() is None
        return quiet and getattr(retry, "total", retry) in _NO_RETRY

    def lane_key(self, parcel: Parcel) -> object:
        """Return its method, URL and ``Authorization``, where no other header matters."""
        request, held = parcel.request, getattr(parcel.request.headers, "_store", {})
        bearer = held.get("authorization")
        return None if bearer is None or not OTHERS.isdisjoint(held) else (request.method, request.url, bearer[1])

    def _found(self, parcel: Parcel, method: object, url: object) -> Plan | None:
        if not isinstance(url, str) or not isinstance(method, str):
            return None  # prepared by hand, and not wholly: requests will say so
        try:
            return self.look_up(parcel, None if "?" in url or "@" in url else (method, url))
        except ValueError:  # no URL that anybody could ask
            return None

    def in_order(self, parcel: Parcel, style: AuthStyle) -> bool:
        """Whether its headers can go out as they are."""
        held: Any = getattr(parcel.request.headers, "_store", None)  # by lower-case name: (name, value)
        if not isinstance(held, dict):
            return False
        find, none = held.get, _NONE
        return self._in_order(
            style,
            find("authorization", none)[1],
            find("x-api-key", none)[1],
            find("x-goog-api-key"),
            find("x-stainless-retry-count", none)[1],
            find("anthropic-version", none)[1],
            find("host", none)[1],
        )

    def method_of(self, parcel: Parcel) -> str:
        """Return the method."""
        return parcel.request.method or ""

    def place_of(self, parcel: Parcel) -> Place:
        """Return where it goes. Raises ValueError for a URL that can't be read."""
        parts = urlsplit(parcel.request.url or "")
        target = parts.path or "/"
        target = f"{target}?{parts.query}" if parts.query else target
        return parts.scheme, parts.hostname or "", parts.port, target.encode("utf-8", "replace")

    def raw_of(self, parcel: Parcel) -> list[tuple[bytes, bytes]]:
        """Return its headers."""
        return [(_bytes(name), _bytes(value)) for name, value in (parcel.request.headers or {}).items()]

    def body_of(self, parcel: Parcel) -> Body:
        """Return its body."""
        return body_of(parcel.request)

    def remarks(self, parcel: Parcel) -> Iterable[str]:
        """Tell of urllib3's own retries below us."""
        retry = second_layer(self.inner)
        if retry is None:
            return ()
        said = f"a second retry layer: the adapter below has urllib3's Retry(total={retry.total}); "
        return (said + "it was left out of this call, so that attempts do not multiply",)

    def proxied(self, parcel: Parcel) -> bool:
        """Whether a proxy for its URL reads along; of one by TLS, that for plain http: a fallback's may do so."""
        url, proxies = parcel.request.url or "", parcel.options.get("proxies")
        if not proxies:
            return False
        if url[:6].lower() != "https:":
            found = [select_proxy(url, proxies)]
        else:  # among them stand those for https, and what goes by none (``no``, ``no_proxy``)
            found = [it for name, it in proxies.items() if name.partition(":")[0] in _PLAIN]
        return any(it and reads_along(it) for it in found)

    def stranger(self, parcel: Parcel) -> Parcel:
        """Return a request to a foreign host without any key of AnyInt's."""
        made = super().stranger(parcel)
        made.foreign = True
        return made

    def send(self, parcel: Parcel) -> requests.Response:
        """Put a request on the wire."""
        try:
            response = parcel.adapter.send(parcel.request, **parcel.options)
            if not parcel.foreign and not sized(response):
                response = final(response, parcel.request)
        except requests.RequestException as error:
            if error.request is parcel.request:
                error.request = parcel.original
            raise
        if parcel.request is not parcel.original:
            response.request = parcel.original
            response.connection = self.owner  # what an auth handler sends next must not go past us with a key
        return response

    def status(self, response: requests.Response) -> int:
        """Return the HTTP status."""
        return response.status_code

    def headers(self, response: requests.Response) -> list[tuple[str, str]]:
        """Return the headers as pairs."""
        return list(response.headers.items())

    def fault(self, error: Exception) -> Fault:
        """Tell an exception of the client apart by its class; its text is never kept."""
        return fault_of(error)

    def rewrite(self, parcel: Parcel, effect: Send) -> Parcel:
        """Return the request for one attempt: a copy with its own headers, time-outs and a rewound file."""
        file = not isinstance(parcel.request.body, (str, bytes, type(None)))
        if effect.number > 1 and effect.ask is None and file:
            rewind_body(parcel.request)
        if effect.plain:
            return parcel
        request = parcel.request if effect.edit is None else edited(parcel.request, effect.edit)
        if effect.ask is not None:
            request = asking(request, effect.ask.target)
        elif effect.body is not None:
            request = holding(request, effect.body)
        if effect.to is not None:
            request = going(request, effect.to.url)
        options = parcel.options
        if effect.patience is not None:
            options = {**options, "timeout": bounded(options.get("timeout"), max(0.001, effect.patience))}
        made = Parcel(parcel.adapter, request, options)
        made.original = parcel.original
        made.given = parcel.given
        return made

    def paced(self, parcel: Parcel, response: requests.Response, effect: Send, seconds: float | None) -> None:
        """Give the rest of an answer that has begun the caller's own time-out again, or less."""
        bounds = [it for it in (effect.remaining, seconds) if it is not None]
        unbind(response, parcel.given, min(bounds) if bounds else None)

    def made(self, parcel: Parcel, answer: Answer) -> requests.Response:
        """Return an answer given before as a response, unread."""
        return HTTPAdapter.build_response(self.owner, parcel.original, answering(answer))

    def clean(self, response: requests.Response, plan: Plan) -> bool:
        """Hand over a good first answer, with just enough on it to make a report of."""
        if response.status_code >= 400 or spent(response):
            return False
        self.mark(response, plan)
        return True

    def mark(self, response: requests.Response, plan: Plan) -> None:
        """Note its plan on it."""
        response.anyint_report = plan  # type: ignore[attr-defined]
        response.connection = self.owner  # auth handlers send their second request by it

    def deliver(self, response: requests.Response, call: Call, result: Result[requests.Response]) -> requests.Response:
        """Hand over the last real response."""
        attach(response, result.report)
        response.connection = self.owner
        for name, value in self.told_on(call, result):
            response.headers[name] = value
        replay = replay_of(response)
        if replay is not None and response.status_code >= 400:
            replay.lenient = True
        fresh = replay is None or replay.rest is not None
        fresh = fresh and not isinstance(getattr(response.raw, "_fp", None), Whole)  # in memory: waited for already
        within = self.in_time(call, result)
        if within and call.stream is not None and replay is not None:
            replay.check = self.checker(call)  # the one that follows it is told so
        elif within and fresh and isinstance(response.raw, HTTPResponse):
            watched(response.raw, self.checker(call))
        return response

    def noting(self, response: requests.Response) -> Callable[[CallReport], object]:
        """Return what puts another report on a response."""
        held = ref(response)

        def note(found: CallReport) -> None:
            it = held()
            if it is not None:
                attach(it, found)

        return note

    def follow(self, response: requests.Response, following: Following) -> bool:
        """Have its body tell how it ends."""
        raw = response.raw
        if not isinstance(raw, HTTPResponse):
            return False
        replay = replay_of(response)
        if replay is None and following.watcher is not None:
            replay = unread(response)
        if replay is None:
            watched(raw, following=following)
        else:
            replay.following = following
            watched(response.raw)
        response.close = partial(_close, ref(response), following)  # type: ignore[method-assign]
        return True

    def failure(self, call: Call, result: Result[requests.Response]) -> Exception:
        """Return what to raise, with the request on it as on every exception of requests."""
        made, error = super().failure(call, result), result.error
        if isinstance(made, requests.RequestException) and isinstance(error, requests.RequestException):
            made.request = error.request
        return made

    def peek(self, response: requests.Response, effect: Peek[requests.Response]) -> Peeked:
        """Read the start of the body and put it back."""
        return peek(response, Head(effect, self.monotonic))

    def discard(self, response: requests.Response) -> None:
        """Close a response that nobody will see."""
        response.close()


def spent(response: requests.Response) -> bool:
    """Whether a good answer says that a limit is spent, or is a stream. On the fast lane."""
    held: Any = getattr(response.headers, "_store", ())  # by lower-case name: (name, value)
    for name in held:
        if name in TELLING:
            value = held[name][1]
            if value == "0" or (name in WORDY and spends(name, value)):
                return True
    return False


def _close(held: Callable[[], requests.Response | None], following: Following) -> None:
    """Close a response as its application does; what is below it is also closed when it is garbage."""
    response = held()
    if response is not None:
        following.closed()
        type(response).close(response)


def second_layer(adapter: BaseAdapter) -> Retry | None:
    """Return the urllib3 ``Retry`` of an adapter that would send again by itself, None if it would not."""
    retry = getattr(adapter, "max_retries", None)
    if isinstance(retry, int):  # urllib3 takes a number too
        retry = Retry.from_int(retry)
    return retry if isinstance(retry, Retry) and retry.total not in _NO_RETRY - {None} else None


def alone(adapter: BaseAdapter) -> BaseAdapter:
    """Return the same adapter, with the same pools, whose urllib3 sends once only.

    It is made for one call: what an adapter of the user's own writes on itself while it sends is lost.
    """
    twin: BaseAdapter = object.__new__(type(adapter))
    twin.__dict__.update(adapter.__dict__)
    twin.max_retries = Retry(0, read=False)  # type: ignore[attr-defined]  # requests' own default
    return twin


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("latin-1", "replace")
