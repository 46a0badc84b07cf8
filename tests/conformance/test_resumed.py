"""``resume_stream`` over every client: a stream that ends too early is asked for anew on the wire, and only that.

Must not know any SDK.
"""

from __future__ import annotations

import contextlib
import copy
import json
import pickle
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from anyint_resilience import Guards, Policy, Resilience, Restarted, StreamInterrupted, report, resume_stream
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.kit import client, configured
from tests.conformance.scenario import Ask
from tests.conformance.streams_kit import CHAT, CLAUDE, DIALECTS
from tests.conformance.surfaces import Caller, Surface, Waits, every_surface, surfaces
from tests.conformance.test_pool_of_one import only_our_warnings

SILENT = 0.2
"""Seconds that a client waits for the next piece."""

EVENTS = {"content-type": "text/event-stream"}
NAMES = re.compile(r"[0-9a-f]{12,}|[0-9]{6,}")
"""Ids and times, which each answer has of its own."""
PIECE = b'data: {"choices":[{"delta":{"content":"hello"}}]}\n\n'


def lines(caller: Caller, ask: Ask = CHAT) -> Callable[[], Any]:
    """Return a generator function over a client, as an application writes one: yields the lines of the answer."""
    client, url = caller.client, caller.setup.base_url + ask.path
    library, is_async = caller.surface.library, caller.surface.is_async
    if library == "requests":

        def of_requests() -> Iterator[str]:
            timeout = caller.setup.timeout
            with client.post(url, json=ask.json, headers=ask.headers, stream=True, timeout=timeout) as answer:
                answer.raise_for_status()
                for line in answer.iter_lines(1):
                    yield line.decode()

        return of_requests
    if library == "aiohttp":

        async def of_aiohttp() -> AsyncIterator[str]:
            async with client.post(url, json=ask.json, headers=ask.headers) as answer:
                answer.raise_for_status()
                async for line in answer.content:
                    yield line.decode().rstrip("\n")

        return of_aiohttp
    if is_async:

        async def of_async() -> AsyncIterator[str]:
            async with client.stream("POST", url, json=ask.json, headers=ask.headers) as answer:
                answer.raise_for_status()
                kept = b""
                async with contextlib.aclosing(answer.aiter_bytes()) as body:  # aiter_lines leaves it to the collector
                    async for chunk in body:
                        *whole, kept = (kept + chunk).split(b"\n")
                        for line in whole:
                            yield line.decode()

        return of_async

    def of_sync() -> Iterator[str]:
        with client.stream("POST", url, json=ask.json, headers=ask.headers) as answer:
            answer.raise_for_status()
            yield from answer.iter_lines()

    return of_sync


def play(
    caller: Caller, ask: Ask = CHAT, *, stop: Callable[[Any], bool] = lambda item: False, **more: Any
) -> tuple[list[list[str]], list[Restarted], Exception | None]:
    """Read a resumed stream: the lines of each run, what was told between them, and what was raised."""
    runs: list[list[str]] = [[]]
    told: list[Restarted] = []

    def take(item: Any) -> bool:
        if isinstance(item, Restarted):
            told.append(item)
            runs.append([])
        elif item:
            runs[-1].append(NAMES.sub("#", item))
        return stop(item)

    def read() -> None:
        with resume_stream(lines(caller, ask), anyint=caller.setup.anyint, **more) as items:
            for item in items:
                if take(item):
                    break

    async def aread() -> None:
        async with resume_stream(lines(caller, ask), anyint=caller.setup.anyint, **more) as items:
            async for item in items:
                if take(item):
                    break

    try:
        caller.call(aread if caller.surface.is_async else read)
    except Exception as error:
        return runs, told, error
    return runs, told, None


@contextlib.contextmanager
def resuming(surface: Surface, emu: Emulator, *faults: Fault, **more: Any) -> Iterator[tuple[Caller, Waits]]:
    """Open a client, and let the gateway do this; in the end it has all its connections back."""
    waits, options = Waits(), {name: more.pop(name) for name in ("timeout", "pool") if name in more}
    emu.script(*faults)
    with client(surface, emu, configured(emu, runtime=waits.runtime(), **more), **options) as caller:
        yield caller, waits
        assert caller.in_use() == 0


def said(document: dict[str, Any]) -> Fault:
    """Let a stream break its answer off with this event, and a clean end."""
    return Fault(body=PIECE + b"data: " + json.dumps(document).encode() + b"\n\n", headers=EVENTS)


