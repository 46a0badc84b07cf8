"""A paid create whose deadline passes before any of it went out was not sent, and may be asked for again at once.

Must not know how that is found out: only what is raised, what the report says, and what the ledger keeps.
"""

from __future__ import annotations

import gc
import socket
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import anyio
import pytest

from anyint_resilience import OutcomeUnknown, Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.policy.model import FaultKind
from tests.alone import ALONE
from tests.conformance.kit import FILM, KEY, VIDEOS
from tests.conformance.surfaces import Surface, calling, every_httpx, surfaces

every_async = surfaces(lambda surface: surface.is_httpx and surface.is_async)
SOON = 0.1  # seconds of a deadline that is meant to pass
BEFORE = [FaultKind.CONNECT_TIMEOUT]


@contextmanager
def nobody(*, full: bool) -> Iterator[int]:
    """Listen at a port and take nothing; ``full``: what connects is not even answered by the system."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0 if full else 20)
        for _ in range(4 if full else 0):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listening.getsockname())
        yield listening.getsockname()[1]


@contextmanager
def unclosed() -> Iterator[None]:
    """Let pass what both clients leave to the garbage collector: the socket of a TLS handshake that was cut."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
        yield
        gc.collect()


def configured(*urls: str, **more: Any) -> Resilience:
    policy = Policy(deadline=SOON, attempts=1)
    return Resilience(**{"api_key": KEY, "hosts": list(urls), "guards": ALONE, "policy": policy, **more})


def seen(surface: Surface, error: Exception, anyint: Resilience) -> tuple[list[Any], str, int]:
    """Return the kinds of an error's faults, what became of the create, and how many are kept as unknown."""
    found = report(error)
    assert found is not None
    assert found.decision is not None
    assert isinstance(error, surface.timeout_error)
    kinds = [it.fault.kind for it in found.attempts if it.fault is not None]
    return kinds, found.decision.certainty.value, len(anyint.ledger.unknown())


@every_httpx
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_create_cut_while_it_connects_was_not_sent(surface: Surface, scheme: str) -> None:
    """Blocking or awaiting: nothing answers, or nobody takes up TLS."""
    with nobody(full=scheme == "http") as port, unclosed():
        url = f"{scheme}://127.0.0.1:{port}"
        anyint = configured(url)
        with calling(surface, anyint) as caller:
            error = caller.error("POST", url + VIDEOS, json=FILM)
        assert isinstance(error, surface.adapter.DeadlineExceeded)
        assert seen(surface, error, anyint) == (BEFORE, "not_sent", 0)
        del error, caller


@every_async
def test_a_create_cut_in_the_pool_s_line_was_not_sent(surface: Surface, emu: Emulator) -> None:
    """The one connection was another call's all the time."""
    emu.script(Fault(stall="before_headers"))
    anyint = configured(emu.url)
    with calling(surface, anyint, base_url=emu.url, pool=1) as caller:

        async def run() -> Exception:
            async with anyio.create_task_group() as group:

                async def first() -> None:
                    await caller.direct("GET", "/openai/v1/models", policy=Policy(deadline=None))

                group.start_soon(first)
                while not emu.seen:
                    await anyio.sleep(0.001)
                try:
                    await caller.direct("POST", VIDEOS, json=FILM)
                except surface.error as error:
                    group.cancel_scope.cancel()
                    return error  # type: ignore[no-any-return]
            raise AssertionError("it was sent")

        error = caller.call(run)
    assert isinstance(error, surface.adapter.DeadlineExceeded)
    assert seen(surface, error, anyint) == ([FaultKind.POOL_TIMEOUT], "not_sent", 0)
    assert len(emu.seen) == 1


@every_httpx
def test_a_create_cut_after_it_was_sent_is_unknown(surface: Surface, emu: Emulator) -> None:
    """It may have been made."""
    emu.script(Fault(stall="before_headers", process=True))
    anyint = configured(emu.url)
    with calling(surface, anyint, base_url=emu.url) as caller:
        error = caller.error("POST", VIDEOS, json=FILM)
    assert isinstance(error, OutcomeUnknown)
    assert seen(surface, error, anyint) == ([FaultKind.READ_TIMEOUT], "unknown", 1)


@every_async
@pytest.mark.parametrize("base", ["AsyncBaseTransport", "AsyncHTTPTransport"])
def test_a_create_cut_below_a_transport_of_another_is_unknown(surface: Surface, base: str) -> None:
    """Nobody knows what it had done by then: it may look up time-outs when it likes."""

    class Inner(getattr(surface.module, base)):  # type: ignore[misc]
        async def handle_async_request(self, request: Any) -> Any:
            assert request.extensions["timeout"].get("connect") is not None
            await anyio.sleep_forever()

    anyint = configured("https://gateway.test")
    with calling(surface, anyint, transport=Inner()) as caller:
        error = caller.error("POST", "https://gateway.test" + VIDEOS, json=FILM)
    assert isinstance(error, OutcomeUnknown)
    assert seen(surface, error, anyint) == ([FaultKind.READ_TIMEOUT], "unknown", 1)


@every_async
def test_it_may_be_asked_for_again_at_once(surface: Surface, emu: Emulator) -> None:
    """The same create is not held back, and is made once."""
    with nobody(full=True) as port:
        url = f"http://127.0.0.1:{port}"
        anyint = configured(url, emu.url)
        with calling(surface, anyint) as caller:
            caller.error("POST", url + VIDEOS, json=FILM)
            assert caller.request("POST", emu.url + VIDEOS, json=FILM, policy=Policy()).status == 200
    assert len(emu.seen) == 1
