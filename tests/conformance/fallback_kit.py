"""What the tests of fallback routes share: rows, configurations, and what must be seen of an answer.

Must not know any scenario.
"""

from __future__ import annotations

from typing import Any

from anyint_resilience import Fallback, Guards, Resilience, report
from anyint_resilience.emulator import Emulator, Fault, Seen
from tests.conformance.guards_kit import Clock, guarded
from tests.conformance.scenario import CHAT, Ask

__all__ = ["AMPLE", "BUSY", "HEADER", "LOST", "SPARE", "falling", "fell", "model_of", "models", "row", "stood"]

HEADER = "x-anyint-resilience-fallback"
SPARE = "spare-model"
LOST = Fault(reset="before_headers", process=True)
BUSY = Fault.error(503)
AMPLE = {"budget_reserve": 99.0}
"""For guards whose budget is in nobody's way."""


def model_of(ask: Ask) -> str:
    """Return the model that a call names."""
    held = ask.json.get("model", ask.json.get("model_name"))
    return str(ask.path.rpartition("/")[2].partition(":")[0] if held is None else held)


def row(ask: Ask = CHAT, **more: Any) -> Fallback:
    """Return the fallback of a call's route and model."""
    return Fallback(**{"workload": "chat", "route": ask.path, "model": model_of(ask), "to": SPARE, **more})


def falling(emu: Emulator, *rows: Fallback, **more: Any) -> Resilience:
    """Return a configuration with fallbacks, and with so large a budget that it is in nobody's way."""
    return guarded(emu, Clock().runtime(), **{"fallbacks": rows or (row(),), "guards": Guards(**AMPLE), **more})


def models(seen: list[Seen]) -> list[str]:
    """Return the models that were asked for, in order."""
    return [it.json()["model"] for it in seen if it.method == "POST"]


def fell(end: Any, cause: str, origin: str = "gpt-5", target: str = SPARE) -> None:
    """See that an answer is a fallback's, and says so."""
    assert getattr(end, "status", end) == 200
    assert end.headers[HEADER] == f"from={origin}, to={target}, cause={cause}"
    told = report(end)
    assert told is not None
    assert told.fallback is not None
    assert (told.fallback.workload, str(told.fallback)) == ("chat", end.headers[HEADER])
    assert told.attempts[-1].to == target


def stood(end: Any, status: int | None = None) -> None:
    """See that what a call came to is the primary's own answer, or its failure, and that nothing says otherwise."""
    told = report(end)
    assert told is not None
    assert told.fallback is None
    if status is not None:
        assert end.status == status
        assert HEADER not in end.headers
