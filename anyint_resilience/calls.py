"""The state of one call. Born with it, shared with nobody.

Must not know any client, nor the order of what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from .callreport import CallReport
from .contract.routes import Route
from .contract.words import Certainty, Operation
from .course import Course
from .credentials import Credentials, HeaderEdit, RawHeaders
from .effects import Outcome, Send, Target
from .forking import generation
from .guards.guarding import Guarding
from .guards.settings import Guards
from .guards.shared import Shared
from .keys import key_id
from .policy.echoes import id_of
from .policy.model import Attempt, Decision, Observation
from .policy.rules import LONGEST_READ, Policy
from .policy.verdicts import PAID
from .router import Plan, mount_before
from .runtime import Runtime
from .stores.memory import MemoryStore
from .stores.protocol import Step
from .streams.watcher import Watcher
from .tasks.handle import CREATES, TaskHandle
from .tasks.ledger import Ledger
from .tasks.paper import NO_PAPER, Paper
from .telemetry.details import error_type
from .telemetry.watch import Watch
from .ways import NOWHERE, Origin

__all__ = ["Call", "nameless"]


UNGUARDED = Guarding(Guards.off(), Shared(MemoryStore(lambda: 0.0)), {})
"""For who makes a call by hand: no guard stands in its way."""

_FAILED = "the store failed"
_SERVERS_WORDS = ("code", "type", "request_id", "task_id", "task_state", "note")


def nameless() -> str | None:
    """Name a request that is not to be told from others."""


class Call:
    """One logical request of the application: what it is, how far it has come.

    ``sent``: the fast lane has made the first attempt already, when the call ``started``, with this ``edit``.
    ``span``: the seconds that the client itself gives all attempts together (aiohttp's total time-out); it cuts a
    running attempt by itself, so that here it only bounds the waits. ``notes``: what to begin the report's notes with.
    ``naming``: returns what makes the request the same one when it comes again; ``repeats``: how often it has failed.
    ``watch``: what is told of it to those who look on.

    ``stream``: what watches the last answer, where that is a stream.

    Of a paid create: ``paper`` is what the ledger is told of it. ``seen``, ``whole``, ``answer`` and ``task`` are of
    the last answer: what it meant, whether all of it was read, the answer as the ledger keeps it, the task it names.
    """

    __slots__ = (
        "answer",
        "attempts",
        "certainty",
        "course",
        "credentials",
        "deadline",
        "edit",
        "generation",
        "headers",
        "intent",
        "ledger",
        "method",
        "naming",
        "notes",
        "operation",
        "out",
        "outer_retries",
        "paper",
        "peeked",
        "plan",
        "policy",
        "repeats",
        "replayable",
        "runtime",
        "seen",
        "sent",
        "sent_at",
        "started",
        "stream",
        "task",
        "watch",
        "whole",
    )

    def __init__(
        self,
        *,
        plan: Plan,
        method: str,
        operation: Operation,
        policy: Policy,
        runtime: Runtime,
        watch: Watch,
        credentials: Credentials,
        ledger: Ledger,
        headers: RawHeaders,
        started: float,
        replayable: bool,
        intent: str | None,
        outer_retries: int,
        paper: Paper = NO_PAPER,
        sent: bool = False,
        edit: HeaderEdit | None = None,
        span: float | None = None,
        notes: Iterable[str] = (),
        naming: Callable[[], str | None] = nameless,
        repeats: int = 0,
        guarding: Guarding = UNGUARDED,
        origin: Origin = NOWHERE,
    ) -> None:
        self.plan = plan
        self.method = method
        self.operation = operation
        self.runtime = runtime
        self.watch = watch
        self.credentials = credentials
        self.ledger = ledger
        self.headers = headers
        self.started = started
        self.replayable = replayable
        self.intent = intent
        self.outer_retries = outer_retries
        self.paper = paper
        self.task: TaskHandle | None = None
        self.stream: Watcher | None = None
        self.seen: Observation | None = None
        self.answer: dict[str, Any] | None = None
        self.whole = False
        self.peeked = b""
        self.sent_at, self.naming = 0.0, naming
        self.notes: list[str] = list(notes)
        self.repeats = 0 if outer_retries else repeats  # a layer that says so is no riddle
        if self.repeats:
            self.notes.append(
                f"the same request has failed {repeats} time(s) within the last minute: a retry layer above may be "
                "sending it again, and attempts multiply"
            )
        self.deadline = policy.deadline
        if span is not None and (policy.deadline is None or span < policy.deadline):
            if policy.enabled and span < policy.retry_window:
                self.notes.append(f"the client's own time-out spans all attempts: no wait goes past its {span:g} s")
            policy = replace(policy, deadline=span)
        if outer_retries and policy.enabled:
            left = max(1, policy.attempts - outer_retries)
            self.notes.append(
                f"a retry layer above has sent this call {outer_retries} time(s) before; "
                f"{left} of {policy.attempts} attempts are left to this one"
            )
            policy = replace(policy, attempts=left)
        self.policy = policy
        self.course = Course(guarding, origin, plan, guarded=policy.enabled)
        self.attempts: list[Attempt] = []
        self.certainty = Certainty.NOT_SENT
        self.out, self.generation = False, generation()
        self.edit = edit
        self.sent = sent

    @property
    def route(self) -> Route:
        """The contract's row for this request."""
        return self.plan.route

    def elapsed(self) -> float:
        """Return seconds since the call began."""
        return self.runtime.monotonic() - self.started

    def remaining(self) -> float | None:
        """Return seconds left of the user's deadline, no more than any wait may take; None without one."""
        return None if self.deadline is None else min(self.deadline - self.elapsed(), LONGEST_READ)

    def late(self) -> bool:
        """Whether the user's deadline has passed."""
        remaining = self.remaining()
        return remaining is not None and remaining <= 0

    @property
    def paid(self) -> bool:
        """Whether doing this twice is billed twice (a generation is too, but keeps no state)."""
        return self.operation in PAID

    def edit_of_way(self) -> HeaderEdit | None:
        """Return what to change on the headers of an attempt: the fallback's own key where it has one."""
        return self.edit if self.course.on is None else self.course.on.edited(self.edit)

    def sending(self, number: int, edit: HeaderEdit | None, remaining: float | None) -> Send:
        """Return the effect that puts the next attempt on the wire."""
        body, target = self.paper.body, None
        way = self.course.on
        if way is not None:
            body = body if way.body is None else way.body
            target = way.target
        once = self.operation in PAID
        silent = None if once else self.policy.first_byte
        return Send(number, edit, remaining, body, to=target, silent=silent, paced=self.policy.paced and not once)

    def bound_for(self, effect: Send) -> Target | None:
        """Return where an attempt goes, for those who look on: a fallback's model and place, None for its own way."""
        way = self.course.on
        if effect.ask is not None or way is None or way.row is None:
            return None
        return effect.to if effect.to is not None else Target("", "", None, b"", way.row.target)

    def mount(self) -> bytes:
        """Return what stands before the contract's own path in its URL."""
        if self.paper is not NO_PAPER:
            return self.paper.mount
        return mount_before(self.course.origin.target, self.route)

    def put_key_on(self) -> None:
        """Decide what to change on the headers so that the right one carries the key."""
        plan = self.plan
        self.edit = self.credentials.edit(self.headers, plan.route.family, plan.style, secure=plan.secure)
        if not plan.secure:
            self.notes.append("plain http to another machine: no key was sent")

    def begin(self) -> float:
        """Begin an attempt; return when, in seconds after the call did."""
        self.certainty = Certainty.UNKNOWN  # until we know better: it may be cancelled while it is out
        self.out = True
        already, self.sent = self.sent, False
        self.sent_at = 0.0 if already else self.elapsed()
        return self.sent_at

    def over(self, outcome: Outcome[Any], decision: Decision | None, began: float) -> float:
        """End an attempt, with what was decided about it; return the seconds that it took."""
        self.out = False
        if decision is not None:
            self.certainty = decision.certainty
        status = None if outcome.response is None else outcome.status
        self.watch.over(status, error_type(status, outcome.fault, decision), outcome.headers)
        return self.elapsed() - began

    def record(
        self,
        number: int,
        began: float,
        took: float,
        outcome: Outcome[Any],
        edit: HeaderEdit | None,
        *,
        decision: Decision | None = None,
        seen: Observation | None = None,
        waited: float = 0.0,
        again: bool = False,
        asked: str | None = None,
    ) -> None:
        """Write an attempt that went out with ``edit`` down for the report, and tell of it; ``again``: one follows."""
        made = Attempt(
            number=number,
            started=began,
            duration=took,
            status=outcome.status if outcome.response is not None else None,
            fault=outcome.fault,
            decision=decision,
            waited=waited,
            request_id=None if seen is None else seen.request_id,
            asked=asked,
            to=None if asked is not None else self.course.fallback_name,
        )
        self.attempts.append(made)
        lost = (
            self.paid
            and not again
            and asked is None
            and decision is not None
            and decision.certainty is Certainty.UNKNOWN
        )
        used = partial(self.credentials.used, self.headers, edit)
        self.watch.decided(made, seen, used, again=again, lost=lost, intent=self.intent)

    def store_failed(self, error: Exception) -> None:
        """Tell that the ledger's store failed, once."""
        if any(it.startswith(_FAILED) for it in self.notes):
            return
        self.notes.append(f"{_FAILED}, this process's memory served instead: {type(error).__name__}")
        self.watch.store_failed(self.ledger.store, error)

    def store_said(self, error: Exception | None) -> None:
        """Tell that the store which the guards share failed; None: that it answers again."""
        if error is None:
            self.watch.store_back(self.ledger.store)
        else:
            self.watch.store_failed(self.ledger.store, error)

    def cut(self, error: BaseException) -> None:
        """Tell that something from outside has ended the call; paid work that was out by then may have been done."""
        lost = self.paid and self.certainty is Certainty.UNKNOWN
        self.watch.settled(None, certainty=self.certainty.value, intent=self.intent if lost else None)
        self.watch.cut(error, lost=lost, intent=self.intent)

    def without_keys(self, seen: Observation) -> Observation:
        """Return what was seen without any word of the server's in which a key stands: the others are shown."""
        words = ((name, getattr(seen, name)) for name in _SERVERS_WORDS)
        bare: dict[str, Any] = {
            name: "" if name == "note" else None for name, word in words if word and self.credentials.holds(word)
        }
        return replace(seen, **bare) if bare else seen

    def name_task(self, task_id: str | None, request_id: str | None) -> None:
        """Make the handle of a task that an answer names, where its route has a query."""
        facts = self.paper.facts
        if task_id is None or facts.get("route") not in CREATES:
            return
        ids = self.watch.ids()
        trace = {} if ids is None else {"trace_id": ids[0], "span_id": ids[1]}
        with suppress(ValueError):  # a request id that no handle takes is no reason to lose the task
            named = {"task_id": task_id, "request_id": id_of(request_id), "key_id": self.key_id()}
            self.task = TaskHandle.from_dict({**facts, **trace, **named})

    def key_id(self) -> str | None:
        """Return what stands for the key that the call went out with, None where there was none."""
        return key_id(self.credentials.used(self.headers, self.edit_of_way())).hex() or None

    def entering(self) -> Step:
        """Return the step that enters this create in the ledger."""
        return self.ledger.enter(again=self.paper.again, before=self.paper.before, **self._known())

    def settling(self) -> Step:
        """Return the step that settles this create in the ledger."""
        task = None if self.task is None else self.task.as_dict()
        return self.ledger.leave(self.certainty, task=task, answer=self.answer, **self._known())

    def _known(self) -> dict[str, Any]:
        paper = self.paper
        facts = {**paper.facts, "key_id": self.key_id()}
        return {"ident": paper.ident, "mark": paper.mark, "body": paper.print, "facts": facts}

    def patience(self, seconds: float) -> float:
        """Return how long something may take: so many seconds, or what is left of the deadline if that is less."""
        remaining = self.remaining()
        return seconds if remaining is None else max(0.0, min(seconds, remaining))

    def report(self, decision: Decision | None = None) -> CallReport:
        """Return what is known of the call so far, with the decision it ends by (None: it was cut off)."""
        fate = self.certainty if decision is None else decision.certainty
        cut = (f"cut off while attempt {len(self.attempts) + 1} was out: its outcome is unknown",) if self.out else ()
        return CallReport(
            decision=decision,
            route=self.route.name,
            family=self.route.family,
            operation=self.operation,
            attempts=tuple(self.attempts),
            outer_retries=self.outer_retries,
            repeats=self.repeats,
            intent=self.intent if fate is Certainty.UNKNOWN else None,
            task=self.task,
            held=self.course.held,
            fallback=self.course.fallen,
            nearest_models=self.course.nearest,
            notes=(*self.notes, *cut),
        )
