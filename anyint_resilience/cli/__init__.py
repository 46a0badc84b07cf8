"""``anyint-resilience``: explain a decision, print the contract, wait for a task, run the emulator, watch it work.

Must not know what a command does: each has a module, loaded when it is called.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import emulator, explain, routes, wait
from .demo import command as demo
from .terminal import Problem

__all__ = ["main"]

_COMMANDS = (explain, routes, wait, emulator, demo)
_INTERRUPTED = 130  # what a shell expects after Ctrl-C


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="anyint-resilience",
        description="Make calls to the AnyInt gateway survive. Each command has its own --help.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True, parser_class=_Parser
    )
    for module in _COMMANDS:
        module.register(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 2 for what the user can mend, else what the command's help says."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")  # a terminal without arrows shows question marks, not a traceback
    parser = _parser()
    command = ""
    try:
        options = parser.parse_args(argv)
        command = f" {options.command}"
        code: int = options.run(options)
        sys.stdout.flush()
    except SystemExit as end:  # argparse: --help, or an error it has already told
        return end.code if isinstance(end.code, int) else 2
    except Problem as problem:
        print(f"{parser.prog}{command}: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # "| head" has seen enough; keep the interpreter from flushing into it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
