"""The plugin's fixtures under every client: sleeps, tasks and many calls at once, none of which takes time."""

from __future__ import annotations

import importlib
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("h11")

import anyio

from anyint_resilience import Guards, Policy, Resilience, TaskTimeout, report
from anyint_resilience.testing import Gateway, NoSleep, VirtualClock
from tests.conformance.kit import ASK, CHAT, FILM, VIDEOS
from tests.conformance.surfaces import Surface, calling, every_surface, sends, surfaces

pytest_plugins = ["anyint_resilience_pytest"]  # where the package is not installed with its entry points

SDK = pytest.mark.skipif(importlib.util.find_spec("openai") is None, reason="openai 3 needs Python 3.11")
LONG = {"status": 429, "retry_after": 25}
TOGETHER = {**LONG, "delay_headers": 0.1}  # all are out before the first is back


def waited(caller: Any, task: Any, **more: Any) -> Any:
    """Wait for a task, as each client does."""
    return caller.call(caller.surface.adapter.wait_for_task, caller.client, task, **more)


def together(caller: Any, bodies: list[dict[str, Any]]) -> list[int]:
    """Ask for all of these at once, and return the statuses."""
    if not caller.surface.is_async:
        with ThreadPoolExecutor(len(bodies)) as pool:
            return [answer.status for answer in pool.map(lambda it: caller.request("POST", CHAT, json=it), bodies)]
    statuses: list[int] = []

    async def ask(body: dict[str, Any]) -> None:
        statuses.append((await caller.direct("POST", CHAT, json=body)).status)

    async def all_of_them() -> None:
        async with anyio.create_task_group() as group:
            for body in bodies:
                group.start_soon(ask, body)

    caller.call(all_of_them)
    return statuses


@every_surface
def test_retries_take_no_time(surface: Surface, anyint_gateway: Gateway, request: pytest.FixtureRequest) -> None:
    """A configuration that was made before the clock goes by it, and so do its guards, which let nobody by at first."""
    service = Resilience.from_env()
    clock: VirtualClock = request.getfixturevalue("anyint_clock")
    anyint_gateway.script({"status": 503}, LONG)
    with calling(surface, service, base_url=anyint_gateway.url) as caller:
        assert caller.request("POST", CHAT, json=ASK).status == 200
    assert [seen.answered for seen in anyint_gateway.seen] == [503, 429, 200]
    assert clock.now() == sum(clock.slept) == anyint_gateway.clock.now()
    assert clock.now() >= 25


@every_surface
def test_a_video_is_there_at_once(surface: Surface, anyint: Resilience, anyint_gateway: Gateway) -> None:
    """Its task goes by the clock that the wait moves."""
    with calling(surface, anyint, base_url=anyint_gateway.url) as caller:
        made = caller.request("POST", VIDEOS, json=FILM)
        assert waited(caller, made.response).state == "completed"
    assert anyint_gateway.clock.now() >= 10
    assert len(anyint_gateway.tasks) == 1


@every_surface
def test_a_task_that_never_ends_is_given_up(
    surface: Surface, anyint: Resilience, anyint_gateway: Gateway, anyint_clock: VirtualClock
) -> None:
    """After ten minutes of the clock."""
    with calling(surface, anyint, base_url=anyint_gateway.url) as caller:
        made = caller.request("POST", VIDEOS, json=FILM, headers={"x-emulator-task": "stuck"})
        with pytest.raises(TaskTimeout):
            waited(caller, made.response, deadline=600)
    assert anyint_clock.now() == pytest.approx(600, abs=15)


@every_surface
def test_many_calls_wait_together(
    surface: Surface, anyint: Resilience, anyint_gateway: Gateway, anyint_clock: VirtualClock
) -> None:
    """Eight that are told to wait for 25 s wait as long as one of them: none runs out of its minute."""
    asks = [{**ASK, "model": f"model-{number}"} for number in range(8)]  # each has a gate of its own
    anyint_gateway.script(*[TOGETHER] * 8, match="POST /openai")
    with calling(surface, anyint, base_url=anyint_gateway.url, pool=8) as caller:
        assert together(caller, asks) == [200] * 8
    assert len(anyint_clock.slept) >= 8
    assert anyint_clock.now() < 60


@surfaces(lambda surface: surface.library in ("httpx", "aiohttp", "requests"))
def test_a_line_is_left_when_there_is_a_place(
    surface: Surface, anyint_gateway: Gateway, anyint_clock: VirtualClock
) -> None:
    """Who stands in line for a place is woken by the call that gives it back, not by a clock that ran away."""
    anyint = Resilience.from_env(guards=Guards(max_concurrency=1), policy=Policy(hold=20))
    anyint_gateway.script({"delay_headers": 0.1})
    with calling(surface, anyint, base_url=anyint_gateway.url, pool=2) as caller:
        assert together(caller, [ASK, ASK]) == [200, 200]
    assert anyint_clock.slept == []


@surfaces(lambda surface: not surface.is_async)
def test_who_mocks_the_wire_needs_no_gateway(surface: Surface, anyint_no_sleep: NoSleep) -> None:
    """Only the sleeping is gone."""
    left = [503, 429, 200]

    def answer(request: Any) -> tuple[int, dict[str, str]]:
        status = left.pop(0)
        return status, {"retry-after": "12"} if status == 429 else {}

    with calling(
        surface, Resilience(api_key="k"), base_url="https://gateway.api.anyint.ai", inner=sends(surface, answer)
    ) as it:
        assert it.request("POST", CHAT, json=ASK).status == 200
    assert sum(anyint_no_sleep.waits) >= 12


@SDK
@pytest.mark.parametrize("kind", ["OpenAI", "AsyncOpenAI"])
def test_the_openai_sdk(kind: str, anyint: Resilience, anyint_gateway: Gateway) -> None:
    """Its own retries stay at rest, and ours take no time."""
    anyint_gateway.script({"status": 503}, LONG)
    openai, client = importlib.import_module("openai"), importlib.import_module("httpx2")
    adapter = importlib.import_module("anyint_resilience_httpx2")
    plain = client.AsyncClient() if kind == "AsyncOpenAI" else client.Client()
    sdk = getattr(openai, kind)(
        api_key="test-key", base_url=f"{anyint_gateway.url}/openai/v1", http_client=adapter.wrap(plain, anyint)
    )

    async def awaited() -> Any:
        async with sdk:
            return await sdk.chat.completions.with_raw_response.create(**ASK)

    if kind == "AsyncOpenAI":
        answer = anyio.run(awaited)
    else:
        with sdk:
            answer = sdk.chat.completions.with_raw_response.create(**ASK)
    found = report(answer)
    assert found is not None
    assert [it.status for it in found.attempts] == [it.answered for it in anyint_gateway.seen] == [503, 429, 200]
