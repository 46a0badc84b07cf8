"""What every command prints with: colours, widths, tables, JSON, and what an old terminal cannot show."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from anyint_resilience.cli import chosen, main, terminal
from anyint_resilience.cli.terminal import Cell, Problem, clean, coloured, fold, lively, mark, print_json, say, styled
from anyint_resilience.cli.terminal import table as table_of

EXPLAIN = ["explain", "/openai/v1/videos", "429"]
SHOWN = [["--help"], EXPLAIN, ["routes"], ["routes", "--help"]]
ESCAPE = "\x1b"


class Screen(io.StringIO):
    """A terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's environment counts, and nothing is left of what a test chose."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    chosen.use()


def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """Let stdout be a terminal. Not a fixture: pytest puts its own stdout back before a test's call."""
    made = Screen()
    monkeypatch.setattr(sys, "stdout", made)
    return made


# --- colours


@pytest.mark.parametrize(
    ("color", "environment", "on_a_terminal", "in_a_pipe"),
    [
        ("auto", {}, True, False),
        ("auto", {"TERM": "dumb"}, False, False),
        ("auto", {"NO_COLOR": "1"}, False, False),
        ("auto", {"NO_COLOR": ""}, True, False),
        ("auto", {"FORCE_COLOR": "1"}, True, True),
        ("auto", {"FORCE_COLOR": ""}, True, False),
        ("auto", {"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ("auto", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False, False),
        ("always", {"NO_COLOR": "1"}, True, True),
        ("always", {"TERM": "dumb"}, True, True),
        ("never", {"FORCE_COLOR": "1"}, False, False),
    ],
)
def test_who_gets_colours(
    monkeypatch: pytest.MonkeyPatch, color: str, environment: dict[str, str], on_a_terminal: bool, in_a_pipe: bool
) -> None:
    """--color decides; then NO_COLOR, FORCE_COLOR, and whether it is a terminal that can."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    chosen.use(color=color)
    assert (coloured(Screen()), coloured(io.StringIO())) == (on_a_terminal, in_a_pipe)
    assert (lively(Screen()), lively(io.StringIO())) == (on_a_terminal, False)
    assert (ESCAPE in styled("x", "bold red", stream=Screen())) == on_a_terminal


@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_a_terminal_gets_styles_and_a_pipe_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """The same words in the same order, with escape codes on a terminal and without in a pipe."""
    assert main(words) == 0
    piped = capsys.readouterr().out
    assert ESCAPE not in piped
    assert not set("─│┌┐└┘━") & set(piped)
    shown = screen(monkeypatch)
    assert main(words) == 0
    assert ESCAPE in shown.getvalue()


@pytest.mark.parametrize("never", [["--color", "never"], ["--color=never"]], ids=" ".join)
@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_color_never_is_heeded_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, words: list[str], never: list[str]
) -> None:
    """Before the command, and behind it, also behind --help."""
    shown = screen(monkeypatch)
    assert main([*never, *words]) == 0
    assert main([*words, *never]) == 0
    assert shown.getvalue()
    assert ESCAPE not in shown.getvalue()


def test_color_always_colours_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    """``--color always | less -R`` works."""
    assert main([*EXPLAIN, "--color", "always"]) == 0
    assert ESCAPE in capsys.readouterr().out


@pytest.mark.parametrize("words", [[*EXPLAIN, "--json"], ["routes", "--json"]], ids=" ".join)
def test_json_has_no_colours(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Not even where they are asked for."""
    assert main([*words, "--color", "always"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)
    assert ESCAPE not in out


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
@pytest.mark.parametrize("no_color", [False, True])
def test_a_real_terminal(no_color: bool) -> None:
    """On a real pty, 60 columns wide: colours unless NO_COLOR, and no line is wider."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry), "TERM": "xterm"}
    environment.update({"NO_COLOR": "1"} if no_color else {})
    command = [sys.executable, "-m", "anyint_resilience.cli", *EXPLAIN]
    try:
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
            os.close(theirs)
            assert process.wait(20) == 0
        text = os.read(ours, 65536).decode()
    finally:
        os.close(ours)
    assert (ESCAPE in text) == (not no_color)
    if no_color:
        assert 50 < max(map(len, text.splitlines())) <= 60


# --- widths


@pytest.mark.parametrize(
    ("columns", "piped", "shown"),
    [("", 100, 80), ("72", 72, 72), ("10", 40, 40), ("500", 120, 120), ("x", 100, 80), ("0", 100, 80)],
)
def test_how_wide_it_is(monkeypatch: pytest.MonkeyPatch, columns: str, piped: int, shown: int) -> None:
    """COLUMNS, else the terminal's, else 100, and never too narrow or too wide to read."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda fallback: os.terminal_size((80, 24)))
    assert terminal.width(io.StringIO()) == piped
    assert terminal.width(Screen()) == shown


def test_a_paragraph_hangs_under_its_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """fold wraps to the width, and no long word is broken."""
    monkeypatch.setenv("COLUMNS", "40")
    lines = fold("word " * 12 + "x" * 60, indent=6, first="label ").split("\n")
    assert lines[0].startswith("label word")
    assert all(line.startswith("      ") for line in lines[1:])
    assert max(map(len, lines[:-1])) <= 40
    assert "x" * 60 in lines[-1]


# --- tables

ROWS: list[list[str | Cell]] = [["a", "one two three four five six seven eight", "9"], ["bbb", "short\n  under", "10"]]


def test_a_table_in_a_pipe_is_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """However long: whoever greps sees a row whole, with all its lines."""
    assert table_of(["h", "text", "n"], ROWS, right=[2]).split("\n") == [
        "h    text                                      n",
        "a    one two three four five six seven eight   9",
        "bbb  short   under                            10",
    ]


def test_a_table_on_a_terminal_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The widest column gives way; an indented line stays indented; styles do not count as width."""
    screen(monkeypatch)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    wide = "x" * 30
    text = table_of(["h", "text"], [[Cell("a", "bold"), f"{wide} {wide}\n  {wide} {wide}"]], indent=2)
    assert text.split("\n") == [
        "  h  text",
        f"  a  {wide}",
        f"     {wide}",
        f"       {wide}",
        f"       {wide}",
    ]
    monkeypatch.delenv("NO_COLOR")
    assert table_of(["h"], [[Cell("a\nb", "bold", "dim")]]) == "\x1b[2mh\x1b[0m\n\x1b[1ma\x1b[0m\n\x1b[2mb\x1b[0m"


@pytest.mark.parametrize("columns", [40, 60, 100])
@pytest.mark.parametrize("rows", [[], [[""] * 5], [["word " * 40] * 5], [["x" * 300, "", "y", "", "z" * 50]]], ids=len)
def test_no_table_is_wider_than_it_may_be(monkeypatch: pytest.MonkeyPatch, rows: list[list[str]], columns: int) -> None:
    """Whatever stands in it, as long as each column can have eight."""
    screen(monkeypatch)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    lines = table_of(["a", "b", "c", "d", "e"], rows).split("\n")
    assert max(map(len, lines)) <= max(columns, 48)


def test_a_table_may_have_no_head() -> None:
    """Without names there is no line for them."""
    assert table_of(["", ""], [["a", "b"]]) == "a  b"
    assert table_of([], []) == ""


# --- what is printed


@pytest.mark.parametrize(("encoding", "signs"), [("utf-8", "✔✘·"), ("ascii", "+x-"), ("latin-1", "+x·")])
def test_marks_are_what_the_encoding_has(monkeypatch: pytest.MonkeyPatch, encoding: str, signs: str) -> None:
    """A tick where there is one, else a plus."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert [mark(True), mark(False), mark(None)] == list(signs)


@pytest.mark.parametrize(
    ("foreign", "shown"), [("a\nb\r\n c", "a b c"), ("\x1b[2Jx\x07", "?[2Jx?"), ("größe", "größe"), (5, "5")]
)
def test_foreign_text_is_one_line_that_steers_nothing(foreign: object, shown: str) -> None:
    """No line end, no control character."""
    assert clean(foreign) == shown


def test_json_is_strict_and_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers that JSON has not are null; one_line is for logs."""
    document: dict[str, Any] = {"a": float("nan"), "b": [float("inf"), (1.5, "漢")], "c": {"d": None}}
    print_json(document)
    print_json(document, one_line=True)
    out = capsys.readouterr().out
    assert out.isascii()
    whole, _, line = out.rstrip("\n").rpartition("\n")
    assert json.loads(whole) == json.loads(line) == {"a": None, "b": [None, [1.5, "漢"]], "c": {"d": None}}


def test_what_cannot_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is something the user can mend."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(Problem, match="cannot write: No space left on device"):
        say("x")


def test_without_a_stdout_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python that was started without one (a window, a service) has None there."""
    monkeypatch.setattr(sys, "stdout", None)
    assert main(EXPLAIN) == 0


@pytest.mark.parametrize("columns", ["80", "120"])
def test_rich_has_the_same_width_and_colours(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """console() is rich's, as wide and as coloured as all else."""
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", columns)
    for stream, codes in ((Screen(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stdout", stream)
        console = terminal.console()
        console.print("[bold red]word[/]")
        assert console.width == int(columns)
        assert (ESCAPE in stream.getvalue()) == codes
