"""The mark that a create carries, by which it is found again: put into its body, and read from a callback's URL.

Must not know any client, store or clock. Pure: what can't carry a mark goes without one.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from ..contract.reconcile import MARK_PARAMETER, Mark
from .callbacks import is_web

__all__ = ["mark_of", "marked", "marked_body"]

_MAX_URL: Final = 2048
_ROOTED: Final = re.compile(r"/|[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_MARK: Final = re.compile(r"[A-Za-z0-9-]{1,128}")


def marked_body(row: Mark, body: bytes, mark: str) -> bytes | None:
    """Return a JSON body that carries a mark; None where it can't: no JSON object, or no URL to put it into.

    A field that is not there is added in front, so that the rest stays as the caller wrote it.
    """
    document = _object(body)
    if document is None:
        return None
    given = document.get(row.field)
    if not row.url:
        if row.field in document:
            return None
        start = body.index(b"{") + 1
        tail = b"" if not document else b", "
        return body[:start] + f'"{row.field}": "{mark}"'.encode() + tail + body[start:].lstrip()
    if not isinstance(given, str):
        return None
    url = marked(given, mark)
    if url is None:
        return None
    try:
        return json.dumps({**document, row.field: url}, allow_nan=False).encode()
    except (ValueError, RecursionError):  # a number that no float holds would come out as another, or as no JSON
        return None


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body.decode())  # as text: bytes may be UTF-16 too, which a mark would break
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def marked(url: str, mark: str) -> str | None:
    """Return a callback URL whose query says which create it belongs to; the rest of it stays as it is.

    A mark that is there already is replaced. None: ``url`` is no http or https URL, or would exceed 2048 characters.
    Raises ValueError where ``mark`` is not 1 to 128 ASCII letters, digits and hyphens.
    """
    if _MARK.fullmatch(mark) is None:
        raise ValueError("a mark is 1 to 128 ASCII letters, digits and hyphens")
    if not is_web(url) or " " in url or len(url) > _MAX_URL:
        return None
    address, hash_sign, fragment = url.partition("#")
    path, _, query = address.partition("?")
    query = query.removesuffix("&")  # "a=1&" has its separator already
    kept = [part for part in query.split("&") if not _is_mark(part)] if query else []
    made = f"{path}?{'&'.join([*kept, f'{MARK_PARAMETER}={mark}'])}{hash_sign}{fragment}"
    return made if len(made) <= _MAX_URL else None


def mark_of(url: str | None) -> str | None:
    """Return the mark in a callback URL, its path and query, or its query alone: what a web framework gives.

    None where there is none, where it is not what ``marked`` writes, or where there are two that differ.
    """
    if not isinstance(url, str):
        return None
    address = url.partition("#")[0]
    head, _, query = address.partition("?")
    if _ROOTED.match(address) is None and "=" in head:
        query = address  # a query alone, which may hold a question mark itself
    marks = {_plain(part.partition("=")[2]) for part in query.split("&") if _is_mark(part)}
    mark = marks.pop() if len(marks) == 1 else ""
    return mark if _MARK.fullmatch(mark) else None


def _is_mark(part: str) -> bool:
    return _plain(part.partition("=")[0]) == MARK_PARAMETER


def _plain(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # late: no name or mark of ours needs it, but a proxy may encode what it likes

    return unquote(text)
