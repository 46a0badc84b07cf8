"""The surface of httpx and httpx2 that the drivers work on: sending, peeking, closing, handing back.

Must not import either client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, cast
from weakref import ref

from ..calls import Call
from ..config import OVERRIDES, Resilience
from ..contract.words import AuthStyle
from ..credentials import HeaderEdit
from ..driven import NOT_ASKED, OF_LENGTH, OF_PLACE
from ..effects import Answer, Result, Send
from ..following import Following
from ..policy.hints import TELLING_BYTES, WORDY, spends
from ..policy.model import Fault
from ..replay import Replay
from ..reports import LIVE_KEY, REPORT_KEY
from ..router import Plan
from ..strays import no_path
from ..surface import Body, Place, SurfaceBase
from .below import Below
from .bodies import body_of
from .faults import fault_of
from .shapes import Kit, Q, R

__all__ = ["Base"]

_TIMES = frozenset(("timeout",))


class Base(SurfaceBase[Q, R]):
    """What does not wait, and so is the same sync and async."""

    kit: ClassVar[Kit]
    per_request = True
    timed: Callable[[dict[str, float | None]], dict[str, float | None]] = dict
    replayed: Callable[[Any], Any]  # a stream around a response's unread one, of the sync or async half

    def __init__(self, anyint: Resilience | None, inner: Any) -> None:
        super().__init__(anyint)
        self.inner = inner
        self._below = Below(inner)
        self._in_order = self.anyint.credentials.in_order

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.inner).__name__})"  # not what that says: it may know a proxy's login

    def remarks(self, request: Q) -> Iterable[str]:
        """Tell of a layer below us that sends or connects again by itself."""
        return self._below.told()

    def proxied(self, request: Q) -> bool:
        """Whether the transport below is a proxy's."""
        return self._below.proxied

    def named(self, request: Q) -> str | bytes | None:
        """Return ``sni_hostname``; openai sets it where a host has an underscore, which no certificate has."""
        name: Any = request.extensions.get("sni_hostname")
        return None if name is None or name == request.url.raw_host.decode("ascii").replace("_", "-") else name

    def unchecked(self, request: Q) -> bool:
        """Whether the transport below takes any certificate."""
        return self._below.unchecked

    def lane_of(self, request: Q) -> Plan | None:
        """Return the plan of a request that can go out as it is, known by its URL, with nothing special about it.

        Read off what both clients keep: a parsed URL and lower-case names, a third of the cost of asking for them anew.
        """
        url: Any = request.url
        headers: Any = request.headers
        try:
            plan = self.plans[request.method, url._uri_reference]
            if (
                plan is not None
                and plan.bare
                and not (plan.local and self._below.proxied)
                and self.plain
                and self.shared.calm
                and _TIMES.issuperset(request.extensions)  # else a policy, a target, a name, a report
                and OVERRIDES.get() is None
                and self._in_order(headers._list, plan.style)
            ):
                return plan
        except (KeyError, AttributeError, TypeError):
            return None
        return None

    def plan_of(self, request: Q) -> Plan | None:
        """Return its plan."""
        url: Any = request.url
        if "target" in request.extensions:
            self._aimed(request)
            return self.look_up(request, None)
        try:
            return self.plans[request.method, url._uri_reference]
        except (KeyError, AttributeError, TypeError):
            return self.look_up(request, _key(request.method, url))

    def _aimed(self, request: Q) -> None:
        """Say of a request whose target is no path that it is nobody's, where its URL is a gateway's."""
        url = request.url
        if request.extensions["target"][:1] == b"/":
            return
        host = url.raw_host.decode("ascii")
        if self.anyint.router.plan(url.scheme, host, url.port, request.method, url.raw_path) is not None:
            no_path(host)

    def in_order(self, request: Q, style: AuthStyle) -> bool:
        """Whether its headers can go out as they are."""
        headers: Any = request.headers
        try:  # with lower-case names, as both clients keep them
            lowered = headers._list
        except AttributeError:
            lowered = [(name, name.lower(), value) for name, value in headers.raw]
        return self._in_order(lowered, style)

    def method_of(self, request: Q) -> str:
        """Return the method."""
        return request.method

    def place_of(self, request: Q) -> Place:
        """Return where it goes: as it is on the wire, since a name in other letters may not be readable.

        A target that the caller wrote by hand may name another host, which counts more than any header: nobody's then.
        """
        url = request.url
        target = request.extensions.get("target", url.raw_path)
        host = url.raw_host.decode("ascii") if target[:1] == b"/" else ""
        return url.scheme, host, url.port, target

    def raw_of(self, request: Q) -> list[tuple[bytes, bytes]]:
        """Return its headers."""
        return request.headers.raw

    def body_of(self, request: Q) -> Body:
        """Return its body."""
        return body_of(request, self.kit)

    def own_policy(self, request: Q) -> object:
        """Return what stands in ``extensions={"anyint_resilience": ...}``."""
        return request.extensions.get(REPORT_KEY)

    def status(self, response: R) -> int:
        """Return the HTTP status."""
        return response.status_code

    def headers(self, response: R) -> list[tuple[bytes, bytes]]:
        """Return the headers as pairs."""
        return response.headers.raw

    def fault(self, error: Exception) -> Fault:
        """Tell an exception of the client apart by its class; its text is never kept."""
        return fault_of(error, self.kit)

    def rewrite(self, request: Q, effect: Send) -> Q:
        """Return the request for one attempt: a copy with its own headers, body and time-outs, or a query."""
        if effect.plain:
            return request
        made: Any = edited(request, effect.edit)
        if effect.to is not None:
            url = self.kit.module.URL(effect.to.url)
            body = made.content if effect.body is None else effect.body
            without = OF_LENGTH if url.netloc == made.url.netloc else OF_PLACE
            made = self._built(made, made.method, url, without, body)
        if effect.ask is not None:
            made = self._built(made, "GET", made.url.copy_with(raw_path=effect.ask.target), NOT_ASKED, b"")
        elif effect.body is not None and effect.to is None:
            made = self._built(made, made.method, made.url, OF_LENGTH, effect.body)
        if effect.patience is not None or effect.paced:
            given = made.extensions.get("timeout") or {}
            phases = ("connect", "read", "write", "pool")
            times: dict[str, float | None] = {phase: given.get(phase) for phase in phases}
            if effect.patience is not None:
                left = max(0.001, effect.patience)
                times = {phase: left if it is None else min(left, it) for phase, it in times.items()}
            if effect.silent is not None:  # waiting for a connection of our own is no silence of the gateway's
                own = [it for it in (given.get("pool"), effect.remaining) if it is not None]
                times["pool"] = min(own) if own else None
            made.extensions = {**made.extensions, "timeout": self.timed(times)}
            made.extensions["anyint_timeout"] = given
        return cast("Q", made)

    def paced(self, request: Q, response: R, effect: Send, seconds: float | None) -> None:
        """Give the rest of an answer the caller's own time-outs again, or less: both clients look when it begins."""
        extensions: Any = request.extensions
        times = extensions.get("timeout", {})
        own = extensions.setdefault("anyint_timeout", dict(times))  # what was sent as it was has its own there
        for phase in ("read", "write"):
            bounds = [it for it in (own.get(phase), effect.remaining, seconds) if it is not None]
            times[phase] = min(bounds) if bounds else None

    def _built(self, request: Any, method: str, url: Any, without: frozenset[str], body: bytes) -> Any:
        """Return a request like another one, with these things changed."""
        headers = [
            (name, value) for name, value in request.headers.raw if name.decode("latin-1").lower() not in without
        ]
        extensions = {name: it for name, it in request.extensions.items() if name != "target"}
        return self.kit.module.Request(method, url, headers=headers, content=body, extensions=extensions)

    def made(self, request: Q, answer: Answer) -> R:
        """Return an answer given before as a response, unread."""
        body = self.kit.module.ByteStream(answer.body)
        # As bytes, for as text both clients take ASCII alone; a proxy's header may be anything.
        headers = [(name.encode("latin-1", "replace"), it.encode("latin-1", "replace")) for name, it in answer.headers]
        found: Any = self.kit.module.Response(answer.status, headers=headers, stream=body)
        return cast("R", found)

    def clean(self, response: R, plan: Plan) -> bool:
        """Hand over a good first answer, with just enough on it to make a report of."""
        if response.status_code >= 400 or self.spent(response):
            return False
        self.mark(response, plan)
        return True

    def mark(self, response: R, plan: Plan) -> None:
        """Note its plan on it."""
        response.extensions[REPORT_KEY] = plan

    def spent(self, response: R) -> bool:
        """Whether a good answer says that a limit is spent, or is a stream. On the fast lane."""
        headers: Any = response.headers
        try:  # with lower-case names, as both clients keep them
            for _, name, value in headers._list:
                if name in TELLING_BYTES and (
                    value == b"0"
                    or (name in WORDY and (value[4:5] == b"/" or name == b"ratelimit") and spends(name, value))
                ):
                    return True
        except (AttributeError, TypeError):
            return any(name.lower() in TELLING_BYTES and spends(name.lower(), value) for name, value in headers.raw)
        return False

    def deliver(self, response: R, call: Call, result: Result[R]) -> R:
        """Hand over the last real response."""
        response.extensions[REPORT_KEY] = result.report
        for name, value in self.told_on(call, result):
            response.headers[name] = value
        if response.status_code >= 400 and isinstance(response.stream, Replay):
            response.stream.lenient = True
        # One that is in memory has been waited for.
        if self.in_time(call, result) and not isinstance(response.stream, self.kit.module.ByteStream):
            self._replay(response).check = self.checker(call)
        return response

    def follow(self, response: R, following: Following) -> bool:
        """Have its body tell how it ends; one that was read before we got it has ended."""
        if getattr(response, "is_closed", False):
            return False
        self._replay(response).following = following
        response.extensions[LIVE_KEY] = ref(following)
        return True

    def noting(self, response: R) -> Any:
        """Return what puts another report on a response."""
        return partial(response.extensions.__setitem__, REPORT_KEY)

    def _replay(self, response: R) -> Any:
        if not isinstance(response.stream, Replay):
            response.stream = self.replayed(response)
        return response.stream


