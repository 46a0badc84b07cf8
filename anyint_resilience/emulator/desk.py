"""Which fault a request meets: its own header first, then the scripts, then chance.

Must not know sockets, routes or answers.
"""

from __future__ import annotations

import json
import random
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .faults import Fault
from .messages import Seen

__all__ = ["FAULT_HEADER", "Chaos", "Desk", "faults_from", "matching"]

FAULT_HEADER: Final = "x-emulator-fault"
_COUNTED_HEADERS: Final = 10_000

_METHODS: Final = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_PATH: Final = re.compile(r"/[!->@-~]*")  # as it comes over the wire, without its query

_USUAL: Final = (
    Fault(status=429, headers={"retry-after": "1"}),
    Fault(status=503),
    Fault(status=500),
    Fault(status=502),
    Fault(reset="before_headers"),
    Fault(reset="before_headers", process=True),
    Fault(reset="mid_body"),
    Fault(truncate=10),
    Fault(cut_stream_after=2),
    Fault(delay_headers=0.2),
)


def faults_from(document: object) -> list[Fault]:
    """Read one fault or a list of them from decoded JSON; raises ValueError."""
    return [Fault.from_json(item) for item in (document if isinstance(document, list) else [document])]


def matching(match: object) -> str | None:
    """Return which requests are meant: the beginning of their ``METHOD path``, or of their path; None: any.

    Raises:
        ValueError: if no request can be, naming the form.
    """
    if match is None:
        return None
    if not isinstance(match, str):
        raise ValueError(f"match must be text such as 'POST /openai/v1/videos', not {str(match)[:60]}")
    method, blank, path = ("GET", " ", match) if match.startswith("/") else match.partition(" ")
    known = method in _METHODS if blank else any(name.startswith(method) for name in _METHODS)
    if not known or (path and not _PATH.fullmatch(path)):
        raise ValueError(
            f"match {match[:60]!r} can match no request: it is the beginning of METHOD path, such as "
            "'POST /openai/v1/videos', or of a path, such as '/openai'"
        )
    return match


@dataclass(frozen=True, slots=True, kw_only=True)
class Chaos:
    """Faults by chance: with one seed and one order of requests, always the same ones.

    ``faults`` holds pairs of a probability and a fault; the probabilities add up to 1 at most.
    """

    seed: int = 0
    faults: tuple[tuple[float, Fault], ...] = ()

    def __post_init__(self) -> None:
        if any(not 0 <= p <= 1 for p, _ in self.faults) or sum(p for p, _ in self.faults) > 1 + 1e-9:
            raise ValueError("bad chaos: probabilities must each be 0-1 and add up to 1 at most")

    @classmethod
    def usual(cls, probability: float, *, seed: int = 0) -> Chaos:
        """Make a mix of everyday faults that meets this share of all requests."""
        if not 0 <= probability <= 1:
            raise ValueError(f"bad chaos: a probability is 0-1, not {probability!r}")
        share = probability / len(_USUAL)
        return cls(seed=seed, faults=tuple((share, fault) for fault in _USUAL))

    @classmethod
    def from_json(cls, document: object, *, seed: int = 0) -> Chaos:
        """Read ``{"seed": 1, "faults": [{"p": 0.1, "status": 503}]}``; raises ValueError."""
        listed = document.get("faults", []) if isinstance(document, Mapping) else None
        if not isinstance(document, Mapping) or not isinstance(listed, list):
            raise ValueError('bad chaos: {"seed": 1, "faults": [{"p": 0.1, "status": 503}]} is needed')
        given = document.get("seed", seed)
        if not isinstance(given, int):
            raise ValueError(f"bad chaos: seed must be a whole number, not {given!r}")
        pairs: list[tuple[float, Fault]] = []
        for item in listed:
            chance = item.get("p") if isinstance(item, Mapping) else None
            if isinstance(chance, bool) or not isinstance(chance, (int, float)):
                raise ValueError('bad chaos: every fault needs its probability "p"')
            pairs.append((float(chance), Fault.from_json({name: item[name] for name in item if name != "p"})))
        return cls(seed=given, faults=tuple(pairs))


class Desk:
    """Hands out faults. Not thread-safe: its owner holds one lock around every call."""

    def __init__(self, chaos: Chaos | None) -> None:
        self._scripts: list[tuple[str | None, deque[Fault]]] = []
        self._taken: dict[str, int] = {}
        self._chaos: Chaos | None = None
        self._random = random.Random()
        self.set_chaos(chaos)

    def set_chaos(self, chaos: Chaos | None) -> None:
        """Begin with these probabilities from their seed on, or stop."""
        self._chaos = chaos
        if chaos is not None:
            self._random.seed(f"chaos {chaos.seed}")

    def script(self, faults: Iterable[Fault], match: str | None) -> None:
        """Let the next requests that :func:`matching` means take these, in order; raises ValueError as it does."""
        self._scripts.append((matching(match), deque(faults)))

    def clear(self) -> None:
        """Forget the scripts; chance stays as it is."""
        self._scripts.clear()
        self._taken.clear()

    def take(self, seen: Seen) -> Fault | None:
        """Return the fault this request meets; raises ValueError for a fault header that cannot be read."""
        own = seen.headers.get(FAULT_HEADER)
        if own is not None:
            return self._of_header(own)
        line = f"{seen.method} {seen.path}"
        for match, faults in self._scripts:
            if faults and (match is None or (seen.path if match.startswith("/") else line).startswith(match)):
                return faults.popleft()
        if self._chaos is None:
            return None
        drawn = self._random.random()
        for chance, fault in self._chaos.faults:
            drawn -= chance
            if drawn < 0:
                return fault
        return None

    def _of_header(self, text: str) -> Fault | None:
        """Read a header: one fault for every request that carries it, or a list taken one by one, then none."""
        try:
            document = json.loads(text)
        except RecursionError:
            raise ValueError("bad fault: nested too deeply") from None
        faults = faults_from(document)
        if not isinstance(document, list):
            return faults[0]
        if len(self._taken) >= _COUNTED_HEADERS:
            self._taken.clear()
        turn = self._taken.get(text, 0)
        self._taken[text] = turn + 1
        return faults[turn] if turn < len(faults) else None
