"""A paid create that is interrupted at any effect: whatever went out is never sent again unasked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from anyint_resilience.effects import Send
from anyint_resilience.policy.model import FaultKind
from tests.unit.engine_kit import Answer, Script, World, create
from tests.unit.task_kit import answer, encoded

VIDEOS, KLING = "/openai/v1/videos", "/transtreams/kling/v1/videos/text2video"
BODY = encoded({"model": "sora-2", "prompt": "a fox in the snow"})
CREATED = Answer(200, encoded({"id": "t1", "status": "queued"}), (("Content-Type", "application/json"),))
NAMELESS = Answer(200, encoded({"status": "queued"}))
GOES = Answer(200, encoded(answer("kling", "processing")))
RESET = FaultKind.READ_ERROR
STOPS = [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit]

SCRIPTS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "made": (VIDEOS, (CREATED,), {}),
    "made, with a key": (VIDEOS, (CREATED,), {"headers": ((b"Idempotency-Key", b"order-7"),)}),
    "made, without a name": (VIDEOS, (NAMELESS,), {}),
    "made at the second attempt": (VIDEOS, (429, CREATED), {}),
    "rejected": (VIDEOS, (400,), {}),
    "lost": (VIDEOS, (RESET,), {}),
    "lost and found": (KLING, (RESET, Answer(404), GOES), {"reconcile": True}),
}


class Cut(Script):
    """A call that is interrupted at its effect number ``at``: before it is carried out, or once it is."""

    def __init__(self, world: World, *steps: Any, at: int, after: bool, stop: type[BaseException], **call: Any) -> None:
        super().__init__(world, *steps, **call)
        self.at, self.after, self.stop = at, after, stop
        self.count = 0
        self.out = False  # whether the create itself has left
        self.asked = False  # whether it was about to

    def perform(self, effect: Any) -> Any:
        self.count += 1
        self.asked = self.asked or isinstance(effect, Send)
        if self.count == self.at and not self.after:
            raise self.stop
        told = super().perform(effect)
        self.out = self.out or any(it.ask is None for it in self.sent)
        if self.count == self.at:
            raise self.stop
        return told


def cut(name: str, at: int, *, after: bool, stop: type[BaseException], world: World) -> Cut:
    path, steps, more = SCRIPTS[name]
    return Cut(world, *steps, at=at, after=after, stop=stop, **create(world, path, BODY, **more))


@pytest.mark.parametrize("stop", STOPS, ids=lambda it: it.__name__)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_no_interrupt_lets_a_create_out_again(name: str, after: bool, stop: type[BaseException]) -> None:
    """Whoever is interrupted never saw an answer: the same create is refused then, unless it surely was not done."""
    path, _, more = SCRIPTS[name]
    for at in range(1, 30):
        world = World()
        first = cut(name, at, after=after, stop=stop, world=world)
        try:
            first.play()
        except stop:
            pass
        else:
            assert first.count == at - 1
            break
        again = Script(world, CREATED, *[GOES] * 3, **create(world, path, BODY, **more))
        result = again.play()
        went = [it for it in again.sent if it.ask is None]
        rejected = name == "rejected" or (name == "made at the second attempt" and len(first.steps) == 1)
        if first.out and not rejected:
            assert went == [], f"effect {at}"
            assert result.refused or result.instead is not None
        if not first.asked:
            assert went, f"effect {at}: it was never sent, and is held back"
    else:
        raise AssertionError("the call does not end")
    assert at > 3


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_repetition_that_is_interrupted_takes_nothing_away(after: bool) -> None:
    """A call that the ledger holds back is none itself: what was unknown before it stays so."""
    for at in (1, 2, 3):
        world = World()
        lost = Script(world, RESET, Answer(404), Answer(404), Answer(404), **create(world, KLING, BODY, reconcile=True))
        lost.play()
        second = Cut(
            world,
            Answer(404),
            at=at,
            after=after,
            stop=KeyboardInterrupt,
            **create(world, KLING, BODY, reconcile=True),
        )
        with pytest.raises(KeyboardInterrupt):
            second.play()
        assert world.ledger.unknown() == (lost.call.intent,)
        third = Script(world, Answer(404), **create(world, KLING, BODY, reconcile=True))
        assert third.play().refused


def test_what_an_interrupt_left_is_settled_before_the_next_look() -> None:
    """The create that was cut off is on record with all that was known of it: its task, where it had one."""
    world = World()
    first = cut("made", 4, after=False, stop=KeyboardInterrupt, world=world)
    with pytest.raises(KeyboardInterrupt):
        first.play()
    (entry,) = world.ledger.entries()
    assert (entry.fate, [it.task_id for it in entry.tasks]) == ("unknown", ["t1"])
