"""Streams in the openai and anthropic SDKs, on our transport: whole, or an exception that the application sees.

Must not know how a row is played. ``python -m tests.real.stream_table`` prints what comes of the same rows without us.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

pytest.importorskip("h11")
pytest.importorskip("openai", reason="openai is not installed")
pytest.importorskip("anthropic", reason="anthropic 2 stands on httpx2, which needs Python 3.11")

from anyint_resilience import Action, report
from anyint_resilience.emulator import Emulator
from tests.brief import BRIEF
from tests.conformance.surfaces import Surface
from tests.real.stream_rows import ROWS, TEXT, Row
from tests.real.stream_table import SURFACES, WAYS, Clients, Played, Way, without_waits

Play = Callable[[Row, Way, Surface], Played]

IN_PART = "a compressed piece can't be given in part: what stands before a [DONE] in it is only on the exception"
ITS_OWN = "the SDK raises its own, which has no link to our response"
UNTOLD = {
    ("malformed event", ""): ITS_OWN,
    ("error event first, each time", "responses get_final_response"): ITS_OWN,
}
"""Where the application has no way from what is raised to our report."""


def cases(gaps: dict[tuple[str, str], str], wanted: Callable[[Row], bool] = lambda row: True) -> Any:
    """Make the mark that runs a test on rows, in each way to read them, sync and async."""
    found = []
    for row in filter(wanted, ROWS):
        for way in (it for it in WAYS if it.dialect in row.dialects):
            for on in SURFACES[BRIEF:]:
                if row.silent and way.helper is not on.is_async:
                    continue  # each such wait is a real one: half of them will do
                why = [gaps[it] for it in gaps if it[0] == row.name and it[1] in f"{way} {on}"]
                marks = [pytest.mark.xfail(reason=why[0], strict=True, raises=AssertionError)] if why else []
                found.append(pytest.param(row, way, on, id=f"{row}-{way}-{on}", marks=marks))
    return pytest.mark.parametrize(("row", "way", "surface"), found)


@pytest.fixture(scope="module")
def play(gateway: Emulator) -> Iterator[Play]:
    """Play a row through us; each is played once, for all tests."""
    with ExitStack() as stack, without_waits():
        clients = Clients(gateway, stack)
        yield cache(lambda row, way, surface: clients.play(row, way, surface, ours=True))


@cases({})
def test_a_stream_is_whole_or_an_exception(row: Row, way: Way, surface: Surface, play: Play) -> None:
    """What is not whole is raised; what failed before its content is repeated unseen, nothing else is."""
    played = play(row, way, surface)
    assert (played.error is None) == (row.why is None and not row.fails), played
    assert played.requests == row.requests
    if played.error is None:
        assert (played.text, played.told) == (TEXT, [])


@cases({})
def test_a_lenient_end_is_warned_of(row: Row, way: Way, surface: Surface, play: Play) -> None:
    """What is handed over as whole though its end lacks something is told of, and nothing else is."""
    assert play(row, way, surface).warned is row.warned


@cases({("[DONE] without a terminal event, gzip", ""): IN_PART}, lambda row: row.why is not None)
def test_what_was_interrupted_says_all_it_knows(row: Row, way: Way, surface: Surface, play: Play) -> None:
    """The StreamInterrupted is what is raised, or its cause: with its why, its text, and the report."""
    played = play(row, way, surface)
    found = played.interrupted
    assert found is not None, repr(played.error)
    assert found is (played.error if way.sdk == "anthropic" else played.error.__cause__)  # type: ignore[union-attr]
    assert (found.why, found.safe_to_repeat) == (row.why, True)
    assert (found.__cause__ is None) is (row.why == "cut"), "the client's own"
    assert (found.events > 0) is (row.requests == 1), "with content it is never repeated"
    assert found.text == played.text
    assert report(played.error) is found.anyint_report


@cases(UNTOLD, lambda row: row.why is not None or row.fails)
def test_the_report_is_found_on_what_is_raised(row: Row, way: Way, surface: Surface, play: Play) -> None:
    """``report`` finds the call behind the exception that the application sees, and that says that it failed."""
    played = play(row, way, surface)
    told = report(played.error)
    assert told is not None, repr(played.error)
    assert told.decision is not None
    assert told.decision.action is Action.NO_RETRY
