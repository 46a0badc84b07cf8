"""What the source of the packages must not have, whatever a linter is told to overlook.

Ruff's rules S (bandit) are on; here is what they leave out, or what a "noqa" or a list of exceptions would let through.
Must not know what the code does.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.brief import once

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = once

PACKAGES = ("anyint_resilience", "anyint_resilience_aiohttp", "anyint_resilience_httpx", "anyint_resilience_httpx2",
            "anyint_resilience_pytest", "anyint_resilience_requests")  # fmt: skip
CALLS = {"__import__", "compile", "eval", "exec", "breakpoint", "input"}
ATTRIBUTES = {"os.popen", "os.system", "os.startfile", "tempfile.mktemp", "ssl._create_unverified_context"}  # fmt: skip
MODULES = {"cffi", "code", "cloudpickle", "ctypes", "dill", "ftplib", "marshal", "multiprocessing", "pickle",
           "pty", "shelve", "smtplib", "subprocess", "telnetlib", "tempfile", "webbrowser", "xml", "xmlrpc",
           "yaml"}  # fmt: skip
STARTED = re.compile(r"^(exec|spawn|posix_spawn|fork)")

NOT_DECLARED = {
    "anthropic": "the demo asks for it by name, and says how to install it",
    "anyio": "httpx brings it; without it only asyncio can be running (runtime.py)",
    "async_timeout": "aiohttp brings it on Python 3.10 (runtime.py)",
    "openai": "the demo asks for it by name, and says how to install it",
    "trio": "a program that runs on it has it (runtime.py)",
}
"""What is imported and stands in no list of dependencies, each behind an ImportError of its own."""


def sources() -> Iterator[tuple[str, ast.Module]]:
    """Yield every module's file, as installed, and what is in it."""
    for package in PACKAGES:
        found = find_spec(package)
        assert found is not None
        assert found.submodule_search_locations is not None
        for folder in found.submodule_search_locations:
            for path in sorted(Path(folder).rglob("*.py")):
                yield f"{package}/{path.relative_to(folder)}", ast.parse(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def nodes() -> list[tuple[str, ast.AST]]:
    """Every node of every module, each with its place."""
    found = [(f"{name}:{getattr(it, 'lineno', 0)}", it) for name, tree in sources() for it in ast.walk(tree)]
    assert len({place.partition(":")[0] for place, _ in found}) > 200
    return found


def imports(node: ast.AST) -> list[str]:
    """Return the names of the modules that a statement imports, none of them relative."""
    if isinstance(node, ast.Import):
        return [it.name for it in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def test_nothing_is_run_that_is_not_source(nodes: list[tuple[str, ast.AST]]) -> None:
    """No text becomes code: no eval, exec, compile, __import__, and no prompt."""
    called = [(place, it.func.id) for place, it in nodes if isinstance(it, ast.Call) and isinstance(it.func, ast.Name)]
    assert [row for row in called if row[1] in CALLS] == []


def test_no_program_is_started_and_nothing_unpickled(nodes: list[tuple[str, ast.AST]]) -> None:
    """No module that starts programs, loads objects from bytes, parses XML or guesses the name of a file is used."""
    assert [(place, it) for place, node in nodes for it in imports(node) if it.partition(".")[0] in MODULES] == []
    dotted = [(place, ast.unparse(it)) for place, it in nodes if isinstance(it, ast.Attribute)]
    assert [row for row in dotted if row[1] in ATTRIBUTES] == []
    assert [row for row in dotted if row[1].startswith("os.") and STARTED.match(row[1][3:])] == []


def test_no_certificate_goes_unchecked(nodes: list[tuple[str, ast.AST]]) -> None:
    """Nothing of ours switches the check of a certificate off."""
    off = {"verify", "ssl", "check_hostname", "verify_ssl"}
    keywords = [(place, it) for place, it in nodes if isinstance(it, ast.keyword) and it.arg in off]
    assert [place for place, it in keywords if isinstance(it.value, ast.Constant) and it.value.value is False] == []
    set_to = [(place, ast.unparse(it.value)) for place, it in nodes if isinstance(it, (ast.Assign, ast.keyword))]
    assert [place for place, value in set_to if value == "ssl.CERT_NONE"] == []


def test_an_assert_tells_a_type_checker_and_checks_nothing(nodes: list[tuple[str, ast.AST]]) -> None:
    """With ``python -O`` nothing changes: an assert of ours only says that something is there, or what it is."""
    asserts = [(place, it) for place, it in nodes if isinstance(it, ast.Assert)]
    assert len(asserts) > 20
    assert [f"{place}: {ast.unparse(it)}" for place, it in asserts if not _narrows(it.test)] == []


def _narrows(test: ast.expr) -> bool:
    if isinstance(test, ast.Call):
        return isinstance(test.func, ast.Name) and test.func.id == "isinstance"
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], (ast.Is, ast.IsNot)):
        return False
    return not any(isinstance(it, (ast.Await, ast.NamedExpr, ast.Yield)) for it in ast.walk(test))


def test_what_is_imported_is_declared(nodes: list[tuple[str, ast.AST]]) -> None:
    """Each module of others that we import is a dependency of ours, with a bound, or has its reason in NOT_DECLARED."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    known = {*sys.stdlib_module_names, *PACKAGES, *NOT_DECLARED, "tomllib"}
    named = {it.partition(".")[0]: place for place, node in nodes for it in imports(node)}
    others = {name: place for name, place in named.items() if name not in known}
    assert "httpx" in others
    by = {"opentelemetry": "opentelemetry-api"}
    assert {name: place for name, place in others.items() if by.get(name, name) not in declared} == {}


@pytest.mark.parametrize("name", NOT_DECLARED)
def test_no_reason_is_left_over(nodes: list[tuple[str, ast.AST]], name: str) -> None:
    """What stands in NOT_DECLARED is still imported somewhere."""
    assert any(it.partition(".")[0] == name for _, node in nodes for it in imports(node))