HANGS = Fault(body=PIECE + b" " * 99, headers=EVENTS, stall="mid_body")
ENDS: list[tuple[str, Fault, str, float]] = [
    ("the connection is lost", Fault(cut_stream_after=4), "broken", 5.0),
    ("it is reset", Fault(reset="mid_body"), "broken", 5.0),
    ("it ends without its last event", Fault(cut_stream_after=4, drop_terminator=True), "cut", 5.0),
    ("it says that it failed", Fault(cut_stream_after=4, error_event=True), "failed", 5.0),
    ("it falls silent", HANGS, "idle", SILENT),
]


@every_surface
@pytest.mark.parametrize(("fault", "why", "timeout"), [it[1:] for it in ENDS], ids=[it[0] for it in ENDS])
def test_a_stream_that_ends_too_early_is_asked_for_anew(
    surface: Surface, emu: Emulator, fault: Fault, why: str, timeout: float
) -> None:
    """Told of with the client's own exception; then the whole answer from its beginning, and nothing else."""
    with resuming(surface, emu, timeout=timeout) as (caller, _):
        (whole,), _, _ = play(caller)
        emu.reset()
        emu.script(fault)
        (first, second), (again,), error = play(caller)
        assert error is None
        assert (again.number, again.why, again.items > 0) == (2, why, True)
        assert isinstance(again.error, StreamInterrupted)
        assert isinstance(again.error, surface.error)
        assert second == whole
        assert 0 < len(first) < len(whole) or why == "idle"
        assert len(emu.seen) == 2


@every_surface
@pytest.mark.parametrize("ask", DIALECTS.values(), ids=DIALECTS)
def test_every_dialect(surface: Surface, emu: Emulator, ask: Ask) -> None:
    """Cut after some content, then whole."""
    with resuming(surface, emu) as (caller, _):
        (whole,), _, _ = play(caller, ask)
        emu.reset()
        emu.script(Fault(cut_stream_after=5))
        (_, second), (again,), error = play(caller, ask)
        assert (error, again.why, second, len(emu.seen)) == (None, "broken", whole, 2)


@every_surface
@pytest.mark.parametrize("attempts", [1, 3])
def test_no_more_requests_than_attempts(surface: Surface, emu: Emulator, attempts: int) -> None:
    """Then the client's very exception, which says what arrived of the last run."""
    with resuming(surface, emu, *[Fault(cut_stream_after=4)] * 9) as (caller, waits):
        runs, told, error = play(caller, policy=Policy(attempts=attempts))
        assert (len(emu.seen), len(runs), len(told)) == (attempts, attempts, attempts - 1)
        assert isinstance(error, StreamInterrupted)
        assert isinstance(error, surface.body_error)
        assert all(error is not it.error for it in told)
        assert (
            error.events == sum('"content":' in line and '"content":""' not in line for line in runs[-1])
            or error.events
        )
        assert waits.asked == pytest.approx([0.05, 0.1][: attempts - 1])


@every_surface
def test_a_spent_budget_refuses_the_second_restart(surface: Surface, emu: Emulator) -> None:
    """One token is all there is: the exception of the second run is raised."""
    guards = Guards(budget_reserve=1, budget_ratio=0, failures=1000)
    with resuming(surface, emu, *[Fault(cut_stream_after=4)] * 9, guards=guards) as (caller, _):
        _, told, error = play(caller, policy=Policy(attempts=9))
        assert (len(emu.seen), len(told)) == (2, 1)
        assert isinstance(error, StreamInterrupted)
        assert error is not told[0].error


NEVER: list[tuple[str, dict[str, Any]]] = [
    ("refused content", {"type": "invalid_request_error", "code": "content_policy_violation", "message": "no"}),
    ("a used-up quota", {"type": "insufficient_quota", "code": "insufficient_quota", "message": "used up"}),
    ("a wrong request", {"type": "invalid_request_error", "code": "invalid_value", "message": "wrong"}),
]


@every_surface
@pytest.mark.parametrize("document", [it[1] for it in NEVER], ids=[it[0] for it in NEVER])
def test_what_would_fail_again_is_raised(surface: Surface, emu: Emulator, document: dict[str, Any]) -> None:
    """An event in the middle of the stream says so."""
    with resuming(surface, emu, said({"error": document})) as (caller, waits):
        _, told, error = play(caller)
        assert isinstance(error, StreamInterrupted)
        assert (error.why, error.safe_to_repeat) == ("failed", False)
        assert (told, len(emu.seen), waits.asked) == ([], 1, [])


