"""Faults of the emulator on the command line: read from JSON, and listed for whoever looks for a name.

Must not know what a fault does: the names and their meaning are the emulator's own. Loaded only where h11 is.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

from ..emulator import TASK_HEADER, TURNS, VISIBLE_HEADER, Emulator, Fault
from ..emulator.desk import faults_from
from .terminal import Cell, Problem, clean, fold, print_json, say, styled, table

__all__ = ["list_faults", "order"]

_FIELD: Final = re.compile(r"^(\w+): +(\S.*(?:\n {4,}\S.*)*)", re.MULTILINE)
_WORDS: Final[dict[Any, str]] = {bool: "true", int: "number", float: "seconds"}
_EXAMPLES: Final = (
    ("the next two requests", '[{"status": 429, "retry_after": 2}, {"delay_headers": 5}]'),
    ("the next request to one path", '{"match": "POST /openai/v1/videos", "faults": [{"reset": "before_headers"}]}'),
)


class Named(NamedTuple):
    """What a field takes, and what it does."""

    takes: str
    does: str


_ONLY_JSON: Final = {
    "retry_after": Named("seconds, text", "that header: seconds, or a date."),
    "body_base64": Named("text", "a body of raw bytes."),
}


def fields() -> dict[str, Named]:
    """Return every field of a fault, as the emulator documents them."""
    told = {
        name: " ".join(text.split()).replace("``", "") for name, text in _FIELD.findall(inspect.getdoc(Fault) or "")
    }
    hints = get_type_hints(Fault)
    known = {name: Named(_takes(hints[name]), told.get(name, "")) for name in Fault.__dataclass_fields__}
    return {**known, **_ONLY_JSON}


def _takes(hint: Any) -> str:
    """Name a type in the words of JSON."""
    parts = get_args(hint) or (hint,)
    words = next((get_args(it) for it in parts if get_origin(it) is Literal), None)
    if words is not None:
        return "\n".join(words)
    return next((_WORDS[it] for it in parts if it in _WORDS), "anything" if hint is object else "object")


def order(emulator: Emulator, text: str) -> None:
    """Let requests meet what the JSON of ``POST /__emulator__/faults`` orders; raises Problem."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise Problem("--fault takes JSON in quotes, such as '{\"status\": 503}'") from None
    match = None
    if isinstance(document, Mapping) and "faults" in document:
        match, document = document.get("match"), document["faults"]
        if match is not None and not isinstance(match, str):
            raise Problem('--fault: match must be text such as "POST /openai/v1/videos"')
    try:
        emulator.script(*faults_from(document), match=match)
    except (ValueError, TypeError) as error:
        raise Problem(f"--fault: {clean(error)}") from None


def list_faults(*, as_json: bool) -> None:
    """Print what a fault can be, and what can become of a task."""
    if as_json:
        known = {name: it._asdict() for name, it in fields().items()}
        headers = {"outcome": TASK_HEADER, "visible_after": VISIBLE_HEADER}
        print_json({"faults": known, "tasks": {"headers": headers, "outcomes": sorted(TURNS)}})
        return
    say(styled("a fault is a JSON object with any of these fields", "bold"))
    rows: list[list[str | Cell]] = [[Cell(name, "bold"), it.takes, it.does] for name, it in fields().items()]
    say(table(["field", "takes", "what it does"], rows))
    say()
    for why, text in _EXAMPLES:
        say(f"{why + ':':<32} {text}")
    say()
    say(styled("what becomes of a task", "bold"))
    say(fold(f"A create with the header {TASK_HEADER} decides it: {', '.join(sorted(TURNS))}."))
    say(fold(f"With {VISIBLE_HEADER} its queries do not find it before it is so many seconds old."))
