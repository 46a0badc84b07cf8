"""Policies, deadlines and wrapping, on every client."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest

from anyint_resilience import Cause, Policy, ResilienceError, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.runtime import Runtime
from tests.conformance.kit import ASK, CHAT, MODELS, VIDEOS, client, configured
from tests.conformance.surfaces import Surface, Waits, every_httpx, every_surface


def contexts(error: BaseException) -> Iterator[BaseException]:
    """Yield what was being handled when an exception was raised."""
    behind = error.__context__
    while behind is not None:
        yield behind
        behind = behind.__context__


@every_surface
def test_the_original_exception_comes_back_with_its_report(surface: Surface, emu: Emulator) -> None:
    """Code that catches the client's exceptions goes on working, and no context of ours is chained to them."""
    emu.script(*[Fault(reset="before_headers")] * 3)
    with client(surface, emu) as caller:
        error = caller.error("POST", CHAT, json=ASK)
    assert isinstance(error, surface.transport_error)
    assert type(error).__module__.startswith(surface.library)
    assert not [it for it in contexts(error) if isinstance(it, (surface.error, ResilienceError, StopIteration))]
    found = report(error)
    assert found is not None
    assert len(found.attempts) == len(emu.seen) == 3
    assert found.decision is not None
    assert found.decision.cause is Cause.TRANSIENT


@every_surface
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST"])
def test_attempts_on_a_connection_that_was_kept_do_not_multiply(surface: Surface, method: str, emu: Emulator) -> None:
    """A client that sends some methods again by itself does not do so under us: three attempts stay three."""
    with client(surface, emu, pool=1) as caller:
        assert caller.request("GET", MODELS).status == 200
        emu.script(*[Fault(reset="before_headers")] * 12)
        error = caller.error(method, CHAT if method == "POST" else MODELS)
        assert caller.in_use() == 0
    found = report(error)
    assert found is not None
    assert len(found.attempts) == len(emu.seen) - 1 == 3


@every_surface
def test_what_is_no_policy_is_refused(surface: Surface, emu: Emulator) -> None:
    """A call that was given something else in its place is not sent."""
    with (
        client(surface, emu) as caller,
        pytest.raises(ResilienceError if surface.is_httpx else ValueError, match="a Pol"),
    ):
        caller.request("POST", CHAT, json=ASK, policy="off")
    assert not emu.seen


@every_surface
def test_override_holds_for_the_calls_inside(surface: Surface, emu: Emulator) -> None:
    """``with anyint.override(...)`` reaches every client of that configuration, in this thread or task only."""
    anyint = configured(emu)
    emu.script(*[Fault(status=503)] * 3)
    with client(surface, emu, anyint) as caller:

        def inside() -> Any:
            with anyint.override(Policy(attempts=1)):
                return caller.direct("POST", CHAT, json=ASK)

        async def ainside() -> Any:
            with anyint.override(Policy(attempts=1)):
                return await caller.direct("POST", CHAT, json=ASK)

        assert caller.call(ainside if surface.is_async else inside).status == 503
        assert len(emu.seen) == 1
        assert caller.request("POST", CHAT, json=ASK).status == 200
    assert len(emu.seen) == 4


@every_surface
def test_a_deadline_bounds_what_is_looked_at_of_a_body(surface: Surface, emu: Emulator) -> None:
    """An answer that has begun but stalls before we could judge it ends with the deadline, and holds no connection."""
    emu.script(Fault(stall="mid_body"))
    anyint = configured(emu, policy=Policy(deadline=0.3), runtime=Runtime())
    with client(surface, emu, anyint, timeout=4, pool=1) as caller:
        began = time.monotonic()
        error = caller.error("GET", "/suno/query/task?taskId=none")
        assert time.monotonic() - began < 3
        assert caller.in_use() == 0
    assert isinstance(error, surface.adapter.DeadlineExceeded)
    assert isinstance(error, surface.timeout_error)
    assert report(error) is not None


