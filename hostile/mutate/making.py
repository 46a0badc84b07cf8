"""Mutants of one module, made by mutmut. Must not know any test, nor what became of a mutant.

Mutmut leaves out what is decorated, so ``@property`` and the like are written as calls first: ``f = property(f)``.
"""

from __future__ import annotations

import ast
import textwrap
from dataclasses import dataclass
from pathlib import Path

import libcst as cst

__all__ = ["Mutant", "made", "undecorated"]

_BY_CALL = {"property", "lru_cache"}
"""Decorators that give the same when they are called after the function was defined."""


@dataclass(frozen=True)
class Mutant:
    """One function with one change: the lines that were, and what they became."""

    name: str
    module: str
    function: str
    was: str
    now: str
    lines: tuple[int, int]
    """First and last line of the statement that changes, in the copy that mutmut keeps of the function as it was."""

    @property
    def mangled(self) -> str:
        """The function as mutmut names it, of which this is one of many mutants."""
        return self.name.rpartition("__mutmut_")[0]


class _Undecorating(cst.CSTTransformer):
    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> object:
        if len(updated_node.decorators) != 1:
            return updated_node
        decorator = updated_node.decorators[0].decorator
        name = decorator.func if isinstance(decorator, cst.Call) else decorator
        if not (isinstance(name, cst.Name) and name.value in _BY_CALL):
            return updated_node
        own = cst.Name(updated_node.name.value)
        assign = cst.Assign(targets=[cst.AssignTarget(own)], value=cst.Call(decorator, [cst.Arg(own)]))
        return cst.FlattenSentinel(
            [updated_node.with_changes(decorators=[]), cst.SimpleStatementLine([assign])],
        )


def undecorated(code: str) -> str:
    """The same program without the decorators that keep mutmut out."""
    return cst.parse_module(code).visit(_Undecorating()).code


def made(path: Path, module: str) -> list[Mutant]:
    """Write all mutants of a module into its file, and say what they are."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    found = mutate_file_contents(str(path), undecorated(path.read_text(encoding="utf-8")))
    path.write_text(found.code, encoding="utf-8")
    lines = found.code.splitlines()

    def text(name: str) -> list[str]:
        span = found.line_span_by_function_name[name]
        # The definition's own line holds the mutant's name; decorators and comments before it are the same.
        return [line.replace(name, "NAME") for line in lines[span.start - 1 : span.end]]

    mutants = []
    statements: dict[str, list[tuple[int, int]]] = {}
    for name in found.mutant_names:
        mangled = name.rpartition("__mutmut_")[0]
        function = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        original = f"{mangled}__mutmut_orig"
        if mangled not in statements:
            statements[mangled] = _statements("\n".join(text(original)))
        start, end, was, now = _differing(text(original), text(name))
        span = _around(statements[mangled], start + 1, max(start + 1, end))
        first = found.line_span_by_function_name[original].start - 1
        mutants.append(
            Mutant(
                name=f"{module}.{name}",
                module=module,
                function=function,
                was=was,
                now=now,
                lines=(first + span[0], first + span[1]),
            )
        )
    return mutants


def _statements(function: str) -> list[tuple[int, int]]:
    """The lines of each statement of a function; of one with a block only those before the block."""
    found = []
    for node in ast.walk(ast.parse(textwrap.dedent(function))):
        if isinstance(node, ast.stmt):
            block = getattr(node, "body", None)
            end = block[0].lineno - 1 if isinstance(block, list) and block else node.end_lineno or node.lineno
            found.append((node.lineno, max(node.lineno, end)))
    return found


def _around(statements: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The lines of the statements that a change touches."""
    if start <= statements[0][1]:
        return 1, max(last for _, last in statements)  # a default, say: it holds for the whole function
    touched = [span for span in statements if span[0] <= end and span[1] >= start]
    return (min((one for one, _ in touched), default=start), max((one for _, one in touched), default=end))


def _differing(was: list[str], now: list[str]) -> tuple[int, int, str, str]:
    """What is left of two texts without the lines that are the same before and after, and where it was."""
    start = 0
    while start < min(len(was), len(now)) and was[start] == now[start]:
        start += 1
    end = 0
    while end < min(len(was), len(now)) - start and was[-1 - end] == now[-1 - end]:
        end += 1
    kept = [" ".join(" ".join(part[start : len(part) - end]).split()) for part in (was, now)]
    return start, len(was) - end, kept[0], kept[1]
