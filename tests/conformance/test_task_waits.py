"""Waits for tasks through whatever happens to their queries, on every client: the task goes on, and nothing is created.

Must not know how a wait goes about it: only what the gateway was asked, and what the application is told.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from anyint_resilience import Cause, Guards, QueryRefused, TaskFailed, TaskTimeout, TaskUpdate
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.exceptions import TaskError
from tests.alone import ALONE
from tests.conformance.lives import FILM, World, creates, made, queries, task_of, waited
from tests.conformance.surfaces import Surface, every_surface
from tests.conformance.test_pool_of_one import only_our_warnings

STRANGER = {"id": "video_stranger", "object": "video", "status": "completed", "progress": 100}
RUNNING = {"object": "video", "status": "in_progress", "progress": 50}
CUT = '{"id": "{task}", "object": "video", "status": "%s", "error": {"code": "inval'
SHORT = 0.2  # seconds a client waits for a server that says nothing
READ = 100_000  # bytes of an answer that are read, here

error = Fault.error
RESET, STALL = Fault(reset="before_headers"), Fault(stall="before_headers")
PROXY = Fault(status=404, body=b"<html>nginx</html>", headers={"content-type": "text/html"})
BROKEN = Fault(body={**RUNNING, "padding": "x" * 90_000}, truncate=80_000)
"""Longer than what is looked at of an answer before it is handed on."""


@dataclass(frozen=True)
class Trouble:
    """What the queries of a wait meet, and what comes of it.

    ``faults``: of the queries, in order; ``queries``: how many go out in all; ``problem``: the cause that the first
    update tells, None where it tells of none; ``note``: words of its note; ``ends``: the exception that ends the wait,
    and its cause; ``rests``: the seconds between the first two answers that the application is told of, at the least.
    """

    name: str
    faults: tuple[Fault, ...] = ()
    queries: int = 0
    problem: Cause | None = None
    note: str = ""
    ends: tuple[type[TaskError], Cause | None] | None = None
    rests: float = 0.0
    age: float = 0.0
    create: dict[str, str] = field(default_factory=dict)
    deadline: float = 200.0
    guards: Guards = ALONE

    def __str__(self) -> str:
        return self.name


TROUBLES = [
    Trouble("503 to the end", (error(503),) * 3, 4, Cause.TRANSIENT, "failed"),
    Trouble("503, then well", (error(503),), 3),
    Trouble("reset to the end", (RESET,) * 3, 4, Cause.TRANSIENT, "failed"),
    Trouble("reset in the middle of the answer", (Fault(reset="mid_body"),), 3),
    Trouble("slower than the time-out to the end", (STALL,) * 3, 4, Cause.TRANSIENT, "failed"),
    Trouble("hung up to the end", (Fault(half_close=True),) * 3, 4, Cause.TRANSIENT, "failed"),
    Trouble("broken JSON", (Fault(garbage="json"),), 2, None, "could not be read"),
    *(
        Trouble(f"cut off, and seems to say {word}", (Fault(body=CUT % word),), 2, cause, "could not be read")
        for word, cause in (("completed", None), ("failed", Cause.SERVER), ("in_progress", None))
    ),
    Trouble("no JSON at all", (Fault(body=b"<html>ok</html>"),), 3),
    Trouble("429 with Retry-After", (error(429, retry_after=7),), 2),
    Trouble("429 with Retry-After, far away", (error(429, retry_after=90),), 2, Cause.RATE, "failed", rests=90),
    Trouble("an answer about another task", (Fault(body=STRANGER),), 2, None, "another task"),
    Trouble("not there yet", (), 2, Cause.INVALID, "no such task yet", create={"x-emulator-visible-after": "6"}),
    Trouble(
        "404 twice, long after the create",
        (error(404),) * 2,
        2,
        Cause.INVALID,
        "failed",
        (TaskFailed, Cause.INVALID),
        age=120,
    ),
    Trouble(
        "410 twice, long after the create",
        (error(410),) * 2,
        2,
        Cause.INVALID,
        "failed",
        (TaskFailed, Cause.INVALID),
        age=120,
    ),
    Trouble(
        "400 twice, long after the create",
        (error(400),) * 2,
        2,
        Cause.INVALID,
        "failed",
        (QueryRefused, Cause.INVALID),
        age=120,
    ),
    Trouble(
        "404 of a proxy, time and again",
        (PROXY,) * 3,
        4,
        Cause.INVALID,
        "failed",
        age=120,
    ),
    Trouble(
        "404 of a proxy between two of the gateway",
        (error(404), PROXY, error(404)),
        4,
        Cause.INVALID,
        "failed",
        age=120,
    ),
    Trouble("a long answer that breaks", (BROKEN,), 2, Cause.TRANSIENT, "failed"),
    Trouble("404 once, long after the create", (error(404),), 2, Cause.INVALID, "failed", age=120),
    Trouble("401", (error(401),), 1, ends=(QueryRefused, Cause.AUTH)),
    Trouble("403", (error(403),), 1, ends=(QueryRefused, Cause.PERMISSION)),
    Trouble(
        "the quota used up, until the deadline",
        (error(429, code="insufficient_quota"),) * 9,
        4,
        Cause.QUOTA,
        "failed",
        ends=(TaskTimeout, None),
        deadline=30,
        guards=Guards.off(),
    ),
    Trouble(
        "the quota used up, until the deadline, and a gate that lets few queries out",
        (error(429, code="insufficient_quota"),) * 9,
        3,
        Cause.QUOTA,
        "failed",
        ends=(TaskTimeout, None),
        deadline=30,
    ),
    Trouble(
        "a success too long to be read",
        (Fault(body={**RUNNING, "status": "completed", "id": "{task}", "padding": "x" * 2 * READ}),),
        1,
        ends=(QueryRefused, None),
    ),
    Trouble(
        "openai-poll-after-ms on a task that runs",
        (Fault(body={**RUNNING, "id": "{task}"}, headers={"openai-poll-after-ms": "20000"}),),
        2,
        rests=20,
    ),
    Trouble(
        "Retry-After on a task that runs",
        (Fault(body={**RUNNING, "id": "{task}"}, headers={"retry-after": "20"}),),
        2,
        rests=20,
    ),
    Trouble(
        "a hint of an hour is not believed",
        (Fault(body={**RUNNING, "id": "{task}"}, headers={"retry-after": "3600"}),),
        2,
        rests=300,
        deadline=1000,
    ),
]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let answers be too long, and a blocking query too slow, before that takes a test its time."""
    monkeypatch.setattr("anyint_resilience.waits.MAX_DOCUMENT", READ)
    requests = importlib.import_module("anyint_resilience_requests")
    monkeypatch.setattr(requests, "_QUERY_TIMEOUT", (5, SHORT))


