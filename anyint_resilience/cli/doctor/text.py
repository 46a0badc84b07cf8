"""Steps 3 and 4: one minimal text request, and the same as a stream, followed to its terminal event."""

from __future__ import annotations

from typing import Any, Final

from ...contract.matching import route_table
from ...exceptions import StreamInterrupted
from ...policy.bodies import is_array, is_object, values_at
from ...streams.choosing import watcher_of
from ...streams.marks import Verdict
from .answers import seconds, trouble, well
from .context import Context
from .finding import Finding, failed, warning
from .listing import model_like, nothing_like
from .sending import Reply

__all__ = ["check_stream", "check_text"]

_PATH: Final = "/openai/v1/chat/completions"
_FEW: Final = 16  # tokens: some models want no less
_SECONDS: Final = 20.0
_LIMITS: Final = ("max_tokens", "max_completion_tokens")


def _asked(ctx: Context, model: str, **more: object) -> Reply:
    """Ask for a few tokens; newer models want the limit under its newer name, and say so."""
    reply: Reply | None = None
    for limit in _LIMITS:
        body = {"model": model, "messages": [{"role": "user", "content": "Say ok."}], limit: _FEW, **more}
        reply = ctx.send("POST", _PATH, body, seconds=_SECONDS)
        if not (reply.status == 400 and _LIMITS[1].encode() in reply.body):
            return reply
    assert reply is not None
    return reply


def check_text(ctx: Context) -> Finding:
    """Have a model write a few tokens."""
    model = model_like(ctx, "text")
    if model is None:
        return nothing_like("a text model")
    reply = _asked(ctx, model)
    wrong = trouble(ctx, reply)
    if wrong is not None:
        return Finding(wrong.status, f"{ctx.mask.foreign(model, 80)}: {wrong.found}", wrong.advice)
    choices = reply.member.get("choices")
    if not (is_array(choices) and choices and is_object(choices[0]) and is_object(choices[0].get("message"))):
        return failed(
            f"HTTP {reply.status}, but its JSON has no choices[0].message: no chat completion",
            "Something on the way answers in another form: look at the base URL, and at proxies of your own.",
        )
    return well(reply, f"{ctx.mask.foreign(model, 80)} answered in {seconds(reply.seconds)}{_tokens(reply)}")


def _tokens(reply: Reply) -> str:
    used: Any = next(iter(values_at(reply.member, ("usage", "total_tokens"))), None)
    return f", {used} tokens" if isinstance(used, int) and 0 <= used < 10**9 else ""


def check_stream(ctx: Context) -> Finding:
    """Have a model write a few tokens as a stream, and see whether it is whole."""
    model = model_like(ctx, "text")
    if model is None:
        return nothing_like("a text model")
    reply = _asked(ctx, model, stream=True)
    if isinstance(reply.error, StreamInterrupted) and reply.status:
        return _interrupted(ctx, reply.error)
    wrong = trouble(ctx, reply, json=False)
    if wrong is not None:
        return wrong
    watcher = watcher_of(route_table(seedance=False).match("POST", _PATH), reply.status, reply.headers)
    if watcher is None:
        kind = ctx.mask.foreign(reply.kind, 40) or "no content type"
        return failed(
            f"HTTP {reply.status}, but {kind} where text/event-stream should be",
            "Something on the way gathers the stream or drops its headers: have proxies pass text/event-stream on.",
        )
    watcher.feed(reply.body)
    marks, verdict = watcher.marks, watcher.verdict
    found = f"{marks.content} events of content in {seconds(reply.seconds)}, to the terminal event"
    if verdict is Verdict.WHOLE:
        return well(reply, found)
    return _not_whole(verdict)


def _not_whole(verdict: Verdict) -> Finding:
    if verdict is Verdict.SOFT:
        return warning(
            "the reason for the end came, the last event ([DONE]) did not", "It can be used; our layer warns of it."
        )
    return failed(f"the stream is not whole: {verdict.value}", _BROKEN)


_BROKEN: Final = (
    "Look for what cuts streams on the way: a proxy's time-out or buffer. Our layer raises StreamInterrupted, so that "
    "no half answer passes for a whole one (docs/streams.md)."
)


def _interrupted(ctx: Context, error: StreamInterrupted) -> Finding:
    why = ctx.mask.foreign(getattr(error, "why", "") or type(error).__name__, 80)
    count = getattr(error, "events", 0)
    return failed(f"the stream was interrupted after {count} events of content: {why}", _BROKEN)
