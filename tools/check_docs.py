"""Check that the documents are true: code blocks compile, commands and links exist, marked blocks run.

Write ``<!-- check: run -->`` on the line above a fenced block to have it run against the emulator (with ANYINT_BASE_URL
and ANYINT_API_KEY set), ``<!-- check: skip, REASON -->`` to leave it alone. No network but loopback is used.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
NAMES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "observability/README.md",
)
OWN = "anyint_resilience"
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w+-]*)[^\n]*$")
MARK = re.compile(r"<!--\s*check:\s*(?P<word>run|skip)(?:,\s*(?P<reason>.+?))?\s*-->")
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
SHELL = {"bash", "console", "sh", "shell"}
# Commands a reader has; whatever else starts a line must be found on PATH.
KNOWN = {"cd", "export", "git", "pip", "pipx", "python", "python3", "set", "source", "uv"}


@dataclass(frozen=True)
class Block:
    """One fenced code block and where it stands."""

    path: Path
    line: int
    language: str
    text: str
    mark: str

    @property
    def where(self) -> str:
        """File and line for people."""
        return f"{self.path.relative_to(HERE)}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    """Each fenced block of a document with the mark above it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    start: int | None = None
    indent = language = mark = ""
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if fence is None:
            continue
        if start is None:
            start, indent, language = number, fence["indent"], fence["language"]
            above = next((text for text in reversed(lines[:number]) if text.strip()), "")
            found = MARK.search(above)
            mark = found["word"] if found is not None else ""
        else:
            text = "\n".join(row.removeprefix(indent) for row in lines[start + 1 : number])
            yield Block(path, start + 1, language, text + "\n", mark)
            start = None


def check_python(block: Block) -> Iterator[str]:
    """A Python block compiles, and each name it imports from this project exists."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        compile(block.text, block.where, "exec", flags=flags, dont_inherit=True)
    except SyntaxError as error:
        yield f"{block.where}: does not compile: {error}"
        return
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OWN):
            yield from check_names(block, str(node.module), [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(OWN):
                    yield from check_names(block, alias.name, [])


def check_names(block: Block, module_name: str, names: list[str]) -> Iterator[str]:
    """The module can be imported and has the names."""
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        yield f"{block.where}: cannot import {module_name}: {error}"
        return
    for name in names:
        if name != "*" and not hasattr(module, name):
            yield f"{block.where}: {module_name} has no {name}"


def commands(text: str) -> Iterator[list[str]]:
    """Each simple command of a shell block, as words. In a console block only lines with a prompt are commands."""
    joined = text.replace("\\\n", " ")
    prompted = any(line.lstrip().startswith("$ ") for line in joined.splitlines())
    for line in joined.splitlines():
        row = line.strip()
        if prompted and not row.startswith("$ "):
            continue
        lexer = shlex.shlex(row.removeprefix("$ "), posix=True, punctuation_chars="|&;")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;"):
                if words:
                    yield words
                words = []
            elif words or not re.fullmatch(r"\w+=.*", word):
                words.append(word)


def nox_sessions() -> set[str]:
    """Names of the sessions in noxfile.py, read without running it."""
    tree = ast.parse((HERE / "noxfile.py").read_text(encoding="utf-8"))
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("session" in ast.unparse(item) for item in node.decorator_list)
    }


def check_command(block: Block, words: list[str]) -> Iterator[str]:
    """The command exists; our own take the sub-command, nox has the session."""
    head, *rest = words
    if head in {"python", "python3"} and rest[:1] == ["-m"] and len(rest) > 1:
        head, rest = rest[1], rest[2:]
        if head not in {"nox", "pip", "venv", "pytest"}:
            yield from check_names(block, head, [])
            return
    if head == "nox":
        known = nox_sessions()
        wanted = [rest[at + 1] for at, word in enumerate(rest[:-1]) if word in {"-s", "--session"}]
        yield from (
            f"{block.where}: nox has no session {name}" for name in wanted if re.split(r"[-(]", name)[0] not in known
        )
    elif head == "anyint-resilience":
        done = run([head, *rest[:1], "--help"] if rest[:1] != ["--help"] else [head, "--help"])
        if done.returncode != 0:
            yield f"{block.where}: `{head} {' '.join(rest[:1])}` is not a command:\n{done.stderr.strip()}"
    elif "/" in head:
        if not (HERE / head).exists():
            yield f"{block.where}: {head} does not exist"
    elif head not in {*KNOWN, "venv", "pytest"} and shutil.which(head) is None:
        yield f"{block.where}: no command {head}"


def check_shell(block: Block) -> Iterator[str]:
    """Every command of a shell block exists."""
    try:
        found = list(commands(block.text))
    except ValueError as error:
        yield f"{block.where}: not shell: {error}"
        return
    for words in found:
        yield from check_command(block, words)


def run(words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run with a time limit, in a folder of its own so that blocks leave nothing behind."""
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=folder,
            env={**os.environ, **environment},
        )


