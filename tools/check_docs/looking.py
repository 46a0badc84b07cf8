"""What is looked up in a block without running it: syntax, names, commands, configuration.

Must not know how one runs.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from importlib.machinery import ModuleSpec
from itertools import takewhile
from pathlib import Path

from . import links
from .blocks import ROOT, Block

__all__ = ["CHECKS", "imports", "missing", "spans"]

OWN = "anyint_resilience"
COMMAND = "anyint-resilience"
# Commands a reader has; whatever else starts a line must be found on PATH.
KNOWN = {"cd", "export", "git", "pip", "pipx", "python", "python3", "set", "source", "uv", "venv", "pytest"}
MODULES = {"nox", "pip", "venv", "pytest", "mkdocs", "timeit"}  # of others, behind `python -m`
PROJECT = {"build-system", "dependency-groups", "project", "tool"}  # what stands in a pyproject.toml


def imports(block: Block) -> Iterator[str]:
    """The modules a python block imports anywhere; nothing where it does not compile."""
    try:
        tree = ast.parse(block.text)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if "." not in node.module and _is_shared(node.module):  # as in `from google import genai`
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            else:
                yield node.module


def missing(block: Block) -> list[str]:
    """Packages that a python block imports and that are not installed here."""
    return sorted({name for name in map(_package, imports(block)) if _spec(name) is None})


def _package(module: str) -> str:
    """The package to look for: the first name, or two of them where many packages share the first."""
    first, *rest = module.split(".")
    return f"{first}.{rest[0]}" if rest and _is_shared(first) else first


@cache
def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a parent that is not here, or a module without a spec
        return None


def _is_shared(name: str) -> bool:
    """Whether it is a namespace, such as ``google`` or ``opentelemetry``."""
    spec = _spec(name)
    return spec is not None and spec.origin is None and spec.submodule_search_locations is not None


def python(block: Block) -> Iterator[str]:
    """A Python block compiles, and each name it imports from this project exists."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    try:
        compile("\n" * block.line + block.text, block.where, "exec", flags=flags, dont_inherit=True)
    except SyntaxError as error:
        yield f"{block.where.rpartition(':')[0]}:{error.lineno}: does not compile: {error.msg}"
        return
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OWN):
            yield from _names(block, str(node.module), [alias.name for alias in node.names])
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(OWN):
                    yield from _names(block, alias.name, [])


def _names(block: Block, module_name: str, names: list[str]) -> Iterator[str]:
    """The module can be imported and has the names."""
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        yield f"{block.where}: cannot import {module_name}: {error}"
        return
    for name in names:
        if name != "*" and not hasattr(module, name):
            yield f"{block.where}: {module_name} has no {name}"


def shell(block: Block) -> Iterator[str]:
    """Every command of a shell block exists."""
    try:
        found = list(commands(block.text))
    except ValueError as error:
        yield f"{block.where}: not shell: {error}"
        return
    for words in found:
        yield from _command(block, words)


def commands(text: str) -> Iterator[list[str]]:
    """Each simple command of a shell block, as words. In a console block only lines with a prompt are commands."""
    joined = re.sub(r"\d?>&\d", " ", text.replace("\\\n", " "))
    prompted = any(line.lstrip().startswith("$ ") for line in joined.splitlines())
    until = ""  # the word that ends a here-document
    for line in joined.splitlines():
        row = line.strip()
        if until:
            until = "" if row == until else until
            continue
        if prompted and not row.startswith("$ "):
            continue
        here = re.search(r"<<-?\s*(['\"]?)(\w+)\1", row)
        until = here[2] if here else ""
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


@cache
def nox_sessions() -> frozenset[str]:
    """Names of the sessions in noxfile.py, read without running it."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("session" in ast.unparse(item) for item in node.decorator_list)
    )


@cache
def extras() -> frozenset[str]:
    """Names of the package's extras, read without a parser, as noxfile.py does not need one either."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    part = re.search(r"(?ms)^\[project\.optional-dependencies\]$(.*?)^\[", text)
    return frozenset(re.findall(r"(?m)^([\w-]+) *=", part[1])) if part else frozenset()


