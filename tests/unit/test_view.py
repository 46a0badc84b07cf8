"""What a process reads from the briefs that it was told: who need not ask, and who may not go."""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience.guards import breaker, gate, view
from anyint_resilience.guards.opening import Pace
from anyint_resilience.guards.twins import brief
from anyint_resilience.guards.view import Brief, View
from anyint_resilience.policy.times import MAX_HINT

NOW = 1000.0
TOLD: dict[str, Any] = {"cause": "", "until": 0.0, "shut": 0.0, "probe": 0.0, "named": False, "limited": False}
KEY = "gate:a:b"


def told(**how: Any) -> dict[str, Any]:
    return {**TOLD, **how}


REFUSES: dict[str, tuple[dict[str, Any], float, tuple[float, str] | None]] = {
    "nothing": (told(), 0.0, None),
    "closed for longer than it can wait": (told(cause="rate", until=NOW + 5), 4.9, (NOW + 5, "rate")),
    "closed for as long as it can wait": (told(cause="rate", until=NOW + 5), 5.0, None),
    "closed until now": (told(cause="rate", until=NOW), 0.0, None),
    "down for longer": (told(cause="down", until=NOW + 5), 1.0, (NOW + 5, "down")),
    "a quota, and it could wait": (told(cause="quota", until=NOW + 9, probe=NOW + 9), 60.0, (NOW + 9, "quota")),
    "a quota, and a probe is due": (told(cause="quota", until=NOW, probe=NOW), 0.0, None),
    "a quota with a moment": (
        told(cause="quota", until=NOW + 90, probe=NOW + 9, named=True),
        99.0,
        (NOW + 90, "quota"),
    ),
    "a quota with a moment, a probe is due": (told(cause="quota", until=NOW + 90, probe=NOW, named=True), 0.0, None),
    "a quota whose moment has come": (told(cause="quota", until=NOW, probe=NOW + 9, named=True), 0.0, None),
    "closed for ever": (told(cause="rate", until=NOW + 1e9), 60.0, None),  # nobody says so: it is asked
    "a limit for long": (told(cause="rate", until=NOW + 900, probe=NOW + 60, named=True), 999.0, (NOW + 900, "rate")),
    "a quota, and its probe is out": (told(cause="quota", until=NOW + 5, probe=NOW + 9), 0.0, (NOW + 9, "quota")),
    "as long as anybody says": (told(cause="rate", until=NOW + MAX_HINT), 60.0, (NOW + MAX_HINT, "rate")),
    "closed until now, and it can't wait any longer": (told(cause="rate", until=NOW), -1.0, None),
}


@pytest.mark.parametrize(("known", "patience", "refusal"), REFUSES.values(), ids=REFUSES)
def test_who_is_refused_without_asking(known: Any, patience: float, refusal: tuple[float, str] | None) -> None:
    """Only where the store would say the same."""
    held = Brief.of(known)
    assert held is not None
    wanted = None if refusal is None else gate.Passage("refuse", *refusal)
    assert held.refuses(NOW, NOW + patience) == wanted


@pytest.mark.parametrize("kind", ["rate", "spent", "quota", "down"])
@pytest.mark.parametrize("hint", [None, 3.0, 400.0])
@pytest.mark.parametrize("passed", [0.0, 2.0, 3.0, 61.0, 500.0])
@pytest.mark.parametrize("patience", [0.0, 10.0, 900.0])
def test_the_view_refuses_as_the_store_does(kind: str, hint: float | None, passed: float, patience: float) -> None:
    """And never one that the store would let go or wait."""
    state: Any = None
    for _ in range(2):
        step: Any = gate.told(state, NOW, ticket="", kind=kind, began=NOW, hint=hint, pace=Pace(1.0, 2.0, 20.0), u=0.5)
        state = step[0]
    now = NOW + passed
    held = Brief.of(brief(KEY, state))
    assert held is not None
    refusal = held.refuses(now, now + patience)
    _, passage = gate.ask(state, now, ticket="t", since=now, bound=now + patience)
    if refusal is not None:
        assert refusal._replace(ring=()) == passage._replace(ring=())
    if held.free:
        assert passage.kind == "go"


@pytest.mark.parametrize(
    ("known", "free"),
    [
        (told(), True),
        (told(shut=5.0, until=5.0), True),
        (told(limited=True), False),
        (told(cause="rate", until=NOW - 1), False),
        (told(cause="down"), False),
        (told(probe=NOW), False),
    ],
)
def test_who_need_not_ask(known: Any, free: bool) -> None:
    """Where nothing is closed, counted or limited; what was closed is let go of in order."""
    held = Brief.of(known)
    assert held is not None
    assert held.free is free


