"""The parser of every command: its page of help, errors in one line, the nearest name for one that there is not.

Must not know any command. What a command's ``register(commands)`` gives to ``commands.add_parser`` is laid out here:
paragraphs of a description or an epilog are wrapped, indented lines stay as they are, ``--help``, ``--color`` and
``--traceback`` come by themselves. ``page`` is ``add_parser`` with the parts that every page has.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn

from .terminal import COLOURS, Problem, say, shortened, styled, width

__all__ = ["Parser", "Usage", "files", "page"]

_WIDEST: Final = 100
_HELP: Final = ("-h", "--help")
_LONGEST: Final = 40  # characters of a mistyped word that are shown again
_LIKE: Final = 0.65  # as difflib counts: less is another word
_NUMBER: Final = re.compile(r"-\.?\d")
_HEADING: Final = re.compile(r"^[a-z][\w ,']{0,40}:$", re.MULTILINE)
_COLUMNS: Final = re.compile(r"\s+(?:\d+\s+|# )")  # a row of exit codes, a comment above a command
_PROSE: Final = re.compile(r"\s+[A-Z][a-z' ]")
_WORDS: Final[dict[str, Any]] = {"break_on_hyphens": False, "break_long_words": False}
_ALWAYS: Final = {2: "what you gave is wrong, or a package is missing: one line on stderr", 130: "Ctrl-C"}


class Usage(Problem):
    """A command line that cannot be read. ``who`` is the command it was meant for."""

    def __init__(self, who: str, problem: str) -> None:
        super().__init__(problem)
        self.who = who


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs to the terminal, and leaves indented lines alone."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, max_help_position=26, width=min(width(), _WIDEST), **more)

    def _format_action(self, action: argparse.Action) -> str:
        if not _holds_commands(action):
            return super()._format_action(action)
        commands: Any = action
        return self._join_parts([super(_Formatter, self)._format_action(it) for it in commands._get_subactions()])

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(_filled(block, width) for block in re.split(r"\n[ \t]*\n", text.strip("\n")))


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises ``Usage`` and knows which name was meant."""

    def __init__(self, **more: Any) -> None:
        more.update(add_help=False, allow_abbrev=False, formatter_class=_Formatter)
        if sys.version_info >= (3, 14):
            more.update(color=False, suggest_on_error=False)  # we have both, on every Python
        super().__init__(**more)
        self._positionals.title = "arguments"
        self.common = self.add_argument_group("common options")
        self.common.add_argument(*_HELP, action="help", help="show this page")
        self.common.add_argument(
            "--color",
            choices=COLOURS,
            default=argparse.SUPPRESS,
            metavar="WHEN",
            help="auto (the default), always or never; NO_COLOR and FORCE_COLOR are heeded",
        )
        self.common.add_argument(
            "--traceback",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show where a mistake of the tool itself was made",
        )

    # --- reading

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return what the words say; raises Usage for the first one that cannot be, SystemExit after ``--help``."""
        named, commands = self._walk(list(words)), self._commands()
        if commands is not None and not commands.required and named is self and not _ends(words):
            raise Usage(self.prog, "which command? 'anyint-resilience --help' lists them")
        options, left = self.parse_known_args(words)
        if left:
            named.error(f"{shortened(left[0])} is one argument too many; see '{named.prog} --help'")
        return options

    def _walk(self, words: list[str]) -> Parser:
        """Follow the words to the command they name; the first option or command that there is not is an error."""
        commands, at = self._commands(), 0
        while at < len(words) and words[at] != "--":
            word = words[at]
            if word.startswith("-") and len(word) > 1 and not _NUMBER.match(word):
                name, equals, _ = word.partition("=")
                if name in _HELP:
                    break
                option = self._option_string_actions.get(name)
                if option is None:
                    self.error(self._no_option(name, words[at + 1 :]))
                at += 1 if equals or option.nargs == 0 else 2
            elif commands is None:
                at += 1
            else:
                found = commands.choices.get(word)
                if found is None:
                    self.error(_none_of("command", word, commands.choices))
                inner: Parser = found
                return inner._walk(words[at + 1 :])
        return self

    def _commands(self) -> Any:
        return next((it for it in self._actions if _holds_commands(it)), None)

    def _no_option(self, name: str, after: Iterable[str]) -> str:
        commands = self._commands()
        inner: dict[str, Parser] = {} if commands is None else commands.choices
        having = [it for it, parser in inner.items() if name in parser._option_string_actions]
        if having:
            command = next((it for it in after if it in having), "COMMAND")
            return f"{name} stands after the command: {self.prog} {command} {name}"
        near = _nearest(name, [it for it in self._option_string_actions if it.startswith("--")])
        return f"there is no option {shortened(name)}" + (
            f"; did you mean {near}?" if near else f"; see '{self.prog} --help'"
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(it) for it in action.choices]
            near = _nearest(str(value), known)
            hint = f"cannot be {shortened(str(value))}; " + (
                f"did you mean {near}?" if near else f"it is one of {', '.join(known)}"
            )
            raise argparse.ArgumentError(action, hint)

    def error(self, message: str) -> NoReturn:
        """Raise Usage, in our words."""
        message = message.removeprefix("argument ").replace(": cannot be", " cannot be", 1)
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            message = f"{self._needed(missing)}; see '{self.prog} --help'"
        message = message.replace(": expected one argument", " needs a value")
        raise Usage(self.prog, re.sub(": ignored explicit argument .*", " takes no value", message))

    def _needed(self, missing: str) -> str:
        commands = self._commands()
        if commands is not None and missing == commands.metavar:
            return f"which one? {', '.join(commands.choices)}"
        choices = next((it.choices for it in self._actions if it.metavar == missing and it.choices), None)
        return f"{missing} is needed" + (f", one of {', '.join(map(str, choices))}" if choices else "")

    def subcommands(self) -> list[tuple[str, Parser, str]]:
        """Return each command's name, parser and one line."""
        commands = self._commands()
        if commands is None:
            return []
        lines = {it.dest: it.help or "" for it in commands._get_subactions()}
        return [(name, inner, lines.get(name, "")) for name, inner in commands.choices.items()]

    def add_command(self, name: str, summary: str) -> Parser:
        """Add a command beside the others; return its parser."""
        made: Parser = self._commands().add_parser(name, help=summary, description=summary)
        return made

    # --- showing

    def format_help(self) -> str:
        """Return the page, with its headings in bold where stdout is coloured."""
        text = _HEADING.sub(lambda it: styled(it.group(), "bold"), self.plain_help())
        return re.sub(r"^usage:", styled("usage:", "bold"), text)

    def _print_message(self, message: str, file: Any = None) -> None:
        say(message.rstrip("\n"))  # argparse's own swallows that nobody reads it

    def plain_help(self) -> str:
        """Return the page without styles. What all commands share stands at its end, and not in the usage line."""
        self._action_groups.sort(key=lambda it: it is self.common)
        if self.usage is None:
            formatter = self._get_formatter()
            formatter.add_usage(None, [it for it in self._actions if it.required or not it.option_strings], [], "")
            self.usage = formatter.format_help().strip().replace("%", "%%") + " [options]"
        return super().format_help()


