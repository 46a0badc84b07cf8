"""``anyint-resilience doctor`` against the emulator: what is planted is named, by the check that it belongs to.

Where all is well every check says so; nothing is made that is paid for, nothing hangs, and no key is shown.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("h11")

from anyint_resilience.cli import main
from anyint_resilience.cli.doctor import command
from anyint_resilience.cli.doctor.checks import CHECKS
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.opening import opened
from tests.real.doctor_kit import Place, Row, place_of, reports
from tests.real.doctor_rows import CHAT, LIST, OTHER, ROWS
from tests.unit.store_kit import sql


@pytest.fixture
def place(
    emu: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Place]:
    yield from place_of(emu, monkeypatch, tmp_path, capsys)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_is_planted_is_named(place: Place, row: Row) -> None:
    """The check it belongs to says what is wrong and what to do; the others say nothing, and nothing is created."""
    reports(place, row)


def test_where_all_is_well_every_check_says_so(place: Place) -> None:
    """A right configuration brings no warning; only what was not asked for is left out."""
    code, checks = place.found("--model", "gpt-5")
    assert code == 0
    assert {name for name, it in checks.items() if it["status"] == "skipped"} == {"callback", "client"}
    assert all(it["status"] == "ok" for name, it in checks.items() if name not in ("callback", "client"))
    assert list(checks) == [it.id for it in CHECKS if not it.client]
    assert place.gateway.tasks == []
    creates = [it for it in place.gateway.seen if it.method == "POST" and "/videos" in it.path]
    assert creates == []


def test_where_a_key_came_from_is_told(place: Place) -> None:
    """A file may name another variable for the key: it is read, and named, and not shown."""
    place.write("anyint-resilience.toml", 'api_key_env = "SHOP_KEY"\n')
    place.unset("ANYINT_API_KEY")
    place.set(SHOP_KEY="test-key")
    code, checks = place.found("--free")
    assert code == 0
    assert "set by SHOP_KEY" in checks["key"]["found"]
    assert checks["models"]["status"] == "ok"


def test_it_costs_a_few_tokens_or_none(place: Place) -> None:
    """Three requests have a model write, each with a bound; --free leaves all three out."""
    place.run()
    writing = [it for it in place.gateway.requests("POST") if "count_tokens" not in it.path]
    assert [it.path for it in writing[:2]] == ["/openai/v1/chat/completions"] * 2
    assert writing[2].path.endswith(":generateContent")
    assert len(writing) == 3
    assert all(it.json().get("max_tokens", 16) == 16 for it in writing)
    place.gateway.reset()
    place.run("--free")
    assert [it.path for it in place.gateway.requests("POST")] == ["/anthropic/v1/messages/count_tokens"]


def test_models_with_the_newer_limit_are_asked_again_with_it(place: Place) -> None:
    """A model that refuses max_tokens and names max_completion_tokens gets that."""
    refusal = Fault.error(400, message="Unsupported parameter: use 'max_completion_tokens' instead.")
    place.script(CHAT, refusal)
    assert place.found("--only", "text")[1]["text"]["status"] == "ok"
    assert [sorted(it.json())[0] for it in place.gateway.requests("POST")] == ["max_tokens", "max_completion_tokens"]


def test_a_paid_task_is_made_only_when_asked_for_and_followed_to_its_end(place: Place) -> None:
    """--allow-paid makes one video, says at once how to wait for it, and waits."""
    sleep = lambda seconds: place.gateway.clock.advance(seconds)  # noqa: E731
    place.patch.setattr(command, "_RUNTIME", Runtime(sleep=sleep))
    code, out, err = place.run("--allow-paid", "--only", "task", "--json")
    (check,) = json.loads(out)["checks"]
    assert (code, check["status"]) == (0, "ok")
    assert "made and paid for: completed" in check["found"]
    assert len(place.gateway.tasks) == 1
    assert "anyint-resilience wait '{" in err
    assert "https" not in check["found"]


def test_a_video_that_fails_is_told(place: Place) -> None:
    """A paid task that ends without a result fails the check, and nothing is made again."""

    def sleep(seconds: float) -> None:
        place.gateway.settle(place.gateway.tasks[0].id, "failed")
        place.gateway.clock.advance(seconds)

    place.patch.setattr(command, "_RUNTIME", Runtime(sleep=sleep))
    code, checks = place.found("--allow-paid", "--only", "task")
    assert (code, checks["task"]["status"]) == (1, "failed")
    assert "ended without a result" in checks["task"]["found"]
    assert len(place.gateway.tasks) == 1


@pytest.mark.parametrize("stall", ["before_headers", "after_headers", "mid_body"])
def test_a_gateway_that_falls_silent_holds_nothing_up(place: Place, stall: Any) -> None:
    """The whole run keeps to --timeout, wherever the silence is; what was not reached is failed, never ok."""
    place.script(LIST, *[Fault(stall=stall)] * 4)
    code, checks = place.found("--timeout", "0.6")
    assert code == 1
    assert checks["models"]["status"] == "failed"
    assert checks["models"]["seconds"] < 5
    assert {checks[it]["status"] for it in ("text", "stream", "suno", "wrong-key")} <= {"skipped", "failed"}


def test_what_the_server_echoes_of_the_key_is_hidden(place: Place) -> None:
    """Neither the whole key nor a piece of it comes through an error's message."""
    message = f"Incorrect API key provided: {OTHER[:4]}****{OTHER[-4:]} (was {OTHER}, Bearer {OTHER}; {OTHER[5:20]})"
    place.set(ANYINT_API_KEY=OTHER)
    place.script(LIST, Fault.error(401, message=message))
    _, out, err = place.run("--json")
    assert "Incorrect API key provided" in out
    for at in range(len(OTHER) - 6):
        assert OTHER[at : at + 7] not in out + err


