"""docs/testing.md: its test files run under pytest as they stand there, and its tables say what the code says."""

from __future__ import annotations

import re
from dataclasses import fields
from inspect import getdoc
from pathlib import Path

import pytest

pytest.importorskip("h11")
pytest.importorskip("starlette")
pytest.importorskip("httpx2")  # needs Python 3.11

from anyint_resilience.emulator import TURNS, Fault
from anyint_resilience.testing.faults import FIELDS
from tests.brief import once

pytestmark = once
pytest_plugins = ["pytester"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"
FILE = re.compile(r'^```python title="(?P<name>[\w.]+)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"<!-- (?P<name>\w+):begin -->\n(?P<text>.*?)<!-- (?P=name):end -->", re.DOTALL)
ONLY_MAPPINGS = {
    "retry_after": "the header `retry-after`: seconds, or a date as text. In a mapping only",
    "body_base64": "a body of raw bytes, for JSON. In a mapping only",
}


def page() -> str:
    if not PAGE.exists():
        pytest.skip("the documents are not part of the wheel")
    return PAGE.read_text(encoding="utf-8")


def tables() -> dict[str, str]:
    return {found["name"]: found["text"] for found in TABLE.finditer(page())}


def fault_table() -> str:
    """Write the fields of a fault as the page has them: their own words."""
    text = (getdoc(Fault) or "").partition("\n\n")[2]
    told = dict(re.findall(r"^(\w+): +((?:.+\n)(?: {8,}.+\n)*)", text + "\n", re.MULTILINE))
    told = {name: re.sub(r"\s+", " ", words).strip().rstrip(".").replace("``", "`") for name, words in told.items()}
    assert list(told) == [it.name for it in fields(Fault)]
    rows = [f"| `{name}` | {words} |" for name, words in {**told, **ONLY_MAPPINGS}.items()]
    return "\n".join(["| field | what it does |", "| --- | --- |", *rows]) + "\n"


def test_the_table_of_faults_is_the_codes() -> None:
    """Every field, in the words of its own docstring."""
    assert tables()["faults"] == fault_table()
    assert set(FIELDS) == {*(it.name for it in fields(Fault)), *ONLY_MAPPINGS}


def test_the_table_of_outcomes_is_complete() -> None:
    """Every outcome, in the order of the code."""
    assert re.findall(r"^\| `(\w+)` \|", tables()["outcomes"], re.MULTILINE) == list(TURNS)


def test_every_file_of_the_page_runs(pytester: pytest.Pytester) -> None:
    """Together, in one run, where warnings are errors; each tests something."""
    files = {found["name"]: found["text"] for found in FILE.finditer(page())}
    for name, text in files.items():
        pytester.path.joinpath(name).write_text(text, encoding="utf-8")
    plugins = ("-p", "anyint_resilience_pytest", "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess(*plugins, "--strict-markers", "-W", "error", "-v")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}
    tested = {line.partition("::")[0] for line in result.outlines if "PASSED" in line}
    assert tested == set(files) - {"service.py"}
