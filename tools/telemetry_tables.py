"""Write the tables of docs/observability.md from the code's own: events, outcomes, causes and metrics.

Without ``--write``: fail if the page says anything else.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

from anyint_resilience.contract.words import Cause
from anyint_resilience.telemetry.words import CAUSES, EVENTS, METRICS, OUTCOMES, MetricRow

__all__ = ["PAGE", "filled"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "observability.md"

EVENT_OF = {
    "success": "none, or `recovered`; `stream unterminated` of a stream",
    "failed": "`given up`; `stream failed` of a stream",
    "task_failed": "`task failed`",
    "error": "`given up`, or `cut off`",
    "unknown": "`outcome unknown`",
    "held_back": "`held back`",
    "replayed": "`create replayed`, `create polled` or `create found`",
    "limited": "`refused`",
    "late": "`deadline exceeded`",
    "cancelled": "`cut off`",
    "interrupted": "`stream interrupted`",
    "abandoned": "none",
}
"""Which event of a call tells of its outcome."""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def _code(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _prometheus(name: str, row: MetricRow) -> str:
    """What exporters for Prometheus make of a metric's name by default."""
    return (
        name.replace(".", "_") + ("_seconds" if row.unit == "s" else "") + ("_total" if row.kind == "counter" else "")
    )


def tables() -> dict[str, str]:
    """The tables, by the names of their marks."""
    return {
        "events": _table(
            ("event", "log level", "what happened"),
            [(f"`{name}`", logging.getLevelName(row.level), row.meaning) for name, row in EVENTS.items()],
        ),
        "outcomes": _table(
            ("`anyint.outcome`", "how the call ended", "its event"),
            [(f"`{name}`", meaning, EVENT_OF[name]) for name, meaning in OUTCOMES.items()],
        ),
        "causes": _table(
            ("`anyint.cause`", "why an attempt did not succeed"), [(f"`{it.value}`", CAUSES[it.value]) for it in Cause]
        ),
        "metrics": _table(
            ("metric", "in Prometheus", "kind", "unit", "attributes", "meaning"),
            [
                (
                    f"`{name}`",
                    f"`{_prometheus(name, row)}`",
                    row.kind,
                    f"`{row.unit}`",
                    _code(row.attributes),
                    row.meaning,
                )
                for name, row in METRICS.items()
            ],
        ),
    }


def filled(text: str) -> str:
    """Return the page with its tables as the code has them."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        text = re.sub(f"(?s){begin}.*?{end}", lambda _, it=f"{begin}\n{table}\n{end}": it, text)  # type: ignore[misc]
    return text


def main() -> None:
    """Write the page, or say that it is not as it should be."""
    old = PAGE.read_text(encoding="utf-8")
    new = filled(old)
    if "--write" in sys.argv:
        PAGE.write_text(new, encoding="utf-8")
    elif old != new:
        raise SystemExit(f"{PAGE.name} is not what the tables say: python tools/telemetry_tables.py --write")


if __name__ == "__main__":
    main()
