"""The command line as one tool: every command has a page, and its output goes where it should."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.cli import explain, main, parser
from anyint_resilience.cli.parsing import Parser

COMMANDS = ["demo", "emulator", "doctor", "explain", "routes", "wait", "config", "completions"]
PAGES = [*([it] for it in COMMANDS), ["config", "check"], ["config", "show"]]
WITH_EXAMPLES = [it for it in PAGES if it != ["config"]]
CHAT = "https://gateway.api.anyint.ai/openai/v1/chat/completions"
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
TOOL = [sys.executable, "-m", "anyint_resilience.cli"]


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run; return the exit code, stdout and stderr."""
    code = main(list(words))
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    return code, captured.out, captured.err


# --- pages of help


def test_the_first_page_names_the_commands_in_a_newcomers_order(capsys: pytest.CaptureFixture[str]) -> None:
    """--help: what the tool is, each command with a line, three examples, exit codes, and where the documents are."""
    code, out, err = told(capsys, "--help")
    assert (code, err) == (0, "")
    lines = out[out.index("commands:") :].splitlines()[1:]
    assert [line.split()[0] for line in lines if line[:2] == "  " and line[2:3].isalpha()][: len(COMMANDS)] == COMMANDS
    assert out[out.index("examples:") : out.index("exit codes:")].count("  anyint-resilience ") == 3
    assert "docs/cli.md" in out


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_every_command_has_a_page_that_fits_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, page: list[str]
) -> None:
    """--help exits with 0, fits into 80 columns but for commands to copy, and knows the options all commands share."""
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = told(capsys, *page, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"usage: anyint-resilience {' '.join(page)}")
    assert [line for line in out.splitlines() if len(line) > 80 and "anyint-resilience " not in line] == []
    assert all(option in out for option in ("--help", "--color", "--traceback"))
    _, _, after = out.partition("\ncommon options:\n")
    assert re.search(r"(?m)^  -\S+( \S+)?  +\S", after.partition("\n\n")[2]) is None  # they stand below all others


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=" ".join)
def test_every_page_has_examples_and_exit_codes(capsys: pytest.CaptureFixture[str], page: list[str]) -> None:
    """At least two examples, each of which the parser takes, and what the exit codes mean."""
    _, out, _ = told(capsys, *page, "--help")
    examples = list(commands_in(out[out.index("example") :]))
    assert len(examples) >= 2
    for words in examples:
        assert parser().read(words).command == words[0]
    assert "exit code" in out[out.index("example") :]


def commands_in(text: str) -> Any:
    """The words of each command line of ours, up to a pipe, after what is set before it."""
    for line in text.replace("\\\n", " ").splitlines():
        _, ours, rest = line.partition("anyint-resilience ")
        if ours and line.startswith("  ") and not line.lstrip().startswith("#"):
            words = shlex.shlex(rest.rstrip(')"'), posix=True, punctuation_chars=True)
            words.whitespace_split = True
            found = list(words)
            yield found[: next((at for at, it in enumerate(found) if it in ("|", ">", "<", ";")), len(found))]


def test_without_a_command_there_is_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """No words at all: the page, on stderr, and exit 2: a script that forgot its command does not go on."""
    code, out, err = told(capsys)
    assert (code, out) == (2, "")
    assert err.startswith("usage: anyint-resilience")
    assert all(f"  {command} " in err for command in COMMANDS)


@pytest.mark.parametrize(
    ("words", "page"),
    [
        (["help"], "COMMAND"),
        (["help", "wait"], "wait"),
        (["--color", "never", "help", "wait"], "wait"),
        (["--color=never", "--traceback", "help", "config", "check"], "config check"),
    ],
)
def test_help_is_a_word_too(capsys: pytest.CaptureFixture[str], words: list[str], page: str) -> None:
    """``anyint-resilience help wait`` is ``anyint-resilience wait --help``."""
    code, out, _ = told(capsys, *words)
    assert code == 0
    assert out.startswith(f"usage: anyint-resilience {page}")


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(capsys: pytest.CaptureFixture[str], option: str) -> None:
    """One line with the name and the version."""
    code, out, err = told(capsys, option)
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert out.startswith("anyint-resilience ")
    assert out.split()[1][0].isdigit() or "not installed" in out


# --- where the output goes


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe that nobody reads is another error there")
@pytest.mark.parametrize("words", [["routes"], ["--help"]], ids=" ".join)
def test_a_pipe_that_nobody_reads_is_no_error(words: list[str]) -> None:
    """``| head`` may leave early: nothing is said, and the exit code is the one that shells know."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*TOOL, *words], stdout=writing, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_disk_is_one_line() -> None:
    """Output that cannot be written is told in one line."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*TOOL, "routes"], stdout=full, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith("anyint-resilience")
    assert (done.stderr.count("\n"), "cannot write" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "words", [["--help"], ["explain", "/openai/v1/videos", "429", "--seedance"]], ids=lambda it: it[0]
)
def test_a_quick_command_loads_no_more_than_it_needs(words: list[str]) -> None:
    """Help and explain load no client, no emulator and nothing of the extras: they are there at once."""
    code = f"import sys\nfrom anyint_resilience.cli import main\nmain({words!r})\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "anyint_resilience.cli" in loaded
    unwanted = {
        "rich",
        "h11",
        "shtab",
        "httpx",
        "httpx2",
        "requests",
        "urllib3",
        "aiohttp",
        "redis",
        "opentelemetry",
        "openai",
    }
    assert not loaded & unwanted
    assert not [it for it in loaded if it.startswith(("anyint_resilience.emulator", "anyint_resilience_"))]


def test_an_answer_goes_out_in_an_old_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stdout has no arrows and ticks it gets ASCII like them, not a traceback."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    monkeypatch.setattr(explain, "_ACTIONS", dict.fromkeys(explain._ACTIONS, "wait → then … ✔ 漢"))
    assert main(["explain", CHAT, "503"]) == 0
    sys.stdout.flush()
    assert b"wait -> then ... + ?" in raw.getvalue()


def test_the_parser_takes_what_other_commands_register() -> None:
    """A command that calls ``add_parser`` itself gets the shared options and a usage line without them."""
    made = Parser(prog="tool")
    inner = made.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser).add_parser("one")
    inner.add_argument("--must", required=True)
    inner.add_argument("--may")
    inner.add_argument("file")
    assert inner.plain_help().startswith("usage: tool one --must MUST file [options]\n")
