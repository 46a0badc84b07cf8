"""The gate as a pure step: what closes it, for how long, who goes when, and how many."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from anyint_resilience.guards import gate
from anyint_resilience.guards.opening import CALM, CUT, Pace
from anyint_resilience.guards.settings import Guards

NOW = 1000.0
FEW = Guards().failures
RATE = Pace(2.0, 3.0, 20.0)
LONG = NOW + 3600


def told(state: Any, kind: str, now: float = NOW, *, ticket: str = "", **how: Any) -> Any:
    how = {"began": now, "few": FEW, "pace": RATE, "u": 0.5, **how}
    return gate.told(state, now, ticket=ticket, kind=kind, **how)


def ask(
    state: Any, ticket: str, now: float = NOW, *, since: float | None = None, bound: float = LONG, **how: Any
) -> Any:
    return gate.ask(state, now, ticket=ticket, since=now if since is None else since, bound=bound, **how)


def closed(kind: str, now: float = NOW, **how: Any) -> Any:
    """Return the state of a gate that this has closed."""
    state = None
    for _ in range(FEW if kind == "down" else 1):
        state, said = told(state, kind, now, **how)
    assert said.shut == ("rate" if kind == "spent" else kind)
    return state


def limited(limit: float, now: float = NOW) -> Any:
    """Return the state of an open gate that lets so many fly at once."""
    state, _ = told(None, "rate", now - 10, hint=1.0, began=now - 11, flying=100)
    state, said = told(state, "good", now, began=now - 1)
    assert said.opened
    return {**state, "limit": limit, "spread": 0.0}


def out(state: Any, *tickets: str, now: float = NOW) -> Any:
    """Return the state after these went out."""
    for ticket in tickets:
        state, passage = ask(state, ticket, now)
        assert passage.kind == "go"
    return state


def in_line(state: Any, *tickets: str, now: float = NOW, bound: float = LONG) -> Any:
    """Return the state after these came, one after the other, and waited."""
    for number, ticket in enumerate(tickets):
        state, passage = ask(state, ticket, now, since=now + number * 1e-3, bound=bound)
        assert passage.kind == "wait"
    return state


# --- closing


@pytest.mark.parametrize("kind", ["good", "other"])
def test_nothing_is_kept_while_all_is_well(kind: str) -> None:
    """The good path leaves no state behind, and nobody is counted."""
    assert ask(None, "a") == (None, gate.Passage("go"))
    assert told(None, kind) == (None, gate.Told())


@pytest.mark.parametrize("kind", ["rate", "spent", "quota"])
@pytest.mark.parametrize("hint", [0.5, 2.0, CALM / 2])
def test_a_hint_closes_it_for_so_long_to_everybody(kind: str, hint: float) -> None:
    """Nobody passes before; who can't wait so long fails at once and is told when it makes sense."""
    state = closed(kind, hint=hint)
    for ticket in "abc":
        state, passage = ask(state, ticket, NOW + hint / 3, bound=NOW + hint / 2)
        assert (passage.kind, passage.at) == ("refuse", NOW + hint)
        assert passage.why == ("quota" if kind == "quota" else "rate")
    assert ask(state, "d", NOW + hint)[1].kind == "go"


@pytest.mark.parametrize("kind", ["rate", "spent"])
def test_who_can_wait_for_a_limit_waits(kind: str) -> None:
    """It is told when to look, never before the hint is over."""
    for u in (0.0, 0.5, 0.99):
        passage = ask(closed(kind, hint=2.0), "a", u=u)[1]
        assert (passage.kind, passage.why) == ("wait", "rate")
        assert NOW + 2.0 <= passage.at <= NOW + 3.0


def test_without_a_hint_the_pace_closes_it_longer_each_time() -> None:
    """Where nothing succeeds between."""
    state, now, pauses = None, NOW, []
    for _ in range(4):
        state, _ = told(state, "rate", now, u=0.5)
        pauses.append(state["until"] - now)
        now = state["until"]
    assert pauses == pytest.approx([0.5 * it for it in (2.0, 6.0, 18.0, 20.0)])


