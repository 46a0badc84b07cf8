"""How each family's stream ends, how it says that it failed, and what tells that it was cut.

Must not know how a stream is read: data only. Origin: contract section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .tasks import Path
from .words import Family, Origin

__all__ = ["DONE", "STREAMS", "StreamEnds", "ends_of"]

DONE = "[DONE]"
"""The payload at which SDKs stop to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnds:
    """One dialect of server-sent events.

    The stream is over well when one of these was seen: a ``data`` payload that is ``done_data``, an event
    whose name (its ``event:`` line, or ``type`` in its JSON) is in ``done_events``, or a non-empty value at
    a ``done_paths`` path followed by EOF, unless that value is in ``not_done``. ``soft_paths`` seen but no
    real end is complete with a warning. ``failed_events`` and a non-empty value at ``error_paths`` are
    failures after HTTP 200, and so are the reasons for the end in ``failed_finishes``. ``ignored_events`` are
    keep-alives. ``comment_status`` is the prefix of an SSE comment that carries the real HTTP status. ``hollow_done``:
    SDKs read no further than a ``[DONE]``, whatever came before it. ``cut`` says in words what an
    interruption looks like.

    Content is what stands at ``content_paths`` (but for keys in ``not_content``); in a dialect without them it is each
    event that is not one of ``empty_events``, which come before content, or say again that it came. ``text_paths`` are
    where text for people stands (in ``text_events`` alone, if there are any), ``usage_paths`` and ``finish_paths``
    where the tokens used and the reason for the end do.
    """

    name: str
    family: Family
    origin: Origin
    cut: str
    done_data: str | None = None
    done_events: frozenset[str] = frozenset()
    done_paths: tuple[Path, ...] = ()
    not_done: frozenset[str] = frozenset()
    soft_paths: tuple[Path, ...] = ()
    failed_events: frozenset[str] = frozenset()
    error_paths: tuple[Path, ...] = (("error",),)
    ignored_events: frozenset[str] = frozenset()
    comment_status: str | None = None
    hollow_done: bool = False
    failed_finishes: frozenset[str] = frozenset()
    empty_events: frozenset[str] = frozenset()
    content_paths: tuple[Path, ...] = ()
    not_content: frozenset[str] = frozenset()
    text_paths: tuple[Path, ...] = ()
    text_events: frozenset[str] = frozenset()
    usage_paths: tuple[Path, ...] = (("usage",),)
    finish_paths: tuple[Path, ...] = ()
    note: str = ""


STREAMS: Final[tuple[StreamEnds, ...]] = (
    StreamEnds(
        name="openai_chat",
        family=Family.OPENAI,
        origin=Origin.UPSTREAM,
        done_data=DONE,
        hollow_done=True,
        soft_paths=(("choices", "[]", "finish_reason"),),
        failed_events=frozenset({"error"}),
        not_done=frozenset({"null"}),
        failed_finishes=frozenset({"error", "abort", "network_error", "insufficient_system_resource"}),
        content_paths=(("choices", "[]", "delta"),),
        not_content=frozenset({"role"}),
        text_paths=(("choices", "[]", "delta", "content"),),
        finish_paths=(("choices", "[]", "finish_reason"),),
        cut="EOF without [DONE], or a broken connection",
        note="an optional usage chunk with empty choices comes before [DONE]; reasons for the end that are failures "
        "are of providers behind relays (assumed)",
    ),
    StreamEnds(
        name="openai_responses",
        family=Family.OPENAI,
        origin=Origin.UPSTREAM,
        done_events=frozenset({"response.completed", "response.incomplete", "response.failed"}),
        failed_events=frozenset({"error", "response.failed"}),
        error_paths=(("error",), ("response", "error")),
        hollow_done=True,
        empty_events=frozenset(
            {
                *("response.created", "response.queued", "response.in_progress", "response.output_item.added"),
                *("response.content_part.added", "response.reasoning_summary_part.added", "keepalive"),
                *("response.output_text.done", "response.content_part.done"),
            }
        ),
        text_paths=(("delta",),),
        text_events=frozenset({"response.output_text.delta"}),
        usage_paths=(("response", "usage"),),
        finish_paths=(("response", "incomplete_details", "reason"), ("response", "status")),
        not_done=frozenset({"queued", "in_progress"}),
        cut="EOF without one of the three final events; [DONE] alone is not success",
        note="the error event is flat or nested; through AnyInt a [DONE] after response.completed was seen (field)",
    ),
    StreamEnds(
        name="anthropic_messages",
        family=Family.ANTHROPIC,
        origin=Origin.UPSTREAM,
        done_events=frozenset({"message_stop"}),
        failed_events=frozenset({"error"}),
        ignored_events=frozenset({"ping"}),
        empty_events=frozenset({"message_start", "content_block_start", "content_block_stop", "message_delta"}),
        text_paths=(("delta", "text"),),
        text_events=frozenset({"content_block_delta"}),
        usage_paths=(("usage",), ("message", "usage")),
        finish_paths=(("delta", "stop_reason"),),
        cut="EOF without message_stop",
    ),
    StreamEnds(
        name="gemini_generate",
        family=Family.GEMINI,
        origin=Origin.UPSTREAM,
        done_paths=(("candidates", "[]", "finishReason"), ("promptFeedback", "blockReason")),
        not_done=frozenset({"FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"}),
        content_paths=(("candidates", "[]", "content", "parts"),),
        text_paths=(("candidates", "[]", "content", "parts", "[]", "text"),),
        usage_paths=(("usageMetadata",),),
        finish_paths=(("candidates", "[]", "finishReason"), ("promptFeedback", "blockReason")),
        cut="EOF with no finishReason ever and no promptFeedback.blockReason",
        note="without ?alt=sse the answer is one JSON array",
    ),
    StreamEnds(
        name="dashscope_native",
        family=Family.DASHSCOPE,
        origin=Origin.UPSTREAM,
        done_paths=(("output", "choices", "[]", "finish_reason"), ("output", "finish_reason")),
        not_done=frozenset({"null"}),
        content_paths=(("output", "choices", "[]", "message"), ("output", "text")),
        not_content=frozenset({"role"}),
        finish_paths=(("output", "choices", "[]", "finish_reason"), ("output", "finish_reason")),
        failed_events=frozenset({"error"}),
        error_paths=(("code",),),
        comment_status=":HTTP_STATUS/",
        cut="EOF before a finish_reason",
        note="the SSE comment carries the real status; a finish_reason of the string null is not an end; a model that "
        "answers with a plain text has it, and its finish_reason, one step higher (assumed)",
    ),
)
"""Every dialect (contract 5)."""

_BY_FAMILY: Final = {row.family: row for row in STREAMS if row.family is not Family.OPENAI}
_BY_NAME: Final = {row.name: row for row in STREAMS}


def ends_of(family: Family | None, template: str) -> StreamEnds | None:
    """Return the dialect a route streams in, or None where it has none."""
    if family is Family.OPENAI:
        if template.endswith("/responses"):
            return _BY_NAME["openai_responses"]
        return _BY_NAME["openai_chat"] if template.endswith("/chat/completions") else None
    return _BY_FAMILY.get(family) if family is not None else None
