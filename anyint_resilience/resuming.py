"""``resume_stream``: a stream that broke off is asked for anew, and the application is told.

Must not know any client or SDK, nor put two answers together. ``restarting`` decides; the two ways to iterate
stand side by side.
"""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    aclosing,
    closing,
)
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload

from .config import Resilience
from .policy.rules import Policy
from .restarting import Restarted, Runs
from .runtime import Runtime
from .stores.flows import awaited, waited

__all__ = ["Restarted", "Resumed", "resume_stream"]

T = TypeVar("T")
Makes: TypeAlias = "Callable[[], Iterable[T] | AbstractContextManager[Iterable[T]]]"
MakesAsync: TypeAlias = (
    "Callable[[], AsyncIterable[T] | Awaitable[AsyncIterable[T]] | AbstractAsyncContextManager[AsyncIterable[T]]]"
)


class Resumed(Generic[T]):
    """What :func:`resume_stream` returns: iterate over it, with ``for`` or ``async for``, once.

    As a context manager it closes the stream at the end of the block, also where that is left in the middle.
    """

    def __init__(self, make: Callable[[], Any], runs: Runs) -> None:
        self._make = make
        self._runs = runs
        self._running: Any = None

    def __iter__(self) -> Iterator[T | Restarted]:
        self._running = self._begun(_sync(self._make, self._runs))
        return cast("Iterator[T | Restarted]", self._running)

    def __aiter__(self) -> AsyncIterator[T | Restarted]:
        self._running = self._begun(_async(self._make, self._runs))
        return cast("AsyncIterator[T | Restarted]", self._running)

    def __enter__(self) -> Resumed[T]:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._running is not None:
            self._running.close()

    async def __aenter__(self) -> Resumed[T]:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._running is not None:
            await self._running.aclose()

    def _begun(self, running: Any) -> Any:
        if self._running is not None:
            raise TypeError("a resumed stream is iterated over once: call resume_stream again for another one")
        return running


def _sync(make: Callable[[], Any], runs: Runs) -> Generator[Any, None, None]:
    while True:
        broken: Exception | None = None
        try:
            with closing(_run(make, runs)) as items:
                yield from items
        except Exception as error:
            broken = error
        again: Any = waited(runs.ended(broken))
        try:
            if again is None and broken is not None:
                raise broken
        finally:
            del broken
        if again is None:
            return
        delay, told, again = again.delay, [again], None  # not held here: its traceback holds this frame
        yield told.pop()
        runs.runtime.sleep(delay)


async def _async(make: Callable[[], Any], runs: Runs) -> AsyncGenerator[Any, None]:
    while True:
        broken: Exception | None = None
        try:
            async with aclosing(_run_async(make, runs)) as items:
                async for item in items:
                    yield item
        except Exception as error:
            broken = error
        again: Any = await awaited(runs.ended(broken))
        try:
            if again is None and broken is not None:
                raise broken
        finally:
            del broken
        if again is None:
            return
        delay, told, again = again.delay, [again], None
        yield told.pop()
        await runs.runtime.asleep(delay)


def _run(make: Callable[[], Any], runs: Runs) -> Generator[Any, None, None]:
    """Make the request and yield what it gives, as far as that goes."""
    with ExitStack() as stack:
        with runs.hearing():
            made: Any = make()
            made = stack.enter_context(made) if hasattr(made, "__enter__") else made
            stack.callback(getattr(made, "close", _nothing))
            iterator = iter(_iterable(made, "__iter__"))
            if iterator is not made:
                stack.callback(getattr(iterator, "close", _nothing))
        while True:
            with runs.hearing():
                item: Any = next(iterator, _END)
            if item is _END:
                return
            runs.items += 1
            yield item


async def _run_async(make: Callable[[], Any], runs: Runs) -> AsyncGenerator[Any, None]:
    """Do as :meth:`_run`, awaiting."""
    async with AsyncExitStack() as stack:
        with runs.hearing():
            made: Any = make()
            made = await _awaited(made)
            made = await stack.enter_async_context(made) if hasattr(made, "__aenter__") else made
            stack.push_async_callback(_aclosed, made)
            iterator = _iterable(made, "__aiter__").__aiter__()
            if iterator is not made:
                stack.push_async_callback(_aclosed, iterator)
        while True:
            with runs.hearing():
                try:
                    item: Any = await iterator.__anext__()
                except StopAsyncIteration:
                    return
            runs.items += 1
            yield item


_END = object()


async def _awaited(made: Any) -> Any:
    """Await what an async SDK's method returns, unless that is a context manager too."""
    return await made if inspect.isawaitable(made) and not hasattr(made, "__aenter__") else made


def _nothing() -> None:
    """Close what can't be closed."""


async def _aclosed(made: Any) -> None:
    close = getattr(made, "aclose", None) or getattr(made, "close", None)
    closing_it = None if close is None else close()
    if inspect.isawaitable(closing_it):
        await closing_it


def _iterable(made: Any, name: str) -> Any:
    if not hasattr(made, name):
        how = "for" if name == "__iter__" else "async for"
        raise TypeError(
            f"make_request must return what can be iterated over with {how!r}, not {type(made).__name__}: for a bare "
            "client write a generator function that opens the response and yields from it"
        )
    return made


@overload
def resume_stream(
    make_request: Makes[T],
    *,
    anyint: Resilience | None = None,
    policy: Policy | None = None,
) -> Resumed[T]: ...
@overload
def resume_stream(
    make_request: MakesAsync[T],
    *,
    anyint: Resilience | None = None,
    policy: Policy | None = None,
) -> Resumed[T]: ...
def resume_stream(
    make_request: Callable[[], Any],
    *,
    anyint: Resilience | None = None,
    policy: Policy | None = None,
) -> Resumed[Any]:
    """Iterate over a stream; where it breaks off and is safe to repeat, ask anew and say so with a :class:`Restarted`.

    Two answers are never put together: after a ``Restarted`` the new one comes from its beginning. ::

        for event in resume_stream(lambda: client.chat.completions.create(model=..., messages=..., stream=True)):
            if isinstance(event, Restarted):
                shown.clear()
                continue
            ...

    It is asked for at most ``policy.attempts`` times in all; the waits between are the server's, else the policy's, and
    no longer than its ``retry_window`` together; no run begins after its ``deadline``. Each costs a token of the
    retry budget of its key and gateway. A call that failed before anything of it came is not made again here: the
    transport has done that. What is not made again is raised as the client or SDK raised it.

    Args:
        make_request: makes the request and returns what to iterate over: an SDK's stream, a context manager of one, a
            generator, and with ``async for`` also an awaitable of these. Called once for each run.
        anyint: whose policy, clock and chance to use; by default ``Policy()`` and the real ones.
        policy: another policy.

    Raises:
        TypeError: if what ``make_request`` returns can't be iterated over.
    """
    runtime = Runtime() if anyint is None else anyint.runtime
    if policy is None:
        policy = Policy() if anyint is None else anyint.in_force()
    return Resumed(make_request, Runs(policy, runtime))