def edited(request: Q, edit: HeaderEdit | None) -> Q:
    """Return a shallow copy of a request, its loaded body and all, with its own headers."""
    made: Any = object.__new__(type(request))
    made.__dict__.update(request.__dict__)
    if edit is not None:
        made.headers = _edited_headers(made.headers, edit)
    return cast("Q", made)


def _edited_headers(given: Any, edit: HeaderEdit) -> Any:
    """Return a client's headers, edited; by hand where they are kept as we know them, at a third of the cost."""
    kept = given.__dict__
    if kept.keys() == {"_list", "_encoding"}:
        headers = object.__new__(type(given))
        added = [(name, name.lower(), value) for name, value in edit.add]
        headers.__dict__.update(kept, _list=[it for it in kept["_list"] if it[1] not in edit.remove] + added)
        return headers
    headers = given.copy()
    for name in edit.remove:
        headers.pop(name.decode("ascii"), None)
    for name, value in edit.add:
        headers[name.decode("ascii")] = value.decode("latin-1")
    return headers


def _key(method: str, url: Any) -> object:
    """Return what a plan is remembered under: the parsed URL, if that says what the public properties say."""
    try:
        parsed = url._uri_reference
        host = url.raw_host.decode("ascii")
        same = (parsed.scheme, parsed.host, parsed.port, parsed.path) == (url.scheme, host, url.port, url.path)
        return (method, parsed) if same and not parsed.query and not parsed.userinfo else None
    except AttributeError:
        return None