@cache
def _help(*words: str) -> tuple[str, str]:
    """The page of help of a sub-command of ours, and what is wrong with it, or nothing."""
    if shutil.which(COMMAND) is None:
        return "", f"the command {COMMAND} is not installed here"
    asked = [COMMAND, *words, "--help"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    wrong = f"`{COMMAND} {' '.join(words)}` is no command: {done.stderr.strip()}" if done.returncode else ""
    return done.stdout, wrong


def _own_command(block: Block, rest: list[str]) -> Iterator[str]:
    """The sub-command is there, and each option on its page of help; what options are given is not looked at."""
    known = list(takewhile(re.compile("[a-z]+").fullmatch, rest[:2]))
    told, wrong = _help(*known)
    if wrong:
        yield f"{block.where}: {wrong}"
        return
    options = {word.partition("=")[0] for word in rest if re.match("--[a-z]", word)}
    yield from (
        f"{block.where}: `{' '.join((COMMAND, *known))}` has no option {option}"
        for option in sorted(options)
        if not re.search(rf"(?<![\w-]){option}(?![\w-])", told)
    )


def spans(path: Path) -> Iterator[str]:
    """Commands that stand in the sentences of a page exist, as those in its blocks do."""
    for line, text in links.spans(path):
        if not re.match(rf"(?:{COMMAND}|python -m|nox) \S", text) or "..." in text:
            continue
        yield from shell(Block(path, line, "bash", "", text.replace("\\|", "|"), mark="skip"))


def _command(block: Block, words: list[str]) -> Iterator[str]:
    """The command exists; our own take the sub-command, nox has the session, pip's extras are ours."""
    head, *rest = words
    if head in {"python", "python3"} and rest[:1] == ["-m"] and len(rest) > 1:
        head, rest = rest[1], rest[2:]
        if head == f"{OWN}.cli":
            head = COMMAND
        elif head not in MODULES:
            yield from _names(block, head, [])
            return
    if head == "nox":
        wanted = [rest[at + 1] for at, word in enumerate(rest[:-1]) if word in {"-s", "--session"}]
        names = {re.split(r"[-(]", name)[0]: name for name in wanted}
        yield from (f"{block.where}: nox has no session {names[it]}" for it in names if it not in nox_sessions())
    elif head == "pip":
        named = re.findall(r"(?:anyint-resilience|\.)\[([\w,-]+)\]", " ".join(rest))
        unknown = {it for group in named for it in group.split(",")} - extras()
        yield from (f"{block.where}: no extra {name} in pyproject.toml" for name in sorted(unknown))
    elif head == COMMAND:
        yield from _own_command(block, rest)
    elif "/" in head:
        if not (ROOT / head).exists():
            yield f"{block.where}: {head} does not exist"
    elif block.mark != "skip" and head not in KNOWN and shutil.which(head) is None and not _shell_knows(head):
        yield f"{block.where}: no command {head}"


@cache
def _shell_knows(word: str) -> bool:
    """Whether it is a keyword or builtin of bash."""
    return (
        subprocess.run(["bash", "-c", 'type -t "$1"', "bash", word], capture_output=True, check=False).returncode == 0
    )


def toml(block: Block) -> Iterator[str]:
    """It parses; and the loader takes it as our configuration, unless it is a pyproject.toml of others alone."""
    try:
        import tomllib  # from Python 3.11 on
    except ModuleNotFoundError:
        import tomli as tomllib  # type: ignore[no-redef]
    try:
        held = tomllib.loads(block.text)
    except tomllib.TOMLDecodeError as error:
        yield f"{block.where}: not TOML: {error}"
        return
    if not held.keys() <= PROJECT or any("anyint" in name for name in held.get("tool", ())):
        loader = importlib.import_module(f"{OWN}.configuring")
        problems_in: Callable[[str], list[str]] = loader.problems_in
        yield from (f"{block.where}: {problem}" for problem in problems_in(block.text))


def json_(block: Block) -> Iterator[str]:
    """It parses."""
    try:
        json.loads(block.text)
    except ValueError as error:
        yield f"{block.where}: not JSON: {error}"


CHECKS: dict[str, Callable[[Block], Iterator[str]]] = {
    "python": python,
    **dict.fromkeys(("bash", "console", "sh", "shell"), shell),
    "toml": toml,
    "json": json_,
}
"""What is looked up in each block of a language; the mark ``skip`` leaves toml and json alone."""
