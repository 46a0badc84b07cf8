"""``anyint-resilience wait``: against the emulator on a real socket, whose clock is moved by the injected runtime."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("h11")

import anyint_resilience_httpx
from anyint_resilience import Resilience, TaskHandle, report
from anyint_resilience.cli import main, showing, wait
from anyint_resilience.contract.words import Family
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Runtime

KEY = "test-key"
KLING = ("/transtreams/kling/v1/videos/text2video", {"model_name": "k", "prompt": "x"})
VIDEO = ("/openai/v1/videos", {"model": "kling-3.0", "prompt": "x"})
ANSWER = ("/openai/v1/responses", {"model": "gpt-5", "input": "x", "background": True})
SEEDANCE = ("/doubao/video/generations", {"model": "s", "prompt": "x"})
QUERY = "GET /transtreams/kling"
WAIT_KEYS = "ended handle phase state progress results note polls elapsed document reason"


@dataclass
class Place:
    """A gateway, a key in the environment, and a runtime that moves the gateway's clock."""

    gateway: Emulator
    slept: list[float] = field(default_factory=list)
    interrupt: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.interrupt()
        self.slept.append(seconds)
        self.gateway.clock.advance(seconds)

    @property
    def runtime(self) -> Runtime:
        now = self.gateway.clock.now
        return Runtime(sleep=self.sleep, monotonic=now, wall=lambda: 1e9 + now(), random=lambda: 0.5)

    def make(self, what: tuple[str, Any] = KLING, outcome: str = "success") -> TaskHandle:
        """Make a task; return its handle."""
        anyint = Resilience(api_key=KEY, base_url=self.gateway.url, runtime=self.runtime, seedance=True)
        with anyint_resilience_httpx.wrap(httpx.Client(base_url=self.gateway.url), anyint) as client:
            found = report(client.post(what[0], json=what[1], headers={"x-emulator-task": outcome}))
        assert found is not None
        assert found.task is not None
        return found.task


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with Emulator(keys=(KEY,)) as gateway:
        made = Place(gateway)
        monkeypatch.setenv("ANYINT_API_KEY", KEY)
        monkeypatch.setenv("ANYINT_BASE_URL", gateway.url)
        monkeypatch.setattr(wait, "_RUNTIME", made.runtime)
        yield made
        assert gateway.internal_errors == []


def run(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str], list[str]]:
    """Run the command; return its exit code and the lines of stdout and stderr."""
    code = main(["wait", *options])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert KEY not in captured.out + captured.err
    return code, captured.out.splitlines(), captured.err.splitlines()


def again(errors: list[str]) -> list[str]:
    """Return the words of the command that waits again."""
    (line,) = [it for it in errors if it.startswith("wait again with: ")]
    return shlex.split(line.removeprefix("wait again with: "))


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


@contextmanager
def dripping(each: bytes) -> Iterator[tuple[str, threading.Event]]:
    """A server that begins its answer and never ends its head: a time-out begins anew with every piece of it."""
    enough, begun = threading.Event(), threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n" if each.startswith(b"X") else b"")
            begun.set()
            while not enough.wait(0.01):
                connection.sendall(each)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", begun
        finally:
            enough.set()
            with suppress(OSError):  # whoever waits for a connection gets one
                socket.create_connection(listening.getsockname()).close()
            thread.join(10)


def handle_at(url: str) -> TaskHandle:
    return TaskHandle(
        family=Family.OPENAI, route="POST /openai/v1/videos", task_id="video_1", gateway=url, created_at=1.0
    )


@pytest.mark.parametrize("each", [b"X-Piece: 1\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["a head", "100 Continue"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_deadline_is_a_bound_whatever_the_server_sends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, each: bytes, as_json: bool
) -> None:
    """An answer that comes in drops for ever is left behind: exit 3, and the command to wait again."""
    monkeypatch.setattr(wait, "_GRACE", 0.1)
    with dripping(each) as (url, _):
        monkeypatch.setenv("ANYINT_API_KEY", KEY)
        monkeypatch.setenv("ANYINT_BASE_URL", url)
        code, out, err = run(capsys, handle_at(url).to_json(), "--deadline", "0.1", *(["--json"] if as_json else []))
    for thread in threading.enumerate():
        if thread.name == "wait":
            thread.join(10)
            assert not thread.is_alive()
    assert code == 3
    if as_json:
        told = json.loads(out[0])
        assert (len(out), told["ended"], told["results"]) == (1, "timeout", None)
        assert "the task goes on" in told["reason"]
    else:
        assert out == []
        assert again(err) == ["anyint-resilience", "wait", handle_at(url).to_json()]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one child on Windows")
def test_a_real_ctrl_c_ends_a_wait_that_hangs() -> None:
    """Whatever the wait is doing: exit 130, the command to wait again, no traceback."""
    with dripping(b"X-Piece: 1\r\n") as (url, begun):
        more = {"ANYINT_API_KEY": KEY, "ANYINT_BASE_URL": url}
        path = os.pathsep.join(entry for entry in sys.path if entry)
        words = [sys.executable, "-m", "anyint_resilience.cli", "wait", handle_at(url).to_json()]
        with subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **more, "PYTHONPATH": path},
        ) as process:
            try:
                assert begun.wait(20)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=20)
            finally:
                process.kill()
    assert (process.returncode, out) == (130, "")
    assert "stopped waiting; the task goes on" in err
    assert "wait again with: anyint-resilience wait" in err
    assert "Traceback" not in err


