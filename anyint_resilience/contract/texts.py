"""Words that settle the rows a code leaves open (the AMBIG rows of contract 3).

Must not know where a text stands in a body. A rule is asked row by row; the first row one of whose
words occurs in the lower-case text wins, and no match keeps what the code row says.
"""

from __future__ import annotations

import re
from typing import Final

from .rows import TextRow
from .words import Cause, Origin

__all__ = ["TEXTS", "ask"]

_BALANCE: Final = TextRow(
    words=(
        "insufficient balance",
        "insufficient credit",
        "not enough credits",
        "credit balance",
        "out of credits",
        "hard limit",
        "spend limit",
        "spending limit",
        "budget has been exceeded",
        "exceeded budget",
        "prepayment credit",
        "credits are depleted",
    ),
    cause=Cause.QUOTA,
    origin=Origin.ASSUMED,
    note="the text speaks of a balance or a spend cap",
)
_DAILY: Final = TextRow(
    words=("perday",),
    cause=Cause.QUOTA,
    origin=Origin.UPSTREAM,
    note="a quota counted per day (Google's quotaId, told by a relay)",
)
_SHORT: Final = TextRow(
    words=("per minute", "per second", "(rpm)", "(tpm)"),
    cause=Cause.RATE,
    origin=Origin.UPSTREAM,
    note="a limit per minute or second",
)
_SPANS: Final = tuple(f"{span} {what}" for span in ("daily", "monthly") for what in ("limit", "cap", "quota", "token"))
_CAP: Final = TextRow(
    words=(
        "exceeded your current quota",
        "insufficient quota",
        "usage limit",
        "per day",
        "(rpd)",
        "(tpd)",
        "per month",
        *_SPANS,
    ),
    cause=Cause.QUOTA,
    origin=Origin.ASSUMED,
    hintless=True,  # with a time to come back at, the same words are used for a throttle
    note="the text speaks of a cap that does not pass soon",
)
_MODEL: Final = TextRow(words=("model",), cause=Cause.MODEL, origin=Origin.UPSTREAM, note="the message names the model")

TEXTS: Final[dict[str, tuple[TextRow, ...]]] = {
    "bad request": (
        TextRow(
            words=("anthropic-version",),
            cause=Cause.INVALID,
            origin=Origin.ANYINT,
            note="the anthropic-version header is missing or not accepted",
        ),
        TextRow(
            words=("previous_response_id",),
            cause=Cause.INVALID,
            origin=Origin.FIELD,
            note="AnyInt takes previous_response_id on the Responses WebSocket only",
        ),
        TextRow(
            words=("contentpolicyviolation", "content_policy_violation"),
            cause=Cause.POLICY,
            origin=Origin.UPSTREAM,
            note="a content refusal, told as a bad request (LiteLLM)",
        ),
        TextRow(
            words=("credit balance", "spend limit", "spending limit", "usage limit", "budget has been exceeded"),
            cause=Cause.QUOTA,
            origin=Origin.UPSTREAM,
            note="a spend limit or balance, told as a bad request",
        ),
        TextRow(
            words=("invalid model name", "model not found", "no such model", "unknown model", "model does not exist"),
            pattern=re.compile(r"\bmodel [^ ]{1,80} (?:does not exist|not found)\b"),
            cause=Cause.MODEL,
            origin=Origin.ASSUMED,
            note="the message names the model",
        ),
    ),
    "unauthorized": (
        TextRow(
            words=(
                "ip address",
                "ip not authorized",
                "ip is not",
                "ip_not_auth",
                "ip whitelist",
                "ip allowlist",
                "your ip",
            ),
            pattern=re.compile(r"\bip (?:address )?[0-9a-f.:]{3,45} (?:is )?not\b"),
            cause=Cause.PERMISSION,
            origin=Origin.UPSTREAM,
            note="the key is good, the address is not on its list",
        ),
    ),
    "forbidden": (
        TextRow(
            words=("arrear", "overdue", "insufficient balance", "insufficient credit", "good standing"),
            cause=Cause.QUOTA,
            origin=Origin.UPSTREAM,
            note="an unpaid bill or an empty balance, told as a refusal",
        ),
        TextRow(
            words=("does not support synchronous calls",),
            cause=Cause.PERMISSION,
            origin=Origin.UPSTREAM,
            note="upstream needs X-DashScope-Async: enable on this create",
        ),
        TextRow(
            words=("does not support asynchronous calls",),
            cause=Cause.PERMISSION,
            origin=Origin.UPSTREAM,
            note="the model works synchronously only: send it without X-DashScope-Async",
        ),
        _MODEL,
    ),
    "not found": (
        TextRow(
            words=("invalid url", "unknown request url", "unrecognized request url", "no route", "unknown_url"),
            cause=None,
            origin=Origin.UPSTREAM,
            note="no such route",
        ),
        _MODEL,
    ),
    "limit": (_BALANCE, _DAILY, _SHORT, _CAP),
    "alibaba quota": (
        TextRow(
            words=("free tier", "free quota", "free allocated quota"),
            cause=Cause.QUOTA,
            origin=Origin.UPSTREAM,
            note="the free quota is used up",
        ),
        TextRow(
            words=("increase your quota limit", "per minute", "per second", "per-minute", "per-second"),
            cause=Cause.RATE,
            origin=Origin.UPSTREAM,
            note="insufficient_quota from an Alibaba model is a token throttle",
        ),
    ),
    "overload": (
        TextRow(
            words=("overloaded",),
            cause=Cause.TRANSIENT,
            origin=Origin.UPSTREAM,
            note="an upstream overload, told as an internal error",
        ),
    ),
    "billing region": (
        TextRow(words=("billing",), cause=Cause.QUOTA, origin=Origin.UPSTREAM, note="billing is not set up"),
    ),
    "google limit": (
        TextRow(words=("limit: 0",), cause=Cause.QUOTA, origin=Origin.UPSTREAM, note="the limit is zero"),
        TextRow(
            words=("prepayment", "prepaid", "credits are depleted"),
            cause=Cause.QUOTA,
            origin=Origin.UPSTREAM,
            note="prepaid credits are used up",
        ),
    ),
    "failed task": (
        TextRow(
            words=(
                "risk control",
                "sensitive",
                "safety",
                "moderation",
                "content polic",
                "existing artwork",
                "existing work of art",
                "inappropriate",
            ),
            cause=Cause.POLICY,
            origin=Origin.UPSTREAM,
            note="the reason speaks of content control",
        ),
    ),
}
"""Every rule by name."""


def ask(rule: str, text: str, *, hinted: bool = False) -> TextRow | None:
    """Return the row of a rule that the text settles, or None; ``hinted``: the server named a time to come back."""
    if not rule or not text:
        return None
    lowered = text.lower()
    for row in TEXTS.get(rule, ()):
        if not (row.hintless and hinted) and _says(row, lowered):
            return row
    return None


def _says(row: TextRow, lowered: str) -> bool:
    """Tell whether one of a row's words, or its pattern, occurs."""
    return any(word in lowered for word in row.words) or (row.pattern is not None and bool(row.pattern.search(lowered)))
