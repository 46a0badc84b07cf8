"""What every adapter's surface shares: opening a call for a request, and saying how it failed.

Must not import any client, nor decide anything. An adapter adds how its client's requests and responses are read.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar, TypeVar

from .calls import Call, nameless
from .config import OVERRIDES, Resilience
from .contract.words import AuthStyle, Certainty
from .credentials import HeaderEdit, RawHeaders, outer_retries
from .driven import Keyed
from .eavesdropping import UNCHECKED
from .effects import Answer, Result, Send
from .exceptions import (
    ResilienceError,
)
from .forking import after_fork
from .headers import telling
from .intents import OWN, attempt_before, name_of, paper_of
from .openings import OpeningSurface
from .policy.request import may_switch, operation_within
from .policy.rules import Policy
from .policy.verdicts import PAID
from .raising import Errors
from .repeats import MULTIPLY
from .router import MAX_CACHED, Plan, is_loopback
from .strays import CERTIFICATE, HEADER, tell
from .tasks.paper import NO_PAPER
from .telemetry.watch import Watch
from .watched import Body, Place, tells_off
from .ways import Origin

__all__ = ["Body", "Errors", "Place", "SurfaceBase", "settled", "tells_off"]

_READS = frozenset(("GET", "HEAD", "OPTIONS"))

Q = TypeVar("Q")
R = TypeVar("R")


def settled(anyint: Resilience | None) -> Resilience:
    """Return the configuration an adapter was given, or the environment's; TypeError if it is something else."""
    if anyint is not None and not isinstance(anyint, Resilience):
        raise TypeError(f"anyint must be a Resilience, not {type(anyint).__name__}")
    return Resilience.from_env() if anyint is None else anyint


