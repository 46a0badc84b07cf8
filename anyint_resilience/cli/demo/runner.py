"""Runs scenarios against one emulator and holds what came against what the contract says.

Must not know how anything is shown, nor any client beyond its row in ``CALLS``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ... import Guards, Resilience
from ...emulator import Emulator, Seen
from ...exceptions import ResilienceError
from ...guards.shared import shared_guards
from ...policy.model import Decision
from .clients import CALLS, KEY_HEADERS, Answer, Sent, Setup
from .scenarios import KEY, Scenario

__all__ = ["Demonstration", "Run", "check", "run_all", "run_one"]

_ONE_CALL = Guards(budget_reserve=100.0, failures=100)
"""A scenario is one call, made anew: its failures are no outage of a gateway that others call too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one scenario."""

    scenario: Scenario
    answer: Answer
    began: float
    seconds: float
    sent: Sequence[Sent]
    seen: Sequence[Seen]
    tasks: int
    wrong: list[str] = field(default_factory=list)

    @property
    def decisions(self) -> list[Decision]:
        """Every decision about what the call itself sent, in order."""
        attempts = [it for sent in self.sent if sent.report is not None for it in sent.report.attempts]
        return [it.decision for it in attempts if it.asked is None and it.decision is not None]

    @property
    def waited(self) -> float:
        """Seconds we waited between attempts; an SDK's own waits are not among them."""
        return sum(sent.report.waited for sent in self.sent if sent.report is not None)

    @property
    def key_in(self) -> str:
        """The headers in which the key reached the gateway."""
        names = dict.fromkeys(name for seen in self.seen for name in KEY_HEADERS if name in seen.headers)
        return ", ".join(names) if names else "no header"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demonstration:
    """Every run, what the emulator itself did wrong, and the seconds all of it took."""

    url: str
    runs: Sequence[Run]
    own: Sequence[str]
    seconds: float

    @property
    def good(self) -> bool:
        """Whether there was a run and every outcome is what the contract says."""
        return bool(self.runs) and not self.own and not any(run.wrong for run in self.runs)


def run_all(
    scenarios: Iterable[Scenario],
    *,
    opening: Callable[[str], object] = lambda url: None,
    watch: Callable[[int, Run], object] = lambda number, run: None,
) -> Demonstration:
    """Run each scenario; ``opening`` is told where the gateway is, ``watch`` each run as it ends, counted from 1."""
    began = time.monotonic()
    runs: list[Run] = []
    with Emulator(keys=(KEY,)) as emulator:
        opening(emulator.url)
        for number, scenario in enumerate(scenarios, 1):
            run = run_one(scenario, emulator)
            watch(number, run)
            runs.append(run)
        own = [f"the emulator itself failed: {error!r}" for error in emulator.internal_errors]
        return Demonstration(url=emulator.url, runs=runs, own=own, seconds=time.monotonic() - began)


def run_one(scenario: Scenario, emulator: Emulator) -> Run:
    """Run one scenario from a clean start: no requests, no tasks, a configuration of its own."""
    emulator.reset()
    shared_guards().clear()
    emulator.script(*scenario.faults)
    sent: list[Sent] = []
    setup = Setup(
        anyint=Resilience(api_key=scenario.key, base_url=emulator.url, guards=_ONE_CALL),
        url=emulator.url,
        key=scenario.own_key,
        model=scenario.model,
        sent=sent,
    )
    began = time.monotonic()
    try:
        answer = CALLS[scenario.call].make(setup)
    except Exception as error:  # what the application would have caught is an outcome like any other
        answer = _raised(error)
    run = Run(
        scenario=scenario,
        answer=answer,
        began=began,
        seconds=time.monotonic() - began,
        sent=sent,
        seen=emulator.seen,
        tasks=len(emulator.tasks),
    )
    run.wrong.extend(check(run))
    return run


def _raised(error: Exception) -> Answer:
    cause = error.__cause__
    ours = f" from {type(cause).__name__}" if isinstance(cause, ResilienceError) else ""
    return Answer(f"{type(error).__name__}{ours}", str(cause if ours else error))


def check(run: Run) -> list[str]:
    """Return every difference between what the contract says and what came."""
    expect, last = run.scenario.expect, run.decisions[-1].guidance if run.decisions else ""
    pairs: list[tuple[str, object, object]] = [
        ("outcome", expect.outcome, run.answer.outcome),
        ("decisions", ", ".join(expect.decisions) or "none", ", ".join(map(_short, run.decisions)) or "none"),
        ("requests at the gateway", expect.requests, len(run.seen)),
        ("tasks at the gateway", expect.tasks, run.tasks),
        ("key in", expect.key_in, run.key_in),
    ]
    wrong = [f"{name}: expected {wanted}, came {came}" for name, wanted, came in pairs if wanted != came]
    if run.waited < expect.waited:
        wrong.append(f"waited: expected {expect.waited:g} s or more, came {run.waited:.2f} s")
    if expect.says not in last:
        wrong.append(f"guidance: expected the words {expect.says!r}, came {last!r}")
    return wrong


def _short(decision: Decision) -> str:
    return decision.action.value if decision.cause is None else f"{decision.action.value} {decision.cause.value}"
