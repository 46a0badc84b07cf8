"""Write the tables of docs/observability.md from the code's own: events, outcomes and metrics.

Without ``--write``: fail if the page says anything else.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

from anyint_resilience.telemetry.words import EVENTS, METRICS, OUTCOMES

__all__ = ["PAGE", "filled"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "observability.md"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def _code(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def tables() -> dict[str, str]:
    """The tables, by the names of their marks."""
    return {
        "events": _table(
            ("event", "log level", "what happened"),
            [(f"`{name}`", logging.getLevelName(row.level), row.meaning) for name, row in EVENTS.items()],
        ),
        "outcomes": _table(
            ("`anyint.outcome`", "how the call ended"), [(f"`{name}`", meaning) for name, meaning in OUTCOMES.items()]
        ),
        "metrics": _table(
            ("metric", "kind", "unit", "attributes", "meaning"),
            [
                (f"`{name}`", row.kind, f"`{row.unit}`", _code(row.attributes), row.meaning)
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