@pytest.mark.parametrize(
    "known", [None, {}, told(until="soon"), told(probe=None), {"open": 1.0}, [], told(cause="evil")]
)
def test_what_cannot_be_read_says_nothing(known: Any) -> None:
    """News of another version, or of somebody else."""
    assert Brief.of(known) is None


WAYS: dict[str, tuple[Any, breaker.Passage | None]] = {
    "nothing": (None, breaker.Passage(True)),
    "it counts failures": ({"open": 0.0}, breaker.Passage(True)),
    "open": ({"open": NOW + 5}, breaker.Passage(False, NOW + 5)),
    "half open": ({"open": NOW}, None),
    "for as long as any hint": ({"open": NOW + 2 * MAX_HINT}, breaker.Passage(False, NOW + 2 * MAX_HINT)),
    "for ever": ({"open": NOW + 2 * MAX_HINT + 1}, None),
    "not readable": ({"open": "yes"}, breaker.Passage(True)),
}


@pytest.mark.parametrize(("known", "way"), WAYS.values(), ids=WAYS)
def test_what_is_known_of_a_circuit(known: Any, way: breaker.Passage | None) -> None:
    """Only a probe must be asked for."""
    seen = View()
    seen.note("breaker:a", known, 1.0)
    assert seen.circuit("breaker:a", NOW) == way


def test_the_later_word_counts() -> None:
    """In whatever order they come; one of the same moment is taken as the later one."""
    seen = View()
    assert seen.note(KEY, told(cause="rate"), 5.0)
    assert not seen.note(KEY, None, 4.0)
    assert seen.gate(KEY) == Brief("rate")
    assert seen.note(KEY, None, 5.0)
    assert not seen.note(KEY, told(cause="rate"), 4.9)
    assert seen.gate(KEY) is None
    assert not seen.standing


def test_a_clock_that_was_put_back_is_believed() -> None:
    """What seems old by more than news ever are comes from a clock that is another one now."""
    seen = View()
    seen.note(KEY, told(cause="rate"), 5000.0)
    assert not seen.note(KEY, None, 4995.0)
    assert seen.note(KEY, None, 4994.5)
    assert seen.gate(KEY) is None


def test_what_is_not_among_all_there_is_is_over() -> None:
    """And what is there is known, whatever was before."""
    seen = View()
    for key in ("gate:1", "gate:2"):
        seen.note(key, told(cause="rate"), 5.0)
    seen.renew({"gate:2": told(cause="quota"), "breaker:3": {"open": NOW + 1}, "gate:4": None}, 6.0)
    assert list(seen.standing) == ["gate:2", "breaker:3"]
    assert [seen.gate(key) for key in ("gate:1", "gate:2", "gate:4")] == [None, Brief("quota"), None]
    assert [seen.knows(key) for key in ("gate:1", "gate:2", "breaker:3")] == [False, True, True]


def test_it_can_forget_all() -> None:
    """Also how late it was told."""
    seen = View()
    seen.note(KEY, told(cause="rate"), 9.0)
    seen.clear()
    assert not seen.standing
    assert seen.gate(KEY) is None
    assert seen.note(KEY, told(cause="rate"), 1.0)


def test_it_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over goes first, then what has been known for longest."""
    monkeypatch.setattr(view, "_MOST", 4)
    seen = View()
    seen.note("gate:0", told(cause="rate"), 1.0)
    for number in range(1, 4):
        seen.note(f"gate:{number}", None if number == 2 else told(cause="rate"), 1.0)
    seen.note("gate:4", told(cause="rate"), 1.0)
    assert list(seen.standing) == [f"gate:{number}" for number in (0, 1, 3, 4)]
    seen.note("gate:5", told(cause="rate"), 1.0)
    assert list(seen.standing) == [f"gate:{number}" for number in (1, 3, 4, 5)]


def test_it_holds_no_more_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing is over."""
    monkeypatch.setattr(view, "_MOST", 4)
    seen = View()
    for number in range(5):
        seen.note(f"gate:{number}", told(cause="rate"), 1.0)
    assert list(seen.standing) == [f"gate:{number}" for number in (1, 2, 3, 4)]


def test_what_is_over_is_remembered_where_there_is_room() -> None:
    """News of it that were late say nothing."""
    seen = View()
    seen.note("gate:0", None, 5.0)
    seen.note("gate:1", told(cause="rate"), 5.0)
    assert not seen.note("gate:0", told(cause="rate"), 4.0)
