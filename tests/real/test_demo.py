"""The demonstration as users run it: real SDKs, a real socket, the real clock."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

for package in ("rich", "h11", "httpx2", "openai", "anthropic"):
    pytest.importorskip(package)

from anyint_resilience.cli import main  # noqa: E402
from anyint_resilience.cli.demo import scenarios  # noqa: E402
from anyint_resilience.cli.demo.clients import CALLS  # noqa: E402
from tests.brief import once  # noqa: E402


@once
def test_every_outcome_is_what_the_contract_says(capsys: pytest.CaptureFixture[str]) -> None:
    """``anyint-resilience demo`` exits with 0, shows every scenario, and fits into 100 columns."""
    assert main(["demo"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert all(f"{number}. {it.title}" in captured.out for number, it in enumerate(scenarios.SCENARIOS, 1))
    assert f"All {len(scenarios.SCENARIOS)} outcomes are what the contract says" in captured.out
    assert "Traceback" not in captured.out
    assert max(map(len, captured.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ({"outcome": "answer"}, "outcome: expected answer, came AuthenticationError"),
        ({"requests": 3}, "requests at the gateway: expected 3, came 1"),
        ({"tasks": 1}, "tasks at the gateway: expected 1, came 0"),
        ({"decisions": ("backoff auth",)}, "decisions: expected backoff auth, came no_retry auth"),
        ({"waited": 5.0}, "waited: expected 5 s or more, came 0.00 s"),
        ({"key_in": "x-api-key"}, "key in: expected x-api-key, came authorization"),
        ({"says": "try harder"}, "guidance: expected the words 'try harder'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_outcome_fails_the_demo(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wrong: dict[str, object], shown: str
) -> None:
    """An outcome that is not what the contract says exits with 1 and shows what was expected and what came."""
    real = next(it for it in scenarios.SCENARIOS if it.title == "wrong key")
    broken = replace(real, expect=replace(real.expect, **wrong))  # type: ignore[arg-type]
    monkeypatch.setattr(scenarios, "SCENARIOS", (broken,))
    assert main(["demo"]) == 1
    out = capsys.readouterr().out
    assert shown in " ".join(out.split())
    assert "1 of 1 outcomes are not what the contract says" in out


def test_a_demo_of_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a scenario nothing was shown to hold."""
    monkeypatch.setattr(scenarios, "SCENARIOS", ())
    assert main(["demo"]) == 1


def test_every_scenario_names_a_call() -> None:
    """No row names a call that does not exist, and no call stands unused."""
    assert {it.call for it in scenarios.SCENARIOS} == set(CALLS)


@pytest.mark.parametrize("missing", ["rich", "h11", "httpx2", "openai", "anthropic"])
def test_a_missing_client_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Without one of its packages the demo says what to install, in one line, and exits with 2."""
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["demo"]) == 2
    err = capsys.readouterr().err
    assert missing in err
    assert "anyint-resilience[cli" in err
    assert err.count("\n") == 1
