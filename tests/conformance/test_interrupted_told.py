"""What an interrupted stream says: how much came, why it ended, whether to ask anew; in each dialect, on every client.

Must not know how a stream is watched.
"""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience import Action, Cause, Certainty, Guards, Policy, StreamInterrupted, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Runtime
from tests.conformance.emitted import Emitted
from tests.conformance.kit import client, configured
from tests.conformance.scenario import Ask
from tests.conformance.streams_kit import CHAT, CLAUDE, DIALECTS, FIRST, TEXT, WAN, is_whole
from tests.conformance.surfaces import Caller, Surface, every_surface

SOON = 0.1
EVENTS = 6
"""Events that are sent before a stream ends in another way than it should."""

SERVER = {"openai responses": Cause.SERVER}
"""What the emulator's error event means, where that is no overload."""

ENDINGS = {
    "cut": Fault(cut_stream_after=EVENTS, drop_terminator=True),
    "broken": Fault(cut_stream_after=EVENTS),
    "failed": Fault(error_event=True, cut_stream_after=EVENTS),
}
WHOLE = {"gemini sse": 5}
"""Events after which a dialect is not whole yet, where these are fewer."""


def read(caller: Caller, ask: Ask, **more: Any) -> tuple[Any, bytes, Any]:
    """Read a stream as it comes."""
    return caller.stream("POST", ask.path, json=ask.json, headers=dict(ask.headers), **more)


def ended(caller: Caller, ask: Ask, why: str, **more: Any) -> tuple[StreamInterrupted, bytes]:
    """Read a stream that is interrupted; see that this is the client's exception too."""
    surface = caller.surface
    answer, body, error = read(caller, ask, **more)
    assert isinstance(error, StreamInterrupted), error
    assert error.why == why
    kind = surface.adapter.StreamInterruptedTimeout if why == "idle" else surface.adapter.StreamInterrupted
    assert isinstance(error, kind)
    assert isinstance(error, surface.timeout_error if why == "idle" else surface.body_error)
    assert answer.status == 200
    assert caller.in_use() == 0
    return error, body


@every_surface
@pytest.mark.parametrize("why", ENDINGS)
def test_an_interruption_says_what_came(surface: Surface, why: str, emu: Emulator) -> None:
    """Events, bytes, text, usage, the last id; cause and certainty; that it may be asked anew; and the report."""
    with client(surface, emu, pool=1) as caller:
        for name, ask in DIALECTS.items():
            emu.reset()
            count = WHOLE.get(name, EVENTS)
            fault = ENDINGS[why]
            emu.script(Fault(**{**fault.to_json(), "cut_stream_after": count}))
            error, body = ended(caller, ask, why)
            assert len(emu.seen) == 1, "a stream that has begun is asked for once"
            content = count - FIRST[name]
            assert (name, error.events, error.bytes) == (name, content, len(body))
            if name == "dashscope":  # its text is in parts, which nobody puts together
                assert error.text is None
            else:
                assert error.text
                assert TEXT.startswith(error.text)
            counted = name not in ("openai chat", "openai responses")
            assert (error.usage is not None) == counted
            ids = {"cut": str(EVENTS), "broken": str(EVENTS), "failed": "8"}
            assert error.last_event_id == (ids[why] if name == "dashscope" else None)
            assert (error.finish_reason is None) == (name != "gemini array")
            assert (error.cause, error.certainty) == (
                SERVER.get(name, Cause.TRANSIENT) if why == "failed" else Cause.TRANSIENT,
                Certainty.UNKNOWN,
            )
            assert error.safe_to_repeat
            _reported(error)
            assert (error.__cause__ is None) == (why != "broken")
            assert error.__cause__ is None or not isinstance(error.__cause__, StreamInterrupted)


def _reported(error: StreamInterrupted) -> None:
    """See that its report has the decision, and that nothing was sent again."""
    told = report(error)
    assert told is not None
    assert told.decision is not None
    assert told.decision is error.decision
    assert (told.decision.action, told.decision.delay) == (Action.NO_RETRY, None)
    assert len(told.attempts) == 1
    assert "never" in told.decision.reason
    assert "drop" in told.decision.guidance


@every_surface
def test_text_is_what_was_said_up_to_then(surface: Surface, emu: Emulator) -> None:
    """To the letter."""
    emu.script(Fault(cut_stream_after=4))
    with client(surface, emu, pool=1) as caller:
        error, _ = ended(caller, CHAT, "broken")
    assert (error.text, error.events) == ("Hello from the", 3)


@every_surface
def test_a_policy_that_repeats_nothing_says_so(surface: Surface, emu: Emulator) -> None:
    """Then the application had better not ask anew."""
    emu.script(Fault(cut_stream_after=4))
    with client(surface, emu, configured(emu, policy=Policy.strict()), pool=1) as caller:
        error, _ = ended(caller, CHAT, "broken")
    assert not error.safe_to_repeat
    assert len(emu.seen) == 1


QUIET = [
    ("keep-alives", Fault(stall="mid_body", keep_alive=SOON / 5), Policy(content_idle_timeout=SOON), None),
    ("silent, the client's own time-out", Fault(stall="mid_body"), Policy(), (5.0, SOON)),
]


@every_surface
@pytest.mark.parametrize(("fault", "policy", "timeout"), [it[1:] for it in QUIET], ids=[it[0] for it in QUIET])
def test_a_stream_that_falls_silent(
    surface: Surface, fault: Fault, policy: Policy, timeout: Any, emu: Emulator
) -> None:
    """Neither keep-alives nor pings are content; it is also the client's time-out, and says what came."""
    ask = CLAUDE if fault.keep_alive else CHAT
    more = {} if timeout is None else {"timeout": timeout}
    emu.script(fault)
    with client(surface, emu, configured(emu, policy=policy, runtime=Runtime()), pool=1) as caller:
        error, body = ended(caller, ask, "idle", **more)
        assert error.__cause__ is not None
    assert (error.events, error.text) == (3, "Hello from the")
    assert (error.cause, error.certainty) == (Cause.TRANSIENT, Certainty.UNKNOWN)
    assert len(emu.seen) == 1
    assert len(body) <= error.bytes


