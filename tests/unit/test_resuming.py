"""``resume_stream``: who is asked anew, when and how often, and what the application sees. Must not know any client."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience import Policy, Resilience, Restarted, StreamInterrupted, resume_stream
from tests.unit.resuming_kit import NOW, World, broken
from tests.unit.resuming_sources import SHAPES, WAYS, Source, every_way, play, resumed

# --- asked anew, and told so


@pytest.mark.parametrize(("way", "shape"), SHAPES)
def test_what_broke_off_is_asked_for_anew(way: str, shape: str) -> None:
    """Whatever shape of a stream ``make_request`` returns: told first, then given from its beginning, each closed."""
    world, error = World(u=0.5), broken("idle")
    source = Source(["a", "b", error], ["a", "b", "c"])
    seen = play(resume_stream(getattr(source, shape), anyint=world.anyint()), way)
    assert seen.error is None
    (again,) = seen.restarts
    assert seen.items == ["a", "b", again, "a", "b", "c"]
    assert (again.number, again.delay, again.items, again.why) == (2, 0.025, 2, "idle")
    assert again.error is error
    assert (source.made, len(source.closed), world.slept) == (2, 2, [0.025])


@every_way
def test_a_whole_stream_is_asked_for_once(way: str) -> None:
    """Nothing is said, nothing waited for."""
    world, source = World(), Source(["a", "b"])
    seen = play(resumed(source, world, way), way)
    assert (seen.items, seen.error, source.made, len(source.closed), world.slept) == (["a", "b"], None, 1, 1, [])


@every_way
def test_it_is_told_before_the_wait_and_before_the_new_run(way: str) -> None:
    """The application may drop what it showed while nothing comes."""
    world, source = World(), Source(["a", broken()], ["a"])
    at: list[tuple[int, int, int]] = []

    def look(item: Any) -> None:
        if isinstance(item, Restarted):
            at.append((source.made, len(source.closed), len(world.slept)))

    play(resumed(source, world, way), way, look)
    assert at == [(1, 1, 0)]


@every_way
def test_each_restart_has_its_number_and_counts_its_own_run(way: str) -> None:
    """``items`` is of the run before, not of all of them; a run that gave nothing counts none."""
    world, errors = World(), [broken(why) for why in ("cut", "broken", "failed")]
    source = Source([1, 2, 3, errors[0]], [errors[1]], [1, errors[2]], [1])
    seen = play(resumed(source, world, way, Policy(attempts=4)), way)
    told = [(it.number, it.items, it.why, it.error) for it in seen.restarts]
    assert told == [(2, 3, "cut", errors[0]), (3, 0, "broken", errors[1]), (4, 1, "failed", errors[2])]
    assert seen.plain == [1, 2, 3, "again", "again", 1, "again", 1]


@given(cuts=st.lists(st.integers(0, 5), max_size=6), attempts=st.integers(1, 8), way=st.sampled_from(WAYS[:2]))
def test_two_answers_are_never_put_together(cuts: list[int], attempts: int, way: str) -> None:
    """Between two restarts there is always one run from its beginning, and only the last may be whole."""
    whole = [f"item {n}" for n in range(6)]
    source = Source(*[[*whole[:cut], broken()] for cut in cuts], whole)
    seen = play(resumed(source, World(), way, Policy(attempts=attempts)), way)
    runs: list[list[Any]] = [[]]
    for item in seen.plain:
        runs.append([]) if item == "again" else runs[-1].append(item)
    given_up = len(cuts) >= attempts
    expected = [whole[:cut] for cut in cuts[:attempts]] + ([] if given_up else [whole])
    assert runs == expected
    assert (seen.error is not None) == given_up
    assert [it.items for it in seen.restarts] == cuts[: attempts - 1]


def test_a_restart_does_not_show_the_error_in_logs() -> None:
    """Its text may hold an address or a prompt; and it is a value."""
    again = Restarted(number=2, delay=0.0, items=1, why="cut", error=ValueError("secret"))
    assert "secret" not in repr(again)
    with pytest.raises(AttributeError):
        again.items = 2  # type: ignore[misc]


# --- how often, how long


@every_way
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_no_more_runs_than_attempts(way: str, attempts: int) -> None:
    """The last one's very exception is raised, with nothing put around it."""
    errors = [broken() for _ in range(9)]
    causes = [it.__cause__ for it in errors]
    world, source = World(), Source(*[["a", error] for error in errors])
    seen = play(resumed(source, world, way, Policy(attempts=attempts)), way)
    assert seen.error is errors[attempts - 1]
    assert seen.error.__cause__ is causes[attempts - 1]
    assert (source.made, len(seen.restarts), len(source.closed)) == (attempts, attempts - 1, attempts)


