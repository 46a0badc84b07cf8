"""A world whose clock moves with the waits, and exceptions like those of interrupted and failed calls.

Must not know any client.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from anyint_resilience import Policy, Resilience, StreamInterrupted
from anyint_resilience.callreport import CallReport
from anyint_resilience.reports import attach
from anyint_resilience.runtime import Runtime

__all__ = ["CHAT", "NOW", "World", "broken", "reported"]

CHAT = "/openai/v1/chat/completions"
NOW = 1_000_000.0


@dataclass
class World:
    """Clocks that move with what is waited for, and what that was; ``u`` is all the chance there is."""

    u: float = 1.0
    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def wall(self) -> float:
        return NOW + self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    @property
    def runtime(self) -> Runtime:
        return Runtime(
            monotonic=lambda: self.now,
            wall=self.wall,
            random=lambda: self.u,
            sleep=self.sleep,
            asleep=self.asleep,
        )

    def anyint(self) -> Resilience:
        return Resilience(api_key="key", runtime=self.runtime)


def told(error: Any, status: int, path: str = CHAT, *, body: bytes = b"", retry_at: float | None = None) -> Any:
    """Put the report on an exception that a call which ended with this status would have."""
    decision = Policy().decide_response("POST", path, status, (), body, now=NOW)
    route, family = decision.route or f"POST {path}", decision.family
    decision = replace(decision, retry_at=retry_at)
    attach(error, CallReport(route=route, family=family, operation=decision.operation, decision=decision))
    return error


def _spending(spend: Any) -> Any:
    yield from ()
    return spend()


def broken(
    why: str = "broken",
    *,
    safe: bool = True,
    status: int = 503,
    retry_at: float | None = None,
    spend: Any = None,
    kind: type[StreamInterrupted] = StreamInterrupted,
) -> StreamInterrupted:
    """Make what is raised for a stream that broke off, its cause that of a status."""
    made: StreamInterrupted = told(kind("broke off"), status, retry_at=retry_at)
    made.why, made.safe_to_repeat, made.spend = why, safe, spend
    made.spending = None if spend is None else partial(_spending, spend)
    return made


def reported(status: int, path: str = CHAT, *, retry_at: float | None = None, body: bytes = b"") -> Exception:
    """Make an exception of a client whose call ended with this status, for good."""
    made: Exception = told(RuntimeError(f"HTTP {status}"), status, path, body=body, retry_at=retry_at)
    return made
