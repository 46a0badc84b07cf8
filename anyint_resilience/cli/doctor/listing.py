"""Step 2: the Models API. One question, asked once, whose answer also tells the other checks whether to ask at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import quote

from ...policy.bodies import is_array, is_object
from .answers import said, seconds, trouble, well
from .context import Context
from .finding import Blocked, Finding, failed, joined, skipped, warning
from .sending import Reply

__all__ = ["Listing", "check_models", "listing", "model_like", "nothing_like", "reached"]

_PATH: Final = "/openai/v1/models"
_MOST_PAGES: Final = 20
_MOST: Final = 5000
_BYTES: Final = 4 * 1024 * 1024
_LIKE: Final = 3
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_PASSING: Final = (429,)


@dataclass(slots=True)
class Listing:
    """What the Models API said. ``problem``: why nothing more should be asked. ``ids`` in their order."""

    reply: Reply | None = None
    problem: Finding | None = None
    ids: list[str] = field(default_factory=list)
    pages: int = 0
    remarks: list[Finding] = field(default_factory=list)


def listing(ctx: Context) -> Listing:
    """Return the list of models, asked for once; Blocked where it may not be."""
    sender = ctx.sender
    del sender  # it is there, or why not was raised
    if ctx.listing is None:
        asked = ctx.listing = Listing(problem=failed("the Models API did not answer", "See there."))
        _ask(ctx, asked)
    return ctx.listing


def reached(ctx: Context) -> Listing:
    """Return the list where the gateway answered for this key; else raise Blocked: all else would fail alike."""
    found = listing(ctx)
    if found.problem is not None:
        raise Blocked("models", f"the Models API: {found.problem.found}")
    return found


def _ask(ctx: Context, found: Listing) -> None:
    query = ""
    while True:
        reply = ctx.send("GET", _PATH + query, most=_BYTES)
        wrong = trouble(ctx, reply) or _shape(ctx, reply)
        if found.reply is None:
            passing = wrong is not None and wrong.status == "warning" and reply.status in _PASSING
            found.reply, found.problem = reply, None if passing else wrong
            found.remarks += [] if wrong is None or found.problem is not None else [wrong]
        elif wrong is not None:
            found.remarks.append(
                warning(f"page {found.pages + 1}: {wrong.found}", "Only the first pages were compared.")
            )
        if wrong is not None:
            return
        found.pages += 1
        new = [it for it in _ids(reply) if it not in found.ids]
        found.ids += new[: _MOST - len(found.ids)]
        query = _next(found, reply, new)
        if not query:
            return


def _shape(ctx: Context, reply: Reply) -> Finding | None:
    if is_array(reply.member.get("data")):
        return None
    return failed(
        f"HTTP {reply.status}, but its JSON has no list in data ({len(reply.body)} bytes){said(ctx, reply)}",
        "Something else answers under this address: look at the base URL.",
    )


def _ids(reply: Reply) -> list[str]:
    rows: Any = reply.member.get("data")
    ids = (it.get("id") for it in rows[:_MOST] if is_object(it))
    return [it for it in ids if isinstance(it, str) and _NAME.fullmatch(it)]


def _next(found: Listing, reply: Reply, new: list[str]) -> str:
    """Return the query of the next page, nothing where there is none; AnyInt names the cursor in no document."""
    if reply.member.get("has_more") is not True:
        return ""
    last = reply.member.get("last_id")
    if not new or not isinstance(last, str) or found.pages >= _MOST_PAGES:
        why = (
            "brings the same page again" if not new else "leads no further" if found.pages < _MOST_PAGES else "goes on"
        )
        found.remarks.append(
            warning(
                f"has_more is true, and after_id {why} after {found.pages} page(s)",
                "An id that is not listed here may be there all the same: ask for it before you give it up.",
            )
        )
        return ""
    return f"?after_id={quote(last, safe='')}"


# --- what the application wants


def check_models(ctx: Context) -> Finding:
    """See whether the Models API answers, and has the models that are wanted."""
    found = listing(ctx)
    if found.problem is not None:
        return found.problem
    reply = found.reply
    assert reply is not None
    remarks = [*found.remarks, *_wanted(ctx, found)]
    if not found.pages:
        return joined(remarks, "")
    told = f"{len(found.ids)} models in {seconds(reply.seconds)}"
    if not found.ids and not found.remarks:
        remarks.append(failed("the list is empty", "This key may use no model: look at its plan and its allow list."))
    if found.pages > 1:
        told += f" on {found.pages} pages, of which the openai SDK reads the first alone"
    if ctx.options.models and not remarks:
        told += f"; there: {', '.join(ctx.options.models)}"
    return well(reply, told, *remarks)


def _wanted(ctx: Context, found: Listing) -> Iterator[Finding]:
    by_lower = {it.lower(): it for it in found.ids}
    for model in ctx.options.models:
        if model in found.ids:
            continue
        if not found.pages:
            yield failed(
                f"nobody knows whether there is {ctx.mask.foreign(model, 80)!r}: no list came", "Try again later."
            )
            continue
        near = [by_lower[it] for it in get_close_matches(model.lower(), by_lower, n=_LIKE, cutoff=0.5)]
        like = f"; names like it: {', '.join(near)}" if near else ""
        advice = "Use an id of data[].id, letter by letter" + (f": {near[0]}?" if near else ".")
        yield failed(f"no model {ctx.mask.foreign(model, 80)!r} among {len(found.ids)}{like}", advice)


_NOT_TEXT: Final = re.compile(
    r"embed|image|audio|tts|whisper|realtime|transcri|speech|video|moderat|dall-?e|sora|veo|kling|wan\d|suno|t2v|i2v"
    r"|rerank|^v\d",
    re.I,
)
_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "text": (
        r"gpt.*(?:nano|mini)",
        r"gpt",
        r"flash|haiku",
        r"claude|gemini|qwen|deepseek|glm|llama|mistral|grok",
        r".",
    ),
    "anthropic": (r"claude.*haiku", r"claude"),
    "gemini": (r"gemini.*flash-lite", r"gemini.*flash", r"gemini"),
    "video": (r"kling", r"veo|sora|wan\d|t2v|video"),
}
"""What a model's name looks like that can do a thing, cheap ones first. Only names say what a model is for."""


def model_like(ctx: Context, kind: str) -> str | None:
    """Return a model for a check: one of ``--model`` that fits, else the first in the list that does; None: none."""
    ids = reached(ctx).ids
    wanted = [it for it in ctx.options.models if it in ids or not ids]
    for names in (wanted, ids):
        able = [it for it in names if kind == "video" or not _NOT_TEXT.search(it)]
        for pattern in _KINDS[kind]:
            for name in able:
                if re.search(pattern, name, re.I):
                    return name
    return None


def nothing_like(kind: str) -> Finding:
    """Say that there is no model to ask."""
    return skipped(f"no model in the list looks like {kind}", "If this key has one, name it: --model ID.")
