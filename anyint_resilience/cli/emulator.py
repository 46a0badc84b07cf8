"""``emulator``: the stand-in gateway in the foreground.

Must not know how it works: it reads the options and calls ``serve``.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from .terminal import Problem, need

__all__ = ["register"]

_MOST: Final = 65_535


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "emulator",
        help="a stand-in AnyInt gateway on this machine, with faults to order",
        description="Run a stand-in AnyInt gateway until Ctrl-C. It takes every key and forgets everything.",
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="default: any free one")
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine only")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of chance, so that a run can be repeated")
    parser.add_argument(
        "--chaos", type=_share, default=0.0, metavar="P", help="share of requests, 0 to 1, that meet an everyday fault"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    need("this command", ["h11"], "'anyint-resilience[cli]'")
    from ..emulator import serve

    try:
        serve(options.host, options.port, seed=options.seed, chaos_p=options.chaos, announce=_announce)
    except OSError as error:
        why = error.strerror if error.strerror else str(error)
        raise Problem(f"cannot listen on {options.host}:{options.port}: {why}") from None
    return 0


def _announce(url: str) -> None:
    print(f"AnyInt emulator on {url} (Ctrl-C ends it)")
    print(f"  ANYINT_BASE_URL={url}")
    print(f"  openai SDK     base_url={url}/openai/v1")
    print(f"  anthropic SDK  base_url={url}/anthropic")
    print(f'  a fault        POST {url}/__emulator__/faults  {{"status": 503}}', flush=True)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= _MOST):
        raise argparse.ArgumentTypeError(f"a port is 0 to {_MOST}, not {text!r}")
    return int(text[:6])


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"a share is 0 to 1, not {text!r}")
    return share
