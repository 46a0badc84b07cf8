"""The canary, on every client: secrets and prompts planted everywhere, and nothing that we emit says one of them.

Must not know how a call is driven, but for one seam: the generator at which all that is asked and told goes by.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import anyio.lowlevel
import pytest
from opentelemetry import baggage, context

from anyint_resilience import DeadlineExceeded, Policy, Resilience, drive
from anyint_resilience.emulator import Emulator, Fault
from tests.brief import one_each
from tests.conformance.canary import leaks_in, listening, mark
from tests.conformance.plants import CASES, CHAT, ECHO, KEY, LOST, PROMPT, QUERY, SIGNED, VIDEO, Leaky, refuses, says
from tests.conformance.scenario import Ask
from tests.conformance.singing import configured, leaks_of, made, opened, shown
from tests.conformance.surfaces import Surface, Waits, every_surface, sends, surfaces

every_case = pytest.mark.parametrize("name", list(CASES))
every_blocking = surfaces(lambda surface: not surface.is_async)
every_awaiting = surfaces(lambda surface: surface.is_async)


@pytest.fixture(scope="module")
def gateway() -> Iterator[Emulator]:
    """A gateway that takes every key."""
    with Emulator() as running:
        yield running
    assert running.internal_errors == []


@surfaces(one_each)
@every_case
def test_nothing_that_is_planted_is_emitted(surface: Surface, name: str, emu: Emulator) -> None:
    """Whatever goes well or wrong, no span, metric, log, warning, event, report, repr or exception says a secret."""
    assert leaks_of(CASES[name], surface, emu) == []


# --- what takes more than a row


@every_surface
def test_where_nobody_listens(surface: Surface, emu: Emulator) -> None:
    """A proxy and a gateway that can't be reached: the client's exception has the URL in it, ours says none of it."""
    proxy = f"http://user:{mark('proxy')}@127.0.0.1:1"
    with listening() as ears:
        anyint = configured(ears, base_url=emu.url, hosts=["http://127.0.0.1:1"])
        options = {} if surface.library == "requests" else {"proxy": proxy}
        with opened(surface, anyint, emu, trust_env=False, **options) as caller:
            if surface.library == "requests":
                caller.client.proxies = {"http": proxy}
            for ask in (CHAT, VIDEO):
                made(ears, caller, ask)
            shown(ears, caller, anyint)
        with opened(surface, anyint, emu, trust_env=False) as caller:
            made(ears, caller, CHAT.but(path=f"http://user:{mark('login')}@127.0.0.1:1{CHAT.path}"))
        assert ears.outcomes() == ["error"] * 3
        assert ears.leaks() == []
    assert not emu.seen


@every_blocking
def test_what_a_client_raises(surface: Surface, emu: Emulator) -> None:
    """Neither the text of a client's exception nor that of one from outside is passed on, and no transport's repr."""
    module = surface.module
    raised = [
        module.ReadError(ECHO) if surface.is_httpx else module.ConnectionError(ECHO),
        (module.ReadTimeout if surface.is_httpx else module.Timeout)(ECHO),
        *(ValueError(ECHO), RuntimeError(ECHO), KeyboardInterrupt(ECHO)),
    ]

    def answer(request: Any) -> Any:
        raise error

    inner = sends(surface, answer)
    type(inner).__repr__ = Leaky.__repr__  # type: ignore[method-assign, assignment]
    with listening() as ears:
        anyint = configured(ears, base_url=emu.url)
        with opened(surface, anyint, emu, inner=inner) as caller:
            for error in raised:
                for ask in (CHAT, VIDEO.but(headers={"Idempotency-Key": type(error).__name__ + mark("idem")})):
                    made(ears, caller, ask)
                    ears.hear("notes", getattr(error, "__notes__", ()))
            shown(ears, caller, anyint)
        assert set(ears.outcomes()) == {"error", "unknown", "cancelled"}
        assert ears.leaks() == []


@every_awaiting
def test_a_call_that_is_cancelled(surface: Surface, emu: Emulator) -> None:
    """What was under way when a call was cancelled is told without what was sent."""
    emu.script(*[Fault(stall="before_headers")] * 2)
    with listening() as ears:
        anyint = configured(ears, base_url=emu.url)
        with opened(surface, anyint, emu) as caller:
            for number, ask in enumerate((CHAT, VIDEO), 1):

                async def cancelled(number: int = number, ask: Ask = ask) -> None:
                    async with anyio.create_task_group() as group:

                        async def call() -> None:
                            try:
                                await caller.direct(ask.method, ask.path, json=ask.json, headers=ask.headers)
                            except BaseException as error:
                                ears.error(error)
                                raise

                        group.start_soon(call)
                        while len(emu.seen) < number:
                            await anyio.lowlevel.checkpoint()
                        group.cancel_scope.cancel()

                caller.call(cancelled)
            shown(ears, caller, anyint)
        assert sorted(ears.outcomes()) == ["cancelled", "unknown"]
        assert len(anyint.ledger.unknown()) == 1
        assert ears.leaks() == []


@every_surface
def test_a_deadline_that_passes(surface: Surface, emu: Emulator) -> None:
    """What is raised when the time is up says how long that was, and nothing else."""
    now = [0.0]

    def slow() -> str:
        now[0] += 5
        return KEY

    with listening() as ears:
        clock = Waits().runtime(monotonic=lambda: now[0])
        anyint = configured(ears, base_url=emu.url, api_key=slow, policy=Policy(deadline=3), runtime=clock)
        with opened(surface, anyint, emu) as caller:
            assert isinstance(made(ears, caller, VIDEO), DeadlineExceeded)
            shown(ears, caller, anyint)
        assert ears.outcomes() == ["late"]
        assert ears.leaks() == []


@every_surface
def test_what_the_engine_asks_and_is_told(surface: Surface, emu: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call, its effects, their replies and its result can all be shown."""
    emu.script(refuses(503, code=ECHO), refuses(401), says(200, {"id": "v", "x": ECHO}), LOST)
    run, heard = drive.run, []

    def overheard(call: Any) -> Generator[Any, Any, Any]:
        flow: Any = run(call)
        effect = next(flow)
        try:
            while True:
                ears.hear("engine", call, effect)
                try:
                    reply = yield effect
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    ears.hear("engine", reply)
                    heard.append(type(reply))
                    effect = flow.send(reply)
        except StopIteration as stop:
            ears.hear("engine", stop.value)
            return stop.value

    monkeypatch.setattr(drive, "run", overheard)
    keys = iter([KEY, mark("second")])
    prompted = context.attach(baggage.set_baggage("prompt", PROMPT))
    try:
        with listening() as ears:
            anyint = configured(ears, base_url=emu.url, api_key=lambda: next(keys))
            with opened(surface, anyint, emu) as caller:
                made(ears, caller, VIDEO)
                other = {**VIDEO.headers, "Idempotency-Key": mark("other")}
                made(ears, caller, VIDEO.but(json={"model": "m", "prompt": PROMPT}, headers=other))
                shown(ears, caller, anyint)
            assert ears.outcomes() == ["success", "unknown"]
            assert ears.leaks() == []
    finally:
        context.detach(prompted)
    assert {it.__name__ for it in heard} >= {"Outcome", "Peeked", "NoneType"}


