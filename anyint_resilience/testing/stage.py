"""What one test has of ours while it runs: set up when its first fixture is, taken down after its last.

Must not know fixtures or marks. What it changes in this process it changes back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from random import Random  # noqa: TID251 - the same waits in each run
from typing import TYPE_CHECKING, Any

import pytest

from ..forking import known_to
from ..guards import shared
from ..intents import OWN
from ..runtime import redirect
from ..stores.memory import MemoryStore
from ..tasks.timetable import shared_timetable
from .clock import VirtualClock
from .records import Records, told_of
from .traffic import Traffic

if TYPE_CHECKING:
    from .gateway import Gateway

__all__ = ["Stage", "forget"]


class Stage:
    """One test's clock, gateway and records."""

    def __init__(self) -> None:
        self.records = Records()
        self.gateway: Gateway | None = None
        self._clock: VirtualClock | None = None
        self._ways: dict[str, Callable[..., Any]] = {}
        self._patches = pytest.MonkeyPatch()
        self._traffic = Traffic()
        self._traffic.watch(self._patches.setattr)
        self.records.hear(self._patches.setattr)
        forget()

    @property
    def clock(self) -> VirtualClock:
        """The virtual clock, which all of this process go by once somebody has asked for it."""
        if self._clock is None:
            made = self._clock = VirtualClock(self._traffic)
            self._ways = redirect(
                monotonic=made.monotonic,
                wall=made.wall,
                random=Random(0).random,  # noqa: S311
                sleep=made.sleep,
                asleep=made.asleep,
                rest=made.rest,
                arest=made.arest,
            )
            if self.gateway is not None:
                made.link(self.gateway.clock)
        return self._clock

    def open(self, gateway: Gateway) -> None:
        """Begin with a gateway, whose clock moves with the test's."""
        gateway.attach()
        self.gateway = gateway
        if self._clock is not None:
            self._clock.link(gateway.clock)

    def problems(self) -> list[str]:
        """Return what is wrong with the test besides what it says itself."""
        gateway = self.gateway
        if gateway is None:
            return []
        found = [f"the emulator itself failed: {error!r}" for error in gateway.internal_errors]
        return [*found, self.unmet()] if gateway.strict and gateway.unmet else found

    def unmet(self) -> str:
        """Say which scripted faults nobody met; an empty text where that does not matter."""
        gateway = self.gateway
        if gateway is None or gateway.strict is False or not gateway.unmet:
            return ""
        return f"scripted, but met by no request: {'; '.join(gateway.unmet_names())}"

    @property
    def tells(self) -> bool:
        """Whether there is anything to tell."""
        return self.records.count > 0 or self.gateway is not None

    def told(self) -> str:
        """Tell what the calls of the test did."""
        return told_of(self.records, () if self._clock is None else self._clock.slept, self.gateway)

    def close(self) -> None:
        """Change everything back to what it was: a test that runs pytest has another stage's clock to go on with."""
        with ExitStack() as last_first:  # each of them, whatever becomes of the others
            last_first.callback(forget)
            last_first.callback(self._traffic.forget)
            last_first.callback(self._patches.undo)
            last_first.callback(redirect, **self._ways)
            if self.gateway is not None:
                self.gateway.detach()


def forget() -> None:
    """Forget what the calls of this process have learnt, in memory: gates, budgets, ledgers, turns, models."""
    for store in known_to(MemoryStore._forked):  # pyright: ignore[reportPrivateUsage]
        store.close()
    for it in list(shared._ALL):  # pyright: ignore[reportPrivateUsage]
        if it.fleet is None:  # what many processes share is not one test's to forget
            it.clear()
    shared_timetable()._lines.clear()  # pyright: ignore[reportPrivateUsage]
    OWN.set(None)
