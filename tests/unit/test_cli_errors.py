"""What goes wrong on the command line: one line, the word that was meant, exit codes, a document under --json."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, NoReturn

import pytest

from anyint_resilience.cli import main, routes

COMMANDS = ["demo", "emulator", "doctor", "explain", "routes", "wait", "config", "completions"]
CHAT = "https://gateway.api.anyint.ai/openai/v1/chat/completions"

WRONG = [
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
    ["explain", "--url", CHAT, "--status", "500", "--policy", "nope"],
    ["explain", CHAT, "500", "503"],
    ["explain", CHAT, "brew"],
    ["explain", CHAT, "--from", "there is no such file"],
    ["explain", CHAT, "--from", "x", "--exception", "read_error"],
    ["explain", CHAT, "500", "--json=1"],
    ["explain", CHAT, "500", "--body", "--json"],
    ["routes", "--family", "nope"],
    ["routes", "extra"],
    ["emulator", "--port", "65536"],
    ["emulator", "--chaos", "2"],
    ["emulator", "--chaos", "nan"],
    ["emulator", "--seed", "x"],
    ["demo", "--nope"],
    ["wait"],
    ["wait", "there is no such file"],
    ["wait", "a\nfile\x1b[2J"],
    ["wait", "{}", "--deadline", "nan"],
    ["config"],
    ["config", "nope"],
    ["doctor", "--nope"],
    ["completions"],
    ["completions", "csh"],
    ["--color", "red", "routes"],
    ["--color"],
    ["--color", "never"],
    ["--traceback"],
    ["--json", "routes"],
]


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run; return the exit code, stdout and stderr."""
    code = main(list(words))
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    return code, captured.out, captured.err


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_wrong_options_get_one_line_and_exit_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """What the user got wrong is told in one line on stderr, which names the command; nothing goes to stdout."""
    code = main(words)
    captured = capsys.readouterr()
    assert code == 2
    if "--json" not in words:
        assert captured.out == ""
    who = "anyint-resilience" + (f" {words[0]}" if words[0] in COMMANDS else "")
    assert captured.err.startswith(who)
    assert ": " in captured.err
    assert (captured.err.count("\n"), captured.err.isascii()) == (1, True)
    assert "\x1b" not in captured.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["explian"], "explain"),
        (["Wait"], "wait"),
        (["EXPLAIN"], "explain"),
        (["explain", "--exc", "read_error"], "--exception"),
        (["emul"], "emulator"),
        (["demo", "--jsno"], "--json"),
        (["explain", "--hedaer", "a: b"], "--header"),
        (["explain", "--stat", "500"], "--status"),
        (["explain", "--url", CHAT, "--exception", "raed_error"], "read_error"),
        (["explain", CHAT, "raed_error"], "read_error"),
        (["explain", CHAT, "500", "--policy", "intractive"], "interactive"),
        (["routes", "--family", "OpenAI"], "openai"),
        (["config", "shwo"], "show"),
        (["config", "show", "--ste"], "--set"),
        (["completions", "bsh"], "bash"),
        (["doctor", "--only", "texts"], "text"),
        (["doctor", "--skip", "base_url"], "base-url"),
        (["--colour", "never", "routes"], "--color"),
        (["help", "wiat"], "wait"),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, list) else it,
)
def test_a_mistyped_word_names_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str], words: list[str], meant: str
) -> None:
    """The nearest command, option or choice stands at the end of the line."""
    code, _, err = told(capsys, *words)
    assert code == 2
    assert err.endswith(f"; did you mean {meant}?\n")


def test_a_choice_that_is_missing_is_named_with_all_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever forgets the shell reads which ones there are."""
    _, _, err = told(capsys, "completions")
    assert "SHELL is needed, one of bash, zsh, fish, tcsh, powershell; see" in err


@pytest.mark.parametrize("words", [["nope"], ["routes", "--family", "brew"], ["demo", "--brew"]], ids=" ".join)
def test_what_is_like_nothing_gets_no_guess(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """A word that is like none is told what there is."""
    _, _, err = told(capsys, *words)
    assert "did you mean" not in err
    assert "explain" in err or "openai" in err or "--help" in err


def test_an_option_before_its_command_is_told_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    """``--json routes`` says where --json stands."""
    assert main(["--json", "routes"]) == 2
    assert "anyint-resilience routes --json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [it for it in WRONG if it and it[0] in COMMANDS and it[-1] not in ("--json", "--json=1")], ids=" ".join
)
def test_under_json_an_error_is_a_document_too(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """With --json stdout is one document whatever happens: the error's line and the exit code; stderr is as ever."""
    code = main([*words, "--json"])
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert code == 2
    assert set(document) == {"error", "exit_code"}
    assert document["exit_code"] == 2
    assert captured.err.endswith(f": {document['error']}\n")
    assert captured.err.count("\n") == 1


