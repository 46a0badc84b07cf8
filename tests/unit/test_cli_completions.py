"""``anyint-resilience completions``: asked of real shells, with half-typed commands."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("shtab")

from anyint_resilience.cli import main

HALF = [
    ("anyint-resilience expl", {"explain"}),
    ("anyint-resilience explain --hea", {"--header"}),
    ("anyint-resilience explain --policy s", {"strict"}),
    ("anyint-resilience config sh", {"show"}),
    ("anyint-resilience config show --s", {"--set"}),
    ("anyint-resilience routes --family an", {"anthropic"}),
    ("anyint-resilience explain --from answer.t", {"answer.txt"}),
    ("anyint-resilience wait answer.t", {"answer.txt"}),
    ("anyint-resilience --col", {"--color"}),
    ("anyint-resilience doctor --only ins", {"instrumentation"}),
    ("anyint-resilience doctor --skip ways", {"ways-out"}),
    ("anyint-resilience doctor --config answer.t", {"answer.txt"}),
    ("anyint-resilience hel", {"help"}),
    ("anyint-resilience help expl", {"explain"}),
]


def shell(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here")
    return found


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with a file to complete, and the script of each shell."""
    (tmp_path / "answer.txt").write_text("")
    for name in ("bash", "zsh", "fish", "tcsh"):
        assert main(["completions", name]) == 0
        captured = capsys.readouterr()
        assert captured.err == ""
        (tmp_path / f"script.{name}").write_text(captured.out)
    return tmp_path


def ask(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bash(folder: Path) -> None:
    """bash offers what a half-typed word can become."""
    script = """
    source script.bash
    words=$(complete -p anyint-resilience); [[ $words =~ -F\\ ([^ ]+) ]]; function=${BASH_REMATCH[1]}
    while IFS= read -r COMP_LINE; do
        read -ra COMP_WORDS <<< "$COMP_LINE"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_POINT=${#COMP_LINE}
        COMPREPLY=(); $function anyint-resilience "${COMP_WORDS[COMP_CWORD]}"; echo "${COMPREPLY[*]}"
    done <<< "$1"
    """
    lines = "\n".join(half for half, _ in HALF)
    out = ask(folder, shell("bash"), "--norc", "-c", script, "bash", lines)
    assert [set(line.split()) for line in out.splitlines()] == [wanted for _, wanted in HALF]


def test_fish(folder: Path) -> None:
    """fish offers the same, and says of a command what it is for."""
    asked = "; ".join(f"complete -C '{half}'; echo ---" for half, _ in HALF)
    out = ask(folder, shell("fish"), "--no-config", "-c", f"source script.fish; {asked}")
    answers = [part.strip().splitlines() for part in out.split("---\n")[: len(HALF)]]
    assert [{line.split("\t")[0] for line in answer} for answer in answers] == [wanted for _, wanted in HALF]
    assert answers[0] == ["explain\twhat is done about an answer or an exception, and why"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
@pytest.mark.parametrize(
    ("half", "wanted"), [HALF[0], HALF[2], HALF[6]], ids=lambda it: it if isinstance(it, str) else ""
)
def test_zsh(folder: Path, half: str, wanted: set[str]) -> None:
    """zsh completes on Tab, in a terminal of its own, with the script where the help says."""
    import pty

    (folder / "zfunc").mkdir()
    (folder / "script.zsh").rename(folder / "zfunc" / "_anyint-resilience")

    zsh, (whole,) = shell("zsh"), wanted
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(zsh, [zsh, "-f", "-i"], {"PATH": os.environ["PATH"], "TERM": "dumb", "PS1": "", "HOME": str(folder)})
    try:
        os.write(terminal, b"fpath=($PWD/zfunc $fpath); autoload -U compinit; compinit -u -D; echo rea''dy\n")
        until(terminal, "\nready")
        os.write(terminal, f"{half}\t".encode())
        until(terminal, whole)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(terminal)


def until(terminal: int, wanted: str) -> None:
    """Read what a terminal shows until it shows this."""
    seen, end = "", time.monotonic() + 20
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{wanted!r} never came: {seen!r}"
        seen += os.read(terminal, 4096).decode(errors="replace").replace("\r", "")


def test_tcsh_takes_the_script(folder: Path) -> None:
    """tcsh reads its script and knows a completion for the command."""
    out = ask(folder, shell("tcsh"), "-f", "-c", "source script.tcsh; complete anyint-resilience")
    assert "explain" in out


def test_without_shtab_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the package: one line."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completions", "bash"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "needs shtab: install 'anyint-resilience[cli]'" in captured.err


def test_an_old_shtab_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that the installed shtab does not know is told, with what to do."""
    import shtab

    monkeypatch.setattr(shtab, "SUPPORTED_SHELLS", ["bash"])
    assert main(["completions", "fish"]) == 2
    assert "pip install --upgrade shtab" in capsys.readouterr().err


def test_json_has_a_reason_to_be_missing(capsys: pytest.CaptureFixture[str]) -> None:
    """There is no --json, and the help says why."""
    assert main(["completions", "bash", "--json"]) == 2
    capsys.readouterr()
    assert main(["completions", "--help"]) == 0
    assert "no --json" in capsys.readouterr().out
