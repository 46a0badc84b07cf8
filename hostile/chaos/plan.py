"""What each call is and which faults it meets: drawn from the seed and the call's number, from nothing else.

Must not know sockets, clients or time.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

__all__ = ["CUTS", "Fault", "Plan", "plan_of"]

CUTS: Final = ("rst", "fin", "half", "stall")
"""Ways to stop sending: a reset, the end, the end of one side, silence."""

Weights = tuple[tuple[Any, float], ...]

OPERATIONS: Final[Weights] = (
    ("chat", 0.2),
    ("stream", 0.16),
    ("messages", 0.05),
    ("messages_stream", 0.04),
    ("gemini_stream", 0.03),
    ("models", 0.05),
    ("download", 0.03),
    ("video", 0.08),
    ("kling", 0.07),
    ("suno", 0.07),
    ("dashscope", 0.06),
    ("upload", 0.06),
    ("query_video", 0.03),
    ("query_kling", 0.02),
    ("query_suno", 0.03),
    ("query_dashscope", 0.02),
)
WAYS: Final[Weights] = (("plain", 0.82), ("connect", 0.08), ("tls", 0.05), ("handshake", 0.05))
"""How a call reaches the proxy: pooled; by a port of its own; pooled over TLS; over TLS by a port of its own."""

FAULTY: Final = (0.55, 0.4, 0.3, 0.25)
"""How often the first, second, ... try of a call meets a fault."""

PHASES: Final[Weights] = (
    ("emulator", 0.22),
    ("request_head", 0.09),
    ("request_body", 0.11),
    ("response_head", 0.16),
    ("framing", 0.13),
    ("data", 0.13),
    ("trailer", 0.06),
    ("after", 0.1),
)
_CUT: Final[Weights] = (("rst", 4), ("fin", 4), ("half", 2), ("stall", 0.35))
_SHAPED: Final[Weights] = (*_CUT, ("garbage", 2), ("flip", 3), ("truncate", 2), ("duplicate", 2), ("drip", 0.7))
KINDS: Final[dict[str, Weights]] = {
    "request_head": (*_CUT, ("garbage", 2)),
    "request_body": (*_CUT, ("garbage", 1), ("early", 6)),
    "response_head": _SHAPED,
    "framing": _SHAPED,
    "data": _SHAPED,
    "trailer": (*_CUT, ("garbage", 2), ("clean", 2), ("drip", 0.5)),
    "after": (("rst", 3), ("fin", 3), ("half", 2), ("garbage", 2), ("idle_rst", 3), ("idle_fin", 3)),
    "connect": (("refused", 4), ("closed", 4), ("reset", 4), ("black_hole", 1)),
    "handshake": (("rst", 4), ("fin", 4), ("stall", 1), ("garbage", 3), ("flip", 4), ("truncate", 2)),
}
"""Faults of the proxy's, by phase."""

EMULATOR: Final[Weights] = (
    ("429", 4),
    ("429_long", 1),
    ("503", 4),
    ("500", 2),
    ("500_done", 1),
    ("502_done", 1),
    ("504", 1),
    ("529", 1),
    ("400", 1),
    ("in_body", 4),
    ("reset", 2),
    ("reset_done", 3),
    ("reset_after_headers", 2),
    ("reset_mid_body", 2),
    ("half_close", 1),
    ("truncate", 3),
    ("cut_stream", 3),
    ("cut_opening", 2),
    ("no_terminator", 2),
    ("error_event", 2),
    ("error_first", 2),
    ("malformed", 1),
    ("stall", 0.3),
    ("stall_mid", 0.3),
    ("garbage", 1),
    ("not_http", 1),
    ("early_hints", 1),
    ("gzip", 2),
    ("slow", 1),
)
"""Faults of the emulator's own; ``world`` has what they are."""

DEADLINES: Final[Weights] = ((None, 0.15), (5.0, 0.6), (1.0, 0.17), (0.15, 0.08))
PACED: Final = 0.2
AGAIN: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: in which phase, of what kind, and where: a share of the bytes there, and which of several places."""

    phase: str
    kind: str
    at: float = 0.5
    pick: int = 0
    size: int = 1
    settled: bool = False
    """Whether the client gets the time to read what was sent before its connection ends."""

    def __str__(self) -> str:
        return f"{self.phase}/{self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One call: what it asks, by which way, and the fault that each of its tries on the wire meets.

    ``opening`` is the fault of its connections, if it has a port of its own, and ``openings`` how many of them meet it.
    ``again``: the application makes a create that failed once more.
    """

    number: int
    operation: str
    way: str
    opening: Fault | None
    openings: int
    tries: tuple[Fault | None, ...]
    deadline: float | None
    paced: bool
    again: bool

    @property
    def along(self) -> bool:
        """Whether the application reads the answer as it comes, and so has it when it breaks."""
        return "stream" in self.operation or self.number % 4 != 0

    @property
    def has_port(self) -> bool:
        """Whether it has a port of its own."""
        return self.way in ("connect", "handshake")

    @property
    def is_tls(self) -> bool:
        """Whether it goes over TLS."""
        return self.way in ("tls", "handshake")

    def fault(self, number: int) -> Fault | None:
        """Return the fault of its try of this number, from 0."""
        return self.tries[number] if number < len(self.tries) else None


def _drawn(chance: random.Random, weights: Weights) -> Any:
    return chance.choices([it for it, _ in weights], [weight for _, weight in weights])[0]


def _fault(chance: random.Random, phase: str) -> Fault:
    kinds = EMULATOR if phase == "emulator" else KINDS[phase]
    return Fault(
        phase=phase,
        kind=_drawn(chance, kinds),
        at=chance.random(),
        pick=chance.randrange(1000),
        size=chance.randint(1, 7),
        settled=chance.random() < 0.5,
    )


@lru_cache(maxsize=4096)
def plan_of(seed: int, number: int) -> Plan:
    """Return the plan of a call."""
    chance = random.Random(f"chaos {seed} {number}")
    way = _drawn(chance, WAYS)
    opening = _fault(chance, way) if way in ("connect", "handshake") and chance.random() < 0.9 else None
    shares = FAULTY if opening is None else FAULTY[1:]
    return Plan(
        number=number,
        operation=_drawn(chance, OPERATIONS),
        way=way,
        opening=opening,
        openings=0 if opening is None else _drawn(chance, ((1, 5), (2, 2), (9, 2))),
        tries=tuple(
            _fault(chance, _drawn(chance, PHASES)) if chance.random() < share else None for share in (*shares, 0.2, 0.2)
        ),
        deadline=_drawn(chance, DEADLINES),
        paced=chance.random() < PACED,
        again=chance.random() < AGAIN,
    )