KEY = "anyint-key-of-this-test"


def broken(options: Any) -> NoReturn:
    raise LookupError(f"nobody thought of\nthis, nor of {KEY}")


@pytest.mark.parametrize("as_json", [False, True])
def test_a_mistake_of_ours_is_one_line_and_exit_70(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """An exception nobody thought of is named in one line, without the key, with the way to its traceback."""
    monkeypatch.setenv("ANYINT_API_KEY", KEY)
    monkeypatch.setattr(routes, "_run", broken)
    code, out, err = told(capsys, "routes", *(["--json"] if as_json else []))
    assert code == 70
    assert err == (
        "anyint-resilience routes: LookupError: nobody thought of this, nor of [hidden] "
        "(a mistake of this tool: --traceback shows where)\n"
    )
    assert (json.loads(out)["exit_code"] == 70) if as_json else (out == "")
    assert KEY not in out


@pytest.mark.parametrize("words", [["routes", "--traceback"], ["--traceback", "routes"]], ids=" ".join)
def test_traceback_shows_where(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """--traceback, before or after the command, shows the traceback, without the key, and the line at its end."""
    monkeypatch.setenv("ANYINT_API_KEY", KEY)
    monkeypatch.setattr(routes, "_run", broken)
    code, _, err = told(capsys, *words)
    assert code == 70
    assert err.startswith("Traceback")
    assert "in broken" in err
    assert err.splitlines()[-1].startswith("anyint-resilience routes: LookupError")
    assert KEY not in err


@pytest.mark.parametrize("as_json", [False, True])
def test_ctrl_c_is_exit_130_and_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """Whoever interrupts sees one line; a program under --json still gets its document."""

    def interrupted(options: Any) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(routes, "_run", interrupted)
    code, out, err = told(capsys, "routes", *(["--json"] if as_json else []))
    assert (code, err) == (130, "anyint-resilience routes: interrupted\n")
    assert (json.loads(out) == {"error": "interrupted", "exit_code": 130}) if as_json else (out == "")


LONG = "sk-test-0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCD"


@pytest.mark.parametrize("known", [True, False], ids=["the environment's", "another"])
@pytest.mark.parametrize(
    "words",
    [
        ["explain", CHAT, "429", f"Authorization: Bearer {LONG}"],
        ["explain", CHAT, LONG],
        ["doctor", LONG],
        ["routes", "--family", LONG],
        [LONG],
    ],
)
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_key_in_the_wrong_place_is_not_shown_in_part(
    words: list[str], known: bool, more: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is too long to show is hidden before it is cut."""
    if known:
        monkeypatch.setenv("ANYINT_API_KEY", LONG)
    else:
        monkeypatch.delenv("ANYINT_API_KEY", raising=False)
    assert main([*words, *more]) == 2
    shown = "".join(capsys.readouterr())
    assert "[hidden]" in shown
    assert "0123" not in shown


@pytest.mark.parametrize("words", [["explain", "/v1/videos", "429", "--json"], ["explain", "--json"]])
def test_with_stderr_closed_stdout_is_one_document(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Notes and errors do not go there instead."""
    monkeypatch.setattr("sys.stderr", None)
    main(words)
    assert isinstance(json.loads(capsys.readouterr().out), dict)


@pytest.mark.parametrize("words", [["routes", "--json"], ["explain", "--json"], ["routes"]])
def test_a_full_disk_is_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under --json too, where the error's own document can't be written either."""
    full = Path("/dev/full")
    if not full.is_char_device():
        pytest.skip("this system has no /dev/full")
    with full.open("w") as stdout, contextlib.suppress(OSError):
        monkeypatch.setattr("sys.stdout", stdout)
        assert main(words) == 2
        monkeypatch.undo()
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "Traceback" not in said[0]


@pytest.mark.parametrize("words", [["explain", CHAT, "--from", "-"], ["wait", "-"]])
def test_a_closed_stdin_is_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so."""
    monkeypatch.setattr("sys.stdin", None)
    assert main(words) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "stdin is closed" in said


def test_a_folder_that_is_gone_has_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The environment counts alone."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.delenv("ANYINT_RESILIENCE_CONFIG", raising=False)
    assert main(["config", "check"]) == 0
    assert "there is no file" in capsys.readouterr().out
