"""How ``anyint-resilience wait`` ends whatever a server does: in time, without a secret, trusting no stranger."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("h11")

from anyint_resilience import TaskHandle
from anyint_resilience.cli import main, showing, wait
from anyint_resilience.contract.words import Family
from anyint_resilience.emulator import Fault
from tests.unit.cli_wait_kit import KEY, QUERY, Place, again, place_of, run


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    yield from place_of(monkeypatch)


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


def test_where_no_shell_reads_quotes_alike_a_file_is_offered(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the handle is to be saved: no command line with JSON in it works in each of its shells."""
    handle = place.make()
    monkeypatch.setattr(showing.os, "name", "nt")
    line = showing.again(handle, "--seedance")
    assert (
        line
        == f"wait again: save {handle.to_json()} as handle.json, then: anyint-resilience wait handle.json --seedance"
    )