@every_surface
@pytest.mark.parametrize("path", [CHAT, VIDEOS], ids=["handed over unread", "looked at"])
def test_a_deadline_bounds_a_dripping_body(surface: Surface, emu: Emulator, path: str) -> None:
    """A body that comes chunk by chunk ends with the deadline too, though no single read is late."""
    if surface.library == "aiohttp":
        pytest.skip("aiohttp's event loop has a clock of its own; see the stalled body")
    now = [0.0]

    def clock() -> float:
        now[0] += 0.4
        return now[0]

    anyint = configured(emu, policy=Policy(deadline=3), runtime=Waits().runtime(monotonic=clock))
    body = {**ASK, "stream": True, "messages": [{"role": "user", "content": "w " * 400}]}
    if path == VIDEOS:
        emu.script(Fault(status=400, body=b"x" * 3_000_000))
    with client(surface, emu, anyint) as caller:
        error = caller.error("POST", path, json=body)
    assert isinstance(error, surface.adapter.DeadlineExceeded)
    assert isinstance(error, surface.timeout_error)
    assert report(error) is not None


@every_surface
def test_wrapping_twice_wraps_once(surface: Surface, emu: Emulator) -> None:
    """The client stays the same object, and attempts do not multiply."""
    anyint = configured(emu)
    emu.script(*[Fault(status=503)] * 9)
    with client(surface, emu, anyint, wrap=True) as caller:
        again = surface.adapter.wrap(caller.client, anyint)
        assert again is caller.client
        assert caller.request("POST", CHAT, json=ASK).status == 503
    assert len(emu.seen) == 3


@every_surface
def test_wrapping_anew_changes_the_configuration(surface: Surface, emu: Emulator) -> None:
    """The last configuration counts."""
    emu.script(*[Fault(status=503)] * 9)
    with client(surface, emu, configured(emu), wrap=True) as caller:
        surface.adapter.wrap(caller.client, configured(emu, policy=Policy(attempts=2)))
        assert caller.request("POST", CHAT, json=ASK).status == 503
    assert len(emu.seen) == 2


@every_surface
def test_wrap_refuses_what_is_no_client(surface: Surface, emu: Emulator) -> None:
    """A wrong object is an error that says what is wanted."""
    with pytest.raises(TypeError, match="wrap takes"):
        surface.adapter.wrap(object(), configured(emu))


@every_surface
def test_settings_that_would_be_lost_are_refused(surface: Surface, emu: Emulator) -> None:
    """Those beside a transport that would never see them are an error (lesson B11)."""
    if surface.library == "aiohttp":
        pytest.skip("a middleware has no settings: the session keeps them")
    adapter = surface.adapter
    if surface.library == "requests":
        with pytest.raises(TypeError, match="pool_block"):
            adapter.ResilientAdapter(configured(emu), adapter=object(), pool_block=True)
        return
    kind = adapter.AsyncResilientTransport if surface.is_async else adapter.ResilientTransport
    with pytest.raises(TypeError, match="http2"):
        kind(configured(emu), transport=object(), http2=True)


@every_httpx
def test_wrap_keeps_the_transports_the_client_had(surface: Surface, emu: Emulator) -> None:
    """The transports themselves stay, default and mounts alike."""
    module = surface.module
    kind = module.AsyncHTTPTransport if surface.is_async else module.HTTPTransport
    mounted = kind()
    anyint = configured(emu)
    emu.script(Fault(status=503))
    with client(surface, emu, anyint, wrap=True, mounts={"all://127.0.0.1": mounted, "all://none": None}) as caller:
        before = caller.client._transport.inner
        again = surface.adapter.wrap(caller.client, anyint)
        assert again._transport.inner is before
        inner = [transport.inner for transport in again._mounts.values() if transport is not None]
        assert mounted in inner
        assert not any(hasattr(transport, "inner") for transport in inner)
        assert None in again._mounts.values()
        assert caller.request("POST", CHAT, json=ASK).status == 200
    assert len(emu.seen) == 2


@every_surface
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "long",
    [{"deadline": math.inf}, {"deadline": 1e12}, {"first_byte_timeout": 1e12}, {"content_idle_timeout": 1e12}],
    ids=str,
)
def test_a_bound_longer_than_a_socket_can_wait_is_none(
    surface: Surface, long: dict[str, float], stream: bool, emu: Emulator
) -> None:
    """A client without time-outs of its own was given it for its socket, which takes no such number."""
    body = {**ASK, "stream": True} if stream else {"model": "sora-2", "prompt": "a cat"}
    with client(surface, emu, configured(emu, policy=Policy(**long)), timeout=None) as caller:
        reply = caller.request("POST", CHAT if stream else VIDEOS, json=body)
    assert (reply.status, len(emu.seen)) == (200, 1)
    found = report(reply)
    assert found is None or len(found.attempts) == 1
