"""``resume_stream``: a stream that broke off is asked for anew, and the application is told.

Must not know any client or SDK, nor put two answers together. What decides is written once, in ``_Runs``; the two ways
to iterate stand side by side.
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
    contextmanager,
)
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload

from .config import Resilience
from .exceptions import StreamInterrupted
from .following import FAILED
from .policy.rules import Policy
from .repeating import Repeat, delay_before, repeat_of
from .runtime import Runtime

__all__ = ["Restarted", "Resumed", "resume_stream"]

T = TypeVar("T")
Makes: TypeAlias = "Callable[[], Iterable[T] | AbstractContextManager[Iterable[T]]]"
MakesAsync: TypeAlias = (
    "Callable[[], AsyncIterable[T] | Awaitable[AsyncIterable[T]] | AbstractAsyncContextManager[AsyncIterable[T]]]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """What came so far is no whole answer, and the same is asked for anew: drop it, or keep it apart.

    ``number`` of the run that follows (2 is the first one anew), after ``delay`` seconds. ``items``: how many were
    given of the run before. ``why``: as on :class:`StreamInterrupted`. ``error``: the exception that ended it.
    """

    number: int
    delay: float
    items: int
    why: str
    error: Exception = field(repr=False)


class _Runs:
    """How often, and how long, one stream has been asked for."""

    def __init__(self, policy: Policy | None, runtime: Runtime) -> None:
        self.policy = Policy() if policy is None else policy
        self.runtime = runtime
        self.began = runtime.monotonic()
        self.number, self.items, self.waited = 1, 0, 0.0
        self._failed: list[StreamInterrupted] = []

    @contextmanager
    def hearing(self) -> Generator[None, None, None]:
        """Hear of a stream that says itself that it failed, though an SDK raises its own exception for that."""
        token = FAILED.set(self._failed)
        try:
            yield
        finally:
            FAILED.reset(token)

    def ended(self, error: Exception | None) -> Restarted | None:
        """Return that it is asked for anew; None where it was whole, or the exception is to be raised."""
        return None if error is None else self._again(error)

    def _again(self, error: Exception) -> Restarted | None:
        policy, runtime = self.policy, self.runtime
        repeat = repeat_of(error, policy)
        if repeat.interrupted is None and self._failed:  # an SDK made its own of an event that says so
            last = self._failed[-1]
            at = None if last.decision is None else last.decision.retry_at
            repeat = Repeat(last.safe_to_repeat, last.cause, at, last)
        if not repeat.safe or not policy.enabled or self.number >= policy.attempts or not self._broke(repeat):
            return None
        delay = delay_before(repeat, number=self.number, now=runtime.wall(), policy=policy, u=runtime.random())
        passed = runtime.monotonic() - self.began
        late = policy.deadline is not None and passed + delay >= policy.deadline
        if late or self.waited + delay > policy.retry_window or not self._paid(repeat):
            return None
        self.number, self.waited, items, self.items = self.number + 1, self.waited + delay, self.items, 0
        self._failed.clear()
        why = "failed" if repeat.interrupted is None else repeat.interrupted.why
        return Restarted(number=self.number, delay=delay, items=items, why=why, error=error)

    def _broke(self, repeat: Repeat) -> bool:
        """Whether a stream broke off: a call that never began has had all its attempts."""
        return self.items > 0 if repeat.interrupted is None else not repeat.interrupted.retried

    def _paid(self, repeat: Repeat) -> bool:
        """Whether the retry budget of its key and gateway pays for it."""
        spend = None if repeat.interrupted is None else repeat.interrupted.spend
        return True if spend is None else spend()


class Resumed(Generic[T]):
    """What :func:`resume_stream` returns: iterate over it, with ``for`` or ``async for``, once.

    As a context manager it closes the stream at the end of the block, also where that is left in the middle.
    """

    def __init__(self, make: Callable[[], Any], runs: _Runs) -> None:
        self._make = make
        self._runs = runs
        self._running: Any = None

    def __iter__(self) -> Iterator[T | Restarted]:
        self._running = self._begun(self._sync())
        return cast("Iterator[T | Restarted]", self._running)

    def __aiter__(self) -> AsyncIterator[T | Restarted]:
        self._running = self._begun(self._async())
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

    def _sync(self) -> Generator[T | Restarted, None, None]:
        runs = self._runs
        while True:
            broken: Exception | None = None
            try:
                with closing(self._run()) as items:
                    yield from items
            except Exception as error:
                broken = error
            again = runs.ended(broken)
            try:
                if again is None and broken is not None:
                    raise broken
            finally:
                del broken
            if again is None:
                return
            yield again
            runs.runtime.sleep(again.delay)

    async def _async(self) -> AsyncGenerator[T | Restarted, None]:
        runs = self._runs
        while True:
            broken: Exception | None = None
            try:
                async with aclosing(self._run_async()) as items:
                    async for item in items:
                        yield item
            except Exception as error:
                broken = error
            again = runs.ended(broken)
            try:
                if again is None and broken is not None:
                    raise broken
            finally:
                del broken
            if again is None:
                return
            yield again
            await runs.runtime.asleep(again.delay)

    def _run(self) -> Generator[T, None, None]:
        """Make the request and yield what it gives, as far as that goes."""
        runs = self._runs
        with ExitStack() as stack:
            with runs.hearing():
                made: Any = self._make()
                made = stack.enter_context(made) if hasattr(made, "__enter__") else made
                stack.callback(getattr(made, "close", _nothing))
                iterator = iter(_iterable(made, "__iter__"))
            while True:
                with runs.hearing():
                    item: Any = next(iterator, _END)
                if item is _END:
                    return
                runs.items += 1
                yield item

    async def _run_async(self) -> AsyncGenerator[T, None]:
        """Do as :meth:`_run`, awaiting."""
        runs = self._runs
        async with AsyncExitStack() as stack:
            with runs.hearing():
                made: Any = self._make()
                made = await _awaited(made)
                made = await stack.enter_async_context(made) if hasattr(made, "__aenter__") else made
                stack.push_async_callback(_aclosed, made)
                iterator = _iterable(made, "__aiter__").__aiter__()
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
        policy = Policy() if anyint is None else anyint.overridden()
        policy = anyint.policy if policy is None and anyint is not None else policy
    return Resumed(make_request, _Runs(policy, runtime))
