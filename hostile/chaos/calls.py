"""The calls of one surface, several at once, and what became of each as the application sees it.

Must not judge, and must not know which faults are on their way.
"""

from __future__ import annotations

import contextvars
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Final

import anyio

from anyint_resilience import Policy, ResilienceError, report
from anyint_resilience.runtime import Runtime

from .control import Control
from .jobs import CREATES, job_of
from .plan import Plan
from .proxy import MARK

__all__ = ["AT_ONCE", "Calls", "Told", "attempts_of"]

AT_ONCE: Final = {False: 24, True: 48}
"""How many calls run at once: threads, and tasks of an event loop."""

KEYS: Final = 97
_CALL: contextvars.ContextVar[int] = contextvars.ContextVar("chaos_call", default=-1)


@dataclass(slots=True)
class Told:
    """What the application got of a call: ``answer``, ``broken`` (an answer that ended with an error) or ``raised``."""

    mark: str
    how: str
    status: int | None = None
    body: bytes = b""
    error: str = ""
    client_error: bool = True
    """The exception is one of the client library's."""
    ours: bool = False
    report: dict[str, Any] | None = None

    def shown(self) -> dict[str, Any]:
        """Return it for people."""
        return {**asdict(self), "body": self.body[:200].decode("latin-1")}


def attempts_of(found: Any) -> dict[str, Any] | None:
    """Return what is judged of a report."""
    if found is None:
        return None
    attempts = [
        {
            "status": it.status,
            "fault": None if it.fault is None else it.fault.kind.value,
            "of": None if it.fault is None else it.fault.status,
            "certainty": None if it.decision is None else it.decision.certainty.value,
            "asked": it.asked,
        }
        for it in found.attempts
    ]
    certainty = None if found.decision is None else found.decision.certainty.value
    task = None if found.task is None else found.task.task_id
    return {"attempts": attempts, "certainty": certainty, "task": task, "notes": list(found.notes)}


@cache
def _policy(deadline: float | None, paced: bool) -> Policy:
    more: dict[str, Any] = {"first_byte_timeout": 1.0, "stream_idle_timeout": 1.0} if paced else {}
    base = {"transient_base": 0.003, "rate_base": 0.003, "max_delay": 0.02}
    return Policy(deadline=deadline, **base, **more)  # type: ignore[arg-type]


