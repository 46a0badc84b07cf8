"""Who asks when: never more in a second than may, first come first served, and no slot that is given back is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.tasks.timetable import Timetable

RATE = 4.0  # a gap of a quarter of a second, which floats hold exactly


def test_the_first_goes_at_once_and_the_others_in_their_order() -> None:
    """So many a second, and no burst after a pause either."""
    table = Timetable()
    assert [table.take("k", 10.0, RATE) for _ in range(3)] == [10.0, 10.25, 10.5]
    assert [table.take("k", 20.0, RATE) for _ in range(2)] == [20.0, 20.25]


def test_kinds_do_not_hold_each_other_up() -> None:
    """Another key, gateway or family has a pace of its own."""
    table = Timetable()
    assert [table.take(kind, 0.0, RATE) for kind in ("a", "b", "a")] == [0.0, 0.0, 0.25]


def test_a_slot_given_back_goes_to_the_next_who_comes() -> None:
    """The earliest first; one whose time has passed is of no use to anybody."""
    table = Timetable()
    slots = [table.take("k", 0.0, RATE) for _ in range(4)]
    for slot in (slots[2], slots[1], slots[0]):
        table.give_back("k", slot)
    table.give_back("nobody's", 1.0)
    assert [table.take("k", 0.1, RATE) for _ in range(3)] == [0.25, 0.5, 1.0]


def test_the_kinds_are_bounded_and_one_in_use_is_not_forgotten() -> None:
    """A program that waits with thousands of keys keeps no line for those that are long through."""
    table = Timetable()
    for number in range(256):
        table.take(f"old{number}", 0.0, RATE)
    for _ in range(100):
        busy = table.take("busy", 10.0, RATE)
    for number in range(300):
        table.take(f"new{number}", 20.0 + number / 25, RATE)
    assert len(table._lines) <= 256
    assert table.take("busy", 33.0, RATE) == busy + 0.25


@pytest.mark.parametrize("rate", [RATE, 18.0])
@given(steps=st.lists(st.tuples(st.floats(0, 2), st.booleans(), st.integers(0, 9)), max_size=60))
def test_the_pace_is_kept_whoever_comes_and_goes(rate: float, steps: list[tuple[float, bool, int]]) -> None:
    """Of the slots that are held no two are nearer than the gap, none is in the past, and none is given out twice."""
    table, now, held = Timetable(), 0.0, list[float]()
    for passed, leaves, which in steps:
        now += passed
        waiting = [slot for slot in held if slot >= now]
        if leaves and waiting:
            slot = waiting[which % len(waiting)]
            held.remove(slot)
            table.give_back("k", slot)
        else:
            slot = table.take("k", now, rate)
            assert slot >= now
            assert all(abs(slot - other) > (1 - 1e-9) / rate for other in held)
            held.append(slot)


def test_threads_get_slots_of_their_own() -> None:
    """Many at once get what they would have got one after the other."""
    table = Timetable()
    with ThreadPoolExecutor(8) as pool:
        slots = list(pool.map(lambda _: table.take("k", 0.0, RATE), range(400)))
    assert sorted(slots) == [number / RATE for number in range(400)]