def test_a_wait_that_was_left_behind_says_no_more() -> None:
    """Its next look or update ends it, and neither is shown nor kept."""
    shown: list[object] = []

    class Told(showing.Show):
        def update(self, update: Any) -> None:
            shown.append(update)

        def next_look(self, seconds: float) -> None:
            shown.append(seconds)

    turn = showing.Turn(Told(), lambda seconds: None)
    with turn:
        turn.sleep(1.0)
    assert shown == [1.0]
    for more in (lambda: turn.sleep(2.0), lambda: turn.noted(None)):
        with pytest.raises(BaseException, match=r"^$") as ended:
            more()
        assert not isinstance(ended.value, Exception)
    assert (shown, turn.seen) == ([1.0], None)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_key_that_the_gateway_writes_back_is_hidden(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """In the document of an answer, in its URLs, in whatever case; also one that another variable holds."""
    key = "Shop-Key-Zq81xPw77Kt-9"
    handle = place.make()
    monkeypatch.setenv("ANYINT_API_KEY", "")
    monkeypatch.setenv("ANYINT_RESILIENCE_API_KEY_ENV", "SHOP")
    monkeypatch.setenv("SHOP", key)
    url = f"https://x.example/{key}.mp4"
    result = {"task_id": handle.task_id, "task_status": "succeed", "task_result": {"videos": [{"url": url}]}}
    body = {"code": 0, "data": result, "request": f"Authorization: Bearer {key.lower()}"}
    place.gateway.script(Fault(body=json.dumps(body), status=200), match=QUERY)
    code, out, err = run(capsys, handle.to_json(), *(["--json"] if as_json else []))
    assert code == 0
    assert "x.example/[hidden].mp4" in out[0]
    assert key.lower() not in "".join(out + err).lower()


@pytest.mark.parametrize("password", ["Secr3tPass#1", "Secr3tPass/1", "1#Secr3tPass"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_proxys_password_is_not_shown(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, password: str, as_json: bool
) -> None:
    """A # or / that nobody quoted breaks the URL: where to look is said, and how such a sign is written."""
    handle = place.make()
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{password}@127.0.0.1:1")
    code, out, err = run(capsys, handle.to_json(), "--deadline", "1", *(["--json"] if as_json else []))
    assert code in (2, 3)
    assert "Secr3t" not in "".join(out + err)
    assert code == 3 or "%23" in err[0]


def test_a_stores_password_is_not_in_the_command_to_wait_again(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place of the store is left open where a password stands in it."""
    options = wait.argparse.Namespace(store="redis://:hunter2@cache.example/0", seedance=False)
    line = wait._again(options, place.make())
    assert shlex.split(line.removeprefix("wait again with: "))[3:] == ["--store", "URL"]


@pytest.mark.parametrize("setting", ['base_url = "{0}"', 'hosts = ["{0}"]'])
def test_a_file_that_nobody_named_sends_no_key_to_a_stranger(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str
) -> None:
    """A cloned project's file may name any host: it is spoken to when the file is named, or the environment agrees."""
    stranger = "https://their.example.com"
    file = tmp_path / "anyint-resilience.toml"
    file.write_text(setting.format(stranger))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANYINT_BASE_URL")
    asked: list[str] = []
    monkeypatch.setattr(wait, "_client", lambda anyint: asked.append(anyint.url) or 1 / 0)
    handle = handle_at(stranger).to_json()
    code, out, err = run(capsys, handle)
    assert (code, out, len(err), asked) == (2, [], 1, [])
    assert f"ANYINT_RESILIENCE_CONFIG={file}" in err[0]
    monkeypatch.setenv("ANYINT_RESILIENCE_CONFIG", str(file))
    assert main(["wait", handle]) == 70
    monkeypatch.delenv("ANYINT_RESILIENCE_CONFIG")
    monkeypatch.setenv("ANYINT_BASE_URL", stranger)
    assert main(["wait", handle]) == 70
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        ("https://evil.example", "if that is a gateway or proxy of your own"),
        ("http://gateway.api.anyint.ai", "where https:// should be"),
    ],
)
def test_nobody_is_told_to_trust_a_handles_host(
    place: Place, capsys: pytest.CaptureFixture[str], gateway: str, said: str
) -> None:
    """Whoever wrote the handle wrote its host: it is the user's to say whether that is theirs."""
    code, _, err = run(capsys, handle_at(gateway).to_json())
    assert code == 2
    assert said in err[0]
