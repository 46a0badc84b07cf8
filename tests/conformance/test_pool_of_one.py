"""A pool of one connection and every fault there is: nothing leaks, hangs or warns.

Must not know how answers are read or closed, only that a connection kept by anyone would stop all that follow.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import random
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from anyint_resilience import report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.policy.model import FaultKind
from tests.brief import BRIEF, GATE
from tests.conformance.kit import client
from tests.conformance.surfaces import Caller, Surface, every_surface
from tests.waiting import until

CALLS = 120 if BRIEF else 400 if GATE else 1000
SEED = 20_260_101
BIG = b"<html>" + b"x" * 3_000_000
PATIENCE = 5.0  # seconds a connection may be waited for: a kept one would never come

QUICK = [
    *(Fault(status=status) for status in (400, 401, 403, 404, 408, 409, 413, 422, 425, 429, 500, 502, 503, 504, 529)),
    *(Fault(status=status) for status in (100, 103, 201, 204, 302, 304, 407, 418, 499, 524, 599)),
    Fault.error(429, retry_after=1),
    Fault.error(429, retry_after="nonsense"),
    Fault.error(429, code="insufficient_quota"),
    Fault.error(200, family="suno", code=430),
    Fault.error(200, family="kling", code=1303),
    Fault(status=503, body=b""),
    Fault(status=503, body="<html>" + "x" * 100_000),
    Fault(status=500, body=b"not gzip", headers={"content-encoding": "gzip"}),
    Fault(status=200, body=b"not gzip", headers={"content-encoding": "gzip"}),
    Fault(half_close=True),
    Fault(truncate=0),
    Fault(truncate=20),
    Fault(status=500, truncate=20),
    Fault(status=503, body="x" * 100_000, truncate=80_000),
    Fault(garbage="not_http"),
    Fault(garbage="json"),
    Fault(cut_stream_after=0),
    Fault(cut_stream_after=2),
    Fault(cut_stream_after=2, drop_terminator=True),
    Fault(drop_terminator=True),
    Fault(error_event=True),
    Fault(error_event=True, cut_stream_after=2),
    Fault(delay_headers=0.002),
    Fault(delay_body=0.002),
    *(Fault(reset="before_headers", process=process) for process in (False, True)),
]
# Each of these takes a while by its nature, so they meet only some of the calls.
SLOW = [
    Fault(status=503, body=BIG),
    Fault(status=400, body=BIG),
    Fault(body=BIG),
    Fault(reset="after_headers"),
    Fault(reset="mid_body"),
    Fault(status=503, reset="after_headers"),
    Fault(status=503, body="x" * 100_000, reset="mid_body"),
]
STALLS = [
    Fault(stall="before_headers"),
    Fault(stall="before_headers", process=True),
    Fault(stall="mid_body"),
    Fault(status=503, body="x" * 100_000, stall="mid_body"),
]
STALLED_READ = 0.03
CANCELLED_AFTER = 0.01
WAITED = {FaultKind.POOL_TIMEOUT, FaultKind.CONNECT_TIMEOUT}  # of which aiohttp makes no difference

CHAT = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
CLAUDE = {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": CHAT["messages"]}
REQUESTS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/openai/v1/chat/completions", CHAT),
    ("POST", "/openai/v1/chat/completions", {**CHAT, "stream": True}),
    ("GET", "/openai/v1/models", None),
    ("POST", "/openai/v1/videos", {"model": "kling-3.0"}),
    ("GET", "/openai/v1/videos/none", None),
    ("POST", "/anthropic/v1/messages", CLAUDE),
    ("POST", "/anthropic/v1/messages", {**CLAUDE, "stream": True}),
    ("POST", "/suno/generate", {"model": "V5"}),
    ("GET", "/suno/query/task?taskId=none", None),
    ("GET", "/nothing/of/ours", None),
]


def plan(seed: int) -> Iterator[tuple[list[Fault], str]]:
    """Draw the calls: which faults they meet, and how the caller treats the answer."""
    chance = random.Random(seed)
    every = [*QUICK, *SLOW, *STALLS]
    rare = {3: STALLS, 13: SLOW}
    for number in range(CALLS):
        if number < len(every):
            faults = [every[number]]  # each of them once for certain
        elif number % 50 in rare:
            faults = [chance.choice(rare[number % 50])]
        else:
            faults = chance.choices(QUICK, k=chance.choice((0, 1, 1, 2, 3, 4)))
        yield faults, chance.choice(("read", "read", "read", "close at once", "close after a chunk", "cancel"))


def used(caller: Caller, manner: str, *ask: Any, **options: Any) -> Any:
    """Do with an answer what an application does; return it, its error, or None for a call that was cancelled."""

    async def cancelled() -> Any:
        with anyio.move_on_after(CANCELLED_AFTER):
            return await caller.direct(*ask, **options)
        return None

    try:
        if manner == "cancel" and caller.surface.is_async:
            return caller.call(cancelled)
        if manner in ("read", "cancel"):
            return caller.request(*ask, **options)
        answer, _, broken = caller.stream(*ask, chunks=1 if manner == "close after a chunk" else 0, **options)
    except caller.surface.error as error:
        return error
    return answer if broken is None else broken


@contextlib.contextmanager
def only_our_warnings(surface: Surface) -> Iterator[None]:
    """Let pass what a client says of its own generators: it leaves some half read on every loop, trio alone tells.

    httpx (not httpx2) does so with any body that its caller does not read to the end, a body of ours included.
    """
    theirs = {"httpx": ["httpcore", r"httpx\._", "anyint_resilience"], "httpx2": ["httpcore"]}
    with warnings.catch_warnings():
        for name in theirs.get(surface.library, ()):
            warnings.filterwarnings("ignore", f"Async generator '{name}", ResourceWarning)
        yield
        gc.collect()  # what nobody closed would warn now, and every other warning is an error


@every_surface
def test_many_faulty_calls_on_one_connection(surface: Surface, emu: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Every call ends with a response or the client's exception, none waits for a connection that another one kept."""
    ended: Counter[str] = Counter()
    with only_our_warnings(surface), client(surface, emu, pool=1, timeout=PATIENCE) as caller:
        for number, (faults, manner) in enumerate(plan(SEED)):
            emu.reset()
            emu.script(*faults)
            method, path, body = REQUESTS[number % len(REQUESTS)]
            stalls = any(fault.stall for fault in faults)
            timeout = (PATIENCE, STALLED_READ if stalls else PATIENCE)
            json = None if body is None else {**body, "prompt": str(number)}  # each create is another one
            end = used(caller, manner, method, path, json=json, timeout=timeout)
            assert end is not None or manner == "cancel"
            ended[type(end).__name__] += 1
            told = report(end)
            kinds = set() if told is None else {it.fault.kind for it in told.attempts if it.fault is not None}
            assert not kinds & WAITED, f"call {number} waited for a connection: {faults}, {manner}"
            assert caller.in_use() == 0, f"call {number} kept the connection: {faults}, {manner}"
            until(lambda: emu.connections_open <= 1)
        del end, told
    assert ended["Answer"] > CALLS / 2
    assert len(ended) >= 4, f"the faults must have shown: {ended}"
    until(lambda: emu.connections_open == 0)
    # Ours says that the same request came again after it had failed, which is what this test does.
    loud = [it for it in caplog.records if it.levelno >= logging.WARNING and it.name != "anyint_resilience"]
    assert [it.getMessage() for it in loud] == []