@pytest.mark.parametrize("status", [200, 500])
def test_a_content_type_that_says_the_key_is_hidden(place: Place, status: int) -> None:
    """In whatever case; and no control character of it reaches a terminal."""
    kind = f"text/{OTHER.upper()}\x9b31m; charset=utf-8"
    place.set(ANYINT_API_KEY=OTHER)
    place.script(LIST, *[Fault(status=status, body="<html>", headers={"content-type": kind})] * 9)
    code, out, err = place.run("--only", "models")
    assert code == 1
    assert "a page came" in out
    assert OTHER.lower() not in (out + err).lower()
    assert "\x9b" not in out


def test_an_answer_without_end_is_read_no_further(place: Place) -> None:
    """Of a body that is larger than any answer only so much is read, and it is told as what it is."""
    place.script(LIST, Fault(status=200, body=b'{"data": [' + b" " * (5 * 1024 * 1024)))
    found = place.found("--only", "models")[1]["models"]
    assert found["status"] == "failed"
    assert "did not end within 4" in found["found"]


def test_a_store_that_is_slower_than_calls_wait_is_told(place: Place) -> None:
    """A store that answers, but later than store_wait, is no use to calls: each process goes on by itself."""
    place.set(ANYINT_RESILIENCE_STORE="sqlite:///creates.db")
    opened("sqlite:///creates.db", runtime=Runtime(), wait=1.0).close()
    assert place.found("--only", "store")[1]["store"]["status"] == "ok"
    ticks = count()
    place.patch.setattr(command, "_RUNTIME", Runtime(monotonic=lambda: 0.1 * next(ticks)))
    found = place.found("--only", "store")[1]["store"]
    assert found["status"] == "warning"
    assert "store_wait" in found["advice"]


def test_a_store_with_garbage_in_it_answers_and_that_is_told(place: Place) -> None:
    """One entry that can't be read is not a store that is down."""
    place.set(ANYINT_RESILIENCE_STORE="sqlite:///creates.db")
    store = opened("sqlite:///creates.db", runtime=Runtime(), wait=1.0)
    for key in ("create:a", "create:b"):
        store.update(key, lambda state, now: ({}, None), 3600.0)
    store.close()
    sql(place.folder / "creates.db", "UPDATE entries SET state = 'garbage' WHERE key = 'create:a'")
    found = place.found("--only", "store")[1]["store"]
    assert (found["status"], found["found"]) == ("warning", "sqlite answers; 1 of 2 state(s) in it can't be read")


def test_a_store_that_is_not_there_yet_is_not_made(place: Place) -> None:
    """To see whether a file can be made is enough: the doctor leaves nothing behind."""
    place.set(ANYINT_RESILIENCE_STORE="sqlite:///creates.db")
    found = place.found("--only", "store")[1]["store"]
    assert (found["status"], list(place.folder.iterdir())) == ("ok", [])
    assert "not there yet" in found["found"]


def test_as_a_program_of_its_own_it_says_nothing_beside_its_result(place: Place) -> None:
    """What our own layer logs of the doctor's requests, a refused key for one, does not stand on stderr."""
    words = [sys.executable, "-m", "anyint_resilience.cli", "doctor", "--only", "key", "--only", "wrong-key"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[:2] for line in done.stdout.splitlines()[:2]] == [["ok", "key"], ["ok", "wrong-key"]]


def test_a_short_key_is_no_secret(place: Place) -> None:
    """A key such as an emulator takes may be a word, which is left in other words."""
    place.set(ANYINT_API_KEY="any")
    place.script(LIST, Fault.error(403, message="many companies"))
    out = place.capsys
    assert main(["doctor", "--only", "models"]) == 1
    assert "many companies" in out.readouterr().out


def test_a_refusal_that_was_met_is_told_where_it_is_computed(place: Place) -> None:
    """By which check it was: a 403 of one family stands beside what the policy makes of it."""
    place.script("GET /suno", Fault.error(403, family="suno"))
    checks = place.found()[1]
    assert "computed, not seen" in checks["limited"]["found"]
    assert checks["forbidden"]["found"].endswith("; one was really met, by suno")


