"""Our transports, blocking and awaiting: what each half adds to the surface they share.

Must not import either client, nor decide anything.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from ..config import Resilience
from ..drive import answered, drive_async, drive_sync, failed, resume_async, resume_sync
from ..effects import Peek, Peeked, Send, is_own
from ..peeking import Head, aiter_of, peek_async, peek_sync
from ..reports import REPORT_KEY
from ..runtime import shielded
from .orphans import taken_out
from .phases import Phases
from .shapes import AsyncInner, Q, R, SyncInner
from .surface import Base

__all__ = ["AsyncTransport", "SyncTransport"]

HTTP_1 = (b"HTTP/1.1", b"HTTP/1.0")


class SyncTransport(Base[Q, R]):
    """The blocking half; each adapter adds its client's ``BaseTransport``.

    Args:
        anyint: the configuration; None reads ``ANYINT_API_KEY`` and ``ANYINT_BASE_URL``.
        transport: the transport to wrap. Without one the client's own ``HTTPTransport`` is made of the other
            keywords (``http2``, ``verify``, ``proxy``, ``limits``, ...). Give them here: a client that is
            given a transport ignores its own, and the proxies of the environment. ``wrap`` keeps all that.

    Raises:
        TypeError: if settings are given beside a transport that would never see them.
    """

    def __init__(
        self, anyint: Resilience | None = None, *, transport: SyncInner[Q, R] | None = None, **more: Any
    ) -> None:
        inner: Any = inner_of(transport, self.kit.module.HTTPTransport, more)
        super().__init__(anyint, inner)
        self.replayed = lambda response: self.kit.replay_sync(response.stream, [], iter(response.stream))

    def send(self, request: Q) -> R:
        """Send by the wrapped transport, looked up each time: an instrumentation may be put on it at any time."""
        try:
            response: R = self.inner.handle_request(request)
        except BaseException:
            for connection in taken_out(self.inner):
                with suppress(Exception):
                    connection.close()
            raise
        return response

    def __enter__(self) -> Any:
        self.inner.__enter__()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.inner.__exit__(*exc_info)
        self.anyint.telemetry.flush()

    def close(self) -> None:
        """Close the wrapped transport."""
        self.inner.close()
        self.anyint.telemetry.flush()

    def handle_request(self, request: Q) -> R:
        """Send a request. One that is in order goes out from here: a call more would be a tenth of what that costs."""
        plan = self.lane_of(request)
        if plan is None or self.looked_at():
            return drive_sync(self, request, plan)
        started, tally = self.monotonic(), plan.tally
        tally.out += 1
        try:
            response = self.send(request)
        except Exception as error:
            first = failed(self, error)
        else:
            if response.status_code < 400 and not self.spent(response):
                tally.good += 1
                tally.last, tally.flew = started, tally.out
                response.extensions[REPORT_KEY] = plan
                return response
            first = answered(self, response)
            del response
        finally:
            tally.out -= 1
        try:
            return resume_sync(self, request, plan, started, first)
        finally:
            del first  # it may hold the error, whose traceback holds this frame

    def peek(self, response: R, effect: Peek[R]) -> Peeked:
        """Read the start of the body and put it back."""
        inner = response.stream
        anew = type(inner).__module__.endswith("_transports.default")  # the client's own goes on where it was
        if effect.pace is not None and not anew:
            effect.first = None
        head = Head(effect, self.monotonic)
        peeked, rest = peek_sync(inner, head, anew=anew)
        response.stream = made = self.kit.replay_sync(inner, head.chunks, rest)
        made.before = head.before
        return peeked

    def discard(self, response: R) -> None:
        """Close a response that nobody will see."""
        response.stream.close()


class AsyncTransport(Base[Q, R]):
    """The awaiting half, on asyncio and trio, with the same arguments; each adapter adds ``AsyncBaseTransport``."""

    def __init__(
        self, anyint: Resilience | None = None, *, transport: AsyncInner[Q, R] | None = None, **more: Any
    ) -> None:
        inner: Any = inner_of(transport, self.kit.module.AsyncHTTPTransport, more)
        super().__init__(anyint, inner)
        self.replayed = lambda response: self._replayed(response, [], aiter_of(response.stream))
        if type(inner) is self.kit.module.AsyncHTTPTransport:  # nobody knows when another one looks up what
            self.timed = Phases

    async def send(self, request: Q) -> R:
        """Send by the wrapped transport; see the blocking half."""
        try:
            response: R = await self.inner.handle_async_request(request)
        except GeneratorExit:  # thrown away: nothing can be awaited any more
            raise
        except BaseException:
            orphans = taken_out(self.inner)
            if orphans:
                with shielded():
                    for connection in orphans:
                        with suppress(Exception):
                            await connection.aclose()
            raise
        return response

    async def __aenter__(self) -> Any:
        await self.inner.__aenter__()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self.inner.__aexit__(*exc_info)
        self.anyint.telemetry.flush()

    async def aclose(self) -> None:
        """Close the wrapped transport."""
        await self.inner.aclose()
        self.anyint.telemetry.flush()

    async def handle_async_request(self, request: Q) -> R:
        """Send a request; the twin of ``handle_request``."""
        plan = self.lane_of(request)
        if plan is None or self.looked_at():
            return await drive_async(self, request, plan)
        started, tally = self.monotonic(), plan.tally
        tally.out += 1
        try:
            response = await self.send(request)
        except Exception as error:
            first = failed(self, error)
        else:
            if response.status_code < 400 and not self.spent(response):
                tally.good += 1
                tally.last, tally.flew = started, tally.out
                response.extensions[REPORT_KEY] = plan
                return response
            first = answered(self, response)
            del response
        finally:
            tally.out -= 1
        try:
            return await resume_async(self, request, plan, started, first)
        finally:
            del first

    async def peek(self, response: R, effect: Peek[R]) -> Peeked:
        """Read the start of the body and put it back."""
        head = Head(effect, self.monotonic)
        peeked, rest = await peek_async(response.stream, head)
        response.stream = made = self._replayed(response, head.chunks, rest)
        if peeked.error is not None:
            made.shut = True  # it is; its generators are not
            await made.aclose()
        return peeked

    def _replayed(self, response: R, chunks: list[bytes], rest: Any) -> Any:
        replay = self.kit.replay_async(response.stream, chunks, rest)
        replay.drains = response.extensions.get("http_version") in HTTP_1
        return replay

    def cut(self, request: Q, effect: Send, error: Exception) -> Exception:
        """Return what an attempt ended with: the client's own time-out where its time was up before it was sent."""
        times = request.extensions.get("timeout")
        name = times.unsent if isinstance(times, Phases) and isinstance(error, TimeoutError) and is_own(error) else None
        if name is not None:
            return cast("Exception", getattr(self.kit.module, name)("the deadline came before it was sent"))
        return super().cut(request, effect, error)

    async def discard(self, response: R) -> None:
        """Close a response that nobody will see."""
        await response.stream.aclose()


def inner_of(given: Any, make: Callable[..., Any], more: dict[str, Any]) -> Any:
    """Return the transport to wrap: the one given, or a new one with these settings."""
    if given is None:
        return make(**more)
    if more:
        raise TypeError(f"these belong to the transport you pass, and would be lost: {', '.join(sorted(more))}")
    return given
