"""What the plugin changes in this process while a test runs, and that all of it is changed back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest

pytest.importorskip("h11")

from anyint_resilience import Resilience, drive
from anyint_resilience.calls import Call
from anyint_resilience.guards.shared import shared_guards
from anyint_resilience.guards.tally import Tally
from anyint_resilience.intents import OWN
from anyint_resilience.raising import RaisingSurface
from anyint_resilience.runtime import REAL, Bell, Runtime
from anyint_resilience.surface import SurfaceBase
from anyint_resilience.tasks.timetable import shared_timetable
from anyint_resilience.telemetry.tasks import WaitWatch
from anyint_resilience.testing.gateway import Gateway, Wire
from anyint_resilience.testing.records import Records, told_of
from anyint_resilience.testing.stage import Stage
from anyint_resilience.testing.traffic import Traffic
from anyint_resilience_httpx import wait_for_task, wrap
from tests.conformance.kit import ASK, CHAT, FILM, VIDEOS


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Wire() as made:
        yield made


def patched() -> list[object]:
    """All that is put in the place of the core's own."""
    flows = (drive._flow_sync, drive._flow_async)
    ways = [getattr(Runtime(), name).func for name in ("monotonic", "wall", "random", "sleep", "asleep")]
    methods = (SurfaceBase.ended, Call.cut, RaisingSurface.making, WaitWatch.ended)
    return [Tally.__dict__["out"], *flows, *methods, *ways]


def test_everything_is_as_it_was(wire: Wire) -> None:
    """What was put in its place, and what calls learnt: gates, turns, creates, what was counted of a host."""
    before = patched()
    stage = Stage()
    gateway = Gateway(wire)
    stage.open(gateway)
    assert stage.clock.now() == 0.0
    assert not set(map(id, patched())) & set(map(id, before))
    anyint = Resilience(api_key="k", base_url=wire.url)
    with wrap(httpx.Client(base_url=wire.url), anyint) as client:
        wait_for_task(client, client.post(VIDEOS, json=FILM))
        client.post(CHAT, json=ASK)
        gateway.script(*[{"status": 429, "retry_after": 3000}] * 2)
        assert client.post(CHAT, json=ASK).status_code == 429
    plan = anyint.router.plan("http", "127.0.0.1", int(wire.url.rpartition(":")[2]), "POST", CHAT.encode())
    assert plan is not None
    assert (plan.tally.flew, shared_guards().calm, OWN.get() is None) == (1, False, False)
    late = Runtime().monotonic() + 1e6
    assert shared_timetable().take("kind", late, 1.0) == late
    stage.close()
    assert patched() == before
    assert [Runtime().monotonic.func, Runtime().sleep.func] == [REAL["monotonic"], REAL["sleep"]]  # type: ignore[attr-defined]
    assert (plan.tally.flew, plan.tally.good, shared_guards().calm, OWN.get()) == (0, 0, True, None)
    assert shared_timetable().take("kind", 1.0, 1.0) == 1.0
    assert wire.current is None


def test_a_stage_within_another_puts_back_what_it_found(wire: Wire) -> None:
    """A run of pytest within a test has clocks and gateways of its own; the outer test goes on with its own."""
    with Wire() as inner_wire:
        outer, inner, beside = Stage(), Stage(), Stage()
        mine = Gateway(wire)
        outer.open(mine)
        clock = outer.clock
        outer_ways = patched()
        inner.open(Gateway(inner_wire))
        beside.open(Gateway(wire))
        assert inner.clock is not clock
        beside.close()
        inner.close()
        assert patched()[-5:] == outer_ways[-5:]
        Runtime().sleep(2)
        Runtime().rest(Bell(), 3)
        assert (clock.slept, mine.clock.now()) == ([2, 3], 5.0)
        assert wire.current is mine
        outer.close()
    assert Runtime().sleep.func is REAL["sleep"]  # type: ignore[attr-defined]
    assert wire.current is None