def test_while_it_serves_a_refusal_without_a_hint_only_cuts() -> None:
    """Fewer fly, and nobody waits for nothing: a limit is in force, and a call has succeeded since it closed last."""
    state = closed("rate", flying=64, hint=2.0)
    limit, now = state["limit"], state["until"]
    state, _ = told(state, "good", now, began=now)
    state, _ = told(state, "rate", now + 1, began=now)
    assert state["until"] <= now + 1
    assert state["limit"] < limit
    state, _ = told(state, "rate", now + 2, began=now + 1.5, hint=3.0)  # a hint is one
    assert state["until"] == now + 5


def test_a_refusal_of_one_that_was_out_before_closes_nothing_anew() -> None:
    """Of 64 that were out at the first one, all are refused: one cut, one closing; only a longer hint counts."""
    state = closed("rate", flying=64, began=NOW - 1, hint=2.0)
    limit = state["limit"]
    for _ in range(63):
        state, _ = told(state, "rate", NOW + 0.1, began=NOW - 1)
    assert (state["limit"], state["until"], state["streak"]) == (limit, NOW + 2.0, 1)
    state, _ = told(state, "rate", NOW + 0.1, began=NOW - 1, hint=5.0)
    assert state["until"] == NOW + 5.1


@pytest.mark.parametrize("count", range(FEW + 2))
def test_failures_in_a_row_close_it(count: int) -> None:
    """So many as are configured, and no fewer."""
    state = None
    for _ in range(count):
        state, _ = told(state, "down")
    assert (state is not None and state["cause"] == "down") is (count >= FEW)


def test_a_success_between_failures_begins_the_count_anew() -> None:
    """A gateway that answers now and then is not down."""
    state = None
    for _ in range(10):
        for _ in range(FEW - 1):
            state, said = told(state, "down")
            assert not said.shut
        state, _ = told(state, "good")
    assert state is None


# --- an outage


def test_an_outage_is_probed_by_one_after_the_other_and_one_success_opens_it() -> None:
    """The head of the line probes when it is time; the others wait for what it finds."""
    state = in_line(closed("down"), "a", "b")
    now = state["until"]
    assert ask(state, "b", now, since=NOW + 1e-3)[1].kind == "wait"
    state, passage = ask(state, "a", now, since=NOW)
    assert (passage.kind, passage.why, passage.ring) == ("go", "down", ("b",))
    state, passage = ask(state, "b", now, since=NOW + 1e-3)
    assert passage.kind == "wait"
    assert passage.at == state["until"] > now, "the next probe follows though the first has not come back"
    state, said = told(state, "good", now + 0.1, ticket="a", began=now)
    assert said == gate.Told(opened=True, ring=("b",))
    assert ask(state, "b", now + 0.1, since=NOW + 1e-3)[1].kind == "go"


@pytest.mark.parametrize("kind", ["good", "down", "rate", "quota"])
def test_one_that_was_out_before_the_outage_does_not_open_it(kind: str) -> None:
    """What it found was found before."""
    state = closed("down")
    until = state["until"]
    state, said = told(state, kind, NOW + 0.1, began=NOW - 1)
    if kind == "good":
        assert not said.opened
    if kind in ("good", "down"):
        assert (state["cause"], state["until"]) == ("down", until)


def test_an_answer_of_any_kind_lets_the_next_find_out_at_once() -> None:
    """A 4xx says that it answers, and not that the model serves."""
    state, said = told(in_line(closed("down"), "a"), "other", NOW + 0.01)
    assert (state["cause"], said.ring) == ("down", ("a",))
    assert ask(state, "a", NOW + 0.01, since=NOW)[1].kind == "go"


def test_after_an_outage_few_fly_and_then_as_many_as_before() -> None:
    """No herd: the limit grows by up to twice with each round, and is dropped when what flew before flies again."""
    state = None
    for _ in range(FEW):
        state, _ = told(state, "down", flying=40)
    state, _ = told(state, "good", NOW + 5, began=NOW + 4)
    limits = [state["limit"]]
    assert 1 <= limits[0] < 40
    for rounds in range(10):
        names = [f"{rounds}-{number}" for number in range(int(limits[-1]))]
        state = out(state, *names, now=NOW + 6 + rounds)
        assert ask(state, "one more", NOW + 6 + rounds)[1].kind == "wait"
        for name in names:
            state, _ = told(state, "good", NOW + 6.5 + rounds, began=NOW + 6 + rounds, ticket=name)
        if state is None:
            break
        limits.append(state["limit"])
    assert state is None, "what flew before flies again: nobody counts any more"
    assert all(1.2 * one <= other <= 2 * one for one, other in pairwise(limits))


