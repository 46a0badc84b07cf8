"""The names of all checks, for the parser and for shells. Must not know what they do: this is read at every start."""

from __future__ import annotations

from typing import Final

__all__ = ["NAMES"]

NAMES: Final = (
    *("key", "base-url", "sdk-env", "config", "store", "versions", "proxies", "certificates", "models", "clock"),
    *("text", "stream", "anthropic", "gemini", "dashscope", "kling", "suno", "task", "callback"),
    *("wrong-key", "forbidden", "limited"),
    *("client", "layer", "target", "retries", "timeouts", "ways-out", "instrumentation"),
)