class SurfaceBase(OpeningSurface[Q, R]):
    """What does not wait, and is the same for every client. Adapters fill in the part that raises here."""

    times_silence = True
    per_request: ClassVar[bool] = False
    """Whether the client has a place on a request for a policy of its own."""

    def __init__(self, anyint: Resilience | None) -> None:
        super().__init__(settled(anyint))
        policy = self.anyint.policy
        guarding = self.anyint.guarding
        self.plain = (
            policy.enabled
            and policy.deadline is None
            and not policy.paced
            and guarding.settings.max_concurrency is None
        )
        self.shared = guarding.shared
        self.counts = guarding.settings.breaker is True or bool(guarding.fallbacks)
        self.monotonic = self.anyint.runtime.monotonic
        self.plans: dict[Any, Plan | None] = {}
        self._unchecked = False  # or it was said
        self.lane = self.anyint.credentials.lane
        after_fork(self, SurfaceBase._forked)

    def _forked(self) -> None:
        self.plans.clear()  # they count with the parent's

    # what an adapter says of its client's requests

    def raw_of(self, request: Q, /) -> RawHeaders:
        """Return its headers as they go on the wire."""
        raise NotImplementedError

    def rewrite(self, request: Q, effect: Send, /) -> Q:
        """Return the request for one attempt; the caller's own is never changed, so a redirect can't carry our key."""
        raise NotImplementedError

    def made(self, request: Q, answer: Answer, /) -> R:
        """Return an answer that was given before as a response of the client's, its body unread."""
        raise NotImplementedError

    def own_policy(self, request: Q, /) -> object:
        """Return the policy the caller put on this request, None without one."""
        return None

    def plan_of(self, request: Q, /) -> Plan | None:
        """Return its plan, from ``self.plans`` where it is there; None for a foreign host. On the fast lane."""
        raise NotImplementedError

    def in_order(self, request: Q, style: AuthStyle, /) -> bool:
        """Whether its headers can go to AnyInt as they are. On the fast lane; False if that takes a closer look."""
        raise NotImplementedError

    def proxied(self, request: Q, /) -> bool:
        """Whether its client has a proxy on another machine for plain http, which reads all of that."""
        return False

    def named(self, request: Q, /) -> str | bytes | None:
        """Return the name that its server's certificate must have, where the caller gave another than its URL's."""
        return None

    def unchecked(self, request: Q, /) -> bool:
        """Whether its client takes any certificate, and does not say so itself."""
        return False

    def span_of(self, request: Q, /) -> float | None:
        """Return the seconds that the client itself gives all attempts together, None without such a bound."""
        return None

    def remarks(self, request: Q, /) -> Iterable[str]:
        """Return what the report should say of the client's set-up."""
        return ()

    # what follows from it

    def look_up(self, request: Q, key: object) -> Plan | None:
        """Find a request's plan by where it goes, and remember it under ``key`` unless that is None.

        Raises:
            ValueError: if its URL can't be read.
        """
        scheme, host, port, target = self.place_of(request)
        plan = self.anyint.router.plan(scheme, host, port, self.method_of(request), target)
        tls = plan is not None and scheme == "https" and not is_loopback(host)
        if tls and not self._unchecked and self.unchecked(request):
            self._unchecked = True
            warnings.warn(UNCHECKED.format(host=host), UserWarning, stacklevel=2)
        if key is not None:
            if len(self.plans) >= MAX_CACHED:
                self.plans.clear()
            self.plans[key] = plan
        return plan

    def ticket(self, request: Q, /) -> Plan | Keyed[Q] | Call | None:
        """Look the request up; the fast lane is for requests with nothing special about them."""
        plan = self.plan_of(request)
        if plan is None:
            return None
        name = self.named(request)
        if name is not None and self.misnamed(request, name):
            return None
        if plan.local and self.proxied(request):
            plan = plan.exposed()
        if (
            plan.fast
            and self.plain
            and self.shared.calm
            and OVERRIDES.get() is None
            and (not self.per_request or self.own_policy(request) is None)
            and (plan.watch is None or not may_switch(plan.watch, self.body_of(request).content))
        ):
            if self.in_order(request, plan.style):
                self.remember(request, plan)
                return plan
            return self.keyed(request, plan)
        if self.strays(request, self.raw_of(request)):
            return None
        return self.open_call(request, plan, self.monotonic())

    def lane_key(self, request: Q, /) -> object:
        """Return all that makes a request be in order, its key's header among it; None: it is looked at each time."""
        return None

    def remember(self, request: Q, plan: Plan, /) -> None:
        """Let the next request that is like this one go out without a look, where an adapter has a lane for that."""
        key = self.lane_key(request) if plan.bare else None
        if key is not None:
            if len(self.lane) >= MAX_CACHED:
                self.lane.clear()
            self.lane[key] = plan

    def keyed(self, request: Q, plan: Plan, /) -> Plan | Keyed[Q] | Call | None:
        """Put the key on a request that is quick but for its headers, if that can be done without asking anybody."""
        credentials, raw = self.anyint.credentials, telling(self.raw_of(request))
        if self.strays(request, raw):
            return None
        if credentials.wants_key or outer_retries(raw):
            return self.open_call(request, plan, self.monotonic())
        edit = credentials.edit(raw, plan.route.family, plan.style, secure=True)
        return plan if edit is None else Keyed(plan, edit, self.rewrite(request, Send(1, edit)))

    def misnamed(self, request: Q, name: str | bytes, /) -> bool:
        """Whether the name that its server's certificate must have makes a request to a gateway somebody else's."""
        credentials = self.anyint.credentials
        if credentials.at_home(name):
            return False
        tell(self.place_of(request)[1], name, CERTIFICATE, secret=credentials.holds(str(name)))
        return True

    def strays(self, request: Q, headers: RawHeaders, /) -> bool:
        """Whether the ``Host`` header does so."""
        credentials = self.anyint.credentials
        name = credentials.stray(headers)
        if name is None:
            return False
        tell(self.place_of(request)[1], name, HEADER, secret=credentials.holds(name.decode("latin-1")))
        return True

    def stranger(self, request: Q, /) -> Q:
        """Return a request to a foreign host without any key of AnyInt's."""
        edit = self.anyint.credentials.strip(self.raw_of(request))
        return request if edit is None else self.rewrite(request, Send(1, edit))

    def open_call(
        self,
        request: Q,
        plan: Plan,
        started: float,
        /,
        *,
        sent: bool = False,
        edit: HeaderEdit | None = None,
        watch: Watch | None = None,
    ) -> Call:
        """Make the state of one call."""
        anyint, raw, body = self.anyint, self.raw_of(request), self.body_of(request)
        operation = operation_within(plan.route, plan.watch, body.content)
        policy = self.policy_of(request)
        paid = policy.enabled and operation in PAID
        # Reads are asked again and again by nature (polls); a file is read for nothing less than a paid create.
        known = self.method_of(request) not in _READS and body.content is not None
        method, place = self.method_of(request), self.place_of(request)
        used = anyint.credentials.known(raw, plan.route.family, plan.style, secure=plan.secure)
        naming: Callable[[], str | None] = nameless
        if policy.enabled and (paid or known):
            naming = partial(name_of, method, place, raw, body, used, paid=paid)
        name = naming() if paid or anyint.repeats.any else None  # that takes a hash of all of its body
        before = 0 if name is None else anyint.repeats.before(name)
        outer = outer_retries(raw)
        paper = NO_PAPER
        if paid and name is not None:
            last = attempt_before(name)
            paper = paper_of(anyint, plan.route, place, raw, body, name, used=used, outer=outer, before=last)
        watch = self.begin_watch(request, plan, operation, body.content) if watch is None else watch
        if outer:
            watch.nested(outer + 1, "header")
        elif before:
            watch.nested(before + 1, "repeat")
        return Call(
            watch=watch,
            plan=plan,
            method=method,
            operation=operation,
            policy=policy,
            runtime=anyint.runtime,
            credentials=anyint.credentials,
            ledger=anyint.ledger,
            headers=raw,
            started=started,
            replayable=body.replayable,
            intent=name if paid else None,
            paper=paper,
            outer_retries=outer,
            sent=sent,
            edit=edit,
            span=self.span_of(request),
            notes=self.remarks(request) if policy.enabled else (),
            naming=naming,
            repeats=before,
            guarding=anyint.guarding,
            origin=Origin(*place, body.content, self.proxied(request)),
        )

    def policy_of(self, request: Q) -> Policy:
        """Return the policy in force for a request."""
        own = self.own_policy(request)
        if own is None:
            return self.anyint.in_force()
        if not isinstance(own, Policy):
            raise ResilienceError(f"the policy on a request must be a Policy, not {type(own).__name__}")
        return own

    def ended(self, call: Call, result: Result[R]) -> None:
        """Remember a call that ended without success, and in this context a create, for an SDK that sends it again."""
        if call.paid and call.intent is not None:
            OWN.set((call.intent, call.paper.ident))
        failed = result.error is not None or result.late or tells_off(result)
        guarded = call.paid and call.certainty is Certainty.UNKNOWN  # the ledger holds that back
        if not failed or guarded or not call.attempts or not call.policy.enabled or call.outer_retries:
            return
        name = call.naming()
        if name is not None and self.anyint.repeats.ended(name):
            call.watch.told("attempts multiply", attempts=len(call.attempts), reason=MULTIPLY)
