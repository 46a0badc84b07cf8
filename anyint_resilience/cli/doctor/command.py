"""``doctor``: AnyInt's eight integration checks with your own key, and what stands between your client and the gateway.

Must not know any check: it reads the options, runs the table of ``checks`` and shows what was found.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from ...runtime import Runtime
from ..chosen import hide
from ..ending import Ending
from ..given import seconds
from ..parsing import files, page
from ..terminal import Problem, tell
from .names import NAMES

if TYPE_CHECKING:
    from .context import Context, Options
    from .finding import Check
    from .running import Done

__all__ = ["register"]

_RUNTIME: Final = Runtime()
_FAILED: Final = 1
_INTERRUPTED: Final = 130
_ABOUT: Final = """\
Check an integration with AnyInt from end to end: the key, the Models API, a text request, a stream, each family of
providers, an asynchronous task, a callback URL, and how refusals are handled. With --client also what your own client
does on the way: whether our layer is on it, who else retries, time-outs, proxies, spans.

Each check is a row; one that warned or failed says what to do. The configuration is the environment's and that of the
nearest file, as from_toml() reads it; from_env() reads one only where ANYINT_RESILIENCE_CONFIG names it. The key is
never shown."""
_MORE: Final = """\
what it costs:
  Three requests have a model write some tokens (text, stream, gemini); --free leaves them out. Nothing that is paid
  for by the piece is made, unless --allow-paid is given: then one video, which is waited for."""
_EXAMPLES: Final = (
    ("everything, as configured here", "anyint-resilience doctor"),
    ("against the emulator", "anyint-resilience doctor --base-url http://127.0.0.1:8080"),
    ("in CI: the models that you use, for nothing", "anyint-resilience doctor --model gpt-5 --free --json"),
    ("the client of your own program", "anyint-resilience doctor --client myapp.clients:make_client"),
    (
        "one thing alone",
        "anyint-resilience doctor --callback-url https://example.com/hooks/suno --only callback",
    ),
)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = page(
        commands,
        "doctor",
        summary="check key, gateway, families, callback and your own client, and say what to mend",
        about=_ABOUT,
        examples=_EXAMPLES,
        needs="any of httpx2, httpx, requests and aiohttp; rich draws the table",
        touches="the gateway and what --callback-url names, with time-outs; see what it costs, above",
        exits=(
            (0, "all is well; there may be warnings"),
            (1, "a check failed"),
            (130, "Ctrl-C; what was found by then is shown"),
        ),
        more=_MORE,
    )
    parser.add_argument("--base-url", metavar="URL", help="of the gateway (default: as configured, or AnyInt's own)")
    config = parser.add_argument("--config", metavar="FILE", help="a configuration file (default: the nearest)")
    files(config)
    parser.add_argument("--model", action="append", default=[], metavar="ID", help="that must be there; repeatable")
    parser.add_argument(
        "--client", type=_spec, metavar="MODULE:ATTR", help="the client of your program, or a function that makes it"
    )
    parser.add_argument("--callback-url", metavar="URL", help="post a harmless callback there, twice")
    for option, what in (
        ("--only", "make this check, --list names them; repeatable"),
        ("--skip", "leave it out; repeatable"),
    ):
        parser.add_argument(option, action="append", default=[], choices=NAMES, metavar="CHECK", help=what)
    parser.add_argument("--free", action="store_true", help="leave out what has a model write tokens")
    parser.add_argument("--allow-paid", action="store_true", help="make one video, which is paid for, and wait for it")
    parser.add_argument(
        "--timeout", type=seconds, metavar="S", help="seconds for the whole run (default: 60; 900 with --allow-paid)"
    )
    parser.add_argument("--list", action="store_true", help="print the checks and end")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from . import showing
    from .apart import Apart
    from .checks import chosen
    from .context import Context

    checks = chosen(options.only, options.skip, free=options.free, client=options.client is not None)
    if options.list:
        showing.show_list(checks, json=options.json)
        return 0
    if not checks:
        raise Problem("no check is left to make: look at --only, --skip and --free")
    if options.client is None and any(it.client for it in checks):
        which = next(it.id for it in checks if it.client)
        raise Problem(f"--only {which} looks at a client of yours: name it with --client MODULE:ATTR")
    ctx = Context(_asked(options), runtime=_RUNTIME)
    hide(ctx.key)
    with Ending() as ending, contextlib.nullcontext() if options.client is None else Apart():
        ending.code = _made(checks, ctx, json=options.json)
    return ending.code


def _made(checks: Sequence[Check], ctx: Context, *, json: bool) -> int:
    """Make the checks, show what they found, and return the exit code. Ctrl-C ends it, and shows what there is."""
    from . import showing

    log = logging.getLogger("anyint_resilience")
    log.addHandler(quiet := logging.NullHandler())  # what our own requests meet is told in the table
    rows: list[Done] = []
    try:
        with contextlib.closing(ctx):
            code = _found(rows, checks, ctx, quiet=json)
            showing.show_all(rows, ctx.mask.ours, code=code, json=json)
    except KeyboardInterrupt:  # all is told, and closing it hangs
        code = _INTERRUPTED
    finally:
        log.removeHandler(quiet)
    if code == _INTERRUPTED:
        tell("anyint-resilience doctor: interrupted")
    return code


def _found(rows: list[Done], checks: Sequence[Check], ctx: Context, *, quiet: bool) -> int:
    """Put a row for each check that was made to the others; return the exit code."""
    from .running import run_all
    from .showing import progress

    shown, begins = progress(quiet=quiet)
    try:
        with shown:
            for row in run_all(checks, ctx, lambda check: begins(check.title)):
                rows += [row]
    except KeyboardInterrupt:
        return _INTERRUPTED
    return _FAILED if any(it.finding.status == "failed" for it in rows) else 0


def _asked(options: argparse.Namespace) -> Options:
    from .context import PAID_TIMEOUT, TIMEOUT, Options

    timeout = options.timeout
    if timeout is None:
        timeout = PAID_TIMEOUT if options.allow_paid else TIMEOUT
    return Options(
        base_url=options.base_url,
        config=options.config,
        models=tuple(dict.fromkeys(options.model)),
        client=options.client,
        callback_url=options.callback_url,
        allow_paid=options.allow_paid,
        timeout=timeout,
    )


def _spec(text: str) -> str:
    module, colon, attribute = text.partition(":")
    names = [*module.split("."), *attribute.split(".")]
    if not colon or not all(it.isidentifier() for it in names):
        raise argparse.ArgumentTypeError(f"a client is named as module:attribute, not {text!r}")
    return text
