"""Streams, on every client: a call whose answer is streamed is over when the stream is, however that ends.

Must not know how a stream is followed, only what is emitted of it.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from anyint_resilience import Policy, StreamInterrupted
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Runtime
from tests.conformance.emitted import Emitted, Span, labels
from tests.conformance.kit import MODELS, client, configured
from tests.conformance.scenario import MESSAGES, STREAM, Ask
from tests.conformance.surfaces import Caller, Surface, every_surface
from tests.conformance.telemetry import hold_against_tables
from tests.conformance.test_pool_of_one import only_our_warnings

CLAUDE = MESSAGES.but(json={**MESSAGES.json, "stream": True}, streamed=True)
PIECE = b'data: {"choices":[{"delta":{"content":"hello"}}]}\n\n'
LAST = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
ERROR = b'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
EVENTS = {"content-type": "text/event-stream"}
HANGS = {"headers": EVENTS, "stall": "mid_body"}


def then_silence(events: bytes) -> Fault:
    """Return a fault that sends these events and then nothing: the connection stays open."""
    return Fault(body=events + b" " * len(events), **HANGS)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Ending:
    """How a stream ends: what the gateway does, how much of it is read, and what the call has come to.

    ``events``: what is told of it on the way there; ``attempts``: how many it took.
    """

    name: str
    fault: Fault
    outcome: str
    chunks: int | None = None
    size: int | None = None
    ask: Ask = STREAM
    events: tuple[str, ...] = ()
    attempts: int = 1


CUT_OFF, AGAIN = ("stream interrupted",), ("backoff", "recovered")
ENDINGS = [
    Ending("read to its end", Fault(), "success"),
    Ending("read to its end, another dialect", Fault(), "success", ask=CLAUDE),
    Ending("no last event", Fault(drop_terminator=True), "success", events=("stream unterminated",)),
    Ending("no last event, another dialect", Fault(drop_terminator=True), "interrupted", ask=CLAUDE, events=CUT_OFF),
    Ending("an error in the middle", Fault(body=PIECE + ERROR, headers=EVENTS), "failed", events=("stream failed",)),
    Ending("an error at first", Fault(body=ERROR, headers=EVENTS), "success", events=AGAIN, attempts=2),
    Ending("overloaded", Fault(error_event=True), "success", ask=CLAUDE, events=AGAIN, attempts=2),
    Ending("cut", Fault(cut_stream_after=3), "interrupted", events=CUT_OFF),
    Ending("cut before its content", Fault(cut_stream_after=1), "success", events=AGAIN, attempts=2),
    Ending("cut at once", Fault(cut_stream_after=0), "success", events=AGAIN, attempts=2),
    Ending("reset", Fault(reset="mid_body"), "interrupted", events=CUT_OFF),
    Ending("silent, and the client's time-out", then_silence(PIECE), "interrupted", events=CUT_OFF),
    Ending("closed before its end", then_silence(PIECE), "abandoned", chunks=1, size=len(PIECE)),
    Ending("closed unread", then_silence(PIECE), "abandoned", chunks=0),
    Ending("closed after the last event", then_silence(PIECE + LAST), "success", chunks=1, size=len(PIECE + LAST)),
    Ending("closed after another dialect's", then_silence(STOP), "success", chunks=1, size=len(STOP), ask=CLAUDE),
    Ending("an empty body", Fault(status=204), "success"),
]


@contextmanager
def watching(surface: Surface, emu: Emulator, **settings: Any) -> Iterator[tuple[Caller, Emitted]]:
    """Open a client with one connection, whose calls are observed; no call may keep that."""
    with Emitted() as emitted, client(surface, emu, configured(emu, **emitted.settings(**settings)), pool=1) as caller:
        yield caller, emitted
        assert caller.in_use() == 0


def told(emitted: Emitted, outcome: str, attempts: int = 1) -> tuple[Span, list[Span]]:
    """Return the one call's span and its attempts', which must say that it came to this."""
    call, *under = (it for it in emitted.spans() if "models" not in it.name)
    assert (call.kind, call.parent, call.attributes["anyint.operation"]) == ("INTERNAL", None, "stream")
    assert (call.attributes["anyint.outcome"], call.attributes["anyint.attempts"]) == (outcome, attempts)
    assert call.failed == (outcome in ("interrupted", "late", "failed"))
    assert [it.parent for it in under] == [call.span_id] * attempts
    assert [it.failed for it in under] == [True] * (attempts - 1) + [False], "the last one's headers were good"
    metrics = emitted.metrics()
    hold_against_tables(metrics)
    streams = labels({"anyint.operation": "stream"})
    family = call.attributes["anyint.family"]
    key = labels({"anyint.family": family, "anyint.operation": "stream", "anyint.outcome": outcome})
    assert metrics["anyint.streams"].sums == {labels({"anyint.family": family, "anyint.outcome": outcome}): 1}
    for name, value in (("anyint.calls", 1), ("anyint.call.duration", 1), ("anyint.call.attempts", attempts)):
        found = metrics[name].counts if name.endswith("duration") else metrics[name].sums
        assert {it: count for it, count in found.items() if streams <= it} == {key: value}
    assert [name for name, _ in call.events].count("stream interrupted") == (outcome == "interrupted")
    assert [name for name, _ in call.events] == [event.name for event in emitted.events]
    return call, under


@every_surface
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_a_stream_is_told_as_it_ended(surface: Surface, ending: Ending, emu: Emulator) -> None:
    """Read whole, broken off, or closed before: once, whatever is done with it afterwards."""
    emu.script(ending.fault)
    ask = ending.ask
    how = {
        "chunks": ending.chunks,
        "size": ending.size,
        "timeout": (5, 0.4 if ending.name.startswith("silent") else 5),
    }
    with only_our_warnings(surface), watching(surface, emu) as (caller, emitted):
        _, body, broken = caller.stream(ask.method, ask.path, json=ask.json, **how)
        assert isinstance(broken, StreamInterrupted) == (ending.outcome in ("interrupted", "failed"))
        assert broken is None or isinstance(broken, surface.error)
        call, _ = told(emitted, ending.outcome, ending.attempts)
        assert tuple(name for name, _ in call.events) == ending.events
        assert ending.chunks is None or bool(body) == bool(ending.chunks)
    assert len(emu.seen) == ending.attempts


@every_surface
def test_a_stream_that_began_at_the_second_attempt_is_followed(surface: Surface, emu: Emulator) -> None:
    """One call from the first attempt to the end of the stream; the decision stands on its span."""
    emu.script(Fault(status=503), Fault(cut_stream_after=3))
    with watching(surface, emu) as (caller, emitted):
        _, _, broken = caller.stream(STREAM.method, STREAM.path, json=STREAM.json)
        assert broken is not None
        call, _ = told(emitted, "interrupted", attempts=2)
    assert [name for name, _ in call.events] == ["backoff", "recovered", "stream interrupted"]
    assert call.attributes["anyint.certainty"] == "committed"


@every_surface
def test_a_stream_that_a_deadline_ends_is_late(surface: Surface, emu: Emulator) -> None:
    """The answer had begun: what the application misses is the rest of the stream."""
    emu.script(then_silence(PIECE))
    policy = Policy(deadline=0.3)
    with watching(surface, emu, policy=policy, runtime=Runtime()) as (caller, emitted):
        _, body, broken = caller.stream(STREAM.method, STREAM.path, json=STREAM.json, size=len(PIECE))
        assert isinstance(broken, surface.adapter.DeadlineExceeded)
        assert body == PIECE
        call, _ = told(emitted, "late")
        assert [name for name, _ in call.events] == ["deadline exceeded"]


@every_surface
def test_an_error_before_a_stream_is_no_stream(surface: Surface, emu: Emulator) -> None:
    """A call that failed is over when its answer is handed over, read or not."""
    emu.script(Fault(status=400))
    with watching(surface, emu) as (caller, emitted):
        caller.stream(STREAM.method, STREAM.path, json=STREAM.json, chunks=0)
        (call, _) = emitted.spans()
        assert (call.attributes["anyint.outcome"], call.attributes["anyint.operation"]) == ("failed", "stream")
        assert "anyint.streams" not in emitted.metrics()


async def sent(caller: Caller, url: str) -> Any:
    """Ask for a stream and return the client's own response, unread."""
    if caller.surface.is_httpx:
        request = caller.client.build_request("POST", url, json=STREAM.json)
        return await caller.client.send(request, stream=True)
    return await caller.client.post(url, json=STREAM.json)


