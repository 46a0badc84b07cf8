"""Many callers at once, on threads and on the tasks of a loop, by the real clock: none passes a closed gate or is lost.

Must not know how a line is kept: only what reaches the gateway, in which order and how many at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from anyint_resilience import Guards, Policy, Resilience, StreamInterrupted, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.guards.shared import shared_guards
from tests.conformance.guards_kit import ONCE, Call, Heard, another, called, guarded, moved, peak, together
from tests.conformance.kit import KEY, client
from tests.conformance.scenario import CHAT, MODELS, STREAM, Ask
from tests.conformance.surfaces import Caller, Surface, every_surface
from tests.conformance.test_pool_of_one import only_our_warnings
from tests.waiting import until

HINT = 0.1
SOON = {"retry-after-ms": str(int(HINT * 1000))}
STALLED = 0.3  # seconds after which a client gives a stream up in which nothing comes
STAY = 0.03  # seconds for which a request stays at the gateway, where how many do so counts
CROWD = 8


def shut(caller: Caller, emu: Emulator, ask: Ask = CHAT) -> None:
    """Close the gate for a moment."""
    emu.script(Fault.error(429, headers=SOON))
    assert called(caller, ask, policy=ONCE).status == 429


def crowd(ask: Ask = CHAT, size: int = CROWD, **options: Any) -> list[Call]:
    """Return so many calls that are told apart by their bodies."""
    return [Call(another(ask, number), options) for number in range(size)]


def users(emu: Emulator) -> list[str]:
    """Return whose requests reached the gateway, in order."""
    return [it.json()["user"] for it in emu.seen if it.method == "POST" and "user" in it.json()]


@every_surface
@pytest.mark.parametrize("pool", [1, CROWD])
def test_nobody_passes_a_closed_gate(surface: Surface, pool: int, emu: Emulator) -> None:
    """All who come wait until the hint has passed, and every one of them is served, one connection or many."""
    anyint = guarded(emu, moved())
    with client(surface, emu, anyint, pool=pool) as caller:
        shut(caller, emu)
        ends = together(caller, crowd())
        assert [getattr(it, "status", it) for it in ends] == [200] * CROWD
        first, *rest = emu.seen
        assert [it.at - first.at >= HINT for it in rest] == [True] * CROWD
        assert [report(it).held > 0 for it in ends] == [True] * CROWD  # type: ignore[union-attr]
        assert caller.in_use() == 0


@every_surface
def test_waiters_go_in_order(surface: Surface, emu: Emulator) -> None:
    """Who came first goes first, though each has to wait for the one before."""
    heard = Heard()
    anyint = guarded(emu, moved(), guards=Guards(max_concurrency=1), listeners=[heard])
    with client(surface, emu, anyint, pool=CROWD) as caller:
        shut(caller, emu)
        ends = together(caller, crowd(), lambda number: len(heard.named("gate wait")) >= number)
        assert [getattr(it, "status", it) for it in ends] == [200] * CROWD
    assert users(emu) == [str(number) for number in range(CROWD)]


@every_surface
def test_those_who_retry_wait_with_the_others(surface: Surface, emu: Emulator) -> None:
    """All fly when the limit is hit and are told so; each is served in the end, none before the hint has passed."""
    policy, size = Policy(attempts=4), 4
    anyint = guarded(emu, moved(), guards=Guards(budget_reserve=50))
    with client(surface, emu, anyint, pool=size) as caller:
        emu.script(*[Fault(status=429, headers=SOON, delay_headers=STAY)] * size)
        ends = together(caller, crowd(size=size, policy=policy))
        assert [getattr(it, "status", it) for it in ends] == [200] * size
    limited = [it.at for it in emu.seen if it.answered == 429]
    served = [it.at for it in emu.seen if it.answered == 200]
    assert (len(limited), len(served)) == (size, size)
    assert min(served) - min(limited) >= HINT


@every_surface
@pytest.mark.parametrize("most", [1, 2])
def test_never_more_than_so_many_at_once(surface: Surface, most: int, emu: Emulator) -> None:
    """``max_concurrency``, with a pool that would let all of them out."""
    anyint = guarded(emu, moved(), guards=Guards(max_concurrency=most))
    with client(surface, emu, anyint, pool=CROWD) as caller:
        emu.script(*[Fault(delay_headers=STAY)] * CROWD)
        ends = together(caller, crowd())
        assert [getattr(it, "status", it) for it in ends] == [200] * CROWD
        assert peak(emu.seen, STAY * 0.9) == most
        assert anyint.guarding.shared.calm, "every place and permit came back"


@every_surface
def test_without_a_limit_all_are_there_at_once(surface: Surface, emu: Emulator) -> None:
    """So that the tests of limits say something."""
    with client(surface, emu, guarded(emu, moved()), pool=CROWD) as caller:
        emu.script(*[Fault(delay_headers=10 * STAY)] * CROWD)
        together(caller, crowd())
    assert peak(emu.seen, 9 * STAY) > 2


@every_surface
def test_a_limit_is_one_of_a_model(surface: Surface, emu: Emulator) -> None:
    """Another model's call goes out while the only permit of the first is taken."""
    anyint = guarded(emu, moved(), guards=Guards(max_concurrency=1))
    other = CHAT.but(json={**CHAT.json, "model": "gpt-5-mini"})
    with client(surface, emu, anyint, pool=4) as caller:
        emu.script(Fault(stall="before_headers"))
        calls = [Call(CHAT, {"timeout": 0.3, "policy": ONCE}), Call(other), Call(MODELS)]
        ends = together(caller, calls, lambda number: len(emu.seen) >= number)
        assert isinstance(ends[0], surface.timeout_error)
        assert [it.status for it in ends[1:]] == [200, 200]


