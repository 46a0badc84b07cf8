"""The first answer to a create, as the ledger keeps it, and the answer made of that again.

Must not know any store, client or key. Gateways write back what they were asked: a prompt, a callback URL. Such a text
is not kept; the same create has it in its own body when it comes again, and it is put back from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["given", "kept"]

_MAX: Final = 4096
"""Bytes of an answer that is kept."""

_WORD: Final = 16  # characters: a text of the request's that is no longer, and has no space, is a name or a size
_DEPTH: Final = 8
_MOST: Final = 500  # texts of a request that are looked at
_REFERENCE: Final = "$request"

Place = tuple["str | int", ...]


def kept(status: int, kind: str, body: bytes, request: bytes | None) -> dict[str, Any] | None:
    """Return an answer as it is kept; None for one that is too long, or no JSON object."""
    if len(body) > _MAX:
        return None
    document = _object(body)
    if document is None:
        return None
    said = {text: place for place, text in _texts(_object(request or b"") or {}, ())}
    return {"status": status, "type": kind[:128], "document": _without(document, said, request or b"", 0)}


def given(answer: Mapping[str, Any], request: bytes | None) -> tuple[int, str, bytes]:
    """Return status, content type and body of a kept answer, what was left out put back from the same request."""
    document = _with(answer.get("document"), _object(request or b"") or {}, 0)
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    status = answer.get("status")
    return status if isinstance(status, int) and 200 <= status < 300 else 200, str(answer.get("type")), body


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _texts(value: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Yield the texts of a request that may not be kept, with their places."""
    waiting: list[tuple[Place, Any]] = [(place, value)]
    for _ in range(_MOST):
        if not waiting:
            return
        place, found = waiting.pop()
        if isinstance(found, str):
            if _is_said(found):
                yield place, found
        elif len(place) < _DEPTH:
            items: Any = (
                found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
            )
            waiting += [((*place, key), it) for key, it in list(items)[:_MOST]]


def _is_said(text: str) -> bool:
    return len(text) > _WORD or " " in text


def _without(value: Any, said: Mapping[str, Place], request: bytes, depth: int) -> Any:
    """Return a value with references in the place of what the request said."""
    if isinstance(value, str) and _is_said(value):
        if value in said:
            return {_REFERENCE: list(said[value])}
        return None if value.encode("utf-8", "replace") in request else value
    if depth >= _DEPTH:
        return value if isinstance(value, (int, float, str)) else None
    if isinstance(value, dict):
        return {key: _without(it, said, request, depth + 1) for key, it in value.items()}
    return [_without(it, said, request, depth + 1) for it in value] if isinstance(value, list) else value


def _with(value: Any, request: Any, depth: int) -> Any:
    """Return a value with what its references stand for."""
    if depth > 2 * _DEPTH:
        return None
    if isinstance(value, dict):
        if value.keys() == {_REFERENCE}:
            return _at(request, value[_REFERENCE])
        return {key: _with(it, request, depth + 1) for key, it in value.items()}
    return [_with(it, request, depth + 1) for it in value] if isinstance(value, list) else value


def _at(document: Any, place: Any) -> Any:
    try:
        for key in place if isinstance(place, list) else ():
            document = document[key]
    except (LookupError, TypeError):
        return None
    return document if isinstance(document, str) else None
