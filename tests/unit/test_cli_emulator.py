"""``anyint-resilience emulator``: options that reach it, and real runs that end with Ctrl-C."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, NoReturn

import pytest

pytest.importorskip("h11")

from anyint_resilience.cli import emulator, main
from anyint_resilience.emulator import TURNS, Emulator, Fault
from anyint_resilience.router import host_problem

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
NOT_HERE = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one child on Windows")


def get(url: str, key: str = "any-key") -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@contextmanager
def running(*options: str) -> Iterator[subprocess.Popen[str]]:
    """A real run; it is interrupted at the end, and ends well and quietly."""
    command = [sys.executable, "-m", "anyint_resilience.cli", "emulator", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        try:
            yield process
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, err) == (0, "")
    if "--json" in options:
        assert out == ""  # after its one line


@NOT_HERE
def test_json_is_one_line_and_then_silence() -> None:
    """--json: where it listens, under which base URLs, and which process it is; faults and keys are as ordered."""
    faults = ("--fault", '{"status": 503}', "--fault", '{"match": "GET /gemini", "faults": [{"status": 502}]}')
    with running("--json", "--key", "right-key", *faults) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        assert set(told) == {"url", "host", "port", "pid", "base_urls"}
        assert told["url"] == f"http://{told['host']}:{told['port']}"
        assert told["pid"] == process.pid
        assert all(base.startswith(told["url"] + "/") for base in told["base_urls"].values())
        models = f"{told['base_urls']['openai']}/models"
        assert [get(models, "right-key"), get(models, "right-key"), get(models, "wrong-key")] == [503, 200, 401]
        assert get(f"{told['base_urls']['gemini']}/v1beta/models", "right-key") == 502


@NOT_HERE
def test_what_it_prints_can_be_pasted() -> None:
    """The first line has the address, an export line the variables, and the fault's command its JSON."""
    with running() as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while not lines[-1].startswith("  curl "):
            lines.append(process.stdout.readline())
        url = lines[0].split()[3]
        variables = next(line for line in lines if line.startswith("  export "))
        assert shlex.split(variables) == ["export", f"ANYINT_BASE_URL={url}", "ANYINT_API_KEY=any-key"]
        _, where, _, fault = shlex.split(lines[-1])
        assert where == f"{url}/__emulator__/faults"
        order = urllib.request.Request(where, data=fault.encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(order):
            assert get(f"{url}/openai/v1/models") == json.loads(fault)["status"]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the emulator was made with; it starts, is announced, and is interrupted at once."""
    options: list[Any] = []

    class Noted(Emulator):
        def __init__(self, **more: Any) -> None:
            options.append(more)
            super().__init__(**more)

    def interrupted() -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr("anyint_resilience.emulator.Emulator", Noted)
    monkeypatch.setattr(emulator, "_forever", interrupted)
    return options


def test_a_key_that_was_given_is_not_printed(made: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """--key may come more than once; what is printed shows none of them."""
    assert main(["emulator", "--key", "secret-one", "--key", "secret-two", "--seed", "-7", "--chaos", "0.25"]) == 0
    out = capsys.readouterr().out
    assert made[0]["keys"] == ["secret-one", "secret-two"]
    assert (made[0]["seed"], sum(p for p, _ in made[0]["chaos"].faults)) == (-7, pytest.approx(0.25))
    assert "secret" not in out
    assert "It takes the 2 keys given with --key alone" in out
    line = next(it for it in out.splitlines() if it.startswith("  export "))
    assert line.endswith(" ANYINT_API_KEY=YOUR_KEY  # one given with --key")


def test_the_one_key_that_was_given_is_asked_for(made: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """What is pasted says where the key is to be put, and is no key itself."""
    assert main(["emulator", "--key", "secret-one"]) == 0
    out = capsys.readouterr().out
    assert "It takes the key given with --key alone" in out
    assert "ANYINT_API_KEY=YOUR_KEY  # the one given with --key\n" in out
    assert "secret" not in out


@pytest.mark.parametrize(("host", "own"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("127.0.0.1", "127.0.0.1")])
def test_what_is_pasted_is_an_address_that_a_key_may_go_to(
    made: list[Any], capsys: pytest.CaptureFixture[str], host: str, own: str
) -> None:
    """Every address is none: a program on this machine is given the one that plain http may be spoken to."""
    if host == "::" and not socket.has_ipv6:
        pytest.skip("there is no IPv6 here")
    assert main(["emulator", "--host", host, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["url"] == f"http://{own}:{told['port']}"
    assert host_problem(told["url"]) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--fault", "{status: 503}"], "--fault takes JSON in quotes"),
        (["--fault", '{"delay": 5}'], "delay_headers"),
        (["--fault", '{"status": 5}'], "100-999"),
        (["--fault", "[1]"], "a JSON object is needed"),
        (["--fault", '{"match": 5, "faults": []}'], "match must be text"),
        (["--key", ""], "an empty key"),
        (["--host", ""], "every address of this machine"),
        (["--host", "no host at all"], "cannot listen on"),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, list) else None,
)
def test_what_cannot_be_ordered_is_one_line(capsys: pytest.CaptureFixture[str], options: list[str], said: str) -> None:
    """A wrong fault is told before anything listens, with the names there are."""
    assert main(["emulator", *options]) == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert said in captured.err


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A port somebody else listens on is told in one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["emulator", "--port", str(taken.getsockname()[1])]) == 2
    err = capsys.readouterr().err
    assert "cannot listen" in err
    assert err.count("\n") == 1


def test_list_faults_names_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever looks for the name of a delay finds it, with what it takes and what it does; and a task's outcomes."""
    assert main(["emulator", "--list-faults", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = {it.name for it in fields(Fault)} | {"retry_after", "body_base64"}
    assert set(told["faults"]) == names
    assert all(it["does"] and it["takes"] for it in told["faults"].values())
    assert told["faults"]["delay_headers"]["takes"] == "seconds"
    assert told["faults"]["reset"]["takes"].split() == ["before_headers", "after_headers", "mid_body"]
    assert set(told["tasks"]["outcomes"]) == set(TURNS)
    assert main(["emulator", "--list-faults"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n{name} " in out for name in names)
    assert all(name in out for name in TURNS)


def test_help_names_fields_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """The fields that --help shows as the most used are fields."""
    assert main(["emulator", "--help"]) == 0
    _, _, text = capsys.readouterr().out.partition("The fields used most: ")
    named = set(text.partition(". ")[0].replace(",", "").replace("(seconds)", "").split()) - {"and"}
    assert len(named) > 5
    assert named <= {it.name for it in fields(Fault)} | {"retry_after"}


def test_without_h11_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its package the command says what to install, in one line."""
    monkeypatch.setitem(sys.modules, "h11", None)
    assert main(["emulator"]) == 2
    err = capsys.readouterr().err
    assert "needs h11: install 'anyint-resilience[emulator]'" in err
    assert err.count("\n") == 1
