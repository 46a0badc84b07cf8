"""``anyint_resilience.backoff`` under the ``backoff`` package's own decorators. Must not know any client."""

from __future__ import annotations

import asyncio
import gc
import inspect
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import backoff
import pytest

from anyint_resilience import OutcomeUnknown, Policy
from anyint_resilience.backoff import giveup, safe_to_repeat, wait
from tests.unit.resuming_kit import NOW, World, broken, reported
from tests.unit.test_repeating import TABLE

WAYS = ["sync", "async"]


class Function:
    """An application's function that fails with these exceptions, one at each call, then answers."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"

    def run(self, way: str, decorated: Callable[[Any], Any]) -> Any:
        """Call it, decorated."""

        def answer() -> str:
            return self()

        async def later() -> str:
            return self()

        return decorated(answer)() if way == "sync" else asyncio.run(decorated(later)())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which the package's own waits, and nothing else, move the clock."""
    made = World(u=0.5)
    monkeypatch.setattr("backoff._sync.time", SimpleNamespace(sleep=made.sleep))
    awaited = SimpleNamespace(sleep=made.asleep, iscoroutinefunction=inspect.iscoroutinefunction)
    monkeypatch.setattr("backoff._async.asyncio", awaited)
    return made


def decorated(world: World, **more: Any) -> Any:
    """Return the decorator as the documentation has it, on this world's clock and chance."""
    settings = {"giveup": giveup, "max_tries": 3, "jitter": None, "runtime": world.runtime, **more}
    return backoff.on_exception(wait, Exception, **settings)


@pytest.mark.parametrize(("make", "safe"), [it[1:] for it in TABLE], ids=[it[0] for it in TABLE])
def test_one_says_the_opposite_of_the_other(make: Callable[[], BaseException], safe: bool) -> None:
    """Of every exception there is."""
    assert safe_to_repeat(make()) is safe
    assert giveup(make()) is not safe


@pytest.mark.parametrize("way", WAYS)
def test_a_function_is_called_anew(world: World, way: str) -> None:
    """After growing waits, each as long as the exception before it asks for."""
    function = Function(broken(), broken(status=429), broken(retry_at=NOW + 9), reported(503))
    assert function.run(way, decorated(world, max_tries=5)) == "answer"
    assert function.calls == 5
    assert world.slept == pytest.approx([0.025, 1.0, 9 - 1.025, 0.2])


@pytest.mark.parametrize("way", WAYS)
def test_a_server_is_never_asked_earlier_than_it_said(world: World, way: str) -> None:
    """Exactly then, whatever the policy's longest wait is."""
    function = Function(broken(retry_at=NOW + 300.5))
    function.run(way, decorated(world, policy=Policy(max_delay=1)))
    assert world.wall() == NOW + 300.5


@pytest.mark.parametrize("way", WAYS)
def test_tries_come_to_an_end(world: World, way: str) -> None:
    """With the very exception."""
    errors = [broken() for _ in range(4)]
    function = Function(*errors)
    with pytest.raises(type(errors[2])) as caught:
        function.run(way, decorated(world))
    assert caught.value is errors[2]
    assert (function.calls, len(world.slept)) == (3, 2)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [broken(safe=False), OutcomeUnknown("lost"), reported(401), ValueError("mine")])
def test_what_is_not_safe_is_raised_at_once(world: World, way: str, error: Exception) -> None:
    """No wait, no second call."""
    function = Function(error)
    with pytest.raises(type(error)) as caught:
        function.run(way, decorated(world))
    assert caught.value is error
    assert (function.calls, world.slept) == (1, [])


@pytest.mark.parametrize("way", WAYS)
def test_the_waits_are_the_policys(world: World, way: str) -> None:
    """Given to the decorator, which hands it on."""
    function = Function(*[broken() for _ in range(4)])
    function.run(way, decorated(world, max_tries=5, policy=Policy(transient_base=2, factor=3, max_delay=20)))
    assert world.slept == pytest.approx([1, 3, 9, 10])


@pytest.mark.parametrize("way", WAYS)
def test_each_call_of_a_function_begins_its_waits_anew(world: World, way: str) -> None:
    """One decorator serves all calls."""
    for _ in range(2):
        Function(broken(), broken()).run(way, decorated(world))
    assert world.slept == pytest.approx([0.025, 0.05] * 2)


def test_the_waits_have_jitter_of_their_own() -> None:
    """Full jitter over the whole ceiling."""
    for u, seconds in ((0.0, 0.0), (0.25, 0.0125), (1.0, 0.05)):
        waits = wait(runtime=World(u=u).runtime)
        waits.send(None)  # type: ignore[arg-type]  # as the package begins
        assert waits.send(broken()) == pytest.approx(seconds)


def test_an_exception_is_not_kept_between_two_waits() -> None:
    """It holds frames, and what is in them."""
    waits = wait(runtime=World().runtime)
    waits.send(None)  # type: ignore[arg-type]
    error = broken()
    waits.send(error)
    kept = weakref.ref(error)
    gc.disable()
    try:
        del error
        assert kept() is None
    finally:
        gc.enable()
