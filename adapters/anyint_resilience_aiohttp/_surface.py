"""The surface of aiohttp that the driver works on: sending, peeking, releasing, handing back.

Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any
from weakref import ref

import aiohttp
from aiohttp import hdrs
from aiohttp.client_middlewares import ClientHandlerType
from multidict import CIMultiDict, CIMultiDictProxy, istr

from anyint_resilience import Resilience
from anyint_resilience.callreport import CallReport
from anyint_resilience.calls import Call
from anyint_resilience.contract.words import AuthStyle
from anyint_resilience.credentials import HeaderEdit
from anyint_resilience.eavesdropping import reads_along, takes_any
from anyint_resilience.effects import Answer, Peek, Peeked, Result, Send
from anyint_resilience.following import Following
from anyint_resilience.policy.hints import TELLING_BYTES, WORDY, spends
from anyint_resilience.policy.model import Fault
from anyint_resilience.reports import attach
from anyint_resilience.router import Plan
from anyint_resilience.runtime import later
from anyint_resilience.surface import Body, Errors, Place, SurfaceBase

from ._bodies import body_of, peek
from ._faults import fault_of
from ._others import answering, asking, going, holding
from ._streams import watched

__all__ = ["Hop", "Surface", "spent"]

KEY, GOOGLE, RETRIES = istr("x-api-key"), istr("x-goog-api-key"), istr("x-stainless-retry-count")
_VERSION = istr("anthropic-version")
IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""Methods that aiohttp sends once more by itself after a lost connection, through all middlewares."""
_INNER = ("handler", "next_h")  # what aiohttp's chain of middlewares calls the next one
_LAYERS = 16


class Hop:
    """A request on its way to one server, with what sends it and the headers to change meanwhile."""

    __slots__ = ("again", "edit", "handler", "request")

    def __init__(
        self,
        request: aiohttp.ClientRequest,
        handler: ClientHandlerType,
        edit: HeaderEdit | None = None,
        again: bool = False,
    ) -> None:
        self.request = request
        self.handler = handler
        self.edit = edit
        self.again = again


