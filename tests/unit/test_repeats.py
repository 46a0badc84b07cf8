"""Requests that fail and come again: counted, told once, forgotten."""

from __future__ import annotations

from anyint_resilience import Resilience, report
from anyint_resilience.callreport import CallReport
from anyint_resilience.repeats import WINDOW, Repeats, end, look
from anyint_resilience.stores.memory import MemoryStore


def test_the_steps_count_and_look() -> None:
    """Counting adds one and says how many there were; looking changes nothing."""
    state, before = end(None, 0.0)
    assert (state, before) == ({"count": 1, "at": 0.0}, 0)
    assert end(state, 1.0) == ({"count": 2, "at": 1.0}, 1)
    assert look(state, 1.0) == (state, 1)
    assert end(state, WINDOW) == ({"count": 1, "at": WINDOW}, 0)
    assert look(None, 1.0) == (None, 0)


def test_a_request_that_fails_again_is_told_once() -> None:
    """The second failure is worth telling, the third and the hundredth are not; another request is another one."""
    repeats = Repeats(MemoryStore(lambda: 0.0))
    assert [repeats.ended("a") for _ in range(5)] == [False, True, False, False, False]
    assert repeats.ended("b") is False
    assert (repeats.before("a"), repeats.before("b"), repeats.before("c")) == (5, 1, 0)


def test_a_minute_later_it_is_forgotten() -> None:
    """The same question asked anew is no retry."""
    now = [0.0]
    repeats = Repeats(MemoryStore(lambda: now[0]))
    repeats.ended("a")
    now[0] = WINDOW - 1
    assert repeats.before("a") == 1
    now[0] = WINDOW + 1
    assert repeats.before("a") == 0


def test_each_configuration_has_its_own() -> None:
    """Two accounts do not count each other's failures."""
    one, other = Resilience(), Resilience()
    one.repeats.ended("a")
    assert other.repeats.before("a") == 0


class Told(Exception):
    anyint_report = CallReport(route="POST /x", family=None, operation="other")  # type: ignore[arg-type]


class MadeUp:
    """A response that a framework made up: nothing is on it."""

    status_code = 500


def raised_while_handling() -> Exception:
    """Return what a framework raises that says nothing of what it came from (litellm)."""
    try:
        try:
            raise Told
        except Told:
            error = RuntimeError("from the framework")
            error.response = MadeUp()  # type: ignore[attr-defined]
            raise error  # noqa: B904 - as frameworks do
    except RuntimeError as caught:
        return caught


def test_the_report_is_found_behind_a_made_up_response() -> None:
    """Every way an exception leads back is followed, not the first alone."""
    assert report(raised_while_handling()) is Told.anyint_report


def test_a_context_that_was_ruled_out_is_not_followed() -> None:
    """``raise ... from None`` says that it has nothing to do with it."""
    error = raised_while_handling()
    error.__suppress_context__ = True
    assert report(error) is None


def test_a_ring_of_causes_ends() -> None:
    """Exceptions that name each other are looked at once and a bit."""
    one, two = RuntimeError(), RuntimeError()
    one.__cause__, two.__cause__ = two, one
    assert report(one) is None