@dataclass
class Calls:
    """Makes calls on a client of ``tests.conformance.surfaces``; ``where`` is what the world told of its addresses."""

    caller: Any
    control: Control
    where: dict[str, Any]
    planned: Callable[[int], Plan]
    more: dict[str, Any] = field(default_factory=dict)
    """Options of every call over TLS."""
    ids: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    running: dict[int, float] = field(default_factory=dict)
    """When each call under way began: the watchdog's."""
    _slept: dict[int, int] = field(default_factory=dict)

    def batch(self, first: int, last: int) -> list[Told]:
        """Make the calls of these numbers; all of them are over when this returns."""
        self.ports = self.control.ask("batch", first=first, last=last)
        self._slept.clear()
        told: list[Told] = []
        if not self.caller.surface.is_async:
            with ThreadPoolExecutor(AT_ONCE[False]) as pool:
                for found in pool.map(self._whole, range(first, last)):
                    told += found
        else:
            self.caller.call(self._all, iter(range(first, last)), told)
        return told

    async def _all(self, numbers: Iterator[int], told: list[Told]) -> None:
        async def some() -> None:
            for number in numbers:
                told.extend(await self._awhole(number))

        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE[True]):
                group.start_soon(some)

    def _whole(self, number: int) -> list[Told]:
        told, token = [], _CALL.set(number)
        self.running[number] = time.monotonic()
        for part in range(2):
            plan, method, mark, options = self._request(number, part)
            try:
                if plan.along:
                    told.append(self._read(mark, *self.caller.along(method, options.pop("url"), None, None, **options)))
                else:
                    told.append(self._read(mark, self.caller.direct(method, options.pop("url"), **options)))
            except Exception as error:
                told.append(self._raised(mark, error))
            if not self._goes_on(number, told[-1]):
                break
        del self.running[number]
        _CALL.reset(token)
        return told

    async def _awhole(self, number: int) -> list[Told]:
        told, token = [], _CALL.set(number)
        self.running[number] = time.monotonic()
        for part in range(2):
            plan, method, mark, options = self._request(number, part)
            try:
                if plan.along:
                    read = await self.caller.along(method, options.pop("url"), None, None, **options)
                    told.append(self._read(mark, *read))
                else:
                    told.append(self._read(mark, await self.caller.direct(method, options.pop("url"), **options)))
            except Exception as error:
                told.append(self._raised(mark, error))
            if not self._goes_on(number, told[-1]):
                break
        del self.running[number]
        _CALL.reset(token)
        return told

    def _goes_on(self, number: int, told: Told) -> bool:
        plan = self.planned(number)
        return plan.again and plan.operation in CREATES and told.how != "answer"

    def _request(self, number: int, part: int) -> tuple[Plan, str, str, dict[str, Any]]:
        """Return a call's plan and method, its mark, and how the client is asked."""
        plan = self.planned(number)
        job = job_of(plan.operation, number, self.ids)
        mark = f"{number}+{part}" if part else str(number)
        port = self.ports[str(number)] if plan.has_port else self.where["tls_port" if plan.is_tls else "port"]
        url = f"{'https' if plan.is_tls else 'http'}://127.0.0.1:{port}{job.path}"
        # A key of its own for every so many calls: those of one are made to wait in line when it meets a rate limit.
        headers = {MARK: mark, "authorization": f"Bearer chaos-key-{number % KEYS}"}
        options = {**job.options, "url": url, "headers": headers, "policy": _policy(plan.deadline, plan.paced)}
        return plan, job.method, mark, {**options, **(self.more if plan.is_tls else {})}

    def _read(self, mark: str, answer: Any, came: bytes | None = None, broken: Exception | None = None) -> Told:
        body = answer.content if came is None else came
        if broken is not None:
            told = self._raised(mark, broken)
            told.how, told.status, told.body = "broken", answer.status, body
            told.report = attempts_of(report(answer)) if told.report is None else told.report
            return told
        return Told(mark, "answer", answer.status, body, report=attempts_of(report(answer)))

    def _raised(self, mark: str, error: Exception) -> Told:
        return Told(
            mark,
            "raised",
            error=" < ".join(f"{it.__module__}.{it.__qualname__}" for it in type(error).__mro__[:3])
            + f": {error!r}"[:300],
            client_error=isinstance(error, self.caller.surface.error) or self._is_own(error),
            ours=isinstance(error, ResilienceError),
            report=attempts_of(report(error)),
        )

    def _is_own(self, error: Exception) -> bool:
        """Whether bare httpx raises this too, though it is none of its classes: TLS that broke, on an event loop."""
        surface = self.caller.surface
        return surface.is_httpx and surface.is_async and type(error) is ssl.SSLError

    # waits of the calls: where those that were refused hear that they may come now

    def runtime(self) -> Runtime:
        """Return the real clock; after so many waits as the plan says a call's own port is opened."""

        def sleep(seconds: float) -> None:
            time.sleep(seconds)
            self._rested()

        async def asleep(seconds: float) -> None:
            await anyio.sleep(seconds)
            self._rested()

        return Runtime(sleep=sleep, asleep=asleep)

    def _rested(self) -> None:
        number = _CALL.get()
        opening = None if number < 0 else self.planned(number).opening
        if opening is None or opening.kind not in ("refused", "black_hole"):
            return
        self._slept[number] = self._slept.get(number, 0) + 1
        if self._slept[number] == self.planned(number).openings:
            self.control.ask("open", call=number)
