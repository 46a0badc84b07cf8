"""The surface of httpx and httpx2 that the drivers work on: sending, peeking, closing, handing back.

Must not import either client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, cast

from ..calls import Call
from ..config import OVERRIDES, Resilience
from ..credentials import HeaderEdit, outer_retries
from ..drive import REPORT_KEY, Keyed
from ..effects import Result, Send
from ..exceptions import REFUSED, ResilienceError
from ..policy.model import Fault
from ..policy.request import operation_of
from ..policy.rules import Policy
from ..policy.verdicts import PAID
from ..reports import attach
from ..router import MAX_CACHED, Plan
from .bodies import body_of, intent_of_request, is_rereadable
from .faults import fault_of
from .shapes import Kit, Q, R
from .streams import Replay

__all__ = ["Base"]


class Base(Generic[Q, R]):
    """What does not wait, and so is the same sync and async."""

    kit: ClassVar[Kit]
    replayed: Callable[[Any], Any]  # a stream around a response's unread one, of the sync or async half

    def __init__(self, anyint: Resilience | None, inner: Any) -> None:
        if anyint is not None and not isinstance(anyint, Resilience):
            raise TypeError(f"anyint must be a Resilience, not {type(anyint).__name__}")
        self.anyint = Resilience.from_env() if anyint is None else anyint
        self.inner = inner
        policy = self.anyint.policy
        self._plain = policy.enabled and policy.deadline is None
        self._plans: dict[tuple[str, Any], Plan | None] = {}
        self._in_order = self.anyint.credentials.in_order
        self.monotonic = self.anyint.runtime.monotonic

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.inner!r})"

    def ticket(self, request: Q) -> Plan | Keyed[Q] | Call | None:
        """Look the request up; the fast lane is for requests with nothing special about them."""
        url: Any = request.url
        headers: Any = request.headers
        try:  # both clients keep a parsed URL and lower-case names: a third of the cost of asking for them anew
            plan = self._plans[request.method, url._uri_reference]
            lowered = headers._list
        except (KeyError, AttributeError, TypeError):
            plan = self._look_up(request)
            lowered = [(name, name.lower(), value) for name, value in headers.raw]
        if plan is None:
            return None
        if (
            plan.fast
            and self._plain
            and REPORT_KEY not in request.extensions
            and OVERRIDES.get() is None
            and (plan.watch is None or plan.watch not in (body_of(request, self.kit) or b""))
        ):
            if self._in_order(lowered, plan.style):
                return plan
            credentials, raw = self.anyint.credentials, headers.raw
            if not credentials.wants_key and not outer_retries(raw):
                edit = credentials.edit(raw, plan.route.family, plan.style, secure=True)
                return plan if edit is None else Keyed(plan, edit, edited(request, edit))
        return self.open_call(request, plan, self.monotonic())

    def _look_up(self, request: Q) -> Plan | None:
        """Look up by the client's public properties, and remember under its parsed URL if that says the same."""
        url: Any = request.url
        plan = self.anyint.router.plan(url.scheme, url.host, url.port, request.method, url.raw_path)
        parsed: Any = getattr(url, "_uri_reference", None)
        try:
            same = (parsed.scheme, parsed.host, parsed.port, parsed.path) == (url.scheme, url.host, url.port, url.path)
            bare = not parsed.query and not parsed.userinfo
            if same and bare:
                if len(self._plans) >= MAX_CACHED:
                    self._plans.clear()
                self._plans[request.method, parsed] = plan
        except (AttributeError, TypeError):
            return plan
        return plan

    def open_call(
        self, request: Q, plan: Plan, started: float, *, sent: bool = False, edit: HeaderEdit | None = None
    ) -> Call:
        """Make the state of one call."""
        anyint, raw, kit = self.anyint, request.headers.raw, self.kit
        body = body_of(request, kit)
        operation = operation_of(plan.route, body)
        policy = self._policy(request)
        paid = policy.enabled and operation in PAID
        return Call(
            plan=plan,
            method=request.method,
            operation=operation,
            policy=policy,
            runtime=anyint.runtime,
            credentials=anyint.credentials,
            ledger=anyint.ledger,
            headers=raw,
            started=started,
            replayable=body is not None or is_rereadable(request, kit),
            intent=intent_of_request(request, kit, anyint.credentials) if paid else None,
            outer_retries=outer_retries(raw),
            sent=sent,
            edit=edit,
        )

    def _policy(self, request: Q) -> Policy:
        own = request.extensions.get(REPORT_KEY)
        if own is None:
            overridden = self.anyint.overridden()
            return self.anyint.policy if overridden is None else overridden
        if not isinstance(own, Policy):
            raise ResilienceError(f"extensions[{REPORT_KEY!r}] must be a Policy, not {type(own).__name__}")
        return own

    def stranger(self, request: Q) -> Q:
        """Take AnyInt's keys off a request to somebody else; as a rule there is none and nothing changes."""
        edit = self.anyint.credentials.strip(request.headers.raw)
        return request if edit is None else self.rewrite(request, Send(1, edit))

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
        """Return the request for one attempt; the caller's own is never changed, so a redirect can't carry our key."""
        if effect.edit is None and effect.remaining is None:
            return request
        made: Any = edited(request, effect.edit)
        if effect.remaining is not None:
            left = max(0.001, effect.remaining)
            given = made.extensions.get("timeout") or {}
            phases = ("connect", "read", "write", "pool")
            times = {phase: left if given.get(phase) is None else min(left, given[phase]) for phase in phases}
            made.extensions = {**made.extensions, "timeout": times}
        return cast("Q", made)

    def clean(self, response: R, plan: Plan) -> bool:
        """Hand over a good first answer, with just enough on it to make a report of."""
        if response.status_code >= 400:
            return False
        response.extensions[REPORT_KEY] = plan
        return True

    def deliver(self, response: R, call: Call, result: Result[R]) -> R:
        """Hand over the last real response."""
        response.extensions[REPORT_KEY] = result.report
        if result.decision is not None and result.decision.cause is not None:
            response.headers["x-should-retry"] = "false"  # the SDKs' own word: do not multiply our attempts
        if response.status_code >= 400 and isinstance(response.stream, Replay):
            response.stream.lenient = True
        if call.policy.deadline is not None:
            self._bound(response, call)
        return response

    def _bound(self, response: R, call: Call) -> None:
        """Make the rest of a body end with the user's deadline."""

        def check() -> None:
            remaining = call.remaining()
            if remaining is not None and remaining <= 0:
                raise self._late(call, None)

        if not isinstance(response.stream, Replay):
            response.stream = self.replayed(response)
        response.stream.check = check

    def failure(self, call: Call, result: Result[R]) -> Exception:
        """Return what to raise: the original exception unless ours says more, and then it is the cause."""
        error = result.error
        if result.unknown:
            timed_out = error is not None and isinstance(error, self.kit.module.TimeoutException)
            kind = self.kit.unknown_timeout if timed_out else self.kit.unknown
            unknown = kind(REFUSED if result.refused or result.decision is None else result.decision.guidance)
            unknown.intent = call.intent
            unknown.__cause__ = error
            attach(unknown, result.report)
            return unknown
        if result.late or error is None:
            return self._late(call, error)
        attach(error, result.report)
        return error

    def _late(self, call: Call, cause: Exception | None) -> ResilienceError:
        late = self.kit.late(f"the deadline of {call.policy.deadline} s has passed")
        late.__cause__ = cause
        attach(late, call.report())
        return late


def edited(request: Q, edit: HeaderEdit | None) -> Q:
    """Return a shallow copy of a request, its loaded body and all, with its own headers."""
    made: Any = object.__new__(type(request))
    made.__dict__.update(request.__dict__)
    if edit is not None:
        made.headers = headers = made.headers.copy()
        for name in edit.remove:
            headers.pop(name.decode("ascii"), None)
        for name, value in edit.add:
            headers[name.decode("ascii")] = value.decode("latin-1")
    return cast("Q", made)
