"""The public names in use, for type checkers only: checked, never run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import aiohttp
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
    CallReport,
    Cause,
    Certainty,
    DeadlineExceeded,
    Decision,
    Event,
    OutcomeUnknown,
    Policy,
    Resilience,
    ResilienceError,
    report,
)
from anyint_resilience.telemetry import name_of_key


def configure() -> Resilience:
    def source() -> str:
        return "key"

    async def later() -> str:
        return "key"

    Resilience(api_key=source)
    Resilience(api_key=later, hosts=["https://gateway.example"])
    Resilience.from_env()
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
