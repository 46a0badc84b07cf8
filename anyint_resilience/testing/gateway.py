"""The gateway of one test. All tests of a process are served at one address, so that clients which outlive a test work.

Must not know pytest, nor any client.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from ..emulator import TASK_HEADER, TURNS, VISIBLE_HEADER, Emulator, Fault, Seen
from ..emulator.wire import Step
from .faults import fault_of, unknown

__all__ = ["KEY", "OPTIONS", "Gateway", "Wire"]

KEY: Final = "test-key"
"""The key that stands in ``ANYINT_API_KEY``; the gateway takes any, unless told otherwise."""

OPTIONS: Final = ("callback_form", "callbacks", "chaos", "keys", "query_limit", "seed")
"""The arguments of an emulator that a test can choose; the others belong to the address."""


class Wire(Emulator):
    """Listens, and hands each request to the gateway of the test that runs; between tests it answers by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.current: Gateway | None = None
        self.process = os.getpid()

    def receive(self, seen: Seen) -> list[Step]:
        """Take a request and return what to do about it."""
        current = self.current
        return super().receive(seen) if current is None else current.receive(seen)

    def wronged(self, error: Exception) -> None:
        """Note an error of the emulator's own."""
        current = self.current
        return super().wronged(error) if current is None else current.wronged(error)


class Gateway(Emulator):
    """The stand-in gateway of one test: an :class:`~anyint_resilience.emulator.Emulator` that runs, new for each test.

    ``script`` takes faults as mappings too: ``script({"status": 429, "retry_after": 2})``.
    """

    def __init__(self, wire: Wire, **options: Any) -> None:
        super().__init__(**options)
        self._wire = wire
        self.strict: bool | None = None
        """What becomes of a test that leaves faults unmet: True: it fails; None: a warning; False: nothing."""
        self._wishes: dict[str, str] = {}
        self._before: Gateway | None = None

    def __repr__(self) -> str:
        return f"Gateway({self.url!r}, {len(self.seen)} request(s) seen)"

    @property
    def url(self) -> str:
        """Where it listens: the same for all tests of this process."""
        return self._wire.url

    @property
    def connections_open(self) -> int:
        """How many clients hold a connection open now, whichever test they are of."""
        return self._wire.connections_open

    def script(self, *faults: Fault | Mapping[str, object], match: str | None = None) -> None:
        """Let the next requests whose ``METHOD path`` or path starts with ``match`` (None: any) meet these, in order.

        Raises:
            ValueError: for a mapping that is no fault, or a match that no request can have, naming what is wrong.
        """
        super().script(*(fault_of(fault) for fault in faults), match=match)

    @property
    def unmet(self) -> list[Fault]:
        """The scripted faults that no request has met yet."""
        return [fault for _, fault in self._left()]

    def unmet_names(self) -> list[str]:
        """Return a short name of each, with the match it waits for."""
        return [f"{fault.name} (match {match!r})" if match else fault.name for match, fault in self._left()]

    def _left(self) -> list[tuple[str | None, Fault]]:
        with self._lock:
            scripts = self._desk._scripts  # pyright: ignore[reportPrivateUsage]
            return [(match, fault) for match, faults in scripts for fault in faults]

    def expect_all_met(self) -> None:
        """Let the test fail at its end, if it leaves a scripted fault that no request has met."""
        self.strict = True

    def settle_all(self, outcome: str, *, visible_after: float = 0.0) -> None:
        """Decide what becomes of each task that is created from now on: an outcome of ``emulator.TURNS``.

        ``visible_after``: its age in seconds until which queries do not find it. A create's own header goes before.

        Raises:
            ValueError: for an outcome there is none of, or an age that is not >= 0.
        """
        problem = unknown([outcome], TURNS, "outcome")
        if problem or not 0 <= visible_after < float("inf"):
            raise ValueError(problem or f"visible_after must be a number of seconds >= 0, not {visible_after!r}")
        self._wishes = {TASK_HEADER: outcome, VISIBLE_HEADER: str(visible_after)}

    def receive(self, seen: Seen) -> list[Step]:
        """Take a request and return what to do about it."""
        if self._wishes and seen.method == "POST":
            seen.headers = {**self._wishes, **seen.headers}
        return super().receive(seen)

    def reset(self) -> None:
        """Forget requests, tasks, stored things, scripts and what becomes of tasks; the clock and chance go on."""
        self._wishes = {}
        super().reset()

    def start(self) -> Gateway:
        """Raise RuntimeError: it runs."""
        raise RuntimeError("the test's gateway is running")

    def stop(self) -> None:
        """Raise RuntimeError: for a gateway that is gone take an ``Emulator()`` of your own, and stop that."""
        raise RuntimeError("the test's gateway serves all tests at one address: stop an Emulator() of your own instead")

    def attach(self) -> None:
        """Begin to serve."""
        self._before, self._wire.current = self._wire.current, self
        if self._postman is not None:
            self._postman.start()

    def detach(self) -> None:
        """Stop serving; who did before goes on."""
        self._wire.current, self._before = self._before, None
        if self._postman is not None:
            self._postman.stop()
