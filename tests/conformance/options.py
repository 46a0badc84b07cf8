"""What every client is asked for, in the words of each: time-outs, forms, bodies.

Must not know how a call is made.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

__all__ = ["Timeout", "aiohttp_form", "aiohttp_timeout", "async_body", "httpx_timeout"]

Timeout = float | tuple[float | None, float | None] | None
"""Seconds for each step, the same for all; or for connecting and reading apart; None: no bound."""


def httpx_timeout(module: Any, timeout: Timeout) -> Any:
    """Return what httpx takes."""
    if not isinstance(timeout, tuple):
        return timeout
    connect, read = timeout
    return module.Timeout(connect=connect, pool=connect, write=read, read=read)


def aiohttp_timeout(timeout: Timeout) -> Any:
    """Return what aiohttp takes: no total, each step bounded as httpx and requests have it."""
    import aiohttp

    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    return aiohttp.ClientTimeout(total=None, connect=connect, sock_connect=connect, sock_read=read)


def aiohttp_form(files: dict[str, Any], data: dict[str, str] | None) -> Any:
    """Make a form as httpx and requests make it: the fields first, a file given as itself or with its name and type."""
    import aiohttp

    form = aiohttp.FormData()
    for name, value in (data or {}).items():
        form.add_field(name, value)
    for name, given in files.items():
        filename, file, *kind = given if isinstance(given, tuple) else (name, given)
        file = io.BytesIO(file) if isinstance(file, bytes) else file
        form.add_field(name, file, filename=filename, content_type=kind[0] if kind else "application/octet-stream")
    return form


def async_body(content: Any) -> Any:
    """Return a body that an async client takes: an iterator that awaits where a blocking one was given."""
    if isinstance(content, (bytes, str)) or not isinstance(content, Iterator):
        return content

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in content:
            yield chunk

    return chunks()