class Surface(SurfaceBase[Hop, aiohttp.ClientResponse]):
    """What the driver needs of aiohttp. One for all sessions a middleware is in."""

    times_silence = False  # aiohttp's time-outs can't be changed from here: the driver itself looks at the clock

    def __init__(self, anyint: Resilience | None, errors: Errors) -> None:
        super().__init__(anyint)
        self.errors = errors
        self._in_order = self.anyint.credentials.in_order_by_name

    def plan_of(self, hop: Hop) -> Plan | None:
        """Return its plan, remembered under its method and URL."""
        url = hop.request.url
        own = getattr(hop.request, "ssl", True) is not True  # its own word on certificates: looked at each time
        try:
            return self.look_up(hop, None) if own else self.plans[hop.request.method, url]
        except KeyError:
            return self.look_up(hop, None if url.raw_query_string else (hop.request.method, url))

    def in_order(self, hop: Hop, style: AuthStyle) -> bool:
        """Whether its headers can go out as they are."""
        headers = hop.request.headers
        find = headers.get
        bearer = headers.getall(hdrs.AUTHORIZATION, ())
        return self._in_order(
            style,
            bearer[0] if len(bearer) == 1 else "" if bearer else None,  # twice: a server may take either
            find(KEY),
            find(GOOGLE),
            find(RETRIES),
            find(_VERSION),
            find(hdrs.HOST),
        )

    def lane_key(self, hop: Hop) -> object:
        """Return its method, URL, ``Host`` and every ``Authorization``, where no other header matters."""
        request, headers = hop.request, hop.request.headers
        if not self.plain or request.method in IDEMPOTENT or KEY in headers or GOOGLE in headers or RETRIES in headers:
            return None
        return (request.method, request.url, headers.get(hdrs.HOST), *headers.getall(hdrs.AUTHORIZATION, ()))

    def passing(self, hop: Hop) -> Hop:
        """Return a web socket's request, which is not ours to judge: as it is, less a key that must not go there."""
        plan, credentials, raw, name = self.plan_of(hop), self.anyint.credentials, self.raw_of(hop), self.named(hop)
        if plan is None or self.strays(hop, raw) or (name is not None and self.misnamed(hop, name)):
            return self.stranger(hop)
        secure = plan.secure and not (plan.local and self.proxied(hop))
        edit = credentials.edit(raw, plan.route.family, plan.style, secure=secure)
        return hop if secure or edit is None else self.rewrite(hop, Send(1, edit))

    def method_of(self, hop: Hop) -> str:
        """Return the method."""
        return hop.request.method

    def place_of(self, hop: Hop) -> Place:
        """Return where it goes."""
        url = hop.request.url
        return url.scheme, url.raw_host or "", url.port, url.raw_path_qs.encode("latin-1", "replace")

    def raw_of(self, hop: Hop) -> list[tuple[bytes, bytes]]:
        """Return its headers."""
        headers = hop.request.headers.items()
        return [(name.encode("latin-1", "replace"), value.encode("utf-8", "replace")) for name, value in headers]

    def body_of(self, hop: Hop) -> Body:
        """Return its body."""
        return body_of(hop.request)

    def proxied(self, hop: Hop) -> bool:
        """Whether a proxy that was given with it, with its session or by the environment, reads along."""
        proxy = getattr(hop.request, "proxy", None)
        return proxy is not None and reads_along(str(proxy))

    def named(self, hop: Hop) -> str | None:
        """Return ``server_hostname``."""
        name: str | None = getattr(hop.request, "server_hostname", None)
        return name

    def unchecked(self, hop: Hop) -> bool:
        """Whether it takes any certificate, by its own word or else by its connector's."""
        held: Any = hop.request
        for given in (getattr(held, "_ssl", True), getattr(getattr(held.session, "connector", None), "_ssl", True)):
            if given is not True:
                return given is False or takes_any(given)
        return False

    def span_of(self, hop: Hop) -> float | None:
        """Return ``ClientTimeout(total=...)``, which spans attempts and waits alike; None without one."""
        if type(getattr(hop.request, "_timer", None)).__name__ == "TimerNoop":
            return None  # none for this request, whatever the session's is
        given: Any = _free_variable(hop.handler, "real_timeout")
        timeout: Any = hop.request.session.timeout if given is None else given
        total = getattr(timeout, "total", None)
        return float(total) if isinstance(total, (int, float)) and total > 0 else None

    def send(self, hop: Hop) -> Awaitable[aiohttp.ClientResponse]:
        """Put a request on the wire."""
        return hop.handler(hop.request) if hop.edit is None and not hop.again else _sent(hop)

    def status(self, response: aiohttp.ClientResponse) -> int:
        """Return the HTTP status."""
        return response.status

    def headers(self, response: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
        """Return the headers as pairs."""
        return list(response.raw_headers)

    def fault(self, error: Exception) -> Fault:
        """Tell an exception of the client apart by its class; its text is never kept."""
        return fault_of(error)

    def rewrite(self, hop: Hop, effect: Send) -> Hop:
        """Return the request for one attempt; the driver itself ends it in time, since no time-out can be changed."""
        if effect.ask is not None:
            return Hop(asking(hop.request, effect.ask.target), hop.handler, effect.edit)
        if effect.to is not None:
            return Hop(going(hop.request, effect.to.url, effect.body), hop.handler, effect.edit)
        if effect.body is not None:
            return Hop(holding(hop.request, effect.body), hop.handler, effect.edit)
        if effect.edit is None and effect.number == 1:
            return hop
        return Hop(hop.request, hop.handler, effect.edit, again=effect.number > 1)

    def made(self, hop: Hop, answer: Answer) -> aiohttp.ClientResponse:
        """Return an answer given before as a response, unread."""
        return answering(hop.request, answer)

    def clean(self, response: aiohttp.ClientResponse, plan: Plan) -> bool:
        """Hand over a good first answer, with just enough on it to make a report of."""
        if response.status >= 400 or spent(response):
            return False
        self.mark(response, plan)
        return True

    def mark(self, response: aiohttp.ClientResponse, plan: Plan) -> None:
        """Note its plan on it."""
        response.anyint_report = plan  # type: ignore[attr-defined]

    def deliver(
        self, response: aiohttp.ClientResponse, call: Call, result: Result[aiohttp.ClientResponse]
    ) -> aiohttp.ClientResponse:
        """Hand over the last real response."""
        attach(response, result.report)
        attach(response.request_info, result.report)  # what aiohttp's raise_for_status puts on its exception
        for name, value in self.told_on(call, result):
            _add_header(response, name, value)
        remaining = call.remaining()
        if remaining is not None and self.in_time(call, result) and not response.content.is_eof():
            self._bound(response, call, remaining)
        return response

    def _bound(self, response: aiohttp.ClientResponse, call: Call, remaining: float) -> None:
        """Make the rest of a body end with the user's deadline."""
        content, held = response.content, ref(response)

        def expire() -> None:
            it = held()
            if it is not None and not it.closed:
                it.content.set_exception(self.late(call, None))
                it.close()

        content.on_eof(later(max(0.0, remaining), expire))  # type: ignore[arg-type]

    def around(self, hop: Hop) -> Iterable[object]:
        """Return the spans of its trace configs: of several only the last one's is current."""
        traces: Any = getattr(hop.request, "_traces", ())
        return [getattr(getattr(it, "_trace_config_ctx", None), "span", None) for it in traces] if traces else ()

    def noting(self, response: aiohttp.ClientResponse) -> Callable[[CallReport], object]:
        """Return what puts another report on a response."""
        held = ref(response)

        def note(found: CallReport) -> None:
            it = held()
            if it is not None:
                attach(it, found)
                attach(it.request_info, found)

        return note

    def follow(self, response: aiohttp.ClientResponse, following: Following) -> bool:
        """Have its connection tell, when it is given back, how the body ended."""
        if following.watcher is not None:
            watched(response).follow(following)
            return True
        content, connection, held = response.content, response.connection, ref(response)
        if connection is None or content.is_eof():
            return False

        def released() -> None:
            error: Any = content.exception()
            it = held()
            if it is None or not it.closed:  # it is garbage: aiohttp gives its connection back then
                following.dropped(error)
            elif type(error) is aiohttp.ClientConnectionError:
                following.closed()  # what aiohttp says to whoever reads on after a response was closed
            elif error is not None or content.is_eof():
                following.over(error)
            else:
                following.closed()

        connection.add_callback(released)
        return True

    async def peek(self, response: aiohttp.ClientResponse, effect: Peek[aiohttp.ClientResponse]) -> Peeked:
        """Read the start of the body and put it back."""
        return await peek(response, effect, self.monotonic)

    async def discard(self, response: aiohttp.ClientResponse) -> None:
        """Give back the connection of a response that nobody will see; one with an unread body is closed."""
        response.release()


def spent(response: aiohttp.ClientResponse) -> bool:
    """Whether a good answer says that a limit is spent, or is a stream. On the fast lane."""
    for name, value in response.raw_headers:
        low = name.lower()
        if low in TELLING_BYTES and (value == b"0" or (low in WORDY and spends(low, value))):
            return True
    return False


async def _sent(hop: Hop) -> aiohttp.ClientResponse:
    """Send with headers changed for so long as that takes: the response, and a redirect, must not show our key."""
    request = hop.request
    if hop.again:
        await request.close()  # waits until the writer of the attempt before has let go of the body
    if hop.edit is None:
        return await hop.handler(request)
    headers: CIMultiDict[str] = request.headers
    kept = headers.copy()
    for name in hop.edit.remove:
        headers.popall(name.decode("ascii"), None)
    for name, value in hop.edit.add:
        headers.add(name.decode("ascii"), value.decode("latin-1"))
    ours = headers.copy()
    try:
        return await hop.handler(request)
    finally:
        if headers == ours:
            headers.clear()
            headers.extend(kept)
        else:  # a middleware below us has changed more: that stays
            _undo(headers, hop.edit, kept)


def _undo(headers: CIMultiDict[str], edit: HeaderEdit, kept: CIMultiDict[str]) -> None:
    for name in {name.decode("ascii") for name, _ in edit.add} | {name.decode("ascii") for name in edit.remove}:
        headers.popall(name, None)
        for value in kept.getall(name, ()):
            headers.add(name, value)


def _add_header(response: Any, name: str, value: str) -> None:
    """Add a header to a response, whose headers aiohttp keeps in two private places and shows read-only."""
    try:
        headers = CIMultiDict(response._headers)
        raw = (*response._raw_headers, (name.encode(), value.encode()))
    except (AttributeError, TypeError):
        return
    headers[name] = value
    response._headers, response._raw_headers = CIMultiDictProxy(headers), raw
    for reified in ("headers", "raw_headers"):
        response._cache.pop(reified, None)


def _free_variable(function: Any, name: str) -> object:
    """Return a variable that a handler, or one that it wraps, was made with; None where there is none.

    aiohttp tells a middleware nothing of the time-outs of its request; the innermost handler holds them.
    """
    for _ in range(_LAYERS):
        held = _closure(function)
        if name in held:
            return held[name]
        function = next((held[it] for it in _INNER if it in held), None)
    return None


def _closure(function: Any) -> dict[str, Any]:
    """Return a function's free variables by name; those not filled yet are left out."""
    names: tuple[str, ...] = getattr(getattr(function, "__code__", None), "co_freevars", ())
    held: dict[str, Any] = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        with suppress(ValueError):
            held[name] = cell.cell_contents
    return held
