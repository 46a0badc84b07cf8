"""An answer as people paste it: what ``curl -i`` or ``curl -v`` printed. Must not know what is to be done about it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["Pasted", "read_pasted"]

_STATUS_LINE: Final = re.compile(r"HTTP/\d(?:\.\d)?\s+(\d{3})(?:\s|$)")
_REQUEST_LINE: Final = re.compile(r">\s*([A-Z]+)\s+(\S+)\s+HTTP/")
_CHATTER: Final = re.compile(r"\* |[{}] \[\d+ bytes data\]")  # what curl -v says beside the two messages


class Pasted(NamedTuple):
    """An answer, and of its request what stood there (``curl -v`` prints it)."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    method: str | None = None
    path: str | None = None


def read_pasted(raw: bytes) -> Pasted | None:
    """Return the last answer in what was printed, or None where there is no status line.

    Before the last one there may be others: 100 Continue, a proxy's, or redirects that were followed.
    """
    lines = raw.replace(b"\r\n", b"\n").split(b"\n")
    texts = [line.decode("latin-1") for line in lines]
    verbose = any(_STATUS_LINE.match(text[1:].lstrip()) for text in texts if text.startswith("<"))
    return _verbose(lines, texts) if verbose else _plain(lines, texts)


def _plain(lines: list[bytes], texts: list[str]) -> Pasted | None:
    at, found = 0, None
    while at < len(lines):
        begun = _STATUS_LINE.match(texts[at].lstrip())
        if begun is None:
            if found is not None:
                break
            at += 1  # what stands above: a prompt, the command itself
            continue
        end = next((it for it in range(at + 1, len(lines)) if not texts[it].strip()), len(lines))
        headers = [pair for text in texts[at + 1 : end] if (pair := _header(text)) is not None]
        found = Pasted(int(begun.group(1)), headers, b"\n".join(lines[end + 1 :]))
        at = end + 1
    return found


def _verbose(lines: list[bytes], texts: list[str]) -> Pasted | None:
    """Read what ``curl -v`` printed: ``> `` what was sent, ``< `` what came, the body between and after."""
    found: Pasted | None = None
    method = path = None
    body: list[bytes] = []
    for line, text in zip(lines, texts, strict=True):
        asked, came = _REQUEST_LINE.match(text), text[1:].strip() if text.startswith("<") else None
        begun = None if came is None else _STATUS_LINE.match(came)
        if asked is not None:
            method, path = asked.groups()
        elif begun is not None:
            found, body = Pasted(int(begun.group(1)), [], b""), []
        elif came is not None and found is not None:
            pair = _header(came)
            found.headers.extend([] if pair is None else [pair])
        elif found is not None and not text.startswith(">") and not _CHATTER.match(text):
            body.append(line)
    return None if found is None else found._replace(body=b"\n".join(body), method=method, path=path)


def _header(text: str) -> tuple[str, str] | None:
    name, colon, value = text.partition(":")
    return (name.strip(), value.strip()) if colon and name.strip() else None
