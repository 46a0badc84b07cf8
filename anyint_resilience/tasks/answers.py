"""The first answer to a create, as the ledger keeps it, and the answer made of that again.

Must not know any store, client or key. Gateways write back what they were asked: a prompt, a callback URL. Such a text
is not kept; the same create has it in its own body when it comes again, and it is put back from there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["given", "kept"]

_MAX: Final = 4096
"""Bytes of an answer that is kept."""

_WORD: Final = 16  # characters: an ASCII text of the request's that is no longer and has no space is a name or a size
_DEPTH: Final = 8
_LONGEST_TYPE: Final = 128
_MOST: Final = 500  # texts of a request that are looked at
_REFERENCE: Final = "$request"

_OWN: Final = frozenset(
    (
        *("id", "task_id", "taskId", "request_id", "object", "status", "task_status", "model", "type", "code", "size"),
        *("seconds", "external_task_id", "remixed_from_video_id"),
    )
)
"""Texts of an answer that are the gateway's own, whatever was asked."""

Place = tuple["str | int", ...]


def kept(status: int, kind: str, body: bytes, request: bytes | None) -> dict[str, Any] | None:
    """Return an answer as it is kept; None for one that is too long, or no JSON object."""
    if len(body) > _MAX:
        return None
    document = _object(body)
    if document is None:
        return None
    asked = _object(request)
    sent = _spelled(request, asked)
    if sent is None:
        slim = _named(document, 0)
    else:
        slim = _without(document, {text: place for place, text in _texts(asked, ())}, sent, 0)
    return {"status": status, "type": kind[:_LONGEST_TYPE], "document": slim}


def given(answer: Mapping[str, Any], request: bytes | None) -> tuple[int, str, bytes]:
    """Return status, content type and body of a kept answer, what was left out put back from the same request."""
    document = _with(answer.get("document"), _object(request) or {}, 0)
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    status, kind = answer.get("status"), answer.get("type")
    good = isinstance(kind, str) and 0 < len(kind) <= _LONGEST_TYPE and kind.isascii() and kind.isprintable()
    return (
        status if isinstance(status, int) and 200 <= status < 300 else 200,
        kind if good and isinstance(kind, str) else "application/json",
        body,
    )


def _object(body: bytes | None) -> dict[str, Any] | None:
    if not body:
        return None
    try:
        document = json.loads(body, parse_constant=_number, parse_float=_number)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError  # JSON, and so a store, has no word for it
    return number


def _spelled(request: bytes | None, asked: dict[str, Any] | None) -> bytes | None:
    """Return a request as it was sent and then as ``json`` spells it; None for what is no JSON object."""
    if request is None or asked is None:
        return None
    try:
        return request + json.dumps(asked).encode()
    except RecursionError:  # writing may go less deep than reading
        return None


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
    return len(text) > _WORD or " " in text or not text.isascii()


def _without(value: Any, said: Mapping[str, Place], sent: bytes, depth: int) -> Any:
    """Return a value with references in the place of what the request said."""
    if isinstance(value, str) and _is_said(value):
        if value in said:
            return {_REFERENCE: list(said[value])}
        return None if "://" in value or _is_echo(value, said, sent) else value  # a URL may be signed
    if depth >= _DEPTH:
        return value if isinstance(value, (int, float, str)) else None
    if isinstance(value, dict):
        return {
            key: _without(it, said, sent, depth + 1)
            for key, it in value.items()
            if not (_is_said(key) and not _is_name(key, sent) and ("://" in key or _is_echo(key, said, sent)))
        }
    return [_without(it, said, sent, depth + 1) for it in value] if isinstance(value, list) else value


def _is_name(key: str, sent: bytes) -> bool:
    """Whether the request has a field of this name: ``completion_window`` is no prompt."""
    return key.isidentifier() and f'"{key}":'.encode() in sent


def _named(value: Any, depth: int) -> Any:
    """Return what of an answer is surely none of the request's, where that was no JSON: ids, states, numbers."""
    if isinstance(value, dict):
        return (
            {
                key: _named(it, depth + 1) if key in _OWN or not isinstance(it, str) else None
                for key, it in value.items()
                if not _is_said(key) or (key.isascii() and key.isidentifier())
            }
            if depth < _DEPTH
            else None
        )
    if isinstance(value, list):
        return [_named(it, depth + 1) for it in value if not isinstance(it, str)] if depth < _DEPTH else None
    return value


def _is_echo(value: str, said: Mapping[str, Place], sent: bytes) -> bool:
    """Whether a text is a piece of the request, in any spelling of JSON, or has one of its texts in it."""
    if value.encode("utf-8", "replace") in sent or json.dumps(value)[1:-1].encode() in sent:
        return True
    return any(text in value for text in said if len(text.strip()) > 1)


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
