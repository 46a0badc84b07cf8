"""Calls that are cancelled, that go on at the same time, and a few hundred that meet every fault, observed.

Must not know how a call is watched: only what is emitted of it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from opentelemetry import trace

from anyint_resilience import CallReport, report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.emitted import Emitted, Span
from tests.conformance.kit import ASK, CHAT, client, configured
from tests.conformance.scenario import STREAM, VIDEO
from tests.conformance.surfaces import Surface, calling, every_surface, sends, surfaces
from tests.conformance.telemetry import hold_against_tables
from tests.conformance.test_cancellation import LOOPS, MOMENTS, Bed, Moment, stalled
from tests.conformance.test_cancellation import configured as restless
from tests.conformance.test_cleanliness import STUBBORN, THREADS, at_once
from tests.conformance.test_pool_of_one import PATIENCE, REQUESTS, SEED, STALLED_READ, only_our_warnings, plan, used

CALLS = 100
every_awaiting = surfaces(lambda surface: surface.is_async)
every_blocking = surfaces(lambda surface: not surface.is_async)


def under(spans: list[Span]) -> list[tuple[Span, list[Span]]]:
    """Return each call's span with its attempts'; there are no others."""
    calls = [span for span in spans if span.kind == "INTERNAL"]
    found = [(call, [span for span in spans if span.parent == call.span_id]) for call in calls]
    assert len(calls) + sum(len(attempts) for _, attempts in found) == len(spans)
    for call, attempts in found:
        assert [it.trace_id for it in attempts] == [call.trace_id] * call.attributes["anyint.attempts"]
    return found


def hold_together(emitted: Emitted, calls: int) -> list[tuple[Span, list[Span]]]:
    """See that spans and metrics count the same calls and attempts; return the spans."""
    found, metrics = under(emitted.spans()), emitted.metrics()
    hold_against_tables(metrics)
    assert len(found) == calls
    outcomes = Counter(call.attributes["anyint.outcome"] for call, _ in found)
    counted: Counter[str] = Counter()
    for key, count in metrics["anyint.calls"].sums.items():
        counted[dict(key)["anyint.outcome"]] += int(count)
    assert counted == outcomes
    attempts = [span for _, spans in found for span in spans]
    assert sum(metrics["http.client.request.duration"].counts.values()) == len(attempts)
    assert sum(metrics["anyint.call.attempts"].sums.values()) == len(attempts)
    resent = sum("http.request.resend_count" in span.attributes for span in attempts)
    retries = metrics["anyint.retries"].sums if "anyint.retries" in metrics else {}
    assert resent <= sum(retries.values()) <= resent + outcomes["cancelled"] + outcomes["late"]
    return found


# --- cancelled


def cut(surface: Surface, moment: Moment, emu: Emulator) -> tuple[Emitted, CallReport | None]:
    """Cancel a call at a moment; return what was emitted, and the report that its exception has."""
    emu.script(moment.fault)
    bed = Bed()
    told: list[CallReport | None] = []
    with Emitted() as emitted:
        anyint = restless(moment, emu, bed, **emitted.settings())
        with calling(surface, anyint, base_url=emu.url, pool=1, timeout=10) as caller, emitted.application() as around:

            async def call() -> Any:
                assert trace.get_current_span() is around
                try:
                    return await caller.direct(moment.ask.method, moment.ask.path, json=moment.ask.json)
                except BaseException as error:
                    told.append(report(error))
                    raise
                finally:
                    assert trace.get_current_span() is around

            caller.call(LOOPS[str(surface.backend)], call, lambda: bed.asleep or stalled(emu))
            assert caller.in_use() == 0
    return emitted, told[0]


@every_awaiting
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.name)
def test_a_cancelled_call_is_told_as_cancelled(surface: Surface, moment: Moment, emu: Emulator) -> None:
    """Its spans end with it, one that was out as failed; the log is told, and the span around it is current again."""
    emitted, _ = cut(surface, moment, emu)
    ((call, (attempt,)),) = hold_together(emitted, 1)
    if moment.name == "reading a good answer":  # it was handed over, and the client reads it
        assert (call.attributes["anyint.outcome"], call.events, attempt.failed) == ("success", [], False)
        return
    lost = call.attributes.get("anyint.certainty") == "unknown" and call.attributes["anyint.operation"] == "create"
    assert (call.attributes["anyint.outcome"], call.failed) == (("unknown", True) if lost else ("cancelled", False))
    assert [name for name, _ in call.events][-1] == ("outcome unknown" if lost else "cut off")
    assert [event.name for event in emitted.events] == [name for name, _ in call.events]
    slept = moment.name.startswith("sleeping")
    assert (attempt.failed, attempt.attributes["error.type"]) == (True, "429" if slept else "cancelled")


@every_awaiting
@pytest.mark.parametrize("moment", [it for it in MOMENTS if it.unknown], ids=lambda moment: moment.name)
def test_a_cancelled_create_is_told_as_unknown(surface: Surface, moment: Moment, emu: Emulator) -> None:
    """It may be billed, and is held back from now on: the trace has the intent that the report has."""
    emitted, told = cut(surface, moment, emu)
    ((call, _),) = hold_together(emitted, 1)
    assert told is not None
    assert call.attributes.get("anyint.intent") == told.intent
    assert call.attributes.get("anyint.certainty") == "unknown"


@every_awaiting
def test_a_stream_that_is_cancelled_while_it_is_read_is_abandoned(surface: Surface, emu: Emulator) -> None:
    """Nobody reads on: that is all there is to say."""
    emu.script(Fault(body=b"data: {}\n\n", stall="mid_body"))
    with only_our_warnings(surface), Emitted() as emitted:
        with client(surface, emu, configured(emu, **emitted.settings()), pool=1) as caller:

            async def call() -> Any:
                return await caller.along("POST", STREAM.path, None, None, json=STREAM.json)

            caller.call(LOOPS[str(surface.backend)], call, lambda: stalled(emu))
            assert caller.in_use() == 0
        ((call_span, _),) = hold_together(emitted, 1)
    assert (call_span.attributes["anyint.outcome"], call_span.failed) == ("abandoned", False)


@every_blocking
@pytest.mark.parametrize("ask", [CHAT, VIDEO.path])
def test_ctrl_c_ends_the_spans(surface: Surface, ask: str, emu: Emulator) -> None:
    """It passes at once, and the call is told as cancelled."""

    def interrupted(request: Any) -> Any:
        raise KeyboardInterrupt

    with Emitted() as emitted:
        anyint = configured(emu, **emitted.settings())
        with client(surface, emu, anyint, inner=sends(surface, interrupted)) as caller, emitted.application():
            with pytest.raises(KeyboardInterrupt):
                caller.request("POST", ask, json=ASK)
        ((call, (attempt,)),) = hold_together(emitted, 1)
    assert call.attributes["anyint.outcome"] == ("unknown" if ask == VIDEO.path else "cancelled")
    assert (attempt.attributes["error.type"], attempt.failed) == ("cancelled", True)


# --- many


@every_surface
def test_calls_at_once_have_each_their_own_spans(surface: Surface, emu: Emulator) -> None:
    """No attempt stands under another call's span, and each goes out under its own."""
    emu.script(*[Fault(status=503, body=b"x" * 100_000), Fault(reset="before_headers"), Fault(status=429)] * 8)
    with Emitted() as emitted, client(surface, emu, configured(emu, **emitted.settings()), pool=THREADS) as caller:
        answers = at_once(caller, 40, "POST", CHAT, json=ASK, policy=STUBBORN)
        assert [answer.status for answer in answers] == [200] * 40
        found = hold_together(emitted, 40)
    attempts = {span.span_id: span for _, spans in found for span in spans}
    assert len(attempts) == len(emu.seen) == 64
    for seen in emu.seen:
        _, trace_id, span_id, _ = seen.headers["traceparent"].split("-")
        span = attempts.pop(span_id)
        assert (span.trace_id, span.attributes.get("http.response.status_code")) == (trace_id, seen.answered)
    for _, spans in found:
        assert [span.attributes.get("http.request.resend_count", 0) for span in spans] == list(range(len(spans)))


@every_surface
def test_every_fault_leaves_whole_spans(surface: Surface, emu: Emulator) -> None:
    """However a call is treated: read, closed at once, closed after a chunk, cancelled. Each is told once."""
    with only_our_warnings(surface), Emitted() as emitted:
        with client(surface, emu, configured(emu, **emitted.settings()), pool=1, timeout=PATIENCE) as caller:
            for number, (faults, manner) in enumerate(itertools.islice(plan(SEED), CALLS)):
                emu.reset()
                emu.script(*faults)
                method, path, body = REQUESTS[number % len(REQUESTS)]
                stalls = any(fault.stall for fault in faults)
                timeout = (PATIENCE, STALLED_READ if stalls else PATIENCE)
                json = None if body is None else {**body, "prompt": str(number)}
                with emitted.application(caller):
                    used(caller, manner, method, path, json=json, timeout=timeout)
                assert caller.in_use() == 0
        found = hold_together(emitted, CALLS)
    assert len({call.attributes["anyint.outcome"] for call, _ in found}) >= 5