def sent_blocking(caller: Caller, url: str) -> Any:
    """Do as :func:`sent`."""
    if caller.surface.is_httpx:
        return caller.client.send(caller.client.build_request("POST", url, json=STREAM.json), stream=True)
    return caller.client.post(url, json=STREAM.json, stream=True)


@every_surface
@pytest.mark.parametrize("ring", [False, True], ids=["by itself", "in a ring"])
def test_a_stream_that_is_dropped_unclosed_is_abandoned(surface: Surface, emu: Emulator, ring: bool) -> None:
    """It is told with the next call at the latest: within the garbage collector nothing can be.

    What a client says of an unclosed response is its own, and of its generators under one (on trio).
    """
    emu.script(then_silence(PIECE))
    url = f"{emu.url}{STREAM.path}"

    def gone(response: Any) -> None:
        holding: list[Any] = [response]
        if ring:
            holding.append(holding)

    async def dropped() -> None:
        gone(await sent(caller, url))

    with warnings.catch_warnings(), Emitted() as emitted:
        warnings.filterwarnings("ignore", "(?i)unclosed|async generator '(httpx|httpcore)", ResourceWarning)
        anyint = configured(emu, **emitted.settings())
        with client(surface, emu, anyint) as caller:
            if surface.is_async:
                caller.call(dropped)
            else:
                gone(sent_blocking(caller, url))
        gc.collect()  # the connections of aiohttp hold on to their responses until they are closed
        with client(surface, emu, anyint) as caller:
            assert caller.request("GET", MODELS).status == 200
        told(emitted, "abandoned")
