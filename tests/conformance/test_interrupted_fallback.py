"""Streams and fallback routes: taken for what fails before anything was seen, and never for what has begun.

Must not know how a stream is watched.
"""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience import Guards, Policy, StreamInterrupted, report
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.fallback_kit import AMPLE, HEADER, SPARE, falling, fell, models, row
from tests.conformance.kit import client
from tests.conformance.scenario import Ask
from tests.conformance.streams_kit import CHAT, CLAUDE, FIRST, RESPONSES, dialect_of, is_whole
from tests.conformance.surfaces import Caller, Surface, every_surface

SOON = 0.15
BEFORE: dict[str, tuple[Fault, Policy]] = {
    "an error event first": (Fault(error_event=True), Policy()),
    "reset after the headers": (Fault(reset="after_headers"), Policy()),
    "a clean end at once": (Fault(cut_stream_after=0, drop_terminator=True), Policy()),
    "cut at once": (Fault(cut_stream_after=0), Policy()),
    "no first byte in time": (Fault(stall="after_headers"), Policy(first_byte_timeout=SOON)),
}
AFTER = {
    "cut": Fault(cut_stream_after=6),
    "a clean end": Fault(cut_stream_after=6, drop_terminator=True),
    "reset": Fault(reset="mid_body"),
    "an error event": Fault(error_event=True, cut_stream_after=6),
}
ASKS = (CHAT, CLAUDE, RESPONSES)


def read(caller: Caller, ask: Ask) -> tuple[Any, bytes, Any]:
    """Read a stream as it comes."""
    return caller.stream("POST", ask.path, json=ask.json)


@every_surface
@pytest.mark.parametrize("name", BEFORE)
def test_a_stream_that_fails_before_its_content_falls_back(surface: Surface, name: str, emu: Emulator) -> None:
    """As any failed call does: the fallback's stream is whole, says so, and nothing of the primary's is in it."""
    fault, policy = BEFORE[name]
    silent = fault.stall is not None
    rows = [row(ask) for ask in ASKS]
    with client(surface, emu, falling(emu, *rows, policy=policy), pool=1) as caller:
        for ask in ASKS[:1] if silent else ASKS:
            emu.reset()
            emu.script(*[fault] * (1 if silent else 2))
            answer, body, error = read(caller, ask)
            assert error is None
            is_whole(ask, body)
            primary = ask.json["model"]
            asked = 1 if silent else 2  # one that is silent once would most likely be so again
            assert models(emu.seen) == [primary] * asked + [SPARE]
            assert f"from={primary}, to={SPARE}" in answer.headers[HEADER]
            assert caller.in_use() == 0
    if not silent:
        return
    fell(answer, "transient")


@every_surface
@pytest.mark.parametrize("name", AFTER)
def test_a_stream_that_has_begun_never_falls_back(surface: Surface, name: str, emu: Emulator) -> None:
    """Two answers never fit: what came is the primary's alone, and it was asked once."""
    rows = [row(ask) for ask in ASKS]
    with client(surface, emu, falling(emu, *rows), pool=1) as caller:
        for ask in ASKS:
            emu.reset()
            emu.script(AFTER[name])
            answer, body, error = read(caller, ask)
            assert isinstance(error, StreamInterrupted)
            assert error.events > 0
            assert models(emu.seen) == [ask.json["model"]]
            assert HEADER not in answer.headers
            assert b"Hello" in body
            told = report(error)
            assert told is not None
            assert told.fallback is None
            assert caller.in_use() == 0


@every_surface
def test_a_fallback_s_stream_that_breaks_is_interrupted_as_its_own(surface: Surface, emu: Emulator) -> None:
    """Its report says whose it was; the primary is not asked again."""
    emu.script(Fault(error_event=True), Fault(error_event=True), Fault(cut_stream_after=6))
    with client(surface, emu, falling(emu), pool=1) as caller:
        _, body, error = read(caller, CHAT)
        assert isinstance(error, StreamInterrupted)
        assert (error.events, SPARE.encode() in body) == (5, True)
        assert models(emu.seen) == ["gpt-5", "gpt-5", SPARE]
        told = report(error)
        assert told is not None
        assert told.fallback is not None
        assert caller.in_use() == 0


@every_surface
@pytest.mark.parametrize("error_event", [False, True], ids=["an end", "an error event"])
def test_where_the_fallback_fails_too_the_primary_s_own_stands(
    surface: Surface, error_event: bool, emu: Emulator
) -> None:
    """Its last answer, all it said, and that it failed."""
    count = FIRST[dialect_of(CLAUDE)]
    opening = Fault(cut_stream_after=count, error_event=error_event, drop_terminator=not error_event)
    emu.script(opening, opening, *[Fault(error_event=True)] * 3)
    with client(surface, emu, falling(emu, row(CLAUDE), guards=Guards(failures=99, **AMPLE)), pool=1) as caller:
        answer, body, error = read(caller, CLAUDE)
        assert isinstance(error, StreamInterrupted)
        assert isinstance(error, surface.body_error)
        assert (error.why, error.events) == ("failed" if error_event else "cut", 0)
        assert b"message_start" in body, "the primary's opening, which the fallback's answer had not"
        assert HEADER not in answer.headers
        assert caller.in_use() == 0
