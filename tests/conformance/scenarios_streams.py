"""Streams: whole in any dress, repeated where nobody has seen them yet, and interrupted where they have begun.

Must not know any client. DashScope, and what an interruption carries: ``test_interrupted_*``.
"""

from __future__ import annotations

from typing import Any

from anyint_resilience import Action, Cause, Certainty, Policy, StreamInterrupted, report
from anyint_resilience.emulator import Fault
from tests.conformance.scenario import DELIVERED, Ask, Raises, Scenario, stops
from tests.conformance.streams_kit import ARRAY, CHAT, CLAUDE, EVENTS, FIRST, GEMINI, TOLD, WAN, is_whole

ALL = tuple(ask for ask in TOLD if ask is not WAN)
SSE = tuple(ask for ask in EVENTS if ask is not WAN)
SOON = 0.1
"""Seconds in which a stream must go on, where that is bounded."""


# --- whole


def whole(played: Any) -> None:
    """Every answer is whole."""
    for ask, end in zip(played.scenario.asks, played.ends, strict=True):
        is_whole(ask, end.answer.content)


def in_dress(name: str, asks: tuple[Ask, ...] = ALL, **fault: Any) -> Scenario:
    """Return a scenario of streams that are whole, however they are written."""
    return Scenario(
        name=name,
        asks=asks,
        faults=(Fault(**fault),) * len(asks),
        wire=(200,) * len(asks),
        decision=DELIVERED,
        check=whole,
    )


WHOLE = [
    in_dress("whole streams of each dialect"),
    in_dress("lines that end with CRLF", SSE, line_end="crlf"),
    in_dress("lines that end with CR", SSE, line_end="cr"),
    in_dress("compressed streams", gzip=True),
    in_dress("a malformed event in the middle", SSE, malformed_event=True),
    in_dress("compressed, with CRLF and a malformed event", SSE, gzip=True, line_end="crlf", malformed_event=True),
    in_dress(
        "a slow first token, and keep-alives until then", (CHAT, CLAUDE, ARRAY), delay_body=0.02, keep_alive=0.005
    ),
]


# --- before the first content


def unseen(name: str, asks: tuple[Ask, ...], fault: Fault, **more: Any) -> Scenario:
    """Return a scenario of streams that fail before their content, each once; the second of each is whole."""
    return Scenario(
        **{
            "name": name,
            "asks": asks,
            "faults": (fault, Fault()) * len(asks),
            "wire": (200, 200) * len(asks),
            "waits": (0.05,) * len(asks),
            "decision": DELIVERED,
            "check": whole,
            **more,
        }
    )


def as_without_us(name: str, fault: Fault) -> Scenario:
    """Return a scenario of a stream that breaks while we are switched off: the client's own exception."""
    return Scenario(name=name, asks=(CHAT,), faults=(fault,), ends=(Raises.BROKEN,), anyint=OFF)


UNSURE = stops(Cause.TRANSIENT, Certainty.UNKNOWN)
ERROR = Fault(error_event=True)
RESET = Fault(reset="after_headers")
CLEAN = Fault(cut_stream_after=0, drop_terminator=True)
CUT = Fault(cut_stream_after=0)
OPENED = Fault(cut_stream_after=FIRST["anthropic"], drop_terminator=True)
TOLD_OFF = Fault(cut_stream_after=FIRST["anthropic"], error_event=True)
SILENT = Fault(stall="after_headers")
PROMPT = {"policy": Policy(first_byte_timeout=1.5 * SOON)}
STRICT = {"policy": Policy.strict()}
OFF = {"policy": Policy(enabled=False)}

BEFORE = [
    unseen("an error event first: once more", ALL, ERROR),
    unseen("reset after the headers: once more", (CHAT, ARRAY), RESET),
    unseen("a clean end before any content: once more", ALL, CLEAN),
    unseen("cut before any content: once more", ALL, CUT),
    unseen("an opening without content, then an end: once more", (CLAUDE,), OPENED),
    unseen("an opening without content, then an error event: once more", (CLAUDE,), TOLD_OFF),
    unseen("headers, and no body in first_byte_timeout: once more", (CHAT,), SILENT, anyint=PROMPT),
    unseen("an error event first, the strict policy: it was rejected, so once more", (CHAT,), ERROR, anyint=STRICT),
    as_without_us("reset after the headers, switched off", RESET),
    as_without_us("reset in the middle, switched off", Fault(reset="mid_body")),
]


# --- after it


def interrupted(why: str) -> Any:
    """Return a check that each stream was interrupted so, with content, after one attempt."""

    def check(played: Any) -> None:
        for end in played.ends:
            error = end.error
            assert isinstance(error, StreamInterrupted)
            assert (error.why, error.events > 0) == (why, True)
            told = report(error)
            assert told is not None
            assert told.decision is not None
            assert told.decision.action is Action.NO_RETRY
            assert len(told.attempts) == 1
            assert end.answer.content

    return check


def broken(name: str, why: str, fault: Fault, asks: tuple[Ask, ...] = ALL, **more: Any) -> Scenario:
    """Return a scenario of streams that have begun and do not come to their end: each is asked for once."""
    return Scenario(
        **{
            "name": name,
            "asks": asks,
            "faults": (fault,) * len(asks),
            "wire": (200,) * len(asks),
            "ends": (Raises.INTERRUPTED,),
            "decision": UNSURE,
            "check": interrupted(why),
            **more,
        }
    )


MIDDLE = 5  # events: by then each dialect has content, and none its end
BREAKS = Fault(cut_stream_after=MIDDLE)
STALLS = Fault(stall="mid_body")
LATE: dict[str, Any] = {"ends": (Raises.INTERRUPTED_TIMEOUT,)}

AFTER = [
    broken("cut after its content", "broken", BREAKS),
    broken("a clean end after its content", "cut", Fault(cut_stream_after=MIDDLE, drop_terminator=True)),
    broken("a clean end with all but the last event", "cut", Fault(drop_terminator=True), ALL[1:]),
    broken("reset after its content", "broken", Fault(reset="mid_body"), (CLAUDE, ARRAY)),
    broken("an error event after its content", "failed", Fault(error_event=True, cut_stream_after=MIDDLE)),
    broken("cut after a malformed event", "broken", Fault(cut_stream_after=MIDDLE, malformed_event=True), (CHAT,)),
    broken("cut after its content, the strict policy", "broken", BREAKS, (CHAT,), anyint=STRICT),
    broken(
        "silent for stream_idle_timeout",
        "idle",
        STALLS,
        (CHAT.but(timeout=(5, 2 * SOON)),),
        anyint={"policy": Policy(stream_idle_timeout=SOON)},
        **LATE,
    ),
    broken("silent for the client's own time-out", "idle", STALLS, (GEMINI.but(timeout=(5, SOON)),), **LATE),
]

TOPICS: dict[str, list[Scenario]] = {
    "streams that are whole": WHOLE,
    "streams that fail before their content": BEFORE,
    "streams that are interrupted": AFTER,
}
