"""``anyint-resilience routes``: for people, for pipes and for programs. No package is needed for it."""

from __future__ import annotations

import io
import json
import sys

import pytest

from anyint_resilience.cli import main
from anyint_resilience.contract.routes import ROUTES, SEEDANCE_ROUTES


class Screen(io.StringIO):
    """A terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_json_holds_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    """``routes --json`` is the contract's table, seedance only on request."""
    assert main(["routes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["method"], row["template"]) for row in rows] == [(it.method, it.template) for it in ROUTES]
    video = next(row for row in rows if (row["method"], row["template"]) == ("POST", "/openai/v1/videos"))
    assert (video["auth"], video["query"], video["tasks"]) == ("bearer", "/openai/v1/videos/{id}", "openai_video")
    assert main(["routes", "--json", "--seedance"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(ROUTES) + len(SEEDANCE_ROUTES)


def test_one_family(capsys: pytest.CaptureFixture[str]) -> None:
    """--family keeps the rows of one family, and asking for seedance switches it on."""
    assert main(["routes", "--json", "--family", "anthropic"]) == 0
    assert {row["auth"] for row in json.loads(capsys.readouterr().out)} == {"x-api-key"}
    assert main(["routes", "--json", "--family", "seedance"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(SEEDANCE_ROUTES)


def test_in_a_pipe_each_route_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """grep and awk see a route whole: family, method, path, operation, origin, and what more there is."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["routes"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["family", "method", "path", "operation", "origin", "more"]
    assert [line.split()[:4] for line in lines] == [
        [it.family.value if it.family else "", it.method, it.template, it.operation.value] for it in ROUTES
    ]


@pytest.mark.parametrize("columns", ["80", "140"])
def test_on_a_terminal_it_fits(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """Families stand one under the other, no line is wider than the terminal, and no path is lost."""
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    assert main(["routes"]) == 0
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= int(columns)
    assert all(any(f" {it.template}" in line for line in lines) for it in ROUTES)
    assert [line.split()[0] for line in lines if "Authorization" in line or "x-api-key" in line][:2] == [
        "openai",
        "anthropic",
    ]