def test_anthropic_wants_httpx2_to_be_wrapped(place: Place) -> None:
    """Its SDK without that client is told, with what to install."""
    from anyint_resilience.cli.doctor import settings

    pytest.importorskip("anthropic")
    place.patch.setattr(settings, "CLIENTS", ("httpx",))
    found = place.found("--only", "versions")[1]["versions"]
    assert (found["status"], found["advice"]) == ("warning", "python -m pip install httpx2")


def test_only_what_is_asked_for_is_checked(place: Place) -> None:
    """--only makes these checks, --skip leaves them out; what one check needs of another is still asked."""
    assert list(place.found("--only", "suno", "--only", "key")[1]) == ["key", "suno"]
    assert "suno" not in place.found("--skip", "suno")[1]


def test_a_check_alone_tells_what_blocks_it(place: Place) -> None:
    """A check that cannot be made fails by itself where the one that says why was left out."""
    place.set(ANYINT_API_KEY=OTHER)
    code, checks = place.found("--only", "text")
    assert (code, checks["text"]["status"]) == (1, "failed")
    assert "refuses this key" in checks["text"]["found"]
    assert place.found()[1]["text"]["status"] == "skipped"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--only", "texts"), "text"),
        (("--client", "no-colon"), "module:attribute"),
        (("--client", "a b:c"), "module:attribute"),
        (("--timeout", "0"), "seconds above 0"),
        (("--timeout", "inf"), "seconds above 0"),
        (("--free", "--only", "text"), "no check is left"),
        (("--frree",), "--free"),
    ],
    ids=str,
)
def test_wrong_options_are_two(place: Place, argv: tuple[str, ...], said: str) -> None:
    """What cannot be asked for ends with 2 and one line, before anything is sent."""
    assert main(["doctor", *argv]) == 2
    captured = place.capsys.readouterr()
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1
    assert place.gateway.seen == []


def test_plain_lines_have_a_line_for_each_check_and_one_for_all(place: Place) -> None:
    """Into a pipe goes a line for each check: status, name, finding, advice behind an arrow; and a sum at the end."""
    place.script(CHAT, Fault.error(402))
    code, out, _ = place.run()
    lines = out.splitlines()
    assert code == 1
    assert any(it.startswith("ok      key ") for it in lines)
    (line,) = [it for it in lines if it.startswith("failed  text ")]
    assert " -> " in line
    assert len(lines) == 2 + len([it for it in CHECKS if not it.client])
    assert "1 failed" in lines[-1]


def test_a_terminal_with_rich_gets_a_table(place: Place) -> None:
    """On a terminal the steps stand in a table, with the same words."""
    pytest.importorskip("rich")
    from anyint_resilience.cli.doctor import showing

    place.patch.setattr(showing, "plain", lambda: False)
    place.set(COLUMNS="110")
    code, out, _ = place.run("--only", "key", "--only", "limited")
    assert code == 0
    assert "found, and what to do" in out
    assert any(line.split()[:3] == ["1", "key", "ok"] for line in out.splitlines())
    assert any(line.split()[:3] == ["8", "limited", "ok"] for line in out.splitlines())


def test_nothing_that_is_to_be_copied_is_cut(place: Place) -> None:
    """A long word in a narrow table is folded, to its end."""
    pytest.importorskip("rich")
    from anyint_resilience.cli.doctor import showing

    place.patch.setattr(showing, "plain", lambda: False)
    wanted = place.gateway.url + "/a-prefix-of-a-reverse-proxy" * 2
    place.set(COLUMNS="60", ANYINT_BASE_URL=wanted)
    _, out, _ = place.run("--only", "base-url", "--only", "sdk-env")
    assert wanted.partition("://")[2].partition("/")[2] in "".join(out.split())
    assert "…" not in out


@pytest.mark.parametrize("client", ["httpx2", "httpx", "requests", "aiohttp"])
def test_any_client_will_do(place: Place, client: str) -> None:
    """Whichever client is installed carries the requests, aiohttp too, and all is as well with it."""
    pytest.importorskip(client, reason="this client is not there on this Python")
    from anyint_resilience.cli.doctor import sending

    place.patch.setattr(sending, "CLIENTS", (client,))
    code, checks = place.found("--callback-url", f"{place.gateway.url}/hook", "--skip", "callback")
    assert code == 0, checks
    (agent,) = {it.headers["user-agent"].split("/")[0].lower() for it in place.gateway.seen}
    assert client in agent or (client == "aiohttp" and "python" in agent)


def test_without_any_client_it_says_what_to_install(place: Place) -> None:
    """No client is a failed check that names the command."""
    from anyint_resilience.cli.doctor import sending, settings

    place.patch.setattr(sending, "CLIENTS", ())
    place.patch.setattr(settings, "CLIENTS", ())
    code, checks = place.found("--free")
    assert code == 1
    assert "anyint-resilience[httpx]" in checks["versions"]["advice"]
    assert checks["models"]["status"] == "skipped"
