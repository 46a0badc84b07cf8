"""``anyint-resilience``: watch it work, check a setup, explain a decision, follow a task.

Must not know what a command does: each has a module with ``register(commands)``, and loads what it needs when it runs.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

from . import completions, config, emulator, explain, routes, wait
from .chosen import done, out, use
from .demo import command as demo
from .doctor import command as doctor
from .ending import ends_with
from .parsing import Parser, Usage
from .terminal import COLOURS, Problem, clean, say, steady, tell, tell_problem

__all__ = ["main", "parser"]

_COMMANDS: Final = (demo, emulator, doctor, explain, routes, wait, config, completions)
"""In the order in which a newcomer needs them."""

_WRONG, _BUG, _INTERRUPTED, _NOBODY_READS = 2, 70, 130, 141  # the last three as sysexits.h and shells have them
_NAME: Final = "anyint-resilience"
_ABOUT: Final = """\
Retries, rate limits and lost answers of the AnyInt gateway, handled under the HTTP client you already use. This is its
command line: watch it work, check your setup, ask why a call was or was not sent again, follow a paid task."""
_MORE: Final = """\
examples:
  # three clients against a faulty gateway, every decision explained
  anyint-resilience demo

  # a gateway to develop against, without a key and without cost
  anyint-resilience emulator --port 8080

  # what happens after this answer, and why
  anyint-resilience explain POST /openai/v1/videos 429 --header 'Retry-After: 2'

exit codes:
  0    it is done
  1    the answer is no: a task or a check failed, a configuration is wrong
  2    what you gave is wrong, or a package is missing: one line on stderr
  3    not yet: the task goes on, wait again
  70   a mistake of this tool: --traceback shows where
  130  Ctrl-C
  141  what reads the output has gone (| head)

Every command has its own --help, and --json where it prints anything. With --json stdout is one JSON document whatever
happens; one with a key "error" stands for a result that there is not.

Documentation: docs/start.md and docs/cli.md of the project"""


class _Version(argparse.Action):
    """Prints the version, and looks for it only then."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            say(f"{_NAME} {version(_NAME)}")
        except PackageNotFoundError:  # run from the tree
            say(f"{_NAME} (not installed)")
        parser.exit()


def parser() -> Parser:
    """Return the parser of all commands."""
    made = Parser(prog=_NAME, usage=f"{_NAME} COMMAND [options]", description=_ABOUT, epilog=_MORE)
    made.common.add_argument("-V", "--version", action=_Version, nargs=0, help="show the version")
    commands = made.add_subparsers(prog=_NAME, title="commands", dest="command", metavar="COMMAND", parser_class=Parser)
    for module in _COMMANDS:
        module.register(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 2 for what the user can mend, else what the command's help says."""
    code = _ended(argv)
    ends_with(code)
    return code


def _ended(argv: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    at = _first_word(words)
    if words[at : at + 1] == ["help"]:
        words = [*words[:at], *words[at + 1 :], "--help"]
    steady()
    use(color=_color(words), json="--json" in words, program=argv is None)
    try:
        code = _run(words)
        stream = out()
        if stream is not None:
            stream.flush()
    except BrokenPipeError:
        _drop()
        return _NOBODY_READS
    except OSError:  # a full disk, which say() has told
        _drop()
        return _WRONG
    finally:
        done()
    return code


def _run(words: list[str]) -> int:
    """Run what the words say; every end but that of stdout is an exit code."""
    who = _NAME
    try:
        made = parser()
        if not words:
            tell(made.plain_help().rstrip("\n"))
            return _WRONG
        options = made.read(words)
        options.parser, who = made, f"{_NAME} {options.command}"
        code: int = options.run(options)
    except SystemExit as end:  # argparse, after --help
        return end.code if isinstance(end.code, int) else 0
    except Usage as usage:
        tell_problem(usage.who, str(usage), _WRONG)
        return _WRONG
    except Problem as problem:
        tell_problem(who, str(problem), _WRONG)
        return _WRONG
    except KeyboardInterrupt:
        tell_problem(who, "interrupted", _INTERRUPTED)
        return _INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception as error:
        return _bug(who, error, where="--traceback" in words)
    return code


def _bug(who: str, error: Exception, *, where: bool) -> int:
    if where:
        import traceback

        tell(*"".join(traceback.format_exception(error)).rstrip("\n").split("\n"))
    said = clean(error)
    hint = "" if where else " (a mistake of this tool: --traceback shows where)"
    tell_problem(who, f"{type(error).__name__}{': ' if said else ''}{said}{hint}", _BUG)
    return _BUG


def _color(words: Sequence[str]) -> str:
    """Return what ``--color`` says, wherever it stands: help and errors heed it too."""
    given = [word.partition("=")[2] for word in words if word.startswith("--color=")]
    given += [after for word, after in pairwise(words) if word == "--color"]
    return next((it for it in given if it in COLOURS), "auto")


def _first_word(words: Sequence[str]) -> int:
    """Return where the first word stands that is neither an option nor its value."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] == "--color" else 1
    return at


def _drop() -> None:
    """Let nothing more be written to stdout, not even by the interpreter as it ends."""
    stream = out()
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
