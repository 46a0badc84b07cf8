"""``anyint-resilience demo`` for programs; how people see it is in ``tests/real/test_demo.py``."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import pytest

for package in ("h11", "httpx2", "openai", "anthropic"):
    pytest.importorskip(package)

from anyint_resilience.cli import main  # noqa: E402
from anyint_resilience.cli.demo import scenarios  # noqa: E402

KEYS = {
    "number",
    "title",
    "ok",
    "wrong",
    "client",
    "call",
    "model",
    "outcome",
    "decisions",
    "requests",
    "tasks",
    "waited",
    "seconds",
    "key_in",
}


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two scenarios without a wait."""
    chosen = [it for it in scenarios.SCENARIOS if it.title in ("quota exhausted", "wrong header, anthropic")]
    monkeypatch.setattr(scenarios, "SCENARIOS", tuple(chosen))


@pytest.mark.parametrize("rich", [True, False])
def test_json_is_one_object_with_every_scenario(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rich: bool
) -> None:
    """--json needs no rich, prints one object at the end, and nothing else anywhere."""
    if not rich:
        monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["demo", "--json"]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert (set(told), told["ok"], told["problems"], captured.err) == (
        {"ok", "seconds", "problems", "scenarios"},
        True,
        [],
        "",
    )
    assert [set(it) for it in told["scenarios"]] == [KEYS, KEYS]
    quota = told["scenarios"][0]
    assert (quota["number"], quota["ok"], quota["outcome"], quota["requests"]) == (1, True, "RateLimitError", 1)
    assert [it["cause"] for it in quota["decisions"]] == ["quota"]


def test_json_of_a_wrong_outcome_is_exit_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was expected and what came stand in the scenario's ``wrong``."""
    first = scenarios.SCENARIOS[0]
    monkeypatch.setattr(scenarios, "SCENARIOS", (replace(first, expect=replace(first.expect, requests=3)),))
    assert main(["demo", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["scenarios"][0]["wrong"]) == (False, ["requests at the gateway: expected 3, came 1"])


@pytest.mark.parametrize("columns", ["80", "120"])
def test_it_fits_and_a_pipe_gets_no_boxes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """At any width no line is longer, and every outcome can be read whole; log lines do not stand between."""
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["demo"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert max(map(len, captured.out.splitlines())) <= int(columns)
    assert not set("─│\x1b") & set(captured.out)
    last = captured.out[captured.out.index("all scenarios") :]
    assert "RateLimitError" in last


def test_a_terminal_gets_rules_between_scenarios(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person finds where a scenario begins."""
    pytest.importorskip("rich")

    class Screen(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    assert main(["demo"]) == 0
    assert "\x1b[1m1. quota exhausted\x1b[0m" in screen.getvalue()
    assert "───" in screen.getvalue()