WAITS: list[tuple[str, Policy, list[dict[str, Any]], list[float]]] = [
    ("the schedule", Policy(attempts=4), [{}, {}, {}], [0.025, 0.05, 0.1]),
    ("a limit's own", Policy(attempts=3), [{"status": 429}] * 2, [0.5, 1.0]),
    ("no longer than max_delay", Policy(attempts=3, transient_base=4, max_delay=5), [{}, {}], [2.0, 2.5]),
    ("the server's", Policy(), [{"retry_at": NOW + 7.25}], [7.25]),
    ("the server's is over", Policy(), [{"retry_at": NOW - 5.0}], [0.0]),
    ("a wait moves the clock", Policy(), [{"retry_at": NOW + 4.0}, {"retry_at": NOW + 7.0}], [4.0, 3.0]),
    ("all of the window", Policy(attempts=4, retry_window=7), [{"retry_at": NOW + 7.0}], [7.0]),
]


@every_way
@pytest.mark.parametrize(("policy", "failures", "waits"), [it[1:] for it in WAITS], ids=[it[0] for it in WAITS])
def test_waits(way: str, policy: Policy, failures: list[dict[str, Any]], waits: list[float]) -> None:
    """The server's, exactly; else those of the policy with full jitter. What is told is what is waited."""
    world = World(u=0.5)
    source = Source(*[["a", broken(**it)] for it in failures], ["a"])
    seen = play(resumed(source, world, way, policy), way)
    assert seen.error is None
    assert world.slept == [it.delay for it in seen.restarts] == pytest.approx(waits)


REFUSED: list[tuple[str, Policy, float, list[float], int]] = [
    # what, policy, seconds each run takes, the server's waits, restarts
    ("a wait over the window", Policy(retry_window=5), 0, [5.5], 0),
    ("the waits together", Policy(attempts=9, retry_window=5), 0, [3, 2.5], 1),
    ("the waits together, exactly", Policy(attempts=9, retry_window=5), 0, [3, 2, 0.5], 2),
    ("runs are no waits", Policy(attempts=3, retry_window=5), 60, [3, 2, 0], 2),
    ("the deadline", Policy(deadline=5), 0, [5], 0),
    ("the deadline, with the runs", Policy(deadline=5), 3, [2], 0),
    ("just before the deadline", Policy(deadline=5.5), 3, [2, 0], 1),
    ("switched off", Policy(enabled=False), 0, [0], 0),
    ("one attempt", Policy(attempts=1), 0, [0], 0),
]


@every_way
@pytest.mark.parametrize(
    ("policy", "takes", "hints", "restarts"), [it[1:] for it in REFUSED], ids=[it[0] for it in REFUSED]
)
def test_what_the_policy_does_not_allow(
    way: str, policy: Policy, takes: float, hints: list[float], restarts: int
) -> None:
    """The exception is raised as it came; nobody is told of a run that will not be, and no token is taken for it."""
    world, tokens = World(), []

    def failing(hint: float) -> list[Any]:
        def fails() -> Any:
            world.now += takes
            at = world.wall() + hint
            raise broken(retry_at=at, spend=lambda: tokens.append(1) or True)

        return ["a", fails]

    source = Source(*[failing(hint) for hint in hints], *[failing(0.0)] * 9)
    seen = play(resumed(source, world, way, policy), way)
    assert isinstance(seen.error, StreamInterrupted)
    assert (len(seen.restarts), source.made, len(tokens), len(world.slept)) == (
        restarts, restarts + 1, restarts, restarts,
    )  # fmt: skip


@every_way
def test_a_spent_budget_ends_it(way: str) -> None:
    """Each restart takes one token, of the exception before it."""
    left = [True, True, False]
    errors = [broken(spend=lambda: left.pop(0)) for _ in range(5)]
    source = Source(*[["a", error] for error in errors])
    seen = play(resumed(source, World(), way, Policy(attempts=5)), way)
    assert seen.error is errors[2]
    assert (source.made, left) == (3, [])


# --- whose policy


def test_whose_policy_holds() -> None:
    """The one given, else the one that overrides, else the configuration's, else the default."""
    anyint = Resilience(api_key="key", policy=Policy(attempts=2), runtime=World().runtime)

    def runs(**more: Any) -> int:
        source = Source(*[["a", broken(retry_at=1.0)] for _ in range(9)])
        play(resume_stream(source.generator, **more), "sync")
        return source.made

    assert runs(anyint=anyint) == 2
    assert runs(anyint=anyint, policy=Policy(attempts=4)) == 4
    with anyint.override(Policy(attempts=5)):
        assert runs(anyint=anyint) == 5
        assert runs(anyint=anyint, policy=Policy(attempts=1)) == 1
    assert runs() == Policy().attempts
    assert runs(policy=Policy(attempts=2)) == 2


@every_way
def test_a_policy_that_repeats_no_generation_repeats_none(way: str) -> None:
    """Given here it holds here, though the call's own policy would allow it: what is billed twice is the same."""
    error = broken(status=504)
    source = Source(["a", error], ["a"])
    seen = play(resumed(source, World(), way, Policy.strict()), way)
    assert (seen.error, source.made) == (error, 1)
