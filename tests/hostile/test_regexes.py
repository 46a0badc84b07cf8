"""No pattern of ours takes more than a linear number of steps, whatever a stranger writes: every one there is.

Must not measure time: steps are counted (``regex_kit``).
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.brief import once
from tests.hostile.regex_kit import LINEAR, grows, open_ended, tree

PACKAGES = (
    "anyint_resilience",
    *(f"anyint_resilience_{it}" for it in ("httpx", "httpx2", "requests", "aiohttp", "pytest")),
)
CALLS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
ANCHORED = {"match", "fullmatch"}
OF_A_ROW = {
    ("contract/texts.py", "_says"): "search",
    ("cli/doctor/key.py", "_PASTED"): "fullmatch",
}
"""How patterns are used that stand in a table, by where they stand."""

MADE_LATER = {
    "b'\"' + key.encode() + b'\"\\\\s*:\\\\s*true\\\\b'": [rb'"background"\s*:\s*true\b'],
    "re.escape(key)": ["sk-abc"],
    "pattern": [r"gpt.*(?:nano|mini)", "gpt", "flash|haiku", r"claude.*haiku", r"gemini.*flash-lite", r"t2v|wan\d"],
}
"""Patterns made where they are used, by how they are written; and what they are."""

EXPLAINED = {
    "([0-9.]+)(ns|us|µs|μs|ms|s|m|h)": "what policy/times.py has found to be a duration, in 64 characters at most",
    r"gpt.*(?:nano|mini)": "names of models, which are no longer than 128 characters (cli/doctor/listing.py, _NAME)",
    r"claude.*haiku": "the same",
    r"gemini.*flash-lite": "the same",
}
"""Patterns that are not linear, and why they may be."""


class Found(NamedTuple):
    """A pattern, where it stands, and how it is used."""

    where: str
    pattern: re.Pattern[Any]
    ways: frozenset[str]

    def __str__(self) -> str:
        return self.where


def sources() -> Iterator[tuple[str, Path]]:
    """Yield every module of ours, by name."""
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        assert found is not None, package
        root = Path(str(found.origin)).parent
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join((package, *(it for it in parts if it != "__init__"))), path


@cache
def trees() -> dict[str, tuple[Path, ast.Module]]:
    return {name: (path, ast.parse(path.read_text(encoding="utf-8"))) for name, path in sources()}


@cache
def uses() -> dict[tuple[str, str], set[str]]:
    """Return which methods are called on which names, by module."""
    found: dict[tuple[str, str], set[str]] = {}
    for name, (_, module) in trees().items():
        for node in ast.walk(module):
            if isinstance(node, ast.Attribute) and node.attr in CALLS and isinstance(node.value, ast.Name):
                found.setdefault((name, node.value.id), set()).add(node.attr)
    return found


def ways_of(words: set[str]) -> frozenset[str]:
    return frozenset(it if it in ANCHORED else "search" for it in words if it != "compile")


@cache
def patterns() -> list[Found]:
    """Return every pattern that stands in the sources."""
    return list(standing())


def standing() -> Iterator[Found]:
    for name, (path, module) in trees().items():
        owners = {
            id(inner): getattr(target, "id", "")
            for node in module.body
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            for inner in ast.walk(node)
        }
        for node in ast.walk(module):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr in CALLS):
                continue
            owner = owners.get(id(node), "")
            words = uses().get((name, owner), set()) if node.func.attr == "compile" else {node.func.attr}
            given = {way for (file, it), way in OF_A_ROW.items() if it == owner and path.as_posix().endswith(file)}
            where = f"{name}:{owner or node.lineno}"
            for pattern in evaluated(name, node):
                yield Found(where, pattern, ways_of(words) or frozenset(given) or frozenset({"search"}))


def evaluated(name: str, node: ast.Call) -> Iterator[re.Pattern[Any]]:
    """Yield what a call of ``re`` compiles."""
    flags = [
        *node.args[2 if node.func.attr == "compile" else 3 :],
        *(it.value for it in node.keywords if it.arg == "flags"),
    ]  # type: ignore[attr-defined]
    flags = node.args[1:2] if node.func.attr == "compile" and len(node.args) > 1 else flags  # type: ignore[attr-defined]
    if node.func.attr in ("match", "fullmatch", "search") and len(node.args) > 2:  # type: ignore[attr-defined]
        flags = [node.args[2]]
    held = vars(importlib.import_module(name))
    flag = 0
    for it in flags:
        flag |= int(eval(compile(ast.Expression(it), name, "eval"), held))
    written = ast.unparse(node.args[0])
    if written in MADE_LATER:
        for text in MADE_LATER[written]:
            yield re.compile(text, flag)
        return
    yield re.compile(eval(compile(ast.Expression(node.args[0]), name, "eval"), held), flag)


def deep(call: Callable[[], Any]) -> Any:
    """Call something that goes deep, with room for that."""
    results: list[Any] = []
    before, size = sys.getrecursionlimit(), threading.stack_size(256 * 1024 * 1024)
    thread = threading.Thread(target=lambda: results.append(call()))
    sys.setrecursionlimit(20_000)
    try:
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(before)
        threading.stack_size(size)
    return results[0]


@once
def test_every_pattern_is_found() -> None:
    """Also those of tables and of functions; one that can't be read here would be an error above."""
    found = patterns()
    assert len(found) > 60
    assert {it.where.partition(":")[0] for it in found} >= {
        "anyint_resilience.policy.times",
        "anyint_resilience.contract.texts",
        "anyint_resilience.cli.masking",
    }


def test_no_pattern_takes_more_than_linear_steps() -> None:
    """In the way it is used, on pieces of what it knows, in every order, again and again."""

    def judged() -> list[str]:
        bad = []
        for it in patterns():
            if not open_ended(tree(it.pattern)):
                continue
            for way in it.ways:
                grown, by = grows(it.pattern, way)
                text = it.pattern.pattern
                if grown > LINEAR and (text if isinstance(text, str) else text.decode()) not in EXPLAINED:
                    bad.append(f"{it.where} {way} {text!r}: x{grown:.0f} on {by!r}")
        return bad

    assert deep(judged) == []


@pytest.mark.parametrize("text", EXPLAINED)
def test_each_pattern_that_is_explained_needs_it(text: str) -> None:
    """One that is linear by now has no row."""
    assert any(it.pattern.pattern == text for it in patterns())
    assert deep(lambda: grows(re.compile(text), "search"))[0] > LINEAR


@pytest.mark.parametrize(
    ("text", "way", "linear"),
    [
        (r"(a+)+$", "match", False),
        (r"a*a*b", "match", False),
        (r"\s+$", "search", False),
        (r".*?a", "search", False),
        (r"(\S{8,})\s*\1", "fullmatch", False),
        (r"(?<=://)[^\s]*(?=@)", "search", False),
        (r"\S*\*{2,}\w", "search", False),
        (r"a*b", "match", True),
        (r"(?:[a-z]{1,9}-)*x", "match", True),
        (r"(?:a|b)*c", "match", True),
        (r"\bBearer +\S+", "search", True),
    ],
)
def test_the_count_tells_slow_patterns_from_quick_ones(text: str, way: str, linear: bool) -> None:
    """Known ones of both kinds; the first ones would take ``re`` itself for ages."""
    assert (deep(lambda: grows(re.compile(text), way))[0] <= LINEAR) is linear
