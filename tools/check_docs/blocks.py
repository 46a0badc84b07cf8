"""Fenced blocks of a document, their marks, and the programs they make.

Must not know how anything is checked or run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ROOT", "Block", "Page", "Program", "named", "read"]

ROOT = Path(__file__).resolve().parents[2]

LANGUAGES = {"bash", "console", "js", "json", "python", "text", "toml", "yaml"}
"""What is checked, and what is only shown; another spelling of one of these would be passed over."""

DISGUISED = re.compile(r"^[ \t>*+-]*(`{3,}|~{3,})")
"""A fence behind a tab, a quote or a bullet, which pages show and nothing here would read."""

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,}) *(?P<info>[^`\n]*)$")
LANGUAGE = re.compile(r"^\{? *\.?(?P<language>[\w+-]*)")
MARK = re.compile(r"<!--\s*check:\s*(?P<word>[\w-]*)\s*(?:,\s*(?P<reason>(?:(?!-->).)*?))?\s*-->")


def named(path: Path) -> str:
    """A file's name for people: from the project's root, where it stands below it."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)


@dataclass(frozen=True)
class Block:
    """One fenced block: where its fence stands, what it is, what it says, and its mark."""

    path: Path
    line: int
    language: str
    info: str
    text: str
    mark: str = ""
    directly: bool = False
    """Nothing but empty lines stands between it and the block before."""

    @property
    def where(self) -> str:
        """File and line for people."""
        return f"{named(self.path)}:{self.line}"


@dataclass(frozen=True)
class Program:
    """One or more blocks of a page that run as one, each of their lines where it stands on the page."""

    blocks: tuple[Block, ...]

    @property
    def where(self) -> str:
        """Where it begins."""
        return self.blocks[0].where

    @property
    def path(self) -> Path:
        """The page it stands on."""
        return self.blocks[0].path

    @property
    def language(self) -> str:
        """What all of its blocks are written in."""
        return self.blocks[0].language

    @property
    def text(self) -> str:
        """The source, with empty lines for all that is no code, so that a traceback names the page's lines."""
        lines: list[str] = []
        for block in self.blocks:
            lines += [""] * (block.line - len(lines))
            lines += block.text.splitlines()
        return "\n".join(lines) + "\n"


@dataclass
class Page:
    """All blocks of a document, and what is wrong with its marks and fences."""

    path: Path
    blocks: list[Block] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def programs(self) -> Iterator[Program]:
        """What is to run: each python and bash block that is not skipped, with those that go on after it."""
        open_: list[Block] = []
        for block in self.blocks:
            if block.mark == "after":
                open_.append(block)
                continue
            if block.language == "python":
                if open_:
                    yield Program(tuple(open_))
                open_ = [block] if block.mark != "skip" else []
            elif block.language == "bash" and block.mark != "skip":
                yield Program((block,))
        if open_:
            yield Program(tuple(open_))


def read(path: Path) -> Page:
    """The page of a file. Marks that say nothing, fences that never end and the like are its problems."""
    page = Page(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    reached = 0  # lines up to here are in a block, or were looked at
    while (at := _opening(lines, reached)) is not None:
        fence = FENCE.match(lines[at])
        assert fence is not None
        end = _closing(lines, at, fence["ticks"])
        if end is None:
            page.problems.append(f"{named(path)}:{at + 1}: this block never ends")
            end = len(lines)
        page.problems += _stray(path, lines, reached, at)
        page.blocks.append(block := _block(page, lines, at, end))
        if block.language not in LANGUAGES:
            page.problems.append(f"{block.where}: no language {block.language!r}: {', '.join(sorted(LANGUAGES))}")
        reached = end + 1
    page.problems += _stray(path, lines, reached, len(lines) + 1)
    return page


def _opening(lines: list[str], begin: int) -> int | None:
    return next((at for at in range(begin, len(lines)) if FENCE.match(lines[at])), None)


def _closing(lines: list[str], opening: int, ticks: str) -> int | None:
    end = re.compile(rf"^ *{ticks}{ticks[0]}* *$")
    return next((at for at in range(opening + 1, len(lines)) if end.match(lines[at])), None)


def _stray(path: Path, lines: list[str], begin: int, end: int) -> Iterator[str]:
    """Marks between two blocks that stand above neither: nobody would obey them."""
    for at in range(begin, min(end, len(lines))):
        if DISGUISED.match(lines[at]):
            yield f"{named(path)}:{at + 1}: a block is indented with blanks, and stands in no quote or bullet"
        if at < end - 1 and MARK.search(_plain(lines[at])):
            yield f"{named(path)}:{at + 1}: a mark stands on the line above its block; there is none below this one"


def _plain(line: str) -> str:
    """The line without its code spans: a page may write of marks."""
    return re.sub(r"(`+).*?\1", "", line)


def _block(page: Page, lines: list[str], at: int, end: int) -> Block:
    fence = FENCE.match(lines[at])
    assert fence is not None
    info = fence["info"].strip()
    found = LANGUAGE.match(info)
    rows = [row.removeprefix(fence["indent"]) for row in lines[at + 1 : end]]
    above = next((text for text in reversed(lines[:at]) if text.strip()), "")
    block = Block(
        path=page.path,
        line=at + 1,
        language=found["language"].lower() if found else "",
        info=info,
        text="\n".join(rows) + "\n",
        directly=above.strip().startswith(("```", "~~~")),
    )
    row = _plain(lines[at - 1]) if at else ""
    mark = MARK.search(row)
    if mark is None:
        return block
    problem = _wrong(mark, block, page.blocks) if MARK.fullmatch(row.strip()) else "a mark has its line for itself"
    if problem:
        page.problems.append(f"{block.where}: {problem}")
        return block
    return Block(**{**vars(block), "mark": mark["word"]})


def _wrong(mark: re.Match[str], block: Block, before: list[Block]) -> str:
    """What is wrong with a mark, or nothing."""
    word, reason = mark["word"], mark["reason"] or ""
    if word == "skip":
        return "" if re.search("[a-z]{3}", reason) else "`check: skip` wants a reason: <!-- check: skip, REASON -->"
    if word == "after":
        if block.language != "python":
            return "`check: after` is for python blocks"
        last = next((it for it in reversed(before) if it.language == "python"), None)
        if last is None:
            return "`check: after` wants a python block before it on the page"
        return "`check: after` goes on after a block that is not run" if last.mark == "skip" else ""
    if word == "run":
        return "every python and bash block is run: take the mark `check: run` away"
    return f"no mark `check: {word}`: there are `skip, REASON` and `after`"
