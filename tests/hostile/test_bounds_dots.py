"""A configuration file with a key of many parts is refused before it is read, and no other file for its dots.

Must not measure time: a reader of TOML takes the square of a key's parts, and looking for such a key must not.
"""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from types import FrameType
from typing import Any

import pytest

from anyint_resilience.configuring import files
from anyint_resilience.configuring.files import FileProblem, parsed

MOST = files._DOTS
LONG_KEYS = {
    "dotted": "a" + ".a" * (MOST + 1) + " = 1",
    "a table": "[" + "a." * (MOST + 1) + "a]",
    "inline": "x = {a" + ".a" * (MOST + 1) + " = 1}",
    "quoted": '"a.b"' + " . 'a#\"'" * (MOST + 1) + " = 1",
    "behind strings": 'x = "\\"" \n"\'" = 1 # "\na' + ".a" * (MOST + 1) + " = 1",
    "behind a text": 'x = [{y = """\n\\"""""", a' + ".a" * (MOST + 1) + ' = 1}] # "',
    "behind a plain text": "x = [{y = '''\n\\''''', a" + ".a" * (MOST + 1) + " = 1}] # '",
}


@pytest.mark.parametrize("text", LONG_KEYS.values(), ids=LONG_KEYS)
def test_a_key_of_many_parts_took_hours_to_be_read(text: str) -> None:
    """By the square of their number, in a file that ``config show`` is to look at first."""
    line = text[: text.index("a.a") if "a.a" in text else 0].count("\n") + 1
    with pytest.raises(FileProblem, match=f"line {line} of x.toml has a key of more than {MOST} dots: take it out"):
        parsed(text, name="x.toml", project=False)


PINS = ", ".join(f'"package-{number}==1.{number}.0"' for number in range(1000))
DOTTED = {
    "pins": f"dependencies = [{PINS}]",
    "numbers": f"x = [{', '.join(['1.5'] * 1000)}]",
    "a note": f'note = "{"." * 1000}"',
    "a comment": f"x = 1 # {'a.' * 1000}",
    "a text": f'x = """\n{"a." * 1000}\n\'{"a." * 1000}\n"""',
    "versions and keys": "\n".join(f"a.b.c.d{number} = '1.2.3'" for number in range(1000)),
    "a key at the bound": "a" + ".a" * MOST + " = 1",
}


@pytest.mark.parametrize("text", DOTTED.values(), ids=DOTTED)
def test_a_file_with_many_dots_in_one_line_was_taken_for_one_with_a_key_of_many_parts(text: str) -> None:
    """As the pins of a project that stand in one line."""
    assert parsed(text, name="x.toml", project=False)


@pytest.mark.parametrize("text", ['"""', "'''", '"', "'", '"""\\', '"\\', "a.", "\\", '"""""""""', "#", ". "])
def test_looking_for_such_a_key_looks_once_at_each_place(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands open in a file. (That no pattern looks more often within its match: test_regexes.py)."""
    spans: list[tuple[int, int]] = []

    class Seen:
        def __init__(self, pattern: re.Pattern[str]) -> None:
            self.pattern = pattern

        def search(self, text: str, at: int) -> Any:
            found = self.pattern.search(text, at)
            spans.append((at, len(text) if found is None else found.end()))
            return found

    monkeypatch.setattr(files, "_OPENS", Seen(files._OPENS))
    monkeypatch.setattr(files, "_CLOSES", {opened: Seen(it) for opened, it in files._CLOSES.items()})
    files._bare(text * 300)
    assert spans
    assert all(before[1] <= after[0] + 1 for before, after in pairwise(spans))  # a comment's end is no part of it


def filled(table: int, parts: int) -> str:
    """Return a table whose name has so many parts, full of keys of so many."""
    head, start = "[" + ".".join("t" * table) + "]\n", "a." * (parts - 1)
    return head + "".join(f"{start}b{number} = 1\n" for number in range(4096 // (len(start) + 8)))


def steps(text: str) -> float:
    """Return how many lines of its own the reader of TOML runs for each character."""
    count = 0

    def traced(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith("_parser.py"):
            return None
        count += event == "line"
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        parsed(text, name="x.toml", project=False)
    finally:
        sys.settrace(before)
    return count / len(text)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before 3.11 another reads it, which may be no Python")
@pytest.mark.parametrize("parts", [1, MOST // 2, MOST + 1])
def test_keys_of_many_parts_in_a_table_of_many_took_twenty_times_as_long_as_others(parts: int) -> None:
    """For each key the parts of its table are gone through for each of its own: a small file took seconds."""
    assert 0 < steps(filled(MOST + 1, parts)) < 5 * steps(filled(1, 1))