def filled(fault: Fault, task_id: str) -> Fault:
    """Put the task's id into a fault's body."""
    if isinstance(fault.body, str):
        return Fault(body=fault.body.replace("{task}", task_id))
    body = {**fault.body, "id": task_id} if isinstance(fault.body, dict) and fault.body.get("id") == "{task}" else None
    return fault if body is None else Fault(body=body, headers=fault.pairs)


@every_surface
@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_a_wait_goes_through(surface: Surface, trouble: Trouble, emu: Emulator) -> None:
    """A query that fails changes nothing about the task; only what no later query could mend ends the wait."""
    world, told = World(emu), list[TaskUpdate]()
    anyint = world.anyint(guards=trouble.guards)
    with only_our_warnings(surface), world.client(surface, anyint, timeout=(5, SHORT)) as caller:
        answer = made(caller, FILM, **trouble.create)
        world.emu.clock.advance(trouble.age)
        handle = task_of(answer)
        emu.script(*(filled(fault, emu.tasks[0].id) for fault in trouble.faults), match="GET")
        caught: TaskError | None = None
        try:
            assert waited(caller, answer, on_update=told.append, deadline=trouble.deadline).phase == "success"
        except TaskError as end:
            caught = end
        assert caller.in_use() == 0
    emu.unscript()
    assert (len(creates(emu)), len(emu.tasks)) == (1, 1)
    assert len(queries(emu)) == trouble.queries
    if trouble.ends is None:
        assert caught is None
    else:
        assert caught is not None
        cause = None if caught.decision is None else caught.decision.cause
        assert (type(caught), cause) == trouble.ends
        assert caught.handle == handle
    if not told:
        assert trouble.problem is None
        return
    first = told[0]
    assert (None if first.problem is None else first.problem.cause) is trouble.problem
    assert trouble.note in first.note
    assert first.phase != "success" or len(told) == 1 or not trouble.note
    if trouble.rests:
        assert told[1].elapsed - told[0].elapsed >= trouble.rests
        assert told[1].elapsed - told[0].elapsed <= trouble.rests * 1.5


@pytest.fixture(autouse=True)
def _no_mistakes(gateway: Emulator) -> Iterator[None]:
    yield
    gateway.unscript()
