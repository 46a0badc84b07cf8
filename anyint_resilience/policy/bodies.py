"""The bytes of an answer -> JSON, with bounded work: decoding, parsing, salvage of a cut body, paths.

Must not know envelopes, causes or routes. Total: whatever cannot be read has a state that says so.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final, NamedTuple, TypeGuard

__all__ = [
    "MAX_BODY",
    "Body",
    "Legibility",
    "first",
    "has_leaf",
    "is_array",
    "is_object",
    "parse",
    "plain",
    "slim",
    "values_at",
]

MAX_BODY: Final = 65_536
"""Bytes of a body that are looked at, before and after decompression."""

_CHUNK: Final = 2048
_MAX_CODINGS: Final = 3
_MAX_DEPTH: Final = 8  # of a cut document
_SLIM_DEPTH: Final = 6
_MAX_LEAVES: Final = 1000
_MAX_ITEMS: Final = 64  # of an array that a path goes through
_SPACES: Final = " \t\r\n"
_DECODER: Final = json.JSONDecoder()


class Legibility(str, Enum):
    """How much of a body could be read."""

    EMPTY = "empty"
    OPAQUE = "opaque"  # in a coding that is not read here: nothing is known against it
    BROKEN = "broken"  # not a JSON object or array
    CUT = "cut"  # the beginning of one
    WHOLE = "whole"

    __str__ = str.__str__


class Body(NamedTuple):
    """What a body holds; ``document`` is a dict or a list, or None."""

    legibility: Legibility
    document: object = None


def parse(body: object, encodings: list[str]) -> Body:
    """Read the first 64 KiB of a body as JSON; ``encodings`` are the values of Content-Encoding."""
    raw = _bytes(body)
    if not raw:
        return Body(Legibility.EMPTY)
    plain = _decoded(raw, encodings)
    if plain is None:
        return Body(Legibility.OPAQUE)
    text = plain.decode("utf-8-sig", "replace").lstrip(_SPACES)
    if text[:1] not in ("{", "["):
        return Body(Legibility.BROKEN)
    try:
        return Body(Legibility.WHOLE, json.loads(text))
    except RecursionError:
        return Body(Legibility.BROKEN)
    except ValueError:
        return _salvage(text)


def plain(body: bytes, encodings: list[str], *, most: int = MAX_BODY) -> bytes | None:
    """Return a body without its content codings, at most 64 KiB of it; None where one of them is not read here."""
    return _decoded(body[:most], encodings, most)


def slim(body: bytes, document: object = None) -> bytes:
    """Return a body without what makes it long, so that all that tells how a task stands is within what is looked at.

    ``document``: the body decoded, where that is known. One that is no whole JSON object comes back as it is.
    """
    if len(body) <= MAX_BODY:
        return body
    if document is None:
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            return body
    return json.dumps(_slim(document, 0)).encode() if is_object(document) and document else body


def _slim(value: object, depth: int) -> object:
    if is_object(value):
        return {key: _slim(it, depth + 1) for key, it in list(value.items())[:64]} if depth < _SLIM_DEPTH else {}
    if is_array(value):
        return [_slim(it, depth + 1) for it in value[:8]] if depth < _SLIM_DEPTH else []
    return value[:256] if isinstance(value, str) else value


def _bytes(body: object) -> bytes:
    if isinstance(body, (bytes, bytearray)):
        return bytes(body[:MAX_BODY])
    return body[:MAX_BODY].encode("utf-8", "replace")[:MAX_BODY] if isinstance(body, str) else b""


# --- content codings


def _decoded(raw: bytes, encodings: list[str], most: int = MAX_BODY) -> bytes | None:
    """Undo the content codings; None if one is not known. Most clients have done it already: the bytes tell."""
    codings = [coding.strip().lower() for value in encodings for coding in value.split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    if not codings or raw.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"["):
        return raw
    if len(codings) > _MAX_CODINGS:
        return None
    for coding in reversed(codings):
        if coding in ("gzip", "x-gzip"):
            raw = _inflated(raw, 16 + zlib.MAX_WBITS, most) if raw[:2] == b"\x1f\x8b" else raw
        elif coding == "deflate":
            raw = _inflated(raw, zlib.MAX_WBITS, most) or _inflated(raw, -zlib.MAX_WBITS, most) or raw
        else:
            return None
    return raw


def _inflated(raw: bytes, window: int, most: int) -> bytes:
    """Decompress so many bytes at the most; what came before a fault is kept: a cut body may still tell something."""
    machine = zlib.decompressobj(window)
    parts: list[bytes] = []
    room = most
    for start in range(0, len(raw), _CHUNK):
        try:
            part = machine.decompress(raw[start : start + _CHUNK], room)
        except zlib.error:
            break
        parts.append(part)
        room -= len(part)
        if room <= 0 or machine.eof:
            break
    return b"".join(parts)


# --- a cut document


def _salvage(text: str) -> Body:
    """Keep what a cut or broken document says before the place where it ends; a half value is dropped."""
    try:
        document, _ = _value(text, 0, 0)
    except (ValueError, RecursionError):
        return Body(Legibility.BROKEN)
    return Body(Legibility.CUT, document) if document else Body(Legibility.BROKEN)


def _value(text: str, at: int, depth: int) -> tuple[object, int | None]:
    """Return a value and where it ends; None for the end means that the text ended inside it."""
    try:
        value, end = _DECODER.raw_decode(text, at)
        if end == len(text) and isinstance(value, (int, float)):
            raise ValueError("the number may go on")
        return value, end
    except ValueError:
        if depth >= _MAX_DEPTH or text[at : at + 1] not in ("{", "["):
            raise
    return _members(text, at + 1, depth) if text[at] == "{" else _items(text, at + 1, depth)


def _members(text: str, at: int, depth: int) -> tuple[dict[str, object], None]:
    found: dict[str, object] = {}
    try:
        while True:
            key, end = _DECODER.raw_decode(text, _skip(text, at, ","))
            value, stop = _value(text, _skip(text, end, ":"), depth + 1)
            found[str(key)] = value
            if stop is None:
                return found, None
            at = stop
    except ValueError:
        return found, None


def _items(text: str, at: int, depth: int) -> tuple[list[object], None]:
    found: list[object] = []
    try:
        while True:
            value, stop = _value(text, _skip(text, at, ","), depth + 1)
            found.append(value)
            if stop is None:
                return found, None
            at = stop
    except ValueError:
        return found, None


def _skip(text: str, at: int, mark: str) -> int:
    """Return the place of the next value: after spaces, at most one mark, and spaces."""
    while text[at : at + 1] in tuple(_SPACES):
        at += 1
    if text[at : at + 1] == mark:
        at += 1
        while text[at : at + 1] in tuple(_SPACES):
            at += 1
    return at


# --- looking into a document


def is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a JSON value is an object."""
    return type(value) is dict or isinstance(value, Mapping)  # json makes dicts, and an ABC is slow to ask


