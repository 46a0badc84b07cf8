"""The command line, called in-process: options, output, exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.cli import main
from anyint_resilience.contract.routes import ROUTES, SEEDANCE_ROUTES
from anyint_resilience.policy.model import FaultKind

FIELDS = {
    "action",
    "cause",
    "certainty",
    "delay",
    "retry_at",
    "reason",
    "guidance",
    "user_message",
    "route",
    "family",
    "operation",
    "source",
}
CHAT = "https://gateway.api.anyint.ai/openai/v1/chat/completions"


def explain(capsys: pytest.CaptureFixture[str], *options: str) -> Any:
    assert main(["explain", "--json", *options]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


def test_explain_json_has_exactly_the_fields_of_a_decision(capsys: pytest.CaptureFixture[str]) -> None:
    """``explain --json`` prints one object with the twelve fields and no other."""
    found = explain(capsys, "--method", "POST", "--url", CHAT, "--status", "429", "--header", "Retry-After: 2")
    assert set(found) == FIELDS
    assert (found["action"], found["cause"], found["certainty"]) == ("backoff", "rate", "rejected")
    assert (found["route"], found["family"]) == ("POST /openai/v1/chat/completions", "openai")
    assert 2 <= found["delay"] < 4


def test_explain_reads_the_body(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A body tells quota from rate, whether it comes as an argument or from a file."""
    body = '{"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}'
    file = tmp_path / "body.json"
    file.write_text(body)
    for source in (("--body", body), ("--body-file", str(file))):
        found = explain(capsys, "--url", CHAT, "--status", "429", *source)
        assert (found["action"], found["cause"], found["delay"]) == ("no_retry", "quota", None)


def test_explain_repeats_headers(capsys: pytest.CaptureFixture[str]) -> None:
    """--header may come more than once, and all of them count."""
    found = explain(capsys, "--url", CHAT, "--status", "503", "--header", "X-Any: 1", "--header", "Retry-After: 7")
    assert found["delay"] >= 7


@pytest.mark.parametrize("kind", [kind.value for kind in FaultKind])
def test_explain_takes_every_kind_of_exception(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """--exception knows each word of FaultKind."""
    assert set(explain(capsys, "--url", CHAT, "--exception", kind)) == FIELDS


def test_explain_a_lost_paid_create(capsys: pytest.CaptureFixture[str]) -> None:
    """A bare path will do, and a paid create of unknown outcome is not sent again."""
    found = explain(capsys, "--url", "/openai/v1/videos", "--exception", "read_timeout")
    assert (found["action"], found["certainty"], found["operation"]) == ("no_retry", "unknown", "create")


def test_explain_counts_attempts(capsys: pytest.CaptureFixture[str]) -> None:
    """With --attempt 3 the default policy has no attempt left."""
    assert explain(capsys, "--url", CHAT, "--status", "503")["action"] == "backoff"
    assert explain(capsys, "--url", CHAT, "--status", "503", "--attempt", "3")["action"] == "no_retry"


def test_explain_knows_seedance_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """The /doubao routes are behind a switch."""
    asked = ("--url", "/doubao/video/generations", "--status", "503")
    assert explain(capsys, *asked)["family"] is None
    assert explain(capsys, *asked, "--seedance")["operation"] == "create"


def test_explain_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the decision is laid out in lines of at most 100 columns."""
    assert main(["explain", "--url", CHAT, "--status", "401"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    labels = [line[:14].strip() for line in lines if line[:1].strip()]
    assert labels[:4] == ["route", "action", "cause", "certainty"]
    assert {"reason", "guidance", "for the user", "source"} <= set(labels)


def test_explain_of_a_good_and_of_a_foreign_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """A good answer has no cause, an unknown URL has no route; both are explained."""
    assert main(["explain", "--url", CHAT, "--status", "200"]) == 0
    assert "none: this is no error" in capsys.readouterr().out
    assert main(["explain", "--method", "get", "--url", "https://example.com/x", "--status", "500"]) == 0
    assert "not an AnyInt route" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["nope"],
        ["explain"],
        ["explain", "--url", CHAT],
        ["explain", "--url", CHAT, "--status", "42"],
        ["explain", "--url", CHAT, "--status", "abc"],
        ["explain", "--url", CHAT, "--exception", "nope"],
        ["explain", "--url", CHAT, "--status", "500", "--attempt", "0"],
        ["explain", "--url", CHAT, "--status", "500", "--header", "no colon"],
        ["explain", "--url", CHAT, "--status", "500", "--body", "x", "--body-file", "y"],
        ["explain", "--url", CHAT, "--status", "500", "--body-file", "there is no such file"],
        ["explain", "--url", CHAT, "--exception", "read_error", "--body", "x"],
        ["routes", "--family", "nope"],
        ["emulator", "--port", "65536"],
        ["emulator", "--chaos", "2"],
        ["emulator", "--chaos", "nan"],
        ["demo", "--nope"],
        ["wait"],
        ["wait", "there is no such file"],
        ["wait", "{}", "--deadline", "nan"],
    ],
    ids=" ".join,
)
def test_wrong_options_get_one_line_and_exit_2(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    """What the user got wrong is told in one line on stderr; nothing goes to stdout."""
    assert main(options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("anyint-resilience")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("command", ["explain", "routes", "wait", "emulator", "demo"])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """--help exits with 0 and shows the options."""
    assert main([command, "--help"]) == 0
    assert "--help" in capsys.readouterr().out


def test_routes_json_holds_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    """``routes --json`` is the contract's table, seedance only on request."""
    assert main(["routes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["method"], row["template"]) for row in rows] == [(it.method, it.template) for it in ROUTES]
    video = next(row for row in rows if (row["method"], row["template"]) == ("POST", "/openai/v1/videos"))
    assert (video["auth"], video["query"], video["tasks"]) == ("bearer", "/openai/v1/videos/{id}", "openai_video")
    assert main(["routes", "--json", "--seedance"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(ROUTES) + len(SEEDANCE_ROUTES)


def test_routes_of_one_family(capsys: pytest.CaptureFixture[str]) -> None:
    """--family keeps the rows of one family, and asking for seedance switches it on."""
    assert main(["routes", "--json", "--family", "anthropic"]) == 0
    assert {row["auth"] for row in json.loads(capsys.readouterr().out)} == {"x-api-key"}
    assert main(["routes", "--json", "--family", "seedance"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(SEEDANCE_ROUTES)


def test_routes_to_read(capsys: pytest.CaptureFixture[str]) -> None:
    """The table names every template and fits into 100 columns."""
    pytest.importorskip("rich")
    assert main(["routes"]) == 0
    out = capsys.readouterr().out
    assert all(route.template in out for route in ROUTES)
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(("missing", "command"), [("rich", "routes"), ("h11", "emulator")])
def test_a_missing_package_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, missing: str, command: str
) -> None:
    """Without an optional package the command says what to install, in one line."""
    monkeypatch.setitem(sys.modules, missing, None)
    assert main([command]) == 2
    err = capsys.readouterr().err
    assert missing in err
    assert "install 'anyint-resilience[cli]'" in err
    assert err.count("\n") == 1


def test_without_rich_the_plain_commands_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Explain and routes --json need nothing but the core."""
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["explain", "--url", CHAT, "--status", "500"]) == 0
    assert main(["routes", "--json"]) == 0
    assert capsys.readouterr().err == ""
