"""Step 5: each provider-native family, by the cheapest question that shows key, host and route at work.

Must not know what a family's answers mean beyond their shape. Nothing here makes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from ...contract.errors import Envelope
from ...contract.words import Family
from ...policy.bodies import is_array, values_at
from ...policy.envelopes import read_envelope
from .answers import is_page, seconds, trouble, well
from .context import Context
from .finding import Finding, failed, warning
from .listing import model_like, nothing_like, reached
from .sending import Reply

__all__ = ["check_family"]

_NOBODY: Final = "doctor-00000000-0000-4000-8000-000000000000"
"""The id of a task that cannot exist."""

_OWN: Final[dict[Family, Envelope]] = {
    Family.SUNO: Envelope.SUNO,
    Family.KLING: Envelope.KLING,
    Family.DASHSCOPE: Envelope.DASHSCOPE,
}
_ENTITLED: Final = "This account has no access to the family: ask for it if you need it, else --skip {0}."


@dataclass(frozen=True, slots=True)
class _Query:
    """A question for a task that cannot exist: free, and answered by the family itself."""

    path: str


_QUERIES: Final[dict[Family, _Query]] = {
    Family.DASHSCOPE: _Query(f"/dashscope/v1/tasks/{_NOBODY}"),
    Family.KLING: _Query(f"/transtreams/kling/v1/videos/text2video/{_NOBODY}"),
    Family.SUNO: _Query(f"/suno/query/task?taskId={_NOBODY}"),
}


def check_family(family: Family) -> Callable[[Context], Finding]:
    """Return the check of a family."""
    if family in _QUERIES:
        return lambda ctx: _query(ctx, family)
    return {Family.ANTHROPIC: _anthropic, Family.GEMINI: _gemini}[family]


def _anthropic(ctx: Context) -> Finding:
    """Count the tokens of two words, which is free."""
    model = model_like(ctx, "anthropic")
    if model is None:
        return nothing_like("claude")
    body = {"model": model, "messages": [{"role": "user", "content": "Say ok."}]}
    reply = ctx.send("POST", "/anthropic/v1/messages/count_tokens", body)
    wrong = trouble(ctx, reply)
    if wrong is not None:
        return _of_family(Family.ANTHROPIC, wrong, reply)
    if not isinstance(reply.member.get("input_tokens"), int):
        return _strange(reply, "input_tokens")
    return well(reply, f"{ctx.mask.foreign(model, 80)}: count_tokens answered in {seconds(reply.seconds)} (x-api-key)")


def _gemini(ctx: Context) -> Finding:
    """Have a model write a few tokens: the contract has no free question for this family."""
    model = model_like(ctx, "gemini")
    if model is None:
        return nothing_like("gemini")
    body = {"contents": [{"role": "user", "parts": [{"text": "Say ok."}]}], "generationConfig": {"maxOutputTokens": 16}}
    path = f"/gemini/v1beta/models/{quote(model, safe='')}:generateContent"
    reply = ctx.send("POST", path, body, seconds=20.0)
    wrong = trouble(ctx, reply)
    if wrong is not None:
        return _of_family(Family.GEMINI, wrong, reply)
    if not is_array(reply.member.get("candidates")):
        return _strange(reply, "candidates")
    return well(reply, f"{ctx.mask.foreign(model, 80)}: generateContent answered in {seconds(reply.seconds)}")


def _query(ctx: Context, family: Family) -> Finding:
    """Ask for a task that cannot exist, and see whether the family says so in its own words."""
    reached(ctx)
    reply = ctx.send("GET", _QUERIES[family].path)
    spoken = read_envelope(reply.document, family)
    refused = reply.status in (401, 402, 403, 429) or reply.status >= 500
    if reply.error is None and not refused and reply.status not in range(300, 400):
        own = spoken is not None and spoken.envelope is _OWN[family]
        if own or (family is Family.DASHSCOPE and any(values_at(reply.member, ("output", "task_status")))):
            return well(reply, f"answers in its own form that there is no such task, in {seconds(reply.seconds)}")
        if spoken is not None and not _no_route(reply):
            return well(reply, f"answers in AnyInt's form that there is no such task, in {seconds(reply.seconds)}")
    wrong = trouble(ctx, reply)
    return _strange(reply, "form of this family") if wrong is None else _of_family(family, wrong, reply)


def _no_route(reply: Reply) -> bool:
    """Whether a 404 means the path and not the task."""
    found = read_envelope(reply.document, None)
    told = b"" if found is None else f"{found.code} {found.message}".lower().encode()
    return reply.status in (404, 405) and any(it in told for it in (b"unknown_url", b"unknown request", b"no route"))


def _of_family(family: Family, wrong: Finding, reply: Reply) -> Finding:
    if is_page(reply):
        return wrong
    if reply.status == 403:
        return warning(wrong.found, _ENTITLED.format(family.value))
    if reply.status == 401:
        header = "x-api-key and anthropic-version" if family is Family.ANTHROPIC else "Authorization: Bearer"
        return failed(f"{wrong.found} on this family, though the Models API takes it", f"It wants {header}; {_CALLED}")
    if reply.status == 404:
        return failed(f"{wrong.found}: this route is not there", f"Look at the base URL; {_CALLED}")
    return wrong


_CALLED: Final = "a proxy of your own must pass every header and every path on."


def _strange(reply: Reply, lacking: str) -> Finding:
    return failed(
        f"HTTP {reply.status}, but its JSON has no {lacking}",
        "Something on the way answers in another form: look at the base URL, and at proxies of your own.",
    )
