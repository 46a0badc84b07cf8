"""Step 8: how 401, 403 and 429 are handled. A 401 is really asked for; the other two are what the policy decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ...router import is_loopback
from .answers import is_page, seconds, trouble
from .context import Context
from .finding import Finding, failed, ok, warning
from .listing import reached
from .paths import host_of

__all__ = ["check_computed", "check_wrong_key"]

_WRONG: Final = "doctor-sends-a-wrong-key-on-purpose"
_CHAT: Final = "/openai/v1/chat/completions"


def check_wrong_key(ctx: Context) -> Finding:
    """Send a wrong key on purpose: a 401 must come back at once, after one attempt."""
    reached(ctx)
    before = dict(ctx.met)
    reply = ctx.send("GET", "/openai/v1/models", headers=(("authorization", f"Bearer {_WRONG}"),))
    ctx.met = before  # a 401 on purpose is no sign of anything
    if reply.error is None and 200 <= reply.status < 300:
        if is_loopback(host_of(ctx.url)):
            return warning(
                "a wrong key was taken: no 401 was seen", "An emulator without keys= takes every key; AnyInt does not."
            )
        return failed(
            "a wrong key was taken, with HTTP 200",
            "Something on the way puts in a key of its own, or answers from a cache: whoever reaches it may use it.",
        )
    if reply.status == 429 and not is_page(reply):
        return warning("the 401 was not seen: a rate limit came first (HTTP 429)", "Try again later.")
    if reply.status != 401 or is_page(reply):
        wrong = trouble(ctx, reply)
        whose = " of the gateway" if reply.status == 401 else ""
        came = f"HTTP {reply.status}" if wrong is None else wrong.found
        return failed(
            f"a wrong key brought no 401{whose}, but {came}",
            "Code that tells a wrong key by its 401 does not see one here: look at what answers.",
        )
    if reply.attempts != 1:
        return failed(f"a 401 was asked for {reply.attempts} times", "Report it: a refused key must not be sent again.")
    return ok(f"seen: HTTP 401 in {seconds(reply.seconds)} after one attempt; users read: {_words(ctx, 401)!r}")


def _words(ctx: Context, status: int) -> str:
    return ctx.policy.decide_response("POST", ctx.url + _CHAT, status).user_message


def check_computed(status: int) -> Callable[[Context], Finding]:
    """Return the check of what the configured policy makes of a status; nothing is sent for it."""
    return lambda ctx: _computed(ctx, status)


def _computed(ctx: Context, status: int) -> Finding:
    headers = {"retry-after": "2"} if status == 429 else {}
    decision = ctx.policy.decide_response("POST", ctx.url + _CHAT, status, headers, u=1.0)
    action = decision.action.value
    if decision.delay is not None:
        action += f", after 2 to {decision.delay:.3g} s for Retry-After: 2, {ctx.policy.attempts} attempts in all"
    met = ctx.met.get(status)
    seen = f"; one was really met, by {met}" if met else ""
    found = f"computed, not seen: {action}; users read: {decision.user_message!r}{seen}"
    if status == 429 and (ctx.policy.attempts < 2 or not ctx.policy.enabled):
        what = "enabled is false" if not ctx.policy.enabled else "attempts is 1"
        return warning(
            f"{found}, but in this policy {what}: nothing is retried",
            "Policy(attempts=3) is the default; whoever calls must back off otherwise.",
        )
    return ok(found)
