"""Links of a document: files that are there, headings that exist. No network.

Must not know what blocks say, nor what the site looks like. Headings have the anchors that code hosts give them;
``mkdocs.yml`` sets the site to the same, and checks them again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .blocks import FENCE, named

__all__ = ["anchors", "check", "slug", "spans"]

LINK = re.compile(r"!?\[(?:[^\]\\`]|\\.|``|!\[[^\]]*\]\([^)]*\))*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
REFERENCE = re.compile(r"(?m)^ {0,3}\[[^\]^]+\]: *<?(\S+?)>?(?: +\".*\")? *$")
HTML = re.compile(r"<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)=\"([^\"]+)\"")
WEB = re.compile(r"https?://[\w.-]+(?::\d+)?(?:/[^\s<>\"]*)?(?:\?[^\s<>\"]*)?(?:#[^\s<>\"]*)?")
SPAN = re.compile(r"(`+)(?!`)(?:(?!\n\n).)*?(?<!`)\1(?!`)", re.DOTALL)
MAIL = re.compile(r"mailto:[^@\s]+@[\w.-]+\.\w+")


def check(path: Path) -> Iterator[str]:
    """Relative links point at something in the tree, anchors at a heading; those to the web are well formed."""
    for line, target in _links(path):
        where = f"{named(path)}:{line}"
        if re.match(r"[a-z]+:", target):
            if not (WEB.fullmatch(target) or MAIL.fullmatch(target)):
                yield f"{where}: {target} is no address"
            continue
        if target.startswith("/"):
            yield f"{where}: {target} begins with a slash: where that leads depends on where the site is"
            continue
        file, _, anchor = target.partition("#")
        other = (path.parent / file).resolve() if file else path
        if not other.exists():
            yield f"{where}: broken link {target}"
        elif anchor and other.suffix == ".md" and anchor not in anchors(other):
            yield f"{where}: no heading for {target}"


def _links(path: Path) -> Iterator[tuple[int, str]]:
    """Each link with its line."""
    text = prose(path)
    for pattern in (LINK, REFERENCE, HTML):
        for found in pattern.finditer(text):
            yield text.count("\n", 0, found.start(1)) + 1, found[1]


@cache
def prose(path: Path) -> str:
    """The document with empty lines for its code blocks, and empty code spans."""
    return SPAN.sub(_emptied, _unblocked(path))


@cache
def _unblocked(path: Path) -> str:
    """The document with empty lines for its code blocks."""
    kept: list[str] = []
    ticks = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        fence = FENCE.match(line)
        if ticks:
            ticks = "" if re.match(rf" *{ticks}{ticks[0]}* *$", line) else ticks
        elif fence:
            ticks = fence["ticks"]
        else:
            kept.append(line)
            continue
        kept.append("")
    return "\n".join(kept)


def spans(path: Path) -> Iterator[tuple[int, str]]:
    """What stands in code within sentences, each with its line."""
    text = _unblocked(path)
    for found in SPAN.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, " ".join(found[0].strip("`").split())


def _emptied(span: re.Match[str]) -> str:
    return "``" + "\n" * span[0].count("\n")


@cache
def anchors(path: Path) -> frozenset[str]:
    """Every anchor of a document: of its headings, numbered where two are alike, and those set by hand."""
    text = path.read_text(encoding="utf-8")
    headings = {number for number, line in enumerate(prose(path).splitlines()) if re.match(r"#{1,6} ", line)}
    found = set(re.findall(r"<a\s[^>]*?\b(?:id|name)=\"([^\"]+)\"", text))
    seen: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines()):
        if number not in headings:
            continue
        own = re.search(r"\{[^}]*#([\w-]+)[^}]*\}\s*$", line)
        if own:
            found.add(own[1])
            continue
        name = slug(line.lstrip("#"))
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return frozenset(found)


def slug(heading: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
