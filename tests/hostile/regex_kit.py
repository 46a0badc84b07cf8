"""Steps of a backtracking matcher, counted: how a pattern's work grows with hostile input. Must not know a pattern.

It walks the tree that ``re`` itself makes and does what ``re`` does, less its shortcuts: no prefix search, no charset
tables. So its count is an upper bound, and the same on every machine.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import product
from math import inf
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as c  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
else:
    import sre_constants as c
    import sre_parse as parser

__all__ = ["LINEAR", "attacks", "grows", "open_ended", "steps"]

FEW = 3
"""What a bounded repeat is cut to: it costs a constant, however large."""
MOST = 30_000
"""Steps after which nobody counts on: no linear pattern comes near it."""
LINEAR = 8.0
"""Times as many steps for four times as much: 4 where all is well, 16 for a square."""
_MANY = 1000  # a bound above it is taken for none
_TOKENS = 5
_CATEGORIES: dict[Any, str] = {
    c.CATEGORY_DIGIT: r"\d",
    c.CATEGORY_NOT_DIGIT: r"\D",
    c.CATEGORY_SPACE: r"\s",
    c.CATEGORY_NOT_SPACE: r"\S",
    c.CATEGORY_WORD: r"\w",
    c.CATEGORY_NOT_WORD: r"\W",
}
_SAMPLES = "a0 A_-.:/*@~\n\x00"

Then = Callable[[int], bool]


def tree(pattern: re.Pattern[Any]) -> Any:
    """Return the tree of a pattern, one of bytes read as text."""
    text, flags = pattern.pattern, pattern.flags
    text, flags = (text, flags & ~re.UNICODE) if isinstance(text, str) else (text.decode("latin-1"), flags)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parser.parse(text, flags)


def open_ended(items: Any) -> bool:
    """Whether anything in a pattern may repeat without an end: without that no input makes it slow."""
    for op, av in items:
        if op in (c.MAX_REPEAT, c.MIN_REPEAT) and (av[1] > _MANY or open_ended(av[2])):
            return True
        if any(open_ended(inner) for inner in _inner(op, av)):
            return True
    return False


def _inner(op: Any, av: Any) -> list[Any]:
    if op in (c.MAX_REPEAT, c.MIN_REPEAT):
        return [av[2]]
    if op is c.BRANCH:
        return list(av[1])
    if op is c.SUBPATTERN:
        return [av[3]]
    return [av[1]] if op in (c.ASSERT, c.ASSERT_NOT) else []


class _TooMany(Exception):
    pass


class _Machine:
    """Matches one text, and counts each look at a character or a place."""

    def __init__(self, pattern: re.Pattern[Any], text: str) -> None:
        self.text, self.flags, self.count = text, pattern.flags, 0
        self.groups: dict[int, tuple[int, int]] = {}
        self.items = list(tree(pattern))

    def step(self) -> None:
        self.count += 1
        if self.count > MOST:
            raise _TooMany

    def seq(self, items: Any, index: int, at: int, then: Then) -> bool:
        if index == len(items):
            return then(at)
        op, av = items[index]

        def on(end: int) -> bool:
            return self.seq(items, index + 1, end, then)

        if op in (c.LITERAL, c.NOT_LITERAL, c.ANY, c.IN):
            return self.fits(op, av, at) and on(at + 1)
        if op in (c.MAX_REPEAT, c.MIN_REPEAT):
            return self.repeat(av, at, on, lazy=op is c.MIN_REPEAT)
        return self.other(op, av, at, on)

    def other(self, op: Any, av: Any, at: int, on: Then) -> bool:
        self.step()
        if op is c.BRANCH:
            return any(self.seq(list(it), 0, at, on) for it in av[1])
        if op is c.SUBPATTERN:

            def closed(end: int) -> bool:
                self.groups[av[0]] = (at, end)
                return on(end)

            return self.seq(list(av[3]), 0, at, closed)
        if op in (c.ASSERT, c.ASSERT_NOT):
            return self.around(op, av, at) and on(at)
        if op is c.AT:
            return self.place(av, at) and on(at)
        assert op is c.GROUPREF, f"{op} is not known here"
        start, end = self.groups.get(av, (0, 0))
        self.count += end - start
        return self.text.startswith(self.text[start:end], at) and on(at + end - start)

    def around(self, op: Any, av: Any, at: int) -> bool:
        direction, inner = av
        width = inner.getwidth()[0] if direction < 0 else 0
        held = at >= width and self.seq(list(inner), 0, at - width, lambda end: True)
        return held is (op is c.ASSERT)

    def place(self, av: Any, at: int) -> bool:
        text = self.text
        if av in (c.AT_BEGINNING, c.AT_BEGINNING_STRING):
            return at == 0 or (bool(self.flags & re.MULTILINE) and av is c.AT_BEGINNING and text[at - 1] == "\n")
        if av in (c.AT_END, c.AT_END_STRING):
            return at == len(text) or (av is c.AT_END and text[at] == "\n")
        around = [it.isalnum() or it == "_" for it in (text[at - 1 : at] if at else "", text[at : at + 1])]
        return (around[0] != around[1]) is (av is c.AT_BOUNDARY)

    def fits(self, op: Any, av: Any, at: int) -> bool:
        self.step()
        if at >= len(self.text):
            return False
        char = self.text[at]
        if op is c.ANY:
            return char != "\n" or bool(self.flags & re.DOTALL)
        if op is c.IN:
            return _within(av, char, bool(self.flags & re.IGNORECASE))
        folded = self.flags & re.IGNORECASE and chr(av).lower() == char.lower()
        return (chr(av) == char or bool(folded)) is (op is c.LITERAL)

    def repeat(self, av: Any, at: int, on: Then, *, lazy: bool) -> bool:
        least, most, inner = min(av[0], FEW), av[1] if av[1] > _MANY else min(av[1], FEW), list(av[2])
        single = len(inner) == 1 and inner[0][0] in (c.LITERAL, c.NOT_LITERAL, c.ANY, c.IN)
        if not single:
            return self.groups_of(inner, least, most, at, on, lazy=lazy)
        ends = [at]
        while len(ends) <= most and self.fits(*inner[0], ends[-1]):
            ends.append(ends[-1] + 1)
        tried = ends[least:] if lazy else ends[least:][::-1]
        return any(on(it) for it in tried)

    def groups_of(self, inner: Any, least: int, most: int, at: int, on: Then, *, lazy: bool) -> bool:
        def more(end: int) -> bool:
            return end > at and self.groups_of(inner, max(0, least - 1), most - 1, end, on, lazy=lazy)

        ways: list[Callable[[], bool]] = []
        if most > 0:
            ways.append(lambda: self.seq(inner, 0, at, more))
        if least == 0:
            ways.append(lambda: on(at))
        return any(way() for way in (reversed(ways) if lazy else ways))


def _within(av: Any, char: str, folds: bool) -> bool:
    chars = {char, char.lower(), char.upper()} if folds else {char}
    found = any(_one(op, it, one) for op, it in av if op is not c.NEGATE for one in chars)
    return found is not (av[0][0] is c.NEGATE)


def _one(op: Any, av: Any, char: str) -> bool:
    if op is c.RANGE:
        return bool(av[0] <= ord(char) <= av[1])
    if op is c.CATEGORY:
        return re.match(_CATEGORIES[av], char) is not None
    return bool(ord(char) == av)


def steps(pattern: re.Pattern[Any], text: str, way: str) -> int:
    """Return the steps that a way of matching takes: ``search`` begins at each place, as ``sub`` does."""
    machine = _Machine(pattern, text)
    try:
        for start in range(len(text) + 1 if way == "search" else 1):
            if machine.seq(machine.items, 0, start, lambda end: way != "fullmatch" or end == len(text)):
                break
    except _TooMany:
        return MOST
    return machine.count


def tokens(items: Any) -> list[str]:
    """Return pieces that a pattern knows: runs of its literals, and a character of each of its classes."""
    found: dict[str, None] = {}
    run = ""
    for op, av in items:
        if op is c.LITERAL:
            run += chr(av)
            continue
        found, run = {**found, **({run: None} if run else {})}, ""
        if op is c.IN:
            found.update(dict.fromkeys([it for it in _SAMPLES if _within(av, it, folds=False)][:2]))
        for inner in _inner(op, av):
            found.update(dict.fromkeys(tokens(inner)))
    return [*found, *([run] if run else [])]


def attacks(pattern: re.Pattern[Any]) -> Iterator[Callable[[int], str]]:
    """Yield what makes hostile texts of any length: one piece again and again, before it and behind it another."""
    known = list(dict.fromkeys(it for it in (*tokens(list(tree(pattern))), "a", " ")))
    for piece, before in product(known[:_TOKENS], ("", *known[:_TOKENS])):
        for end in ("", "\x00"):
            yield lambda n, it=piece, head=before, tail=end: head + it * n + tail  # type: ignore[misc]
        yield lambda n, it=piece, head=before: (head + it) * n  # type: ignore[misc]


def grows(pattern: re.Pattern[Any], way: str, *, size: int = 8) -> tuple[float, str]:
    """Return how the steps grow where a text is four times as long, and the text that does it.

    4 is linear, 16 quadratic, infinite what takes more than ``MOST`` steps. The first above ``LINEAR``, else the worst.
    """
    worst, by = 0.0, ""
    for made in attacks(pattern):
        many = steps(pattern, made(4 * size), way)
        if many < 4 * len(made(4 * size)):
            continue
        grown = inf if many >= MOST else many / steps(pattern, made(size), way)
        if grown > worst:
            worst, by = grown, made(4)
        if worst > LINEAR:
            break
    return worst, by