# --- a used-up quota


def test_a_quota_without_a_moment_is_probed_by_one_at_a_time_at_growing_pauses() -> None:
    """Nobody waits; one finds out, and the others are refused with the time of the next try."""
    state, now, pauses = closed("quota"), NOW, []
    for _ in range(5):
        state, passage = ask(state, "x", now)
        assert (passage.kind, passage.why) == ("refuse", "quota")
        pauses.append(passage.at - now)
        now = passage.at
        state, passage = ask(state, "probe", now)
        assert (passage.kind, passage.why) == ("go", "quota")
        assert ask(state, "y", now)[1].kind == "refuse"
        state, _ = told(state, "quota", now, ticket="probe", began=now)
    assert pauses == sorted(pauses)
    assert pauses[-1] > pauses[0] > 0
    assert pauses[-1] <= gate.USED_UP.most
    state, passage = ask(state, "probe", state["probe"])
    state, said = told(state, "good", state["probe"], ticket="probe", began=state["probe"])
    assert said.opened
    assert ask(state, "z", now + 1000)[1].kind == "go"


def test_a_quota_with_a_moment_is_probed_early_too() -> None:
    """The account may be topped up long before; the refused are told the server's own moment."""
    state = closed("quota", hint=86_400.0)
    assert ask(state, "a", NOW + 1)[1] == gate.Passage("refuse", NOW + 86_400.0, "quota")
    assert ask(state, "a", NOW + CALM)[1].kind == "go"


# --- the limit


@pytest.mark.parametrize(("flying", "limit"), [(0, 1.0), (1, 1.0), (10, 10 * CUT), (64, 64 * CUT)])
def test_the_first_rate_answer_sets_a_limit_of_what_flew(flying: int, limit: float) -> None:
    """Off until then."""
    assert closed("rate", hint=1.0, flying=flying)["limit"] == pytest.approx(limit)


def test_the_limit_is_cut_once_for_a_round_and_grows_by_one_in_a_round() -> None:
    """Additive increase, multiplicative decrease."""
    state = limited(10.0)
    was = state["limit"]
    for number in range(10):
        state, _ = told(out(state, *"abcdefgh"), "good", NOW + number / 10, began=NOW)
    assert was + 0.8 < state["limit"] < was + 1.1
    was = state["limit"]
    state, _ = told(state, "rate", NOW + 2, began=NOW + 1, hint=0.1)
    assert state["limit"] == pytest.approx(was * CUT)


def test_no_more_fly_than_may_and_the_next_goes_when_one_is_back() -> None:
    """First come, first served; who comes back or leaves rings the next."""
    state = in_line(out(limited(2.0), "a", "b"), "c", "d")
    state, said = told(state, "other", ticket="a")
    assert said.ring == ("c",)
    assert ask(state, "d", since=NOW + 1e-3)[1].kind == "wait"
    state, passage = ask(state, "c", since=NOW)
    assert (passage.kind, passage.ring) == ("go", ("d",))
    state, said = gate.leave(state, NOW, ticket="b")
    assert said.ring == ("d",)
    assert ask(state, "d", since=NOW + 1e-3)[1].kind == "go"


def test_one_that_was_out_at_the_last_cut_cuts_no_second_time() -> None:
    """Though the gate has opened meanwhile: what it met is the load of before."""
    state = limited(10.0)
    state, said = told(state, "rate", began=NOW - 12, hint=1.0)
    assert (said.shut, state["limit"]) == ("rate", 10.0)
    state, _ = told(limited(10.0), "rate", began=NOW - 1, hint=1.0)
    assert state["limit"] == pytest.approx(10.0 * CUT)


def test_who_has_waited_as_long_as_it_can_leaves_the_line() -> None:
    """It is refused, its place is free, and the next one is rung."""
    state = in_line(out(limited(1.0), "a"), "b", bound=NOW + 5)
    state = in_line(state, "c", now=NOW + 1)
    state, passage = ask(state, "b", NOW + 5, since=NOW, bound=NOW + 5)
    assert (passage.kind, passage.why, passage.ring) == ("refuse", "full", ("c",))
    assert [row[1] for row in state["line"]] == ["c"]


