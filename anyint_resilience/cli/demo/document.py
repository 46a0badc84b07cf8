"""The demonstration as one JSON document. Must not know how a scenario is run or shown."""

from __future__ import annotations

from typing import Any

from .clients import CALLS
from .runner import Demonstration, Run

__all__ = ["document"]


def document(shown: Demonstration) -> dict[str, Any]:
    """Return what came of every scenario, ready for JSON."""
    return {
        "ok": shown.good,
        "seconds": round(shown.seconds, 3),
        "problems": list(shown.own),
        "scenarios": [_scenario(number, run) for number, run in enumerate(shown.runs, 1)],
    }


def _scenario(number: int, run: Run) -> dict[str, Any]:
    call = CALLS[run.scenario.call]
    return {
        "number": number,
        "title": run.scenario.title,
        "ok": not run.wrong,
        "wrong": list(run.wrong),
        "client": call.client,
        "call": call.written,
        "model": run.scenario.model,
        "outcome": run.answer.outcome,
        "decisions": [decision.as_dict() for decision in run.decisions],
        "requests": len(run.seen),
        "tasks": run.tasks,
        "waited": round(run.waited, 3),
        "seconds": round(run.seconds, 3),
        "key_in": run.key_in,
    }