def page(
    commands: Any,
    name: str,
    *,
    summary: str,
    about: str,
    examples: Iterable[tuple[str, str]],
    needs: str,
    touches: str,
    usage: str | None = None,
    exits: Iterable[tuple[int, str]] = ((0, "it is done"),),
    more: str = "",
) -> Parser:
    """Add a command with everything a page of help has; return its parser, to be given its options.

    Args:
        commands: What ``register`` was called with.
        name: The word that calls it.
        summary: One line for the list of commands.
        about: Paragraphs on what it does and what comes out of it.
        examples: Pairs of what it is for, and the command line (or several).
        needs: What must be installed.
        touches: What goes over the network, and whether it can cost money.
        usage: What follows the command's name in the usage line; by default argparse's own.
        exits: Exit codes and what each means, beside 2 and 130.
        more: Further paragraphs.
    """
    shown = [textwrap.indent(f"# {why}\n{lines}", "  ") for why, lines in examples]
    codes = [f"  {code:<4} {meaning}" for code, meaning in sorted({**_ALWAYS, **dict(exits)}.items())]
    ends = [*([more] if more else []), "examples:\n" + "\n\n".join(shown), "exit codes:\n" + "\n".join(codes)]
    ends.append(f"Needs {needs}.\n\nNetwork: {touches}.")
    prog = f"anyint-resilience {name}"
    parser: Parser = commands.add_parser(
        name,
        help=summary,
        description=about,
        epilog="\n\n".join(ends),
        usage=None if usage is None else f"{prog} {usage}".replace("%", "%%"),
    )
    return parser


def _filled(block: str, width: int) -> str:
    """Wrap the lines of a block that are prose: what is not indented, and what begins with a capital letter if it is.

    Commands and columns stay as they are; rows of exit codes and comments get a hanging indent.
    """
    shown: list[str] = []
    held = ""
    for line in [*block.split("\n"), ""]:
        lead = _lead(line)
        goes_on = bool(held) and _lead(held) == lead and bool(line) and not _COLUMNS.match(line)
        if goes_on:
            held += " " + line.strip()
            continue
        if held:
            shown.append(textwrap.fill(held, width, subsequent_indent=_lead(held), **_WORDS))
            held = ""
        row = _COLUMNS.match(line)
        if row is not None and len(line) > width:
            after = row.group() if "#" in row.group() else " " * len(row.group())
            shown.append(textwrap.fill(line, width, subsequent_indent=after, **_WORDS))
        elif line and (not lead or _PROSE.match(line)) and not _HEADING.fullmatch(line):
            held = line
        elif line:
            shown.append(line)
    return "\n".join(shown)


def _lead(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def files(action: argparse.Action) -> argparse.Action:
    """Let the shell complete this argument with names of files."""
    action.complete = "file"  # type: ignore[attr-defined]  # where shtab looks
    return action


def _holds_commands(action: argparse.Action) -> bool:
    return hasattr(action, "add_parser")  # argparse has no public name for the class


def _ends(words: Iterable[str]) -> bool:
    """Whether a word shows something and ends it."""
    return any(it in (*_HELP, "--version", "-V") for it in words)


def _none_of(what: str, word: str, names: Iterable[Any]) -> str:
    known = [str(it) for it in names]
    near = _nearest(word, known)
    return f"there is no {what} {shortened(word)}" + (
        f"; did you mean {near}?" if near else f"; there are {', '.join(known)}"
    )


def _nearest(word: str, names: Sequence[str]) -> str | None:
    """Return the name (all in lower case) that was most likely meant: one that begins so, else the one most like it."""
    from difflib import get_close_matches  # late: only a mistyped word needs it

    word = word.lower()
    begun = [it for it in names if len(word.strip("-")) > 1 and it.startswith(word)]
    found = begun or get_close_matches(word, names, n=1, cutoff=_LIKE)
    return found[0] if found else None