def test_an_older_call_stands_before_a_younger_one() -> None:
    """A call's second attempt does not stand behind those that came meanwhile."""
    state = in_line(out(limited(1.0), "a"), "young")
    state, passage = ask(state, "old", since=NOW - 5)
    assert passage.kind == "wait"
    assert told(state, "other", ticket="a")[1].ring == ("old",)


def test_max_concurrency_holds_from_the_first_call_on() -> None:
    """Without any rate answer; who can't wait is refused and told why."""
    state = None
    for ticket in "ab":
        state, passage = ask(state, ticket, most=2)
        assert passage.kind == "go"
    assert ask(state, "c", most=2)[1].kind == "wait"
    state, passage = ask(state, "c", most=2, bound=NOW)
    assert (passage.kind, passage.why) == ("refuse", "full")


def test_the_line_is_let_go_spread_out() -> None:
    """Positive jitter: one after the other, never all at the moment when it opens."""
    names = [f"w{number:02}" for number in range(20)]
    state, now, went = in_line(closed("rate", hint=10.0, flying=100), *names), NOW + 10.0, []
    for number, name in enumerate(names):
        for _ in range(3):
            state, passage = ask(state, name, now, since=NOW + number * 1e-3, u=0.5)
            if passage.kind == "go":
                break
            now = passage.at
        assert passage.kind == "go"
        went.append(now)
    assert went == sorted(went)
    assert len(set(went)) == len(names)
    assert 0.5 < went[-1] - NOW - 10.0 < 2.0, "a tenth of the hint, and no more than a second"


@pytest.mark.parametrize("kind", ["out", "line"])
def test_places_and_permits_of_who_vanished_lapse(kind: str) -> None:
    """A permit after its lease, a place when its call could not have waited longer."""
    state = out(limited(1.0), "a")
    if kind == "out":
        assert ask(state, "b", NOW + gate.LEASE, bound=NOW + 2 * gate.LEASE)[1].kind == "go"
        return
    state = in_line(state, "gone", bound=NOW + 5)
    state, _ = told(state, "other", ticket="a")
    assert ask(state, "b", NOW + 4, bound=LONG)[1].kind == "wait"
    assert ask(state, "b", NOW + 6, bound=LONG)[1].kind == "go"


@pytest.mark.parametrize("back", [0.0, 1.0, 900.0])
@pytest.mark.parametrize("kind", ["rate", "spent", "down", "quota"])
def test_a_clock_that_steps_back_closes_nothing_for_longer(kind: str, back: float) -> None:
    """Pauses are as long as they were."""
    state = closed(kind, hint=None if kind in ("down", "quota") else 5.0)
    pause = max(state["until"], state["probe"]) - NOW
    state, _ = gate.settle(state, NOW - back)
    assert ask(state, "a", NOW - back + pause + 1)[1].kind == "go"
    assert ask(state, "a", NOW - back + pause / 2)[1].kind != "go"


@pytest.mark.parametrize(
    ("state", "forgotten"),
    [
        (None, True),
        (closed("rate", hint=2.0), False),
        (partial(closed, "down"), False),
        (partial(closed, "quota", hint=2.0), False),
        (partial(limited, 5.0), False),
    ],
)
def test_what_is_over_is_forgotten(state: Any, forgotten: bool) -> None:
    """At once where there is nothing, else some time after the last word."""
    state = state() if callable(state) else state
    assert (gate.settle(state, NOW + 0.1)[0] is None) is forgotten
    assert gate.settle(state, NOW + 1000)[0] is None


@pytest.mark.parametrize("step", [gate.leave, partial(gate.told, kind="good", began=NOW)])
def test_who_never_asked_may_leave(step: Any) -> None:
    """A ticket that nobody knows takes nothing from anybody."""
    state = in_line(out(limited(2.0), "a", "b"), "c")
    left, _ = step(state, NOW, ticket="unknown")
    assert (set(left["out"]), [row[1] for row in left["line"]]) == ({"a", "b"}, ["c"])