@every_surface
def test_nothing_but_keep_alives_from_the_first_is_repeated(surface: Surface, emu: Emulator) -> None:
    """Nobody has seen anything of it: it has failed within ``content_idle_timeout``, as a silent one has."""
    emu.script(Fault(stall="after_headers", keep_alive=SOON / 5))
    policy = Policy(content_idle_timeout=SOON, stream_hold=2 * SOON)
    with client(surface, emu, configured(emu, policy=policy, runtime=Runtime()), pool=1) as caller:
        _, body, error = read(caller, CHAT)
        assert error is None
        is_whole(CHAT, body)
    assert len(emu.seen) == 2


# --- what a stream that never begins comes to


NEVER = {
    "an error event": (CHAT, Fault(error_event=True), "failed", 3),
    "reset after the headers": (CHAT, Fault(reset="after_headers"), "broken", 3),
    "a clean end": (CHAT, Fault(cut_stream_after=0, drop_terminator=True), "cut", 3),
    "an opening and no more": (CLAUDE, Fault(cut_stream_after=FIRST["anthropic"], drop_terminator=True), "cut", 3),
    "an error event after an opening": (CLAUDE, Fault(cut_stream_after=3, error_event=True), "failed", 3),
}


@every_surface
@pytest.mark.parametrize("name", NEVER)
def test_the_last_answer_of_several_is_handed_over(surface: Surface, name: str, emu: Emulator) -> None:
    """Its headers and all it said, to be read; then it is an interruption, not an end."""
    ask, fault, why, times = NEVER[name]
    emu.script(*[fault] * times)
    with client(surface, emu, pool=1) as caller:
        error, body = ended(caller, ask, why)
        assert (error.events, error.bytes) == (0, len(body))
        assert (b"error" in body) == (why == "failed")
        told = report(error)
        assert told is not None
        assert len(told.attempts) == len(emu.seen) == times


@every_surface
@pytest.mark.parametrize("name", ["reset after the headers", "a clean end", "an opening and no more"])
def test_the_strict_policy_repeats_nothing_of_unknown_outcome(surface: Surface, name: str, emu: Emulator) -> None:
    """Before any content, too: it may have been done."""
    ask, fault, why, _ = NEVER[name]
    emu.script(fault)
    with client(surface, emu, configured(emu, policy=Policy.strict()), pool=1) as caller:
        error, body = ended(caller, ask, why)
        assert (error.safe_to_repeat, error.events, error.bytes) == (False, 0, len(body))
    assert len(emu.seen) == 1


OFF = [
    Fault(error_event=True),
    Fault(cut_stream_after=0, drop_terminator=True),
    Fault(drop_terminator=True),
    ENDINGS["failed"],
]


@every_surface
def test_switched_off_a_stream_is_what_the_client_makes_of_it(surface: Surface, emu: Emulator) -> None:
    """Neither repeated nor raised."""
    with client(surface, emu, configured(emu, policy=Policy(enabled=False)), pool=1) as caller:
        for fault in OFF:
            emu.reset()
            emu.script(fault)
            answer, _, error = read(caller, CLAUDE)
            assert (answer.status, error, len(emu.seen)) == (200, None, 1)
            assert "x-should-retry" not in answer.headers


# --- DashScope, whose streams are asked for by a header


@every_surface
def test_dashscope_s_streams_are_treated_alike(surface: Surface, emu: Emulator) -> None:
    """Whole in any dress; repeated before their content."""
    dresses = [Fault(), Fault(line_end="crlf"), Fault(line_end="cr", gzip=True), Fault(malformed_event=True)]
    failures = [
        Fault(error_event=True),
        Fault(cut_stream_after=0),
        Fault(cut_stream_after=0, drop_terminator=True),
        Fault(reset="after_headers"),
    ]
    with client(surface, emu, configured(emu, guards=Guards.off()), pool=1) as caller:
        for fault in (*dresses, *failures):
            emu.reset()
            emu.script(fault)
            _, body, error = read(caller, WAN)
            assert error is None
            is_whole(WAN, body)
            assert len(emu.seen) == (2 if fault in failures else 1)


# --- what is emitted


@every_surface
@pytest.mark.parametrize(
    ("fault", "outcome", "event"),
    [
        (Fault(), "success", None),
        (Fault(drop_terminator=True), "success", "stream unterminated"),
        (Fault(cut_stream_after=3), "interrupted", "stream interrupted"),
        (Fault(error_event=True, cut_stream_after=3), "failed", "stream failed"),
    ],
    ids=["whole", "unterminated", "cut", "failed"],
)
def test_a_stream_s_span_ends_once(surface: Surface, fault: Fault, outcome: str, event: Any, emu: Emulator) -> None:
    """With its end, not with its headers, whatever is done with it afterwards."""
    emu.script(fault)
    with Emitted() as emitted:
        with client(surface, emu, configured(emu, **emitted.settings()), pool=1) as caller:
            read(caller, CHAT)
            assert caller.in_use() == 0
        (call,) = [span for span in emitted.spans() if span.kind == "INTERNAL"]
        assert call.attributes["anyint.outcome"] == outcome
        assert [name for name, _ in call.events] == ([] if event is None else [event])
        assert sum(emitted.metrics()["anyint.streams"].sums.values()) == 1
