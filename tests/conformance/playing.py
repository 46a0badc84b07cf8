"""Plays a scenario on a surface and holds all that came of it against its row.

Must not know any scenario or client by name.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import pytest

from anyint_resilience import (
    CallReport,
    DeadlineExceeded,
    OutcomeUnknown,
    QueryRefused,
    Resilience,
    ResilienceError,
    StreamInterrupted,
    TaskFailed,
    TaskTimeout,
    TaskUpdate,
    report,
)
from anyint_resilience.emulator import Emulator, Fault, Seen
from anyint_resilience.exceptions import TaskError
from anyint_resilience.watched import WatchedSurface
from tests.alone import ALONE
from tests.conformance.emitted import Emitted
from tests.conformance.kit import KEY
from tests.conformance.scenario import MODELS, NOW, Ask, File, Keys, Once, Raises, Scenario
from tests.conformance.surfaces import Answer, Caller, Surface, Waits, calling
from tests.waiting import until

OWN = (Raises.CLIENTS, Raises.TIMEOUT, Raises.BROKEN)
"""Ends that are the client's own exceptions, none of ours."""
CUT_SHORT = (Raises.INTERRUPTED, Raises.INTERRUPTED_TIMEOUT)
"""Ends of streams, which the client raises its own exception for, or takes for whole."""

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For httpx, which else loads every root certificate for each client: most of what a scenario would cost."""


@dataclass(frozen=True)
class Places:
    """The hosts there are: the gateway, a second one, and an address where nobody listens."""

    gateway: Emulator
    other: Emulator
    closed: str

    def text(self, text: str) -> str:
        """Put addresses and the last task's id into a text."""
        task = self.gateway.tasks[-1].id if self.gateway.tasks else "none"
        known = {"gateway": self.gateway.url, "other": self.other.url, "closed": self.closed, "task": task}
        for name, value in known.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def values(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """Do so with each text of a mapping, and with a list of hosts."""
        return {
            name: self.text(it) if isinstance(it, str) else tuple(map(self.text, it)) if name == "hosts" else it
            for name, it in mapping.items()
        }


@contextmanager
def places() -> Iterator[Places]:
    """Open the hosts, and see in the end that the stand-ins made no mistakes of their own."""
    with closing(socket.socket()) as nobody, Emulator(keys=(KEY,)) as gateway, Emulator(keys=(KEY,)) as other:
        nobody.bind(("127.0.0.1", 0))  # bound and never listening: whoever connects is refused
        yield Places(gateway, other, f"http://127.0.0.1:{nobody.getsockname()[1]}")
        assert gateway.internal_errors == other.internal_errors == []


@dataclass(frozen=True)
class End:
    """What a call gave the application, and what it was told of a task that it made: by updates, and by the reports.

    An ``answer`` with an ``error`` broke off, or the wait for its task ended so.
    """

    answer: Answer | None = None
    error: Exception | None = None
    updates: list[TaskUpdate] = field(default_factory=list)
    queries: list[CallReport] = field(default_factory=list)


@dataclass(frozen=True)
class Played:
    """A scenario that was played: what its check may look at."""

    scenario: Scenario
    surface: Surface
    anyint: Resilience
    ends: list[End]
    seen: list[Seen]
    found: list[Seen]

    @property
    def end(self) -> End:
        """How the last call ended."""
        return self.ends[-1]

    @property
    def told(self) -> Any:
        """The report of the last call, None without one."""
        alone = self.end.error is None or isinstance(self.end.error, TaskError)
        return report(self.end.answer) if alone else report(self.end.error)


def play(scenario: Scenario, surface: Surface, at: Places, emitted: Emitted | None = None) -> Played:
    """Play a scenario and check everything that its row says.

    ``emitted``: where its telemetry goes. What takes requests of its own is then left to the play without.
    """
    at.gateway.reset()
    at.other.reset()
    waits = Waits(moves=at.gateway.clock.advance)
    clocks = {"wall": lambda: NOW + sum(waits.asked), "monotonic": lambda: sum(waits.asked)}
    runtime = waits.runtime(**({} if scenario.real_clock else clocks))
    more = {} if emitted is None else emitted.settings()
    settings = at.values({"api_key": KEY, "base_url": "{gateway}", "guards": ALONE, **more, **scenario.anyint})
    if isinstance(settings["api_key"], Keys):
        settings["api_key"] = settings["api_key"].source()
    anyint = Resilience(runtime=runtime, **settings)
    at.gateway.script(*(_filled(fault, at) for fault in scenario.faults))
    with _opened(scenario, surface, anyint, at) as caller:
        with nullcontext() if emitted is None else emitted.application(caller):
            ends = [_made(caller, ask, at) for ask in scenario.asks]
        until(lambda: len(at.gateway.seen) >= len(scenario.wire))  # a client that gave up may be ahead of the gateway
        played = Played(scenario, surface, anyint, ends, at.gateway.seen, at.other.seen)
        tasks = len(at.gateway.tasks)
        # The only connection there is came back, with nothing left on it.
        assert caller.in_use() == 0
        if emitted is None:
            assert caller.request("GET", MODELS.path, headers={"Authorization": f"Bearer {KEY}"}).status == 200
    assert [it.answered for it in played.seen] == list(scenario.wire)
    assert waits.asked == pytest.approx(list(scenario.waits))
    assert tasks == scenario.tasks
    assert len(anyint.ledger.unknown()) == scenario.unknown
    _check_ends(played, at, alone=emitted is None)
    _check_decision(played)
    _check_wire(played)
    if scenario.check is not None:
        scenario.check(played)
    return played


def _opened(
    scenario: Scenario, surface: Surface, anyint: Resilience | None, at: Places
) -> AbstractContextManager[Caller]:
    own = {"verify": NO_TLS} if surface.is_httpx else {}
    return calling(surface, anyint, base_url=at.gateway.url, pool=1, **own, **at.values(scenario.client))


def _filled(fault: Fault, at: Places) -> Fault:
    return replace(fault, headers=[(name, at.text(value)) for name, value in fault.pairs]) if fault.pairs else fault


def _made(caller: Caller, ask: Ask, at: Places, *, bare: bool = False) -> End:
    """Make a call; return its answer, its exception, or both where the answer broke off."""
    options: dict[str, Any] = {
        name: value
        for name in ("json", "data", "files", "policy", "timeout")
        if (value := getattr(ask, name)) is not None
    }
    if isinstance(ask.content, Once):
        options["content"] = iter([ask.content.data])
    elif isinstance(ask.content, File):
        options["data"] = ask.content.opened()
    elif ask.content is not None:
        options["content"] = ask.content
    headers = at.values(ask.headers)
    if bare:
        headers["Authorization"] = f"Bearer {KEY}"
    options.update(headers=headers, follow_redirects=ask.redirects)
    try:
        if not ask.streamed:
            answer = caller.request(ask.method, at.text(ask.path), **options)
            return End(answer) if ask.follow is None else _followed(caller, answer, ask.follow)
        answer, body, broken = caller.stream(ask.method, at.text(ask.path), **options)
    except caller.surface.error as error:
        return End(error=error)
    return End(Answer(answer.response, body), broken)


def _followed(caller: Caller, answer: Answer, seconds: float) -> End:
    """Wait for the task that an answer names."""
    end = End(answer)
    try:
        with overheard(end.queries):
            wait = caller.surface.adapter.wait_for_task
            caller.call(wait, caller.client, answer.response, on_update=end.updates.append, deadline=seconds)
    except TaskError as error:
        return replace(end, error=error)
    assert end.updates[-1].phase == "success"
    return end


@contextmanager
def overheard(reports: list[CallReport]) -> Iterator[None]:
    """Take down the report of each call that ends: a wait has those of its queries to itself."""
    closed = WatchedSurface.closed

    def close(self: Any, call: Any, result: Any, response: Any) -> None:
        reports.append(result.report)
        closed(self, call, result, response)

    with patch.object(WatchedSurface, "closed", close):
        yield


# --- what must have come of it


def _check_ends(played: Played, at: Places, *, alone: bool) -> None:
    scenario = played.scenario
    expected = scenario.ends * len(played.ends) if len(scenario.ends) == 1 else scenario.ends
    assert len(expected) == len(played.ends)
    for ask, wanted, end in zip(scenario.asks, expected, played.ends, strict=True):
        if isinstance(wanted, int):
            assert end.error is None, end.error
            assert end.answer is not None
            assert end.answer.status == wanted
        else:
            _check_error(played, wanted, end.error)
            if alone and wanted in OWN + CUT_SHORT:
                _check_own(played, ask, end.error, at)
    if scenario.body is not None:
        assert played.end.answer is not None
        assert played.end.answer.content == scenario.body


def _check_error(played: Played, wanted: Raises, error: Exception | None) -> None:
    """See that an exception is of the kinds that code around the client catches."""
    surface = played.surface
    kinds = {
        Raises.CLIENTS: (surface.error,),
        Raises.TIMEOUT: (surface.timeout_error,),
        Raises.BROKEN: (surface.body_error,),
        Raises.INTERRUPTED: (StreamInterrupted, surface.body_error),
        Raises.INTERRUPTED_TIMEOUT: (StreamInterrupted, surface.timeout_error),
        Raises.UNKNOWN: (OutcomeUnknown, surface.transport_error),
        Raises.UNKNOWN_TIMEOUT: (OutcomeUnknown, surface.timeout_error),
        Raises.LATE: (DeadlineExceeded, surface.timeout_error),
        Raises.TASK_FAILED: (TaskFailed,),
        Raises.TASK_TIMEOUT: (TaskTimeout, TimeoutError),
        Raises.QUERY_REFUSED: (QueryRefused,),
    }[wanted]
    assert [kind for kind in kinds if not isinstance(error, kind)] == [], repr(error)
    assert wanted not in OWN or not isinstance(error, ResilienceError)


def _check_own(played: Played, ask: Ask, error: Exception | None, at: Places) -> None:
    """See that an exception is the one that the client raises without us, and ours of a stream one of that kind."""
    at.gateway.reset()
    at.gateway.script(*[_filled(fault, at) for fault in played.scenario.faults[-1:]] * 2)
    with _opened(played.scenario, played.surface, None, at) as caller:
        own = _made(caller, ask, at, bare=True).error
        until(lambda: bool(at.gateway.seen) or not played.scenario.wire)
    if isinstance(error, StreamInterrupted):
        assert own is None or isinstance(error, type(own)), "code that catches the client's own does not catch ours"
    else:
        assert type(own) is type(error), "another exception than without us"


def _check_decision(played: Played) -> None:
    scenario, told = played.scenario, played.told
    decision = None if told is None else told.decision
    sees = None if decision is None else (decision.action, decision.cause, decision.certainty)
    assert sees == scenario.decision, None if decision is None else decision.reason
    later = None if decision is None or decision.retry_at is None else decision.retry_at - NOW
    assert later == pytest.approx(scenario.retry_at, abs=1e-3)
    alone = len(scenario.asks) == 1 and scenario.asks[0].follow is None
    if alone and told is not None and not scenario.found and scenario.wire:
        assert len(told.attempts) == len(scenario.wire)
    answer = played.end.answer
    if isinstance(played.end.error, StreamInterrupted):  # its headers were handed over before
        decision = told.attempts[-1].decision
    if answer is not None and decision is not None:
        assert answer.headers.get("x-should-retry") == (None if decision.cause is None else "false")


def _check_wire(played: Played) -> None:
    scenario = played.scenario
    for wanted, seen in [*((scenario.sent, it) for it in played.seen), *zip(scenario.found, played.found, strict=True)]:
        assert {name: seen.headers.get(name) for name in wanted} == dict(wanted)
    for seen in played.seen:
        if _asks_for_a_task(seen, scenario):
            assert (seen.body, OF_A_CREATE & seen.headers.keys()) == (b"", set())
        else:
            assert any(_carries(seen, ask) for ask in scenario.asks), f"no such body was asked for: {seen.body[:80]!r}"
    if len(scenario.asks) == 1:
        sent = {it.body for it in played.seen if it.method == scenario.asks[0].method}
        assert len(sent) <= 1, "every attempt carries the same body"
    if scenario.once:
        assert len({it.connection for it in played.seen}) == 1


OF_A_CREATE = {"content-type", "content-length", "idempotency-key", "x-dashscope-async", "x-stainless-retry-count"}
"""Headers that a query in the place of a create must not have."""


def _asks_for_a_task(seen: Seen, scenario: Scenario) -> bool:
    """Whether a request is a query that no call of the application was."""
    return seen.method == "GET" and all(ask.method != "GET" for ask in scenario.asks)


def _carries(seen: Seen, ask: Ask) -> bool:
    """Whether a request has the body of a call, all of it, and nothing else but a mark of ours."""
    if ask.json is not None:
        return bool(seen.body) and _unmarked(seen.json(), ask.json) == ask.json
    if ask.files is not None:
        return all(it[1] in seen.body for it in ask.files.values()) and seen.complete
    held = ask.content
    if isinstance(held, (File, Once)):
        held = held.data[held.position :] if isinstance(held, File) else held.data
    return seen.body == (held.encode() if isinstance(held, str) else held or b"")


def _unmarked(sent: Any, given: Any) -> Any:
    """Return a body without the mark that ``reconcile=True`` puts on it."""
    if not isinstance(sent, dict) or not isinstance(given, dict):
        return sent
    held = {name: it for name, it in sent.items() if name in given or name != "external_task_id"}
    if "callBackUrl" in held:
        held["callBackUrl"] = re.sub(r"[?&]anyint_create=[0-9a-f-]+", "", held["callBackUrl"])
    return held
