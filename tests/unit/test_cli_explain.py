"""``anyint-resilience explain``: what it takes, what it says, and what it says of requests that nobody knows."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.cli import main
from anyint_resilience.cli.pasted import read_pasted
from anyint_resilience.contract.routes import HOSTS
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
QUOTA = '{"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}'


def explain(capsys: pytest.CaptureFixture[str], *options: str, notes: int = 0) -> Any:
    assert main(["explain", "--json", *options]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("note: ") == captured.err.count("\n") == notes
    return json.loads(captured.out)


def rows(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    """The words, by their label; the lines of one value are joined."""
    assert main(["explain", *options]) == 0
    found: dict[str, str] = {}
    for line in capsys.readouterr().out.splitlines():
        label = line[:14].strip() or list(found)[-1]
        found[label] = f"{found.get(label, '')} {line[14:].strip()}".strip()
    return found


def test_json_has_exactly_the_fields_of_a_decision(capsys: pytest.CaptureFixture[str]) -> None:
    """``explain --json`` prints one object with the twelve fields and no other."""
    found = explain(capsys, "--method", "POST", "--url", CHAT, "--status", "429", "--header", "Retry-After: 2")
    assert set(found) == FIELDS
    assert (found["action"], found["cause"], found["certainty"]) == ("backoff", "rate", "rejected")
    assert (found["route"], found["family"]) == ("POST /openai/v1/chat/completions", "openai")
    assert 2 <= found["delay"] < 4


@pytest.mark.parametrize(
    "words",
    [
        ["POST", CHAT, "429"],
        ["429", CHAT],
        ["/openai/v1/chat/completions", "429", "post"],
        ["--url", CHAT, "429"],
        [CHAT, "--status", "429"],
    ],
    ids=" ".join,
)
def test_words_may_stand_without_their_options(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """A method, a URL or path and a status are told apart by their looks."""
    found = explain(capsys, *words)
    assert (found["action"], found["route"]) == ("backoff", "POST /openai/v1/chat/completions")


def test_a_body_tells_quota_from_rate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The body is read, whether it comes as an argument or from a file."""
    file = tmp_path / "body.json"
    file.write_text(QUOTA)
    for source in (("--body", QUOTA), ("--body-file", str(file))):
        found = explain(capsys, "--url", CHAT, "--status", "429", *source)
        assert (found["action"], found["cause"], found["delay"]) == ("no_retry", "quota", None)


def test_headers_are_repeatable(capsys: pytest.CaptureFixture[str]) -> None:
    """--header may come more than once, and all of them count."""
    found = explain(capsys, "--url", CHAT, "--status", "503", "--header", "X-Any: 1", "--header", "Retry-After: 7")
    assert found["delay"] >= 7


