"""What tests of this folder share: the net of real names on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.hostile.keys_kit import Net


@pytest.fixture(scope="module")
def world() -> Iterator[Net]:
    """The servers of a module's tests."""
    from tests.hostile.keys_kit import Net

    made = Net()
    yield made
    made.close()


@pytest.fixture
def net(world: Net, monkeypatch: pytest.MonkeyPatch) -> Net:
    """The servers, which have forgotten all tests before, in the place of the machine's net."""
    world.reset()
    world.patch(monkeypatch)
    return world