def check_runs(marked: list[Block]) -> Iterator[str]:
    """Run the blocks marked so, each against a fresh emulator."""
    if not marked:
        return
    from anyint_resilience.emulator import Emulator  # late: a broken emulator must not hide the other findings

    for block in marked:
        words = ["bash", "-euo", "pipefail", "-c"] if block.language in SHELL else [sys.executable, "-W", "error", "-c"]
        text = re.sub(r"(?m)^\s*\$ ", "", block.text)
        if block.language == "python" and is_async(text):
            text = f"import asyncio\nasync def _main():\n{indented(text)}\nasyncio.run(_main())\n"
        with Emulator(port=0, keys=None) as emulator:
            done = run([*words, text], ANYINT_BASE_URL=emulator.url, ANYINT_API_KEY="test-key")
        if done.returncode != 0:
            yield f"{block.where}: exit {done.returncode}\n{(done.stdout + done.stderr).strip()}"
        else:
            print(f"ran  {block.where}")


def is_async(text: str) -> bool:
    """Whether the block awaits at its top level, as people write in documents and notebooks."""
    try:
        compile(text, "block", "exec", dont_inherit=True)
    except SyntaxError:
        return True
    return False


def indented(text: str) -> str:
    """The text one level deeper."""
    return "".join(f"    {line}\n" for line in text.splitlines())


def slug(heading: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    plain = re.sub(r"`|\*|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors(path: Path) -> set[str]:
    """Every anchor of a document."""
    return {slug(line.lstrip("#")) for line in prose(path).splitlines() if line.startswith("#")}


def prose(path: Path) -> str:
    """The document without its code blocks and code spans."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"`[^`\n]*`", "``", re.sub(r"(?ms)^ *```.*?^ *```\s*?$", "", text))


def check_links(path: Path) -> Iterator[str]:
    """Relative links point at something in the tree, anchors at a heading. Links to the web are not followed."""
    name = path.relative_to(HERE)
    for target in LINK.findall(prose(path)):
        if re.match(r"https?://[^\s/]+\.\S+", target) or target.startswith("mailto:"):
            continue
        file, _, anchor = target.partition("#")
        other = (path.parent / file).resolve() if file else path
        if not other.exists():
            yield f"{name}: broken link {target}"
        elif anchor and other.suffix == ".md" and slug(anchor) not in anchors(other):
            yield f"{name}: no heading for {target}"


def check_changelog() -> Iterator[str]:
    """The changelog has an Unreleased part, and it says something."""
    text = (HERE / "CHANGELOG.md").read_text(encoding="utf-8")
    part = re.search(r"(?ms)^## \[Unreleased\]\s*$(.*?)(?=^## |\Z)", text)
    if part is None or not re.search(r"(?m)^- \S", part[1]):
        yield "CHANGELOG.md: no entry under ## [Unreleased]"


CHECKS: dict[str, Callable[[Block], Iterator[str]]] = {"python": check_python, **dict.fromkeys(SHELL, check_shell)}


def main() -> int:
    """Check every document, print what is wrong, return how the process should exit."""
    paths = [*(HERE / name for name in NAMES), *sorted(HERE.glob("docs/**/*.md"))]
    found = [f"{path.relative_to(HERE)} is missing" for path in paths if not path.exists()]
    paths = [path for path in paths if path.exists()]
    everything = [block for path in paths for block in blocks(path)]
    checked = [block for block in everything if block.language in CHECKS and block.mark != "skip"]
    for block in checked:
        found += CHECKS[block.language](block)
    for path in paths:
        found += check_links(path)
    found += check_changelog()
    marked = [block for block in checked if block.mark == "run"]
    found += check_runs(marked)
    print("\n".join(found) or f"{len(paths)} documents hold: {len(checked)} code blocks, {len(marked)} of them run")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
