"""What overhead.py compares: for each client the same good POST, through each layer there is for it.

Must not know how anything is measured, nor any client: ``_sides_*.py`` build the sides of one client each.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ANSWER",
    "ANSWER_HEADERS",
    "BODY",
    "CLIENTS",
    "GUARDED",
    "HEADERS",
    "LABELS",
    "RETRIED",
    "URL",
    "Client",
    "anyint_of",
    "post_of",
]

LABELS = {
    "bare": "bare client",
    "wrapper": "layer that does nothing",
    "ours": "anyint-resilience",
    "httpx-retries": "httpx-retries, POST allowed",
    "httpx-retries-defaults": "httpx-retries, defaults (POST is not retried)",
    "urllib3": "urllib3 Retry",
    "cookbook": "aiohttp's cookbook loop",
    "example": "aiohttp's example class",
    "aiohttp-retry": "aiohttp-retry",
    "tenacity": "tenacity around client.post",
}
"""Every side there is, in the order of the table."""


@dataclass(frozen=True)
class Client:
    """One HTTP client: in which modes it is measured, through which layers, and who builds them."""

    modes: tuple[str, ...]
    sides: tuple[str, ...]
    builder: str


_HTTPX = Client(
    modes=("sync", "async"),
    sides=("bare", "wrapper", "ours", "httpx-retries", "httpx-retries-defaults", "tenacity"),
    builder="_sides_httpx",
)
CLIENTS = {
    "httpx": _HTTPX,
    "httpx2": _HTTPX,
    "requests": Client(
        modes=("sync",), sides=("bare", "wrapper", "ours", "urllib3", "tenacity"), builder="_sides_requests"
    ),
    "aiohttp": Client(
        modes=("async",),
        sides=("bare", "wrapper", "ours", "cookbook", "example", "aiohttp-retry", "tenacity"),
        builder="_sides_aiohttp",
    ),
}

URL = "https://gateway.api.anyint.ai/openai/v1/chat/completions"
HEADERS = {"Authorization": "Bearer k"}
BODY = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}], "temperature": 0.2}
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
).encode()
ANSWER_HEADERS = [
    ("content-type", "application/json"),
    ("date", "Mon, 05 Jan 2026 10:00:00 GMT"),
    ("x-request-id", "req_0123456789"),
    ("x-ratelimit-remaining-requests", "4999"),
    ("content-length", str(len(ANSWER))),
]
RETRIED = {408, 429, 500, 502, 503, 504}
"""What tenacity is told to repeat."""

GUARDED = ("guards-off", "guards-on", "guards-fallback", "guards-all")
"""What guards_cost.py compares: our layer with more and more guards."""


def anyint_of(side: str) -> Any:
    """Return our configuration for a side: its defaults, or with the guards that the side's name says."""
    from anyint_resilience import Fallback, Guards, Resilience

    more: dict[str, Any] = {}
    if side == "guards-off":
        more["guards"] = Guards.off()
    elif side == "guards-all":
        more["guards"] = Guards(breaker=True)
    if side in ("guards-fallback", "guards-all"):
        route = "/openai/v1/chat/completions"
        more["fallbacks"] = [Fallback(workload="chat", route=route, model=str(BODY["model"]), to="gpt-4o")]
    return Resilience(api_key="k", **more)


def post_of(client: str, mode: str, side: str, closing: AsyncExitStack) -> Callable[[], Any]:
    """Return one call of a side, the whole answer read; what it needs is closed with ``closing``."""
    builder = importlib.import_module(CLIENTS[client].builder)
    post: Callable[[], Any] = builder.post_of(client, mode, side, closing)
    return post
