"""The same request with another model in its JSON body or its path, and which members a body has.

Must not know any client or rule. Nothing else of a request changes, not a byte. Total, and bounded by the body.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from ..contract.routes import Route
from ..contract.words import Family

__all__ = ["features_in", "with_model", "with_path"]

_SPACES: Final = " \t\r\n"
_DECODER: Final = json.JSONDecoder()


def _model_field(family: Family | None) -> str:
    """Return the member of a JSON body that names the model."""
    return "model_name" if family is Family.KLING else "model"


def _members(body: bytes) -> list[tuple[str, int, int, str]] | None:
    """Return the top-level members of a JSON object, as (name, start, end of the value in ``text``, text)."""
    try:
        text = body.decode("utf-8")
        at, found = _skip(text, 0), []
        if text[at : at + 1] != "{":
            return None
        at = _skip(text, at + 1)
        while text[at : at + 1] != "}":
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, at)
            if text[at : at + 1] != ":" or not isinstance(name, str):
                return None
            start = _skip(text, at + 1)
            _, at = _DECODER.raw_decode(text, start)
            found.append((name, start, at, text))
            at = _skip(text, at)
            if text[at : at + 1] == ",":
                at = _skip(text, at + 1)
                if text[at : at + 1] == "}":
                    return None
            elif text[at : at + 1] != "}":
                return None
        if _skip(text, at + 1) != len(text):
            return None
    except (ValueError, RecursionError):
        return None
    return found


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in tuple(_SPACES):
        at += 1
    return at


def features_in(body: bytes | None, names: Iterable[str]) -> tuple[str, ...] | None:
    """Return which of these members a JSON body has at its top level, other than null; None: it can't be read."""
    wanted = frozenset(names)
    if not wanted or not body:
        return () if not wanted else None
    held = _members(body)
    if held is None:
        return None
    return tuple(name for name, start, end, text in held if name in wanted and text[start:end] != "null")


def with_model(body: bytes | None, family: Family | None, model: str) -> bytes | None:
    """Return a JSON body that names another model and is else the same, byte for byte; None where it can't be."""
    name = _model_field(family)
    places = [it for it in (_members(body) or ()) if it[0] == name] if body else []
    if not places:
        return None
    text = places[0][3]
    for _, start, end, _ in reversed(places):
        text = text[:start] + json.dumps(model) + text[end:]
    return text.encode("utf-8")


def with_path(route: Route, path: str, model: str) -> str | None:
    """Return a path (perhaps with a query) that names another model; None where its route has none there."""
    place = _place(route, path)
    return None if place is None else path[: place[0]] + quote(model, safe="") + path[place[1] :]


def _place(route: Route, path: str) -> tuple[int, int] | None:
    """Return where the model stands in a path."""
    head, mark, tail = route.template.partition("{model}")
    bare = path.partition("?")[0]
    last = head[head[:-1].rfind("/") :]
    start = bare.rfind(last)
    if not mark or start < 0:
        return None
    start += len(last)
    end = bare.rfind(tail)  # the last one, as the table has it; without a tail the end
    return (start, end) if end > start else None
