"""``doctor``: AnyInt's eight integration checks with your own key, and what stands between your client and the gateway.

Must not know any check: it reads the options, runs the table of ``checks`` and shows what was found.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import math
import sys
from typing import TYPE_CHECKING, Any, Final

from ...runtime import Runtime
from ..parsing import page
from ..terminal import Problem

if TYPE_CHECKING:
    from .context import Options

__all__ = ["register"]

_RUNTIME: Final = Runtime()
_TIMEOUT, _PAID_TIMEOUT = 60.0, 900.0
_FAILED: Final = 1
_ABOUT: Final = """\
Check an integration with AnyInt from end to end: the key, the Models API, a text request, a stream, each family of
providers, an asynchronous task, a callback URL, and how refusals are handled. With --client also what your own client
does on the way: whether our layer is on it, who else retries, time-outs, proxies, spans.

Each check is a row; one that warned or failed says what to do. The configuration is what from_env() or from_toml()
would use here. The key is never shown."""
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
        exits=((0, "all is well; there may be warnings"), (1, "a check failed")),
        more=_MORE,
    )
    parser.add_argument("--base-url", metavar="URL", help="of the gateway (default: as configured, or AnyInt's own)")
    parser.add_argument("--config", metavar="FILE", help="a configuration file (default: as `config check` finds it)")
    parser.add_argument("--model", action="append", default=[], metavar="ID", help="that must be there; repeatable")
    parser.add_argument(
        "--client", type=_spec, metavar="MODULE:ATTR", help="the client of your program, or a function that makes it"
    )
    parser.add_argument("--callback-url", metavar="URL", help="post a harmless callback there, twice")
    parser.add_argument("--only", action="append", default=[], metavar="CHECK", help="make this check; repeatable")
    parser.add_argument("--skip", action="append", default=[], metavar="CHECK", help="leave it out; repeatable")
    parser.add_argument("--free", action="store_true", help="leave out what has a model write tokens")
    parser.add_argument("--allow-paid", action="store_true", help="make one video, which is paid for, and wait for it")
    parser.add_argument(
        "--timeout", type=_seconds, metavar="S", help="seconds for the whole run (default: 60; 900 with --allow-paid)"
    )
    parser.add_argument("--list", action="store_true", help="print the checks and end")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from . import showing
    from .checks import UnknownCheck, chosen
    from .context import Context
    from .running import run_all

    try:
        checks = chosen(options.only, options.skip, free=options.free, client=options.client is not None)
    except UnknownCheck as problem:
        raise Problem(str(problem)) from None
    if options.list:
        showing.show_list(checks, json=options.json)
        return 0
    if not checks:
        raise Problem("no check is left to make: look at --only, --skip and --free")
    ctx = Context(_asked(options), runtime=_RUNTIME)
    out, log = sys.stdout, logging.getLogger("anyint_resilience")
    log.addHandler(quiet := logging.NullHandler())  # what our own requests meet is told in the table
    shown, tell = showing.progress(quiet=options.json)
    rows = []
    with contextlib.closing(ctx), contextlib.ExitStack() as ends:
        ends.callback(log.removeHandler, quiet)
        with shown:
            for done in run_all(checks, ctx, lambda check: tell(check.title)):
                sys.stdout = out  # a module of the user's that hangs may have left another there
                rows.append(done)
        good = all(it.finding.status != "failed" for it in rows)
        if options.json:
            showing.show_json(rows, ctx.mask.ours, good=good)
        else:
            showing.show(rows, ctx.mask.ours)
    return 0 if good else _FAILED


def _asked(options: argparse.Namespace) -> Options:
    from .context import Options

    timeout = options.timeout
    if timeout is None:
        timeout = _PAID_TIMEOUT if options.allow_paid else _TIMEOUT
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


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"a number of seconds above 0 is needed, not {text!r}")
    return seconds
