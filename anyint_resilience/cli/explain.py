"""``explain``: what a policy decides about one outcome, in words or as JSON.

Must not decide anything: it asks ``Policy`` and shows the answer. Needs nothing but the core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, Final

from ..contract.matching import RouteTable, route_table
from ..contract.words import Certainty, Operation
from ..policy.model import Action, Decision, FaultKind
from ..policy.rules import Policy
from .asked import Asked, asked
from .given import whole
from .guessing import doubts
from .parsing import files, page
from .terminal import fold, print_json, say, styled, tell

__all__ = ["register"]

_LONGEST: Final = 1.0  # the random number that gives the longest wait
_KINDS: Final = [kind.value for kind in FaultKind]
_OPERATIONS: Final = [operation.value for operation in Operation]
_POLICIES: Final = {
    "default": Policy.default,
    "interactive": Policy.interactive,
    "batch": Policy.batch,
    "strict": Policy.strict,
}
_LABEL: Final = 14

_ACTIONS: Final[dict[Action, str]] = {
    Action.DELIVER: "hand the answer over",
    Action.NO_RETRY: "hand the outcome over; do not send the request again",
    Action.BACKOFF: "wait, then send the same request again",
    Action.POLL: "the task exists: ask for its state, do not create it again",
    Action.FALLBACK: "send it to the fallback route",
}
_STYLES: Final[dict[Action, str]] = {
    Action.DELIVER: "bold green",
    Action.NO_RETRY: "bold red",
    Action.BACKOFF: "bold yellow",
    Action.POLL: "bold cyan",
    Action.FALLBACK: "bold magenta",
}
_CERTAINTIES: Final[dict[Certainty, str]] = {
    Certainty.NOT_SENT: "the request never left",
    Certainty.REJECTED: "the server said no before doing the work",
    Certainty.UNKNOWN: "the work may have been done, and billed",
    Certainty.COMMITTED: "the work was done",
}
_ABOUT: Final = """\
Say what is done about one outcome of one request, and why: whether it is sent again, after how long, and what to tell
your user. This is what a client with our layer would decide; nothing is sent.

