"""``anyint-resilience config``: what is wrong, what is in force, where it came from, and no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anyint_resilience.cli import main

GOOD = """
base_url = "https://gw.example"
store_env = "PLACE"
[policy]
preset = "interactive"
attempts = 4
[[fallbacks]]
workload = "chat"
route = "/openai/v1/chat/completions"
model = "gpt-5"
to = "gpt-5-mini"
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good file in the working folder, and an environment that it names."""
    for name, value in (
        ("ANYINT_API_KEY", "sk-hush"),
        ("PLACE", "redis://me:sk-hush@h:6379/0"),
        ("ANYINT_RESILIENCE_GUARDS_PROBES", "3"),
    ):
        monkeypatch.setenv(name, value)
    for name in ("ANYINT_BASE_URL", "ANYINT_RESILIENCE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "anyint-resilience.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_a_good_one_can_be_used(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest file is found by itself, and opened nothing."""
    assert main(["config", "check"]) == 0
    assert "anyint-resilience.toml: can be used" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_bad_one_exits_with_one(file: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Each problem is a line, with the nearest name; ``show`` points there."""
    file.write_text("[policy]\natempts = 3\nfactor = 0\n", encoding="utf-8")
    assert main(["config", command]) == 1
    out = capsys.readouterr().out
    if command == "check":
        assert [line.split(" ", 1)[1] for line in out.splitlines()] == [
            "[policy] atempts is no setting: did you mean attempts? (anyint-resilience.toml)",
            "policy.factor must be a finite number of 1 or more, not 0 (anyint-resilience.toml)",
        ]
    else:
        assert "config check" in out


def test_without_a_file_the_environment_is_checked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that uses from_env() alone is checked too."""
    file.unlink()
    assert main(["config", "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "file": None, "problems": [], "remarks": []}


def test_each_value_says_where_it_came_from(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Variable, file, preset or default; a store without its password, a key as ``set``."""
    assert main(["config", "show", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    settings = document["settings"]
    wanted = {
        "api_key": ("set", "ANYINT_API_KEY"),
        "base_url": ("https://gw.example", "anyint-resilience.toml"),
        "store": ("redis://h:6379/0", "anyint-resilience.toml, PLACE"),
        "policy.attempts": (4, "anyint-resilience.toml"),
        "policy.retry_window": (45.0, "preset interactive"),
        "policy.factor": (2.0, "default"),
        "guards.probes": (3, "ANYINT_RESILIENCE_GUARDS_PROBES"),
        "fallbacks": (["chat: gpt-5 to gpt-5-mini"], "anyint-resilience.toml"),
    }
    assert {name: (settings[name]["value"], settings[name]["from"]) for name in wanted} == wanted
    assert document["ok"] is True


def test_only_what_is_set_can_be_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--set`` leaves the defaults out, for people too."""
    assert main(["config", "show", "--set"]) == 0
    out = capsys.readouterr().out
    assert "policy.attempts" in out
    assert "policy.factor" not in out


@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        'api_key = "sk-hush"',
        'store_env = "redis://:sk-hush@h"',
        'store = "redis:me:sk-hush@h/0"',
        'store = "redis://h/0#password=sk-hush"',
        'hosts = ["https://u:sk-hush@h.example"]',
        'hosts = [["sk-hush"]]',
        'api_key_env = ["sk-hush"]',
        'store_env = {a = "sk-hush"}',
        '[[fallbacks]]\nworkload="a"\nroute="/openai/v1/responses"\nmodel="m"\nbase_url = "https://u:sk-hush@h.example"',
    ],
)
@pytest.mark.parametrize("command", ["check", "show"])
def test_no_secret_is_shown(
    file: Path, capsys: pytest.CaptureFixture[str], command: str, text: str, more: list[str]
) -> None:
    """Neither from the environment nor where it stands in the file by mistake."""
    file.write_text(text, encoding="utf-8")
    main(["config", command, *more])
    assert "sk-hush" not in "".join(capsys.readouterr())


def test_a_file_that_is_not_there_is_one_line(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was named must exist."""
    assert main(["config", "check", "nowhere.toml"]) == 1
    assert "nowhere.toml can't be read: No such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text", ["store_wait = 2024-01-01", "hosts.a.a = 1", "unknown_window = 0x" + "f" * 5000, "[policy]\ndeadline = inf"]
)
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_whatever_stands_there_is_shown(
    file: Path, capsys: pytest.CaptureFixture[str], text: str, more: list[str]
) -> None:
    """What is no value by its type; infinity by its name."""
    file.write_text(text, encoding="utf-8")
    assert main(["config", "show", "--set", *more]) in (0, 1)
    out = capsys.readouterr().out
    assert "deadline" not in text or "inf" in out
    if more:
        assert json.loads(out)["ok"] is (not json.loads(out)["problems"])


def test_variables_that_may_be_meant_are_named(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be the application's own, so that nothing fails; one that is like none of ours is let be."""
    for name in ("ANYINT_STORE", "ANYINT_POLICY_ATTEMPTS", "ANYINT_BASEURL", "anyint_api_key", "ANYINT_MODEL"):
        monkeypatch.setenv(name, "x")
    assert main(["config", "check"]) == 0
    out = capsys.readouterr().out
    assert "ANYINT_STORE is none of ours: ANYINT_RESILIENCE_STORE is" in out
    assert "ANYINT_POLICY_ATTEMPTS is none of ours: ANYINT_RESILIENCE_POLICY_ATTEMPTS is" in out
    assert "ANYINT_BASEURL is none of ours: ANYINT_BASE_URL is" in out
    assert "anyint_api_key is none of ours: ANYINT_API_KEY is" in out
    assert "ANYINT_MODEL" not in out


def test_who_reads_the_file_is_said(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program with from_env() would not."""
    assert main(["config", "check"]) == 0
    assert "by Resilience.from_toml(); from_env() reads it where ANYINT_RESILIENCE_CONFIG names it" in (
        capsys.readouterr().out
    )