@pytest.mark.parametrize("kind", [kind.value for kind in FaultKind])
def test_it_takes_every_kind_of_exception(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    """--exception knows each word of FaultKind, and so does a bare word."""
    found = explain(capsys, "--url", CHAT, "--exception", kind)
    assert set(found) == FIELDS
    assert explain(capsys, CHAT, kind)["reason"] == found["reason"]


def test_a_lost_paid_create(capsys: pytest.CaptureFixture[str]) -> None:
    """A bare path will do, and a paid create of unknown outcome is not sent again."""
    found = explain(capsys, "--url", "/openai/v1/videos", "--exception", "read_timeout")
    assert (found["action"], found["certainty"], found["operation"]) == ("no_retry", "unknown", "create")


@pytest.mark.parametrize(
    ("policy", "last"),
    [([], 2), (["--policy", "interactive"], 1), (["--preset", "batch"], 7), (["--policy", "strict"], 1)],
)
def test_attempts_are_counted_as_the_policy_has_them(
    capsys: pytest.CaptureFixture[str], policy: list[str], last: int
) -> None:
    """--attempt and --policy: the last attempt of each preset is the last."""
    asked = (CHAT, "503", *policy)
    assert explain(capsys, *asked, "--attempt", str(last))["action"] == "backoff"
    assert explain(capsys, *asked, "--attempt", str(last + 1))["action"] == "no_retry"
    assert f"{last + 1} attempts" in rows(capsys, *asked)["policy"]


def test_the_method_is_the_paths_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --method it is POST, but for a path that the contract knows with another one only."""
    assert explain(capsys, "/openai/v1/models", "503")["route"] == "GET /openai/v1/models"
    assert explain(capsys, "/openai/v1/videos", "503")["route"] == "POST /openai/v1/videos"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["/v1/chat/completions", "429"], "near it: /openai/v1/chat/completions"),
        (["/v1/videos", "429"], "no path '/v1/videos'; near it: /openai/v1/videos"),
        (["/openai/v1/video", "429"], "no path '/openai/v1/video'; near it: /openai/v1/videos"),
        (["/nowhere", "429"], "no path '/nowhere'; 'anyint-resilience routes' lists"),
        (["DELETE", "/openai/v1/videos", "429"], "with POST only"),
        (["https://example.com/openai/v1/videos", "429"], "example.com is no host of AnyInt"),
        (["https://key@example.com:8443/openai/v1/videos?key=1", "429"], "example.com is no host of AnyInt"),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, list) else None,
)
def test_what_the_contract_does_not_know_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], said: str
) -> None:
    """An unknown path, method or host is a note with the nearest there is: on stderr under --json."""
    monkeypatch.delenv("ANYINT_BASE_URL", raising=False)
    found = rows(capsys, *words)
    assert said in found["note"]
    assert "key" not in found["note"]
    explain(capsys, *words, notes=1)


def test_what_the_contract_knows_has_no_note(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither AnyInt's hosts nor the configured one are strange, nor a path with an id in it."""
    monkeypatch.setenv("ANYINT_BASE_URL", "http://127.0.0.1:8080")
    for url in (CHAT, "http://127.0.0.1:8080/openai/v1/videos", "/openai/v1/files/file-1/content"):
        assert "note" not in rows(capsys, url, "503")


def test_seedance_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """The /doubao routes are behind a switch, and whoever forgets it is told."""
    asked = ("/doubao/video/generations", "503")
    assert explain(capsys, *asked, notes=2)["family"] is None
    assert "--seedance" in rows(capsys, *asked)["note"]
    assert explain(capsys, *asked, "--seedance")["operation"] == "create"


def test_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json the decision is laid out in lines of at most 100 columns."""
    assert main(["explain", "--url", CHAT, "--status", "401"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    labels = [line[:14].strip() for line in lines if line[:1].strip()]
    assert labels[:4] == ["route", "action", "cause", "certainty"]
    assert {"reason", "guidance", "for the user", "source"} <= set(labels)


def test_a_good_and_a_foreign_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """A good answer has no cause, an unknown URL has no route; both are explained."""
    assert rows(capsys, CHAT, "200")["cause"] == "none: this is no error"
    assert rows(capsys, "get", "https://example.com/x", "500")["route"].startswith("not an AnyInt route")


# --- a pasted answer

HEAD = "HTTP/2 429 \ncontent-type: application/json\nretry-after: 7\n"
PASTED = {
    "curl -i": f"{HEAD}\n{QUOTA}\n",
    "with a prompt above": f"$ curl -i https://api.anyint.ai/openai/v1/chat/completions\n{HEAD}\n{QUOTA}",
    "after a 100": f"HTTP/1.1 100 Continue\n\n{HEAD}\n{QUOTA}",
    "through a proxy": f"HTTP/1.1 200 Connection established\n\n{HEAD}\n{QUOTA}",
    "with CRLF": f"{HEAD}\n{QUOTA}".replace("\n", "\r\n"),
    "curl -v": (
        "* Connected to api.anyint.ai\n> POST /openai/v1/chat/completions HTTP/2\n> Host: api.anyint.ai\n"
        "> Authorization: Bearer a-key-that-nobody-shows\n> \n* We are completely uploaded\n< HTTP/2 429 \n"
        "< content-type: application/json\n< retry-after: 7\n< \n{ [104 bytes data]\n"
        f"{QUOTA}\n* Connection left intact\n"
    ),
}
PASTED["curl -v, redirected"] = "< HTTP/1.1 302 Found\n< location: x\n< \nMoved.\n" + PASTED["curl -v"]


@pytest.mark.parametrize("end", ["\n", ""])
@pytest.mark.parametrize("form", PASTED)
def test_an_answer_is_read_as_it_was_pasted(form: str, end: str) -> None:
    """The last status line, the headers below it, and all that follows the blank line."""
    found = read_pasted((PASTED[form] + end).encode())
    assert found is not None
    assert (found.status, dict(found.headers)) == (429, {"content-type": "application/json", "retry-after": "7"})
    assert json.loads(found.body) == json.loads(QUOTA)


@pytest.mark.parametrize("given", ["file", "stdin"])
@pytest.mark.parametrize("form", PASTED)
def test_from_explains_a_pasted_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str, given: str
) -> None:
    """--from takes a file or stdin; curl -v brings the request too; nothing of the key is shown."""
    file = tmp_path / "answer.txt"
    file.write_text(PASTED[form], newline="")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    words = [] if form.startswith("curl -v") else [CHAT]
    found = explain(capsys, *words, "--from", str(file) if given == "file" else "-")
    assert (found["action"], found["cause"], found["route"]) == (
        "no_retry",
        "quota",
        "POST /openai/v1/chat/completions",
    )
    assert "a-key-that" not in json.dumps(found)


def test_the_headers_of_a_pasted_answer_count(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What the server says about waiting is heeded, and a --header stands beside the pasted ones."""
    file = tmp_path / "answer.txt"
    file.write_text(HEAD)
    assert 7 <= explain(capsys, CHAT, "--from", str(file))["delay"] < 9
    file.write_text("HTTP/2 503\n")
    assert 5 <= explain(capsys, CHAT, "--from", str(file), "--header", "Retry-After: 5")["delay"] < 7


def test_a_body_alone_needs_its_status(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Who pastes the body only is told what is missing, and a status makes it whole."""
    file = tmp_path / "body.json"
    file.write_text(QUOTA)
    assert main(["explain", CHAT, "--from", str(file)]) == 2
    assert "no status line" in capsys.readouterr().err
    assert explain(capsys, CHAT, "429", "--from", str(file))["cause"] == "quota"


def test_two_statuses_are_one_too_many(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A pasted answer has its own status; another one is refused."""
    file = tmp_path / "answer.txt"
    file.write_text(PASTED["curl -i"])
    assert main(["explain", CHAT, "503", "--from", str(file)]) == 2
    assert "has the status 429" in capsys.readouterr().err


def test_a_compressed_body_is_noted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A body that curl did not decompress cannot be read; what to do is said."""
    file = tmp_path / "answer.txt"
    file.write_bytes(b"HTTP/1.1 429 Too Many\r\ncontent-encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\xff\xfe")
    assert "curl --compressed" in rows(capsys, CHAT, "--from", str(file))["note"]


@pytest.mark.parametrize("raw", [b"", b"\n\n", b"{}", b"< x", b"HTTP/", b"HTTP/1.1 abc", b"\xff\x00" * 50], ids=repr)
def test_what_is_no_answer_is_none(raw: bytes) -> None:
    """Whatever is pasted, it is an answer or it is none; nothing is raised."""
    assert read_pasted(raw) is None


def test_where_no_rule_of_anyints_holds_none_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A route that the contract has not is decided by what holds for any HTTP, and says so."""
    nobodys = rows(capsys, "POST", "/v1/chat/completions", "503")
    assert nobodys["source"] == "no rule of AnyInt's: what holds for any HTTP"
    assert rows(capsys, "POST", "/openai/v1/chat/completions", "503")["source"] == "AnyInt"


def test_help_names_the_hosts_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """The address to paste is the one that everything else names."""
    assert main(["explain", "--help"]) == 0
    assert f"curl -si https://{HOSTS[0]}/" in capsys.readouterr().out
