"""``explain``: what the default policy decides about one outcome, in words or as JSON.

Must not decide anything: it asks ``Policy`` and shows the answer. Needs nothing but the core.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from ..contract.matching import RouteTable
from ..contract.words import Certainty, Operation
from ..policy.model import Action, Decision, FaultKind
from ..policy.rules import Policy
from .terminal import Problem

__all__ = ["register"]

_READ: Final = 64 * 1024  # the policy looks no further
_LONGEST: Final = 1.0  # the random number that gives the longest wait
_KINDS: Final = [kind.value for kind in FaultKind]
_OPERATIONS: Final = [operation.value for operation in Operation]
_WIDTH: Final = 100
_LABEL: Final = 14

_ACTIONS: Final[dict[Action, str]] = {
    Action.DELIVER: "hand the answer over",
    Action.NO_RETRY: "hand the outcome over; do not send the request again",
    Action.BACKOFF: "wait, then send the same request again",
    Action.POLL: "the task exists: ask for its state, do not create it again",
    Action.FALLBACK: "send it to the fallback route",
}
_CERTAINTIES: Final[dict[Certainty, str]] = {
    Certainty.NOT_SENT: "the request never left",
    Certainty.REJECTED: "the server said no before doing the work",
    Certainty.UNKNOWN: "the work may have been done, and billed",
    Certainty.COMMITTED: "the work was done",
}
_EXAMPLE: Final = """\
example:
  anyint-resilience explain --url /openai/v1/chat/completions --status 429 --header 'Retry-After: 2'

The delay shown is the longest one: the wait of a real call is drawn at random below it, but never below what the
server asked for. Dates in headers are read against this machine's clock."""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "explain",
        help="what to do about an answer or an exception, and why",
        description="Print what the default policy decides about one outcome of one request.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--method", default="POST", help="of the request (default: POST)")
    parser.add_argument("--url", required=True, help="of the request; a bare path will do")
    parser.add_argument("--status", type=_status, help="of the answer; with --exception, of the answer that broke")
    parser.add_argument(
        "--exception", choices=_KINDS, metavar="KIND", help=f"how it ended without an answer: {', '.join(_KINDS)}"
    )
    parser.add_argument(
        "--header", action="append", default=[], type=_header, metavar="'NAME: VALUE'", help="of the answer; repeatable"
    )
    body = parser.add_mutually_exclusive_group()
    body.add_argument("--body", help="of the answer")
    body.add_argument("--body-file", metavar="FILE", help="the answer's body from a file; - reads stdin")
    parser.add_argument("--attempt", type=_attempt, default=1, metavar="N", help="which attempt this was (default: 1)")
    parser.add_argument(
        "--operation",
        choices=_OPERATIONS,
        metavar="WORD",
        help=f"what the request's body made of the call (default: the route's): {', '.join(_OPERATIONS)}",
    )
    parser.add_argument(
        "--seedance", action="store_true", help="also know the /doubao routes, which no AnyInt page names"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    decision = _decision(options)
    print(json.dumps(decision.as_dict(), indent=2) if options.json else _words(decision))
    return 0


def _decision(options: argparse.Namespace) -> Decision:
    more: dict[str, Any] = {
        "attempt": options.attempt,
        "now": time.time(),
        "u": _LONGEST,
        "operation": options.operation,
        "table": RouteTable(seedance=options.seedance),
    }
    if options.exception is not None:
        if options.header or options.body is not None or options.body_file is not None:
            raise Problem("an exception has no --header and no body; give --status instead of --exception")
        return Policy().decide_exception(options.method, options.url, options.exception, status=options.status, **more)
    if options.status is None:
        raise Problem("give --status for an answer or --exception for none")
    return Policy().decide_response(options.method, options.url, options.status, options.header, _body(options), **more)


def _body(options: argparse.Namespace) -> bytes:
    if options.body_file is None:
        return b"" if options.body is None else str(options.body).encode("utf-8", "surrogateescape")
    if options.body_file == "-":
        return sys.stdin.buffer.read(_READ)
    try:
        with Path(options.body_file).open("rb") as file:
            return file.read(_READ)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Problem(f"cannot read --body-file {options.body_file!r}: {why}") from None


def _words(decision: Decision) -> str:
    """Lay the decision out: a label, a value, wrapped."""
    fields = decision.as_dict()
    delay, retry_at, cause = fields["delay"], fields["retry_at"], fields["cause"]
    rows = [
        ("route", f"{fields['route'] or 'not an AnyInt route'}   ({_kind(fields)})"),
        ("action", f"{decision.action.value}: {_ACTIONS[decision.action]}"),
        ("cause", "none: this is no error" if cause is None else cause),
        ("certainty", f"{decision.certainty.value}: {_CERTAINTIES[decision.certainty]}"),
        ("delay", "none" if delay is None else f"{delay:.3g} s at the longest"),
        ("retry at", "not known" if retry_at is None else _date(retry_at)),
        ("reason", fields["reason"]),
        ("guidance", fields["guidance"]),
        ("for the user", fields["user_message"]),
        ("source", fields["source"]),
    ]
    return "\n".join(
        textwrap.fill(
            value,
            width=_WIDTH,
            initial_indent=f"{label:<{_LABEL}}",
            subsequent_indent=" " * _LABEL,
            break_on_hyphens=False,
        )
        for label, value in rows
    )


def _kind(fields: dict[str, Any]) -> str:
    return fields["operation"] if fields["family"] is None else f"{fields['family']}, {fields['operation']}"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(sep=" ", timespec="seconds")


def _status(text: str) -> int:
    if not (len(text) == 3 and text.isascii() and text.isdigit() and text[0] != "0"):
        raise argparse.ArgumentTypeError(f"a status is 100 to 999, not {text!r}")
    return int(text)


def _attempt(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise argparse.ArgumentTypeError(f"attempts are counted from 1, not {text!r}")
    return int(text[:9])


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"a header is 'Name: value', not {text!r}")
    return name.strip(), value.strip()