@surfaces(lambda surface: surface.library == "aiohttp")
def test_the_warning_of_replaced_middlewares(surface: Surface, emu: Emulator) -> None:
    """It names the route and nothing of the query."""
    with listening() as ears:
        anyint = configured(ears, base_url=emu.url)
        with opened(surface, anyint, emu, wrap=True) as caller:
            caller.request("POST", CHAT.path, json=CHAT.json, middlewares=(), headers=dict(CHAT.headers))
        assert [it.category for it in ears.warned] == [UserWarning]
        assert ears.leaks() == []


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": ECHO},
        {"api_key": KEY.encode()},
        {"base_url": f"https://user:{mark('login')}"},
        {"base_url": f"https://user:{mark('login')}@gateway.example"},
        {"base_url": f"https://user:{mark('login')}@gateway.example\uff0f"},
        {"base_url": f"https://[{mark('login')}"},
        {"base_url": f"http://gateway.example/{QUERY}"},
        {"base_url": f"https://gateway.example/{QUERY}"},
        {"hosts": SIGNED.replace("https://", f"https://{mark('login')}@")},
        {"hosts": [SIGNED]},
        {"runtime": Leaky()},
        {"policy": Leaky()},
        {"tracer_provider": Leaky()},
        {"listeners": PROMPT},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_what_a_configuration_refuses(settings: dict[str, Any]) -> None:
    """The error names the setting, not what stood in it."""
    with pytest.raises(ValueError, match=next(iter(settings))) as caught:
        Resilience(**settings)
    assert leaks_in(f"{caught.value!r} {caught.value}") == []


def test_a_configuration_shows_no_part_that_might_know_more() -> None:
    """Stores, listeners, key sources and providers have texts of their own."""
    with listening() as ears:
        ears.configuration(configured(ears, api_key=Leaky(), store=Leaky(), listeners=[Leaky()]))
        assert ears.leaks() == []
