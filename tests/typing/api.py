"""The public names in use, for type checkers only: checked, never run."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Any

import aiohttp
import backoff
import httpx
import httpx2
import requests
from opentelemetry.trace import NoOpTracerProvider
from requests.adapters import HTTPAdapter

import anyint_resilience_aiohttp as for_aiohttp
import anyint_resilience_httpx as for_httpx
import anyint_resilience_httpx2 as for_httpx2
import anyint_resilience_requests as for_requests
from anyint_resilience import (
    Action,
    Callback,
    CallReport,
    Cause,
    Certainty,
    CircuitOpen,
    DeadlineExceeded,
    Decision,
    Event,
    Fallback,
    FallbackUsed,
    GateClosed,
    Guards,
    NotRecorded,
    OutcomeUnknown,
    Policy,
    QueryRefused,
    Resilience,
    ResilienceError,
    Restarted,
    Resumed,
    StoreError,
    StreamInterrupted,
    TaskFailed,
    TaskHandle,
    TaskTimeout,
    TaskUpdate,
    interruption_of,
    parse_callback,
    report,
    resume_stream,
)
from anyint_resilience import safe_to_repeat as is_safe
from anyint_resilience.backoff import giveup, safe_to_repeat, wait
from anyint_resilience.tasks.ledger import Entry
from anyint_resilience.telemetry import name_of_key

if sys.version_info >= (3, 11):
    from typing import assert_type
else:
    from typing_extensions import assert_type


def configure() -> Resilience:
    def source() -> str:
        return "key"

    async def later() -> str:
        return "key"

    Resilience(api_key=source)
    Resilience(api_key=later, hosts=["https://gateway.example"])
    Resilience.from_env()
    Resilience.from_toml()
    Resilience.from_toml(Path("anyint-resilience.toml"), environ={}, policy=Policy(attempts=2))
    return Resilience(
        api_key="key", base_url="https://gateway.example", policy=Policy(attempts=3, retry_window=60, deadline=None)
    )


def decide() -> Decision:
    pairs: list[tuple[str, str]] = [("Retry-After", "2")]
    mapping: Mapping[str, str] = {"Retry-After": "2"}
    policy = Policy()
    policy.decide_response("POST", "/openai/v1/videos", 429, mapping, b"{}", attempt=2, now=1.0, u=0.5)
    policy.decide_exception("POST", "/openai/v1/videos", "read_timeout")
    decision = policy.decide_response("POST", "/openai/v1/videos", 429, pairs)
    action: Action = decision.action
    cause: Cause | None = decision.cause
    certainty: Certainty = decision.certainty
    delay: float | None = decision.delay
    print(action, cause, certainty, delay, decision.retry_at, decision.as_dict())
    return decision


def sync_clients(anyint: Resilience) -> None:
    one: httpx.Client = for_httpx.wrap(httpx.Client(), anyint)
    two: httpx2.Client = for_httpx2.wrap(httpx2.Client(), anyint)
    httpx.Client(transport=for_httpx.ResilientTransport(anyint))
    httpx2.Client(transport=for_httpx2.ResilientTransport(anyint, http2=True))
    with anyint.override(Policy(attempts=1)):
        found: CallReport | None = report(one.get("/"))
    answer: httpx2.Response = two.get("/", extensions={"anyint_resilience": Policy(enabled=False)})
    print(found, answer)


def requests_sessions(anyint: Resilience) -> None:
    session: requests.Session = for_requests.wrap(requests.Session(), anyint)
    adapter: HTTPAdapter = for_requests.ResilientAdapter(anyint, pool_maxsize=9)
    session.mount("https://", for_requests.ResilientAdapter(anyint, adapter=adapter))
    try:
        session.post("/")
    except for_requests.OutcomeUnknown as error:
        theirs: requests.ConnectionError = error
        print(theirs, error.intent)
    except for_requests.DeadlineExceeded as error:
        timeout: requests.Timeout = error
        print(timeout)


async def aiohttp_sessions(anyint: Resilience) -> None:
    middleware: aiohttp.ClientMiddlewareType = for_aiohttp.ResilientMiddleware(anyint)
    async with aiohttp.ClientSession(middlewares=[middleware]) as session:
        same: aiohttp.ClientSession = for_aiohttp.wrap(session, anyint)
        try:
            await same.post("/")
        except for_aiohttp.OutcomeUnknown as error:
            theirs: aiohttp.ClientConnectionError = error
            print(theirs, error.intent)
        except for_aiohttp.OutcomeUnknownTimeout as error:
            timeout: asyncio.TimeoutError = error
            print(timeout)


async def async_clients(anyint: Resilience) -> None:
    one: httpx.AsyncClient = for_httpx.wrap(httpx.AsyncClient(), anyint)
    httpx2.AsyncClient(transport=for_httpx2.AsyncResilientTransport(anyint))
    try:
        await one.post("/")
    except for_httpx.OutcomeUnknown as error:
        ours: OutcomeUnknown = error
        theirs: httpx.TransportError = error
        intent: str | None = error.intent
        print(ours, theirs, intent)
    except DeadlineExceeded as error:
        base: ResilienceError = error
        print(base.decision)


def told(event: Event) -> None:
    name: str = event.name
    trace: str | None = event.trace_id
    print(name, trace, dict(event.details))


def telemetry() -> Resilience:
    key: str | None = name_of_key("sk-any")
    print(key)
    return Resilience(spans="call-only", tracer_provider=NoOpTracerProvider(), meter_provider=None, listeners=[told])


def ledgers() -> Resilience:
    try:
        anyint = Resilience(
            store="sqlite:///anyint.db",
            unknown_window=3600,
            dedupe="fingerprint",
            reconcile=True,
            strict_ledger=True,
        )
    except StoreError as error:
        raise SystemExit(str(error)) from error
    Resilience(store=anyint.ledger.store, dedupe=None)
    Resilience(store="redis://localhost:6379/0", store_wait=0.1)
    Resilience(store_wait="0.1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Resilience(dedupe="body")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Resilience(store=7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(anyint.ledger.forget("intent"), bool)
    assert_type(anyint.ledger.unknown(), tuple[str, ...])
    for entry in anyint.ledger.entries():
        assert_type(entry, Entry)
        assert_type(entry.intent, str)
        assert_type(entry.fate, str)
        assert_type(entry.route, str | None)
        assert_type(entry.tasks, tuple[TaskHandle, ...])
    return anyint


def callbacks(anyint: Resilience, body: bytes) -> None:
    told = parse_callback(body)
    assert_type(told, Callback)
    assert_type(told.task_id, str)
    assert_type(told.results, tuple[str, ...])
    assert_type(told.final, bool)
    parse_callback("{}")
    parse_callback({"task_id": "t"})
    assert_type(anyint.ledger.accept_callback(told), bool)
    assert_type(anyint.ledger.accept_callback(body, url="/hook?anyint_create=m"), bool)
    anyint.ledger.accept_callback({"task_id": "t"}, url=None)


def handles(answer: object) -> TaskHandle:
    told = report(answer)
    held = None if told is None else told.task
    assert_type(held, TaskHandle | None)
    assert held is not None
    assert_type(held.task_id, str)
    assert_type(held.created_at, float)
    assert_type(held.url, str)
    assert_type(held.as_dict(), dict[str, Any])
    TaskHandle.from_dict(held.as_dict())
    again = TaskHandle.from_json(held.to_json())
    assert_type(again, TaskHandle)
    again.task_id = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    return again


def show(update: TaskUpdate) -> None:
    assert_type(update.handle, TaskHandle)
    assert_type(update.results, tuple[str, ...])
    assert_type(update.progress, float | None)
    assert_type(update.document, Mapping[str, Any])
    assert_type(update.problem, Decision | None)
    assert_type(update.done, bool)
    if update.phase == "success":
        return
    if update.phase == "done":  # type: ignore[comparison-overlap]
        return


def waits_sync(one: httpx.Client, two: httpx2.Client, three: requests.Session, task: TaskHandle) -> None:
    try:
        assert_type(for_httpx.wait_for_task(one, task), TaskUpdate)
        assert_type(for_httpx2.wait_for_task(two, task.to_json(), show), TaskUpdate)
        assert_type(for_requests.wait_for_task(three, three.post("/"), on_update=show, deadline=60.0), TaskUpdate)
    except TaskFailed as error:
        assert_type(error.handle, TaskHandle)
        assert_type(error.update, TaskUpdate | None)
        assert_type(error.decision, Decision | None)
        base: ResilienceError = error
        print(base)
    except (QueryRefused, TaskTimeout) as error:
        handle: TaskHandle = error.handle
        print(handle)
    except TimeoutError as error:
        print(error)
    except NotRecorded as error:
        print(error.__cause__)
    assert_type(for_httpx.task_updates(one, task), Iterator[TaskUpdate])
    assert_type(for_httpx2.task_updates(two, task, deadline=9), Iterator[TaskUpdate])
    assert_type(for_requests.task_updates(three, task), Iterator[TaskUpdate])
    for update in for_requests.task_updates(three, task):
        show(update)


async def waits_async(
    one: httpx.AsyncClient, two: httpx2.AsyncClient, three: aiohttp.ClientSession, task: TaskHandle
) -> None:
    assert_type(for_httpx.wait_for_task(one, task), Awaitable[TaskUpdate])
    assert_type(await for_httpx.wait_for_task(one, task), TaskUpdate)
    assert_type(await for_httpx2.wait_for_task(two, task, show, 60), TaskUpdate)
    assert_type(await for_aiohttp.wait_for_task(three, task, on_update=show, deadline=None), TaskUpdate)
    assert_type(for_httpx.task_updates(one, task), AsyncIterator[TaskUpdate])
    assert_type(for_httpx2.task_updates(two, task), AsyncIterator[TaskUpdate])
    assert_type(for_aiohttp.task_updates(three, task, deadline=9.5), AsyncIterator[TaskUpdate])
    async for update in for_aiohttp.task_updates(three, task):
        show(update)


def unrecorded() -> None:
    try:
        pass
    except for_requests.NotRecorded as error:
        theirs: requests.ConnectionError = error
        ours: NotRecorded = error
        print(theirs, ours)
    except for_aiohttp.NotRecorded as error:
        also: aiohttp.ClientConnectionError = error
        print(also)
    except for_httpx.NotRecorded as error:
        one: httpx.TransportError = error
        print(one)
    except for_httpx2.NotRecorded as error:
        two: httpx2.TransportError = error
        print(two)


def guarded() -> Resilience:
    assert_type(Guards.off(), Guards)
    assert_type([Policy.default(), Policy.interactive(), Policy.batch(), Policy.strict()], list[Policy])
    policy = Policy(hold=5, first_byte_timeout=20.0)
    assert_type(policy.hold, float | None)
    assert_type(policy.first_byte_timeout, float | None)
    guards = Guards(
        budget=True,
        budget_reserve=1,
        budget_ratio=0.1,
        gate=True,
        max_concurrency=8,
        failures=2,
        breaker=None,
        failure_rate=0.5,
        min_volume=10,
        window=10,
        cooldown=5.0,
        probes=2,
    )
    assert_type(guards.max_concurrency, int | None)
    assert_type(guards.breaker, bool | None)
    Guards(max_concurrency="8")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    guards.failures = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    chat = "/openai/v1/chat/completions"
    here = Fallback(workload="chat", route=chat, model="a", to="b", on_rate=True, silent_ok=False, features=["tools"])
    there = Fallback(workload="chat", route=chat, model="b", base_url="https://other.example", api_key="key")
    Fallback(workload="chat", route=chat, to_route=chat)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(here.target, str)
    assert_type(here.to, str | None)
    Resilience(fallbacks=[chat])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    Resilience(guards=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return Resilience(policy=policy, guards=guards, fallbacks=(here, there), hosts=["https://other.example"])


def served(answer: object) -> None:
    told = report(answer)
    assert told is not None
    assert_type(told.held, float)
    assert_type(told.nearest_models, tuple[str, ...])
    assert_type(told.fallback, FallbackUsed | None)
    if told.fallback is not None:
        used = told.fallback
        assert_type((used.workload, used.origin, used.target, used.cause), tuple[str, str, str, str])
    assert_type([attempt.to for attempt in told.attempts], list[str | None])


def refused() -> None:
    try:
        pass
    except CircuitOpen as error:
        parent: GateClosed = error
        print(parent)
    except GateClosed as error:
        base: ResilienceError = error
        assert_type(error.why, str)
        assert_type(error.retry_at, float | None)
        print(base)


def refused_by_adapters(
    one: for_httpx.CircuitOpen,
    two: for_httpx2.CircuitOpen,
    three: for_requests.CircuitOpen,
    four: for_aiohttp.CircuitOpen,
) -> None:
    closed: tuple[for_httpx.GateClosed, for_httpx2.GateClosed, for_requests.GateClosed, for_aiohttp.GateClosed] = (
        one,
        two,
        three,
        four,
    )
    theirs: tuple[httpx.ConnectError, httpx2.ConnectError, requests.ConnectionError, aiohttp.ClientConnectionError] = (
        closed
    )
    ours: tuple[GateClosed, ...] = closed
    circuits: tuple[CircuitOpen, ...] = (one, two, three, four)
    print(theirs, ours, circuits)


def interrupted(
    one: for_httpx.StreamInterrupted,
    two: for_httpx2.StreamInterrupted,
    three: for_requests.StreamInterrupted,
    four: for_aiohttp.StreamInterrupted,
) -> None:
    ours: tuple[StreamInterrupted, ...] = (one, two, three, four)
    httpx_kinds: tuple[httpx.ReadError, httpx.RemoteProtocolError] = (one, one)
    httpx2_kinds: tuple[httpx2.ReadError, httpx2.RemoteProtocolError] = (two, two)
    requests_kinds: tuple[requests.ConnectionError, requests.exceptions.ChunkedEncodingError] = (three, three)
    aiohttp_kinds: tuple[aiohttp.ClientConnectionError, aiohttp.ClientPayloadError] = (four, four)
    print(ours, httpx_kinds, httpx2_kinds, requests_kinds, aiohttp_kinds)


def interrupted_by_silence(
    one: for_httpx.StreamInterruptedTimeout,
    two: for_httpx2.StreamInterruptedTimeout,
    three: for_requests.StreamInterruptedTimeout,
    four: for_aiohttp.StreamInterruptedTimeout,
) -> None:
    ours: tuple[StreamInterrupted, ...] = (one, two, three, four)
    theirs: tuple[httpx.ReadTimeout, httpx2.ReadTimeout, requests.ReadTimeout, aiohttp.ServerTimeoutError] = (
        one,
        two,
        three,
        four,
    )
    timeout: asyncio.TimeoutError = four
    print(ours, theirs, timeout)


def so_far(error: StreamInterrupted) -> None:
    base: ResilienceError = error
    print(base)
    assert_type(error.why, str)
    assert_type(error.events, int)
    assert_type(error.bytes, int)
    assert_type(error.text, str | None)
    assert_type(error.last_event_id, str | None)
    assert_type(error.usage, dict[str, Any] | None)
    assert_type(error.finish_reason, str | None)
    assert_type(error.safe_to_repeat, bool)
    assert_type(error.spend, Callable[[], bool] | None)
    assert_type(error.cause, Cause | None)
    assert_type(error.certainty, Certainty)
    assert_type(error.decision, Decision | None)


def resumed(
    anyint: Resilience,
    listed: Callable[[], list[str]],
    generator: Callable[[], Generator[bytes, None, None]],
    manager: Callable[[], AbstractContextManager[Iterator[int]]],
) -> None:
    assert_type(resume_stream(listed), Resumed[str])
    assert_type(resume_stream(generator, anyint=anyint), Resumed[bytes])
    assert_type(resume_stream(manager, anyint=anyint, policy=Policy(attempts=2)), Resumed[int])
    for event in resume_stream(listed):
        assert_type(event, str | Restarted)
        if isinstance(event, Restarted):
            assert_type((event.number, event.delay, event.items, event.why), tuple[int, float, int, str])
            assert_type(event.error, Exception)
            event.items = 0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
            continue
        assert_type(event, str)
    with resume_stream(generator) as chunks:
        assert_type(chunks, Resumed[bytes])
        assert_type(iter(chunks), Iterator[bytes | Restarted])
    resume_stream(listed())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    resume_stream(lambda: 7)  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Restarted(2, 0.0, 1, "cut", ValueError())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def resumed_async(
    generator: Callable[[], AsyncIterator[str]],
    awaited: Callable[[], Awaitable[AsyncIterator[bytes]]],
    manager: Callable[[], AbstractAsyncContextManager[AsyncIterator[int]]],
) -> None:
    assert_type(resume_stream(generator), Resumed[str])
    assert_type(resume_stream(awaited), Resumed[bytes])
    assert_type(resume_stream(manager), Resumed[int])
    async with resume_stream(generator) as events:
        assert_type(events, Resumed[str])
        assert_type(aiter(events), AsyncIterator[str | Restarted])
        async for event in events:
            assert_type(event, str | Restarted)


async def for_backoff(error: Exception) -> None:
    assert_type(giveup(error), bool)
    assert_type(safe_to_repeat(error), bool)
    assert_type(is_safe(error), bool)
    assert_type(interruption_of(error), StreamInterrupted | None)
    if (broken := interruption_of(error)) is not None:
        assert_type(broken.text, str | None)
    assert_type(wait(), Generator[float, Any, None])
    assert_type(wait(policy=Policy()), Generator[float, Any, None])
    wait(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    @backoff.on_exception(wait, Exception, giveup=giveup, max_tries=3, jitter=None, policy=Policy())
    def answer() -> str:
        return ""

    @backoff.on_exception(wait, Exception, giveup=giveup, max_tries=3, jitter=None)
    async def later() -> str:
        return ""

    assert_type(answer(), str)
    assert_type(await later(), str)