@every_surface
def test_who_finds_all_places_taken_and_cannot_wait(surface: Surface, emu: Emulator) -> None:
    """``GateClosed``: full, and nobody knows until when; the place in line is given back."""
    anyint = guarded(emu, moved(), guards=Guards(max_concurrency=1))
    with client(surface, emu, anyint, pool=4) as caller:
        emu.script(Fault(delay_headers=0.2))
        calls = [Call(CHAT), Call(CHAT, {"policy": Policy(hold=0.01)})]
        served, left = together(caller, calls, lambda number: len(emu.seen) >= number)
        assert served.status == 200
        assert isinstance(left, surface.adapter.GateClosed)
        assert (left.why, left.retry_at) == ("full", None)
        assert len(emu.seen) == 1
        assert anyint.guarding.shared.calm


@every_surface
def test_a_rate_answer_cuts_how_many_may_fly(surface: Surface, emu: Emulator) -> None:
    """Eight flew when the limit was hit; then fewer do, though nobody said how many may."""
    anyint = guarded(emu, moved())
    with client(surface, emu, anyint, pool=CROWD) as caller:
        emu.script(*[Fault(status=429, headers=SOON, delay_headers=5 * STAY)] * CROWD)
        ends = together(caller, crowd(policy=ONCE))
        assert [it.status for it in ends] == [429] * CROWD
        emu.reset()
        emu.script(*[Fault(delay_headers=STAY)] * CROWD)
        ends = together(caller, crowd())
        assert [getattr(it, "status", it) for it in ends] == [200] * CROWD
    assert 1 <= peak(emu.seen, STAY * 0.9) < CROWD


@every_surface
def test_a_stream_keeps_its_permit_until_it_ends(surface: Surface, emu: Emulator) -> None:
    """An open stream is a call that runs: the next one goes out when it has broken off, and not before."""
    anyint = guarded(emu, moved(), guards=Guards(max_concurrency=1))
    with client(surface, emu, anyint, pool=2) as caller:
        emu.script(Fault(stall="mid_body"))
        calls = [Call(STREAM, {"timeout": STALLED}), Call(another(CHAT, 2))]
        broken, served = together(caller, calls, lambda number: len(emu.seen) >= number)
        assert isinstance(broken, StreamInterrupted)
        assert served.status == 200
        first, second = emu.seen
        assert second.at - first.at >= 0.9 * STALLED  # a client's clock may start before the gateway has seen it
        assert report(served).held > 0  # type: ignore[union-attr]


@every_surface
@pytest.mark.parametrize("chunks", [None, 1, 0], ids=["whole", "half read", "unread"])
def test_a_stream_that_is_over_keeps_nobody_waiting(surface: Surface, chunks: int | None, emu: Emulator) -> None:
    """Read to its end or closed before: its permit is there for the next call at once."""
    anyint = guarded(emu, moved(), guards=Guards(max_concurrency=1))
    with only_our_warnings(surface), client(surface, emu, anyint, pool=2) as caller:
        for number in range(3):
            if chunks is not None:
                emu.script(Fault(stall="mid_body"))
            ask = another(STREAM, number)
            _, _, broken = caller.stream(ask.method, ask.path, json=ask.json, chunks=chunks)
            assert broken is None
            served = called(caller, another(CHAT, number))
            assert served.status == 200
            assert report(served).held == 0  # type: ignore[union-attr]


# --- the guards of a process


@pytest.fixture
def process() -> Iterator[None]:
    shared_guards().clear()
    yield
    shared_guards().clear()


@every_surface
@pytest.mark.usefixtures("process")
def test_two_configurations_of_a_process_share_their_guards(surface: Surface, emu: Emulator) -> None:
    """What one client was told holds for another one with the same key, and its own configuration."""
    one, two = (Resilience(api_key=KEY, base_url=emu.url) for _ in range(2))
    with client(surface, emu, one) as caller, client(surface, emu, two) as other:
        shut(caller, emu)
        assert called(other, CHAT).status == 200
        first, second = emu.seen
        assert second.at - first.at >= HINT
        until(lambda: caller.in_use() == other.in_use() == 0)
