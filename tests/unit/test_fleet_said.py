"""What calls hear of a fleet's store: each change once, from the call that comes next."""

from __future__ import annotations

import pytest

from tests.unit.fleet_kit import World

SAID: dict[str, tuple[list[bool], list[str]]] = {
    "it comes up": ([True], []),
    "it is down from the start": ([False], ["StoreError"]),
    "it goes": ([True, False], ["StoreError"]),
    "it goes and comes": ([True, False, True], ["StoreError", "back"]),
    "it comes late": ([False, True], ["StoreError", "back"]),
    "it opens a second connection": ([True, True], []),
}


@pytest.mark.parametrize(("turns", "said"), SAID.values(), ids=SAID)
def test_what_a_call_hears_of_the_store(turns: list[bool], said: list[str]) -> None:
    """Each change once, by the call that comes next: all is not calm until it has."""
    world = World(1)
    for up in turns:
        world[0].member.turn(up=up)
        world[0].shared.come(world[0].said.append)
    words = ["back" if it is None else type(it).__name__ for it in world[0].said]
    assert words == said
    assert world[0].shared.calm


def test_a_change_makes_somebody_come_by() -> None:
    """Where all is calm no call would say it."""
    world = World(1)
    assert world[0].shared.calm
    world[0].member.turn(up=False)
    assert not world[0].shared.calm
    world[0].shared.come(world[0].said.append)
    assert world[0].shared.calm


def test_a_failure_names_the_store_and_why() -> None:
    """In words that can be shown."""
    world = World(1)
    world[0].member.turn(up=False)
    world[0].shared.come(world[0].said.append)
    assert [str(it) for it in world[0].said] == ["the store is down: gone"]
