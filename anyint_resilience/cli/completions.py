"""``completions``: the script with which a shell completes commands, options, choices and files.

Must not know any command: ``shtab`` reads them off the parser.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from .parsing import Parser, page
from .terminal import Problem, need, say

__all__ = ["register"]

_SHELLS: Final = ("bash", "zsh", "fish", "tcsh", "powershell")
_ABOUT: Final = """\
Print the script with which a shell completes this tool's commands, options, their choices and files. Put it where your
shell looks, and open a new shell. Print it again after an update."""
_EXAMPLES: Final = (
    (
        "bash: where bash-completion looks",
        "anyint-resilience completions bash > ~/.local/share/bash-completion/completions/anyint-resilience",
    ),
    ("bash without it: in ~/.bashrc", 'eval "$(anyint-resilience completions bash)"'),
    (
        "zsh: a folder that ~/.zshrc has put into fpath before compinit",
        "mkdir -p ~/.zfunc\n  anyint-resilience completions zsh > ~/.zfunc/_anyint-resilience",
    ),
    ("fish", "anyint-resilience completions fish > ~/.config/fish/completions/anyint-resilience.fish"),
    ("tcsh: then `source` it in ~/.tcshrc", "anyint-resilience completions tcsh > ~/.anyint-resilience.tcsh"),
    ("PowerShell: in $PROFILE", "anyint-resilience completions powershell | Out-String | Invoke-Expression"),
)
_MORE: Final = "There is no --json: what it prints is a program for a shell."


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = page(
        commands,
        "completions",
        summary="the script with which your shell completes all of this",
        about=_ABOUT,
        usage=f"{{{','.join(_SHELLS)}}}",
        examples=_EXAMPLES,
        exits=((0, "it is printed"),),
        needs="shtab: pip install 'anyint-resilience[cli]'",
        touches="none, and it costs nothing",
        more=_MORE,
    )
    parser.add_argument("shell", choices=_SHELLS, metavar="SHELL", help=", ".join(_SHELLS))
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    need("this command", ["shtab"], "'anyint-resilience[cli]'")
    import shtab

    if options.shell not in shtab.SUPPORTED_SHELLS:
        raise Problem(f"the shtab that is installed does not know {options.shell}: pip install --upgrade shtab")
    _add_help(options.parser)
    _shorten(options.parser)
    say(shtab.complete(options.parser, options.shell))
    return 0


def _add_help(parser: Parser) -> None:
    """Let the word ``help`` be known, which ``main`` takes before the parser does."""
    commands = [name for name, _, _ in parser.subcommands()]
    parser.add_command("help", "the page of a command").add_argument(
        "page", nargs="?", choices=commands, metavar="COMMAND"
    )


def _shorten(parser: Parser) -> None:
    """Let shells that show what a command is for show its one line: no page is printed any more in this run."""
    for name, inner, summary in parser.subcommands():
        inner.description = summary or name
        _shorten(inner)