def test_a_gateway_that_comes_after_the_clock_goes_by_it(wire: Wire) -> None:
    """As one does that a test asks for late."""
    stage = Stage()
    clock = stage.clock
    gateway = Gateway(wire)
    stage.open(gateway)
    clock.advance(7)
    gateway.clock.advance(5)
    stage.close()
    assert (clock.now(), gateway.clock.now()) == (12.0, 12.0)


def test_between_tests_the_address_answers(wire: Wire) -> None:
    """A session's own fixtures may call it then; what goes wrong there is no test's fault."""
    assert httpx.get(
        f"{wire.url}{CHAT.rpartition('/chat')[0]}/models", headers={"authorization": "Bearer k"}
    ).is_success
    wire.wronged(ValueError("between"))
    gateway = Gateway(wire)
    gateway.attach()
    wire.wronged(ValueError("within"))
    gateway.detach()
    assert [str(it) for it in (*gateway.internal_errors, *wire.internal_errors)] == ["within", "between"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_call_under_way_is_busy_but_where_it_rests(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first failure to its end, on the wire or not."""
    traffic, seen = Traffic(), []

    def probe(*given: Any) -> str:
        seen.append(traffic.busy())
        with traffic.resting():
            seen.append(traffic.busy())
        seen.append(traffic.busy())
        raise ZeroDivisionError

    async def awaited(*given: Any) -> str:
        return probe()

    monkeypatch.setattr(drive, "_flow_sync", probe)
    monkeypatch.setattr(drive, "_flow_async", awaited)
    traffic.watch(monkeypatch.setattr)
    with pytest.raises(ZeroDivisionError):
        drive._flow_sync() if kind == "sync" else anyio.run(drive._flow_async)  # type: ignore[call-arg]
    assert [*seen, traffic.busy()] == [True, False, True, False]
    with traffic.resting():  # what is no call does not count
        assert not traffic.busy()


def test_what_is_out_is_counted_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tally goes on, one that was there and one that is new, and all of them are added up."""
    old = Tally()
    old.out += 1
    traffic = Traffic()
    traffic.watch(monkeypatch.setattr)
    new = Tally()
    old.out += 1
    new.out += 1
    assert (old.out, new.out, traffic.busy()) == (2, 1, True)
    old.out -= 1
    new.out -= 1
    assert (old.out, new.out, traffic.busy()) == (1, 0, False)


def test_a_call_that_outlives_its_test_is_not_counted_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its answer nor a rest of it makes the next test's calls look as if they were back."""
    tally, first, second = Tally(), Traffic(), Traffic()
    seen: list[bool] = []

    def next_test(*given: Any) -> None:
        patches.undo()
        second.watch(monkeypatch.setattr)
        tally.out -= 1  # the answer to the first test's request
        tally.out += 1
        seen.append(second.busy())
        with second.resting():  # the first test's call sleeps, by the second's clock
            seen.append(second.busy())
        tally.out -= 1
        seen.append(second.busy())

    monkeypatch.setattr(drive, "_flow_sync", next_test)
    with pytest.MonkeyPatch.context() as patches:
        first.watch(patches.setattr)
        tally.out += 1
        drive._flow_sync()  # type: ignore[call-arg]
    assert seen == [True, True, False]
    assert tally.out == 0


def test_all_is_put_back_though_a_part_of_it_fails(wire: Wire) -> None:
    """The next test must not go by this one's clock."""
    before = patched()
    stage = Stage()
    gateway = Gateway(wire)
    stage.open(gateway)
    assert stage.clock.now() == 0.0

    def failing() -> None:
        wire.current = None
        raise OSError("its postman")

    gateway.detach = failing  # type: ignore[method-assign]
    with pytest.raises(OSError, match="its postman"):
        stage.close()
    assert patched() == before


def test_a_section_has_an_end() -> None:
    """However much each call has to tell, the last of it is kept."""
    records = Records()
    records.last.extend(lambda number=number: f"call {number} " + "y" * 2000 for number in range(20))  # type: ignore[misc]
    text = told_of(records, [1.0] * 60, None)
    assert len(text) < 16_100
    assert "call 0 " not in text
    assert "call 19 " in text
    assert text.count("1.00") == 50
