"""``anyint-resilience wait``: against the emulator on a real socket, whose clock is moved by the injected runtime."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("h11")

import anyint_resilience_httpx
from anyint_resilience.cli import main, showing
from anyint_resilience.emulator import Fault
from tests.unit.cli_wait_kit import ANSWER, QUERY, SEEDANCE, VIDEO, WAIT_KEYS, Place, again, place_of, run


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from place_of(monkeypatch)


@pytest.mark.parametrize("given", ["json", "file", "stdin"])
def test_the_results_are_all_of_stdout(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str
) -> None:
    """However the handle is given, its task's URLs are printed, one a line, and what happened goes to stderr."""
    text = place.make().to_json()
    file = tmp_path / "handle.json"
    file.write_text(text + "\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    code, out, err = run(capsys, {"json": text, "file": str(file), "stdin": "-"}[given])
    assert code == 0
    assert out
    assert all(it.startswith(place.gateway.url) and it.endswith(".mp4") for it in out)
    assert place.slept[:2] == [5.0, 7.5]
    assert err[0].endswith("next look in 5.0 s")
    assert err[1] == "kling: processing, 5 s, next look in 7.5 s"
    assert err[-1] == "kling: succeed, 12 s"


@pytest.mark.parametrize("client", ["httpx2", "httpx", "requests"])
def test_any_client_will_do(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    """Whichever client is installed is used, and a missing one is no problem while there is another."""
    pytest.importorskip(client, reason="this client is not there on this Python")
    handle = place.make()
    for other in {"httpx2", "httpx", "requests"} - {client}:
        monkeypatch.setitem(sys.modules, other, None)
    assert run(capsys, handle.to_json())[0] == 0
    (agent,) = {seen.headers["user-agent"].split("/")[0] for seen in place.gateway.requests("GET")}
    assert agent.removeprefix("python-") == client


def test_without_a_client_it_says_what_to_install(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No client at all: one line that names them."""
    handle = place.make()
    for name in ("httpx2", "httpx", "requests"):
        monkeypatch.setitem(sys.modules, name, None)
    code, out, err = run(capsys, handle.to_json())
    assert (code, out, len(err)) == (2, [], 1)
    assert "httpx2, httpx, requests" in err[0]
    assert "install 'anyint-resilience[httpx]'" in err[0]


@pytest.mark.parametrize("outcome", ["failed", "policy"])
def test_a_task_that_failed_is_exit_1_with_the_reason(
    place: Place, capsys: pytest.CaptureFixture[str], outcome: str
) -> None:
    """A failure is told in words, and nobody is invited to wait again."""
    handle = place.make(outcome=outcome)
    code, out, err = run(capsys, handle.to_json())
    assert (code, out) == (1, [])
    assert handle.task_id in err[-1]
    assert not any("wait again" in line for line in err)


def test_a_deadline_is_exit_3_and_the_handle_comes_back(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A task that goes on beyond the deadline can be waited for again with what is printed."""
    handle = place.make(outcome="stuck")
    code, out, err = run(capsys, handle.to_json(), "--deadline", "20")
    assert (code, out) == (3, [])
    assert "processing after 20 s" in err[-2]
    place.gateway.settle(handle.task_id, "success")
    assert main(again(err)[1:]) == 0


def test_a_refused_key_is_exit_3_and_the_handle_comes_back(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that may not ask ends the wait, not the task."""
    handle = place.make()
    monkeypatch.setenv("ANYINT_API_KEY", "another-key")
    code, out, err = run(capsys, handle.to_json())
    assert (code, out) == (3, [])
    assert "its query is refused, the task itself may go on" in err[-2]
    assert again(err)[2] == handle.to_json()


def test_ctrl_c_is_exit_130_and_the_handle_comes_back(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends the wait, not the task."""
    handle = place.make()

    def interrupt() -> None:
        if place.slept:
            raise KeyboardInterrupt

    place.interrupt = interrupt
    code, out, err = run(capsys, handle.to_json())
    assert (code, out) == (130, [])
    assert again(err) == ["anyint-resilience", "wait", handle.to_json()]


def test_ctrl_c_under_json_is_a_document_too(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A program that was interrupted while it waited gets the handle and how the task stood."""
    handle = place.make()

    def interrupt() -> None:
        if place.slept:
            raise KeyboardInterrupt

    place.interrupt = interrupt
    code, out, err = run(capsys, handle.to_json(), "--json")
    told = json.loads(out[0])
    assert (code, len(out), err) == (130, 1, [])
    assert (told["ended"], told["handle"], told["state"]) == ("interrupted", handle.as_dict(), "processing")
    assert told["reason"] == "stopped waiting; the task goes on"


def test_options_are_in_the_command_to_wait_again(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What was given to this wait is given to the next."""
    handle, store = place.make(SEEDANCE, "stuck"), f"sqlite:///{tmp_path}/creates.db"
    code, _, err = run(capsys, handle.to_json(), "--seedance", "--deadline", "9", "--store", store)
    assert code == 3
    assert again(err)[3:] == ["--store", store, "--seedance"]


def test_queries_that_fail_are_told_and_do_not_end_it(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A gateway that is ill for a while is one more line."""
    handle = place.make()
    place.gateway.script(*[Fault(status=503)] * 3, match=QUERY)
    code, _, err = run(capsys, handle.to_json())
    assert code == 0
    assert any("the query failed" in line for line in err)


def test_a_line_for_each_change_and_no_other(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A task that runs for ten looks without news is two lines: none yet, and running."""
    handle = place.make(outcome="stuck")
    _, _, err = run(capsys, handle.to_json(), "--deadline", "120")
    assert len(place.slept) > 8
    assert len([line for line in err if line.startswith("kling: ")]) == 1


@pytest.mark.parametrize(
    ("outcome", "code", "ended"), [("success", 0, "done"), ("failed", 1, "failed"), ("stuck", 3, "timeout")]
)
def test_json_is_one_object_and_nothing_else(
    place: Place, capsys: pytest.CaptureFixture[str], outcome: str, code: int, ended: str
) -> None:
    """With --json programs read how it ended, the results, the handle and the whole answer."""
    handle = place.make(outcome=outcome)
    found, out, err = run(capsys, handle.to_json(), "--json", "--deadline", "60")
    (line,) = out
    told = json.loads(line)
    assert set(told) == set(WAIT_KEYS.split())
    assert (found, err, told["ended"], told["handle"]) == (code, [], ended, handle.as_dict())
    assert bool(told["results"]) == (outcome == "success")
    assert told["document"]["data"]["task_id"] == handle.task_id
    assert (told["reason"] is None) == (outcome == "success")


def test_a_video_at_the_gateway_wants_the_key(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Who fetches a result from the gateway itself is told to send a key; its progress is shown."""
    _, out, err = run(capsys, (handle := place.make(VIDEO)).to_json())
    assert out == [f"{handle.url}/content"]
    assert err[-1].startswith("(at the gateway: it wants your key; ")
    assert any(" %, " in line for line in err)


def test_an_answer_without_a_url_says_where_it_is(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A background response makes no file: its answer is the result."""
    code, out, err = run(capsys, (handle := place.make(ANSWER)).to_json())
    assert (code, out) == (0, [])
    assert handle.url in err[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "missing"),
        ("{", "not JSON"),
        ('{"family": "kling", "route": "x", "task_id": "", "gateway": "y", "created_at": 1}', "gateway"),
        ("there is no such file", "neither JSON nor a file"),
        ("nul\0", "neither JSON nor a file"),
        (".", "neither JSON nor a file"),
    ],
)
def test_a_bad_handle_is_one_line_and_exit_2(
    place: Place, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    """What is no handle is told in one line, before anything is asked."""
    code, out, err = run(capsys, text)
    assert (code, out, len(err)) == (2, [], 1)
    assert said in err[0]
    assert place.gateway.seen == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b" " * 9000, b"[1]"], ids=["binary", "large", "a list"])
def test_a_file_that_holds_no_handle_is_one_line(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    """A file of anything else is told in one line."""
    file = tmp_path / "handle.json"
    file.write_bytes(content)
    code, out, err = run(capsys, str(file))
    assert (code, out, len(err)) == (2, [], 1)
    assert "invalid TaskHandle" in err[0]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ANYINT_API_KEY", None, "ANYINT_API_KEY is not set"),
        ("ANYINT_BASE_URL", None, "if that is a gateway or proxy of your own, ANYINT_BASE_URL must name it"),
        ("ANYINT_BASE_URL", "ftp://x", "base_url"),
    ],
)
def test_a_wrong_environment_is_one_line(
    place: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str | None,
    said: str,
) -> None:
    """No key, or another gateway: one line that says which variable."""
    handle = place.make()
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    code, out, err = run(capsys, handle.to_json())
    assert (code, out, len(err)) == (2, [], 1)
    assert said in err[0]


@pytest.mark.parametrize("store", ["redis+x://x", "sqlite:////nowhere/at/all.db"])
def test_a_wrong_store_is_one_line(place: Place, capsys: pytest.CaptureFixture[str], store: str) -> None:
    """A store that cannot be opened is told in one line, which does not show its URL."""
    code, out, err = run(capsys, place.make().to_json(), "--store", store)
    assert (code, out, len(err)) == (2, [], 1)


def test_seedance_wants_its_switch(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """The /doubao routes are behind a switch, here too."""
    handle = place.make(SEEDANCE)
    code, _, err = run(capsys, handle.to_json())
    assert (code, len(err)) == (2, 1)
    assert "--seedance" in err[0]
    assert run(capsys, handle.to_json(), "--seedance")[0] == 0


def test_an_error_of_the_client_is_no_traceback(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a client raises of itself is told in a line, and the handle comes back."""
    handle = place.make()

    def wait_for_task(*args: Any, **options: Any) -> Any:
        raise RuntimeError("this client was closed")

    for name in ("httpx2", "requests"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(anyint_resilience_httpx, "wait_for_task", wait_for_task)
    code, out, err = run(capsys, handle.to_json())
    assert (code, out) == (3, [])
    assert err[-2] == "RuntimeError: this client was closed"
    assert again(err)[2] == handle.to_json()
    code, out, err = run(capsys, handle.to_json(), "--json")
    told = json.loads(out[0])
    assert (code, err) == (3, [])
    assert (told["ended"], told["phase"], told["reason"]) == ("error", None, "RuntimeError: this client was closed")


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_a_terminal_without_escape_codes_gets_lines(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """NO_COLOR and TERM=dumb: nothing moves, each change is a line."""
    monkeypatch.setenv(variable, "dumb")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    assert main(["wait", place.make().to_json()]) == 0
    assert "\x1b" not in screen.getvalue()
    assert "kling: succeed" in screen.getvalue()


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("rich", [True, False])
def test_on_a_terminal_there_is_a_bar(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rich: bool
) -> None:
    """A terminal shows one moving line, if rich is there to draw it; the results are on stdout all the same."""
    if rich:
        pytest.importorskip("rich")
    else:
        monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    handle = place.make(VIDEO)
    assert main(["wait", handle.to_json()]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{handle.url}/content"]
    shown = screen.getvalue()
    assert "openai" in shown
    assert ("\x1b[" in shown) == rich


def test_a_bar_shows_state_progress_and_the_next_look(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Family, the gateway's word, per cent and the seconds until the next look stand in the moving line."""
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "120")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    from anyint_resilience.tasks.updates import TaskUpdate

    shown = showing.bar(place.make(VIDEO), place.gateway.clock.now)
    with shown:
        shown.update(TaskUpdate(handle=place.make(VIDEO), phase="running", state="in_progress", progress=40.0))
        shown.next_look(7.0)
    text = screen.getvalue()
    for word in ("openai: in_progress", "40 %", "next look in 7 s"):
        assert word in text


def test_what_a_gateway_says_cannot_steer_a_terminal(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in a state or a URL are not printed."""
    handle = place.make()
    body = {
        "code": 0,
        "data": {
            "task_id": handle.task_id,
            "task_status": "succeed",
            "task_result": {"videos": [{"url": "https://x.example/\x1b[2J\n.mp4"}]},
        },
    }
    place.gateway.script(Fault(body=json.dumps(body), status=200), match=QUERY)
    code, out, err = run(capsys, handle.to_json())
    assert (code, out) == (0, ["https://x.example/?[2J?.mp4"])
    assert "\x1b" not in "".join(err)
