"""A few calls worth looking at, one on each client, and their spans as the rows of a waterfall.

Must not know how a waterfall is drawn.
"""

from __future__ import annotations

import asyncio
import random
import textwrap
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from clients import HTTPX, SYNC, AiohttpCaller, SyncCaller
from load import accounts
from mix import Made, Phase, Wish, chat, prepared, video
from opentelemetry.sdk.trace import ReadableSpan
from signals import spans_in_memory

from anyint_resilience.emulator import Fault

__all__ = ["Row", "Trace", "record"]

SHOWN = (
    "anyint.attempts",
    "anyint.waited",
    "anyint.outcome",
    "anyint.cause",
    "anyint.certainty",
    "anyint.intent",
    "anyint.outer_retries",
    "anyint.repeats",
    "gen_ai.request.model",
    "http.response.status_code",
    "error.type",
    "http.request.resend_count",
)
"""The attributes of a span that tell its story."""
SHOWN_OF_EVENTS = ("anyint.cause", "anyint.delay", "anyint.certainty", "http.response.status_code", "error.type")
REASON = 80  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One span: how deep it stands, its times in seconds after the trace began, and what it says."""

    name: str
    kind: str
    depth: int
    start: float
    end: float
    failed: bool
    attributes: Mapping[str, Any]
    events: list[tuple[float, str, Mapping[str, Any]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One trace: its title, and its spans in the order in which they began, children below their parent."""

    title: str
    rows: list[Row]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(row.end for row in self.rows)


STORY = Phase(name="story", share=1.0, seconds=0.4, wrong={})
STORIES: dict[str, Made] = {
    f"summarise a page ({HTTPX})": chat("summary", Fault.error(429, retry_after=0.8), Fault(status=503)),
    "make a video (requests)": video("film", Fault(reset="before_headers", process=True), times=2),
    "tell a story (aiohttp)": chat(
        "story", Fault(reset="before_headers"), Fault(cut_stream_after=3, delay_body=0.3), stream=True, reading="stream"
    ),
}
"""What the application does in each of the traces: one that heals, one that must not be paid twice, one that breaks."""


def record(url: str) -> list[Trace]:
    """Make the calls of all stories, each in a span of the application's own, and return their traces."""
    chance = random.Random(7)
    with spans_in_memory() as (provider, exporter):
        known = accounts(url, tracer_provider=provider)
        tracer = provider.get_tracer("application")
        callers = {name: made(known, url) for name, made in SYNC.items()}
        for title, made in STORIES.items():
            wish = prepared(*made, STORY, title, chance)
            with tracer.start_as_current_span(title):
                for _ in range(wish.times):
                    _make(callers, known, url, title, wish)
        for caller in callers.values():
            caller.close()
        spans = exporter.get_finished_spans()
    return [_trace(spans, title) for title in STORIES]


def _make(callers: Mapping[str, SyncCaller], known: Any, url: str, title: str, wish: Wish) -> None:
    """Make one call; what it raises is the application's to catch."""
    with suppress(Exception):
        for name, caller in callers.items():
            if f"({name})" in title:
                caller.call(wish)
                return
        asyncio.run(_make_async(known, url, wish))


async def _make_async(known: Any, url: str, wish: Wish) -> None:
    async with AiohttpCaller(known, url) as caller:
        await caller.call(wish)


def _trace(spans: Iterable[ReadableSpan], title: str) -> Trace:
    """Read one trace, root first."""
    root = next(span for span in spans if span.name == title)
    assert root.context is not None
    mine = [span for span in spans if span.context is not None and span.context.trace_id == root.context.trace_id]
    rows = list(_rows(root, mine, root.start_time or 0, 0))
    return Trace(title=title, rows=rows)


def _rows(span: ReadableSpan, all_spans: list[ReadableSpan], origin: int, depth: int) -> Iterable[Row]:
    yield _row(span, origin, depth)
    own = None if span.context is None else span.context.span_id
    children = [it for it in all_spans if it.parent is not None and it.parent.span_id == own]
    for child in sorted(children, key=lambda it: it.start_time or 0):
        yield from _rows(child, all_spans, origin, depth + 1)


def _row(span: ReadableSpan, origin: int, depth: int) -> Row:
    attributes = span.attributes or {}
    return Row(
        name=span.name,
        kind=span.kind.name,
        depth=depth,
        start=((span.start_time or 0) - origin) / 1e9,
        end=((span.end_time or 0) - origin) / 1e9,
        failed=not span.status.is_ok and not span.status.is_unset,
        attributes={name: attributes[name] for name in SHOWN if name in attributes},
        events=[
            (
                (event.timestamp - origin) / 1e9,
                event.name,
                _said(event.attributes or {}),
            )
            for event in span.events
        ],
    )


def _said(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event says in figures, or else its reason in words."""
    said = {name: attributes[name] for name in SHOWN_OF_EVENTS if name in attributes}
    reason = textwrap.shorten(str(attributes.get("anyint.reason", "")), REASON, placeholder=" …")
    return said or {"anyint.reason": reason}