The outcome is a status, an exception, or a pasted answer. Words may stand without their option, in any order: a
method, a URL or path, a status or the kind of an exception."""
_MORE: Final = """\
The delay is the longest one: the wait of a real call is drawn at random below it, but never below what the server asked
for. Dates in headers are read against this machine's clock. What other calls of your process know (retry budget, gate,
circuit breakers) is not looked at."""
_CURL: Final = """\
curl -si https://gateway.api.anyint.ai/openai/v1/models > answer.txt
anyint-resilience explain /openai/v1/models --from answer.txt"""
_EXAMPLES: Final = (
    (
        "a rate limit that says when to come back",
        "anyint-resilience explain POST /openai/v1/videos 429 --header 'Retry-After: 2'",
    ),
    ("a paid create whose answer was lost", "anyint-resilience explain /openai/v1/videos read_timeout"),
    ("an answer as curl prints it, or as it was pasted into a file (-: a pipe)", _CURL),
    (
        "the fifth attempt under another policy, for a program",
        "anyint-resilience explain /suno/generate 503 --attempt 5 --policy batch --json",
    ),
)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = page(
        commands,
        "explain",
        summary="what is done about an answer or an exception, and why",
        about=_ABOUT,
        usage="[METHOD] URL STATUS|KIND|--from FILE [options]",
        examples=_EXAMPLES,
        exits=((0, "it is explained, whatever the decision is"),),
        needs="nothing beside the package itself",
        touches="none, and it costs nothing",
        more=_MORE,
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help=argparse.SUPPRESS)
    _add_request(parser.add_argument_group("the request"))
    _add_outcome(parser.add_argument_group("what came of it"))
    parser.add_argument(
        "--policy",
        "--preset",
        choices=_POLICIES,
        default="default",
        help=f"{', '.join(_POLICIES)} (default: default)",
        metavar="NAME",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_run)


def _add_request(request: Any) -> None:
    request.add_argument("--url", help="its URL, or only the path")
    request.add_argument("--method", help="default: POST, or the path's only one")
    request.add_argument(
        "--operation",
        choices=_OPERATIONS,
        metavar="WORD",
        help=f"what the request's body made of the call (default: the route's): {', '.join(_OPERATIONS)}",
    )
    request.add_argument("--attempt", type=_attempt, default=1, metavar="N", help="which attempt it was (default: 1)")
    request.add_argument(
        "--seedance", action="store_true", help="also know the /doubao routes, which no AnyInt page names"
    )


def _add_outcome(outcome: Any) -> None:
    files(
        outcome.add_argument(
            "--from", dest="pasted", metavar="FILE", help="an answer as curl -i or curl -v prints it; - reads stdin"
        )
    )
    outcome.add_argument("--status", type=_status, help="of the answer; with --exception, of the answer that broke")
    outcome.add_argument(
        "--exception", choices=_KINDS, metavar="KIND", help=f"how it ended without an answer: {', '.join(_KINDS)}"
    )
    outcome.add_argument(
        "--header", action="append", default=[], type=_header, metavar="'NAME: VALUE'", help="of the answer; repeatable"
    )
    outcome.add_argument("--body", help="of the answer")
    files(outcome.add_argument("--body-file", metavar="FILE", help="the answer's body from a file; - reads stdin"))


def _run(options: argparse.Namespace) -> int:
    table = route_table(seedance=options.seedance)
    found = asked(options, table)
    policy = _POLICIES[options.policy]()
    decision = _decision(options, found, policy, table)
    notes = [*found.notes, *doubts(table, found.method, found.url)]
    if options.json:
        print_json(decision.as_dict())
        tell(*(f"note: {note}" for note in notes))
    else:
        say(_words(decision, notes, f"{options.policy}: {policy.attempts} attempts within {policy.retry_window:g} s"))
    return 0


def _decision(options: argparse.Namespace, found: Asked, policy: Policy, table: RouteTable) -> Decision:
    more: dict[str, Any] = {
        "attempt": options.attempt,
        "now": time.time(),
        "u": _LONGEST,
        "operation": options.operation,
        "table": table,
    }
    if found.exception is not None:
        return policy.decide_exception(found.method, found.url, found.exception, status=found.status, **more)
    return policy.decide_response(found.method, found.url, found.status or 0, found.headers, found.body, **more)


def _words(decision: Decision, notes: Iterable[str], policy: str) -> str:
    """Lay the decision out: a label, a value, wrapped."""
    fields = decision.as_dict()
    delay, retry_at, cause = fields["delay"], fields["retry_at"], fields["cause"]
    rows = [
        ("route", f"{fields['route'] or 'not an AnyInt route'}   ({_kind(fields)})", ""),
        *(("note", note, "yellow") for note in notes),
        ("action", f"{decision.action.value}: {_ACTIONS[decision.action]}", _STYLES[decision.action]),
        ("cause", "none: this is no error" if cause is None else cause, ""),
        ("certainty", f"{decision.certainty.value}: {_CERTAINTIES[decision.certainty]}", ""),
        ("delay", "none" if delay is None else f"{delay:.3g} s at the longest", ""),
        ("retry at", "not known" if retry_at is None else _date(retry_at), ""),
        ("reason", fields["reason"], ""),
        ("guidance", fields["guidance"], ""),
        ("for the user", fields["user_message"], ""),
        ("source", fields["source"] if fields["route"] else "no rule of AnyInt's: what holds for any HTTP", ""),
        ("policy", policy, ""),
    ]
    return "\n".join(_row(label, value, style) for label, value, style in rows)


def _row(label: str, value: str, style: str) -> str:
    head = f"{label:<{_LABEL}}"
    lines = fold(value, indent=_LABEL, first=head)[len(head) :].split("\n")
    return styled(head, "dim") + "\n".join(styled(line, style) for line in lines)


def _kind(fields: dict[str, Any]) -> str:
    return fields["operation"] if fields["family"] is None else f"{fields['family']}, {fields['operation']}"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(sep=" ", timespec="seconds")


def _status(text: str) -> int:
    return whole(text, 100, 999, "a status is 100 to 999")


def _attempt(text: str) -> int:
    return whole(text, 1, 999_999_999, "attempts are counted from 1")


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError("a header is 'Name: value'")  # it may be a key: not shown
    return name.strip(), value.strip()
