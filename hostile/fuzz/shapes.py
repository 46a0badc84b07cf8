"""Bytes -> structured input: a message with a first line of words, headers and a body; JSON out of any text.

Must not know what is fuzzed. Every byte string has a shape, and the shapes are text, so that a corpus can be read,
words of a dictionary fit anywhere, and two inputs crossed give a third that makes sense.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar
from zlib import compressobj, crc32

__all__ = ["Message", "dumped", "loose", "message", "number", "pick", "squeezed", "written"]

T = TypeVar("T")

_TOKEN: Final = re.compile(r'[{}\[\]:,]|"(?:[^"\\]|\\.)*"?|[^{}\[\]:,"\s]+', re.DOTALL)
_DEEPEST: Final = 60
_WBITS: Final = {"gzip": 31, "deflate": 15, "raw": -15}


class Message(NamedTuple):
    """``words`` of the first line, ``headers`` of those below it, and what stands behind the first empty line."""

    words: list[str]
    headers: list[tuple[str, str]]
    body: bytes

    def word(self, place: int) -> str:
        """Return a word of the first line, an empty one where there are not so many."""
        return self.words[place] if place < len(self.words) else ""


def message(data: bytes) -> Message:
    """Read a message; total."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("utf-8", "replace").split("\n")
    parts = (line.partition(":") for line in lines)
    return Message(first.split(" "), [(name, value.lstrip(" ")) for name, _, value in parts], body)


def written(words: Sequence[object], headers: Mapping[str, str] | None = None, body: bytes | str = b"") -> bytes:
    """Return a message as :func:`message` reads it: for seeds."""
    lines = [" ".join(map(str, words)), *(f"{name}: {value}" for name, value in (headers or {}).items())]
    return "\n".join(lines).encode() + b"\n\n" + (body.encode() if isinstance(body, str) else body)


def pick(options: Sequence[T], word: str, names: Mapping[str, T] | None = None) -> T:
    """Return what a word names; a word that names nothing stands for any one of the options, always the same."""
    if names is not None and word in names:
        return names[word]
    return options[crc32(word.encode("utf-8", "replace")) % len(options)]


def number(word: str, most: int, default: int = 0) -> int:
    """Return a whole number of up to ``most``, whatever the word is."""
    return min(int(word), most) if word.isascii() and word.isdigit() and len(word) < 12 else default


def loose(text: str) -> Any:
    """Return the JSON value that a text can be taken for: what is open is closed, a bare word is a text or a number."""
    root: list[Any] = []
    stack: list[Any] = [root]
    keys: list[str | None] = [None]
    for token in _TOKEN.findall(text):
        if token in ("{", "["):
            made: Any = {} if token == "{" else []
            _add(stack[-1], keys, made)
            if len(stack) < _DEEPEST:
                stack.append(made)
                keys.append(None)
        elif token in ("}", "]"):
            if len(stack) > 1:
                stack.pop()
                keys.pop()
        elif token not in (":", ","):
            _add(stack[-1], keys, _leaf(token))
    return root[0] if root else None


def _add(into: Any, keys: list[str | None], value: Any) -> None:
    if isinstance(into, list):
        into.append(value)
    elif keys[-1] is None:
        keys[-1] = value if isinstance(value, str) else repr(value)[:40]
    else:
        into[keys[-1]], keys[-1] = value, None


def _leaf(token: str) -> Any:
    whole = token if token[:1] != '"' or (len(token) > 1 and token[-1] == '"') else token + '"'
    try:
        return json.loads(whole)
    except (ValueError, RecursionError):
        return token.strip('"')


def dumped(value: object) -> bytes:
    """Return JSON, its texts as they are where UTF-8 has them."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def squeezed(data: bytes, coding: str, level: int = 6) -> bytes:
    """Compress data: ``gzip``, ``deflate`` (zlib), ``raw`` (deflate without its header); else it stays as it is."""
    if coding not in _WBITS:
        return data
    machine = compressobj(level, wbits=_WBITS[coding])
    return machine.compress(data) + machine.flush()