@every_surface
@pytest.mark.parametrize("policy", [Policy.strict(), Policy(enabled=False)], ids=["strict", "switched off"])
def test_a_policy_that_repeats_nothing(surface: Surface, emu: Emulator, policy: Policy) -> None:
    """One request, and the client's exception."""
    with resuming(surface, emu, Fault(cut_stream_after=4), policy=policy) as (caller, _):
        _, told, error = play(caller)
        assert isinstance(error, surface.error)
        assert (told, len(emu.seen)) == ([], 1)


BEFORE: list[tuple[str, Fault]] = [
    ("503", Fault.error(503)),
    ("an error event first", Fault(error_event=True)),
    ("reset after the headers", Fault(reset="after_headers")),
]


@every_surface
@pytest.mark.parametrize("fault", [it[1] for it in BEFORE], ids=[it[0] for it in BEFORE])
def test_what_failed_before_its_content_is_not_asked_for_once_more(
    surface: Surface, emu: Emulator, fault: Fault
) -> None:
    """The transport has made all the attempts there are."""
    with resuming(surface, emu, *[fault] * 40) as (caller, _):
        with contextlib.suppress(surface.error):
            caller.stream("POST", CHAT.path, json=CHAT.json)
        alone = len(emu.seen)
        emu.reset()
        emu.script(*[fault] * 40)
        _, told, error = play(caller)
        assert error is not None
        assert (told, len(emu.seen)) == ([], alone)


@every_surface
@pytest.mark.parametrize("when", ["first run", "told", "second run"])
def test_left_in_the_middle_it_gives_its_connection_and_its_permit_back(
    surface: Surface, emu: Emulator, when: str
) -> None:
    """A pool of one and one permit serve the next call at once."""
    guards = Guards(max_concurrency=1, budget_reserve=1000.0, failures=1000)
    faults = [Fault(cut_stream_after=4)]
    with only_our_warnings(surface), resuming(surface, emu, *faults, guards=guards, pool=1) as (caller, _):
        seen: list[Any] = []

        def stop(item: Any) -> bool:
            seen.append(item)
            told = any(isinstance(it, Restarted) for it in seen)
            if when == "told":
                return isinstance(item, Restarted)
            return told != isinstance(item, Restarted) if when == "second run" else bool(item)

        _, _, error = play(caller, stop=stop)
        assert error is None
        assert caller.in_use() == 0
        emu.reset()
        answer = caller.request("POST", CLAUDE.path, json={**CLAUDE.json, "stream": False}, headers=CLAUDE.headers)
        assert answer.status == 200


@surfaces(lambda surface: surface.is_async)
def test_cancelled_it_gives_its_connection_and_its_permit_back(surface: Surface, emu: Emulator) -> None:
    """While it waits for what does not come."""
    guards = Guards(max_concurrency=1, budget_reserve=1000.0, failures=1000)
    with resuming(surface, emu, HANGS, guards=guards, pool=1) as (caller, _):

        async def cancelled() -> bool:
            with anyio.CancelScope() as scope:
                async with resume_stream(lines(caller), anyint=caller.setup.anyint) as items:
                    async for item in items:
                        if item:
                            scope.cancel()
            return scope.cancelled_caught

        assert caller.call(cancelled)
        assert caller.in_use() == 0
        emu.reset()
        assert caller.request("POST", CHAT.path, json={**CHAT.json, "stream": False}).status == 200


@every_surface
@pytest.mark.parametrize("fault", [Fault(cut_stream_after=4), HANGS], ids=["interrupted", "time-out"])
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_the_exception_can_be_copied_and_pickled(
    surface: Surface, emu: Emulator, fault: Fault, again: Callable[[Any], Any]
) -> None:
    """Both classes of an adapter: the client's kind, what arrived, the report; not the budget."""
    with resuming(surface, emu, fault, timeout=SILENT) as (caller, _):
        _, _, broken = caller.stream("POST", CHAT.path, json=CHAT.json)
    assert isinstance(broken, StreamInterrupted)
    assert broken.spend is not None
    twin = again(broken)
    assert type(twin) is type(broken)
    assert (str(twin), twin.spend, report(twin)) == (str(broken), None, report(broken))
    for name in ("why", "events", "bytes", "text", "finish_reason", "safe_to_repeat", "cause", "certainty"):
        assert getattr(twin, name) == getattr(broken, name), name


def test_an_anyint_of_no_call_asks_anew_all_the_same(emu: Emulator) -> None:
    """Without the configuration: the default policy, and what the exception says."""
    with resuming(Surface("httpx"), emu, Fault(reset="mid_body")) as (caller, _):
        policy = Policy(transient_base=0.0)
        runs = [item for item in resume_stream(lines(caller), policy=policy) if isinstance(item, Restarted)]
        assert [it.number for it in runs] == [2]
        assert isinstance(caller.setup.anyint, Resilience)