def is_array(value: object) -> TypeGuard[list[object]]:
    """Tell whether a JSON value is an array."""
    return isinstance(value, list)


def values_at(document: object, path: tuple[str, ...]) -> Iterator[object]:
    """Yield what stands at a path, nulls left out; ``[]`` goes through the first items of an array."""
    if not path:
        if document is not None:
            yield document
    elif path[0] == "[]":
        for item in document[:_MAX_ITEMS] if is_array(document) else ():
            yield from values_at(item, path[1:])
    elif is_object(document):
        yield from values_at(document.get(path[0]), path[1:])


def first(document: object, paths: tuple[tuple[str, ...], ...]) -> str | None:
    """Return the first text or whole number at one of the paths, as text; an empty text is none."""
    for path in paths:
        for value in values_at(document, path):
            if isinstance(value, str) and value.strip():
                return value.strip()[:256]
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
                return str(value)
    return None


def has_leaf(value: object) -> bool:
    """Tell whether anything at all stands in a value: a text, a number, or a container that holds one."""
    waiting = [value]
    for _ in range(_MAX_LEAVES):
        if not waiting:
            return False
        item = waiting.pop()
        if is_object(item):
            waiting.extend(item.values())
        elif is_array(item):
            waiting.extend(item)
        elif item is not None and item != "" and item is not False:
            return True
    return True
