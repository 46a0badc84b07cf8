"""What every client owes beside the contract: bodies, redirects, wrapping, overrides, deadlines, cancellation."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest

from anyint_resilience import (
    Action,
    Cause,
    DeadlineExceeded,
    OutcomeUnknown,
    Policy,
    Resilience,
    ResilienceError,
    report,
)
from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.surfaces import Caller, Surface, Waits, calling, every_surface

CHAT, VIDEOS = "/openai/v1/chat/completions", "/openai/v1/videos"
ASK = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
FILM = {"model": "kling-3.0", "prompt": "a fox"}


@pytest.fixture
def emu() -> Iterator[Emulator]:
    with Emulator(keys=("test-key",)) as emulator:
        yield emulator


def configured(emu: Emulator, **more: Any) -> Resilience:
    """Return a configuration for the emulator whose waits take no time."""
    return Resilience(**{"api_key": "test-key", "base_url": emu.url, "runtime": Waits().runtime(), **more})


@contextlib.contextmanager
def client(surface: Surface, emu: Emulator, anyint: Resilience | None = None, **options: Any) -> Iterator[Caller]:
    """Open a client whose base URL is the emulator's."""
    with calling(surface, configured(emu) if anyint is None else anyint, base_url=emu.url, **options) as caller:
        yield caller


@every_surface
def test_bytes_are_sent_again_whole(surface: Surface, emu: Emulator) -> None:
    """A retried request has the same body."""
    emu.script(Fault(status=503))
    with client(surface, emu) as caller:
        assert caller.request("POST", CHAT, json=ASK).status_code == 200
    assert [json.loads(seen.body) for seen in emu.seen] == [ASK, ASK]


@every_surface
def test_a_form_is_sent_again_whole(surface: Surface, emu: Emulator) -> None:
    """A multipart body whose parts can be read again is the same both times."""
    emu.script(Fault(status=503))
    with client(surface, emu) as caller:
        answer = caller.request(
            "POST", "/openai/v1/files", files={"file": ("a.txt", b"x" * 5000)}, data={"purpose": "batch"}
        )
    assert answer.status_code == 200
    first, second = emu.seen
    assert first.body == second.body
    assert len(first.body) > 5000


@every_surface
def test_a_generator_is_sent_once_and_the_real_answer_comes_back(surface: Surface, emu: Emulator) -> None:
    """Lessons M3 and M10: no StreamConsumed, no empty resend."""
    emu.script(Fault(status=503, body=b'{"error":{"message":"busy"}}'))

    def chunks() -> Iterator[bytes]:
        yield json.dumps(ASK).encode()

    async def achunks() -> Any:
        yield json.dumps(ASK).encode()

    with client(surface, emu) as caller:
        answer = caller.request("POST", CHAT, content=chunks() if surface.backend is None else achunks())
    assert answer.status_code == 503
    assert answer.json()["error"]["message"] == "busy"
    assert len(emu.seen) == 1


@every_surface
def test_the_last_answer_comes_back_whole_and_tells_outer_layers_to_stop(surface: Surface, emu: Emulator) -> None:
    """The body is readable however large, the report is attached, and SDKs above are told not to retry."""
    page = b"<html>" + b"x" * 300_000
    emu.script(*[Fault(status=503, body=page, headers=(("Content-Type", "text/html"),))] * 3)
    with client(surface, emu) as caller:
        answer = caller.request("POST", CHAT, json=ASK)
    assert answer.content == page
    assert answer.headers["x-should-retry"] == "false"
    found = report(answer)
    assert found is not None
    assert [attempt.status for attempt in found.attempts] == [503, 503, 503]
    assert found.decision is not None
    assert found.decision.action is Action.NO_RETRY


@every_surface
def test_a_good_answer_is_left_as_it_is(surface: Surface, emu: Emulator) -> None:
    """Nothing is added to a good answer but the report."""
    with client(surface, emu, headers={"Authorization": "Bearer test-key"}) as caller:
        answer = caller.request("POST", CHAT, json=ASK)
    assert "x-should-retry" not in answer.headers
    found = report(answer)
    assert found is not None
    assert (found.route, found.attempts[0].status) == ("POST " + CHAT, 200)


@every_surface
def test_the_original_exception_comes_back_with_its_report(surface: Surface, emu: Emulator) -> None:
    """Code that catches the client's exceptions goes on working, and no context of ours is chained to them."""
    emu.script(*[Fault(reset="before_headers")] * 3)
    with client(surface, emu) as caller:
        error = caller.error("POST", CHAT, json=ASK)
    assert type(error).__module__.startswith(surface.library)
    assert error.__context__ is None or type(error.__context__).__module__.startswith("httpcore")
    found = report(error)
    assert found is not None
    assert len(found.attempts) == len(emu.seen) == 3
    assert found.decision is not None
    assert found.decision.cause is Cause.TRANSIENT


@every_surface
def test_a_lost_paid_create_is_known_again(surface: Surface, emu: Emulator) -> None:
    """It reaches the gateway once; the same create is refused without touching the wire until it is forgotten."""
    emu.script(Fault(reset="before_headers", process=True))
    anyint = configured(emu)
    with client(surface, emu, anyint) as caller:
        first = caller.error("POST", VIDEOS, json=FILM)
        second = caller.error("POST", VIDEOS, json=FILM)
        for error in (first, second):
            assert isinstance(error, OutcomeUnknown)
            assert isinstance(error, surface.module.TransportError)
            assert "billed" in str(error)
        assert isinstance(first, OutcomeUnknown)
        assert first.__cause__ is not None
        assert len(emu.seen) == len(emu.tasks) == 1
        assert caller.request("POST", VIDEOS, json=FILM, headers={"Idempotency-Key": "another"}).status_code == 200
        assert first.intent is not None
        anyint.ledger.forget(first.intent)
        assert caller.request("POST", VIDEOS, json=FILM).status_code == 200


@every_surface
def test_a_lost_multipart_create_is_known_again_though_its_boundary_changed(surface: Surface, emu: Emulator) -> None:
    """A form built anew has another boundary; it is still the same create."""
    emu.script(Fault(reset="before_headers", process=True))
    with client(surface, emu) as caller:
        for _ in range(2):
            error = caller.error("POST", VIDEOS, data=FILM, files={"input_reference": ("a.png", b"png")})
            assert isinstance(error, OutcomeUnknown)
    assert len(emu.seen) == 1


@every_surface
@pytest.mark.parametrize("fault", [Fault(truncate=10, process=True), Fault(reset="mid_body", process=True)])
def test_a_create_whose_answer_breaks_is_unknown(surface: Surface, emu: Emulator, fault: Fault) -> None:
    """A 2xx whose body never came whole may be a task; SDKs elsewhere create it again (lesson B5)."""
    emu.script(fault)
    with client(surface, emu) as caller:
        assert isinstance(caller.error("POST", VIDEOS, json=FILM), OutcomeUnknown)
    assert len(emu.seen) == 1


@every_surface
def test_a_timed_out_create_is_also_a_timeout(surface: Surface, emu: Emulator) -> None:
    """``except TimeoutException`` goes on catching it."""
    emu.script(Fault(stall="before_headers", process=True))
    with client(surface, emu, timeout=0.2) as caller:
        error = caller.error("POST", VIDEOS, json=FILM)
    assert isinstance(error, OutcomeUnknown)
    assert isinstance(error, surface.module.TimeoutException)


@every_surface
def test_one_call_can_carry_its_own_policy_or_opt_out(surface: Surface, emu: Emulator) -> None:
    """By extension or by context; the innermost counts, and nothing else changes."""
    anyint = configured(emu)
    emu.script(*[Fault(status=503)] * 4)
    with client(surface, emu, anyint) as caller:
        caller.request("POST", CHAT, json=ASK, extensions={"anyint_resilience": Policy(attempts=1)})
        assert len(emu.seen) == 1
        off = caller.request("POST", CHAT, json=ASK, extensions={"anyint_resilience": Policy(enabled=False)})
        assert (off.status_code, len(emu.seen)) == (503, 2)
        assert "x-should-retry" not in off.headers
        with pytest.raises(ResilienceError, match="must be a Policy"):
            caller.request("POST", CHAT, json=ASK, extensions={"anyint_resilience": "off"})


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_override_holds_for_the_calls_inside(library: str, emu: Emulator) -> None:
    """``with anyint.override(...)`` reaches every client of that configuration."""
    pytest.importorskip(library, reason="httpx2 needs Python 3.11")
    anyint = configured(emu)
    emu.script(*[Fault(status=503)] * 3)
    with client(Surface(library), emu, anyint) as caller:
        with anyint.override(Policy(attempts=1)):
            assert caller.request("POST", CHAT, json=ASK).status_code == 503
        assert len(emu.seen) == 1
        assert caller.request("POST", CHAT, json=ASK).status_code == 200


@every_surface
def test_an_override_travels_with_the_task_that_set_it(surface: Surface, emu: Emulator) -> None:
    """On an event loop the override belongs to the task, not to the thread."""
    if surface.backend is None:
        pytest.skip("sync clients have their own test above")
    anyint = configured(emu)
    emu.script(Fault(status=503))
    with client(surface, emu, anyint) as caller:

        async def inside() -> Any:
            with anyint.override(Policy(attempts=1)):
                return await caller.client.post(CHAT, json=ASK)

        assert caller.call(inside).status_code == 503
    assert len(emu.seen) == 1


@every_surface
def test_a_deadline_bounds_a_stalled_attempt(surface: Surface, emu: Emulator) -> None:
    """The user's deadline is hard: it ends a running attempt, as an exception of ours and of the client."""
    emu.script(Fault(stall="before_headers"))
    anyint = Resilience(api_key="test-key", base_url=emu.url, policy=Policy(deadline=0.3))
    with client(surface, emu, anyint, timeout=30) as caller:
        error = caller.error("POST", CHAT, json=ASK)
    assert isinstance(error, DeadlineExceeded)
    assert isinstance(error, surface.module.TimeoutException)
    assert report(error) is not None


@every_surface
def test_a_deadline_bounds_a_dripping_body(surface: Surface, emu: Emulator) -> None:
    """A body that comes chunk by chunk ends with the deadline too, though no single read is late."""
    now = [0.0]

    def clock() -> float:
        now[0] += 0.4
        return now[0]

    anyint = configured(emu, policy=Policy(deadline=3), runtime=Waits().runtime(monotonic=clock))
    with client(surface, emu, anyint) as caller:
        error = caller.error(
            "POST", CHAT, json={**ASK, "stream": True, "messages": [{"role": "user", "content": "w " * 400}]}
        )
    assert isinstance(error, DeadlineExceeded)


@every_surface
@pytest.mark.parametrize("path", ["/openai/v1/models", "/anthropic/v1/models", "/suno/query/task?taskId=none"])
def test_the_key_goes_in_the_right_header_on_every_family(surface: Surface, emu: Emulator, path: str) -> None:
    """The emulator refuses the wrong style; nobody has to know which family wants which."""
    with client(surface, emu) as caller:
        assert caller.request("GET", path).status_code != 401
    seen = emu.seen[0].headers
    assert ("x-api-key" in seen) == path.startswith("/anthropic")
    assert ("authorization" in seen) != path.startswith("/anthropic")
    assert ("anthropic-version" in seen) == path.startswith("/anthropic")


@every_surface
@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_no_key_follows_a_redirect_to_a_foreign_host(surface: Surface, emu: Emulator, header: str) -> None:
    """Neither our key nor the caller's own reaches the other host, whatever header it stood in."""
    value = "test-key" if header == "x-api-key" else "Bearer test-key"
    with Emulator(keys=None) as foreign:
        emu.script(Fault(status=307, headers=(("Location", f"{foreign.url}/anthropic/v1/models"),)))
        for key in ("test-key", None):
            anyint = configured(emu, api_key=key)
            with client(surface, emu, anyint, follow_redirects=True, headers={header: value}) as caller:
                caller.request("GET", "/anthropic/v1/models")
            emu.script(Fault(status=307, headers=(("Location", f"{foreign.url}/anthropic/v1/models"),)))
        assert len(foreign.seen) == 2
        assert not any("test-key" in text for seen in foreign.seen for text in seen.headers.values())


@every_surface
def test_a_foreign_host_is_none_of_our_business(surface: Surface, emu: Emulator) -> None:
    """No key, no retry, no report, no header: as if we were not there."""
    emu.script(Fault(status=503))
    with calling(surface, Resilience(api_key="test-key"), base_url=emu.url) as caller:
        answer = caller.request("POST", CHAT, json=ASK, headers={"Authorization": "Bearer theirs"})
    assert answer.status_code == 503
    assert report(answer) is None
    assert "x-should-retry" not in answer.headers
    assert emu.seen[0].headers["authorization"] == "Bearer theirs"


@every_surface
def test_wrap_keeps_what_the_client_had_and_is_idempotent(surface: Surface, emu: Emulator) -> None:
    """The transports themselves stay, default and mounts alike; wrapping twice wraps once."""
    module = surface.module
    kind = module.HTTPTransport if surface.backend is None else module.AsyncHTTPTransport
    mounted = kind()
    anyint = configured(emu)
    emu.script(Fault(status=503))
    with calling(
        surface, anyint, wrap=True, base_url=emu.url, mounts={"all://127.0.0.1": mounted, "all://none": None}
    ) as caller:
        before = caller.client._transport.inner
        again = surface.adapter.wrap(caller.client, anyint)
        assert again is caller.client
        assert again._transport.inner is before
        inner = [transport.inner for transport in again._mounts.values() if transport is not None]
        assert mounted in inner
        assert not any(hasattr(transport, "inner") for transport in inner)
        assert None in again._mounts.values()
        assert caller.request("POST", CHAT, json=ASK).status_code == 200
    assert len(emu.seen) == 2


@every_surface
def test_wrap_and_transports_refuse_what_they_cannot_do(surface: Surface, emu: Emulator) -> None:
    """A wrong object, or settings that would be silently lost, are errors (lesson B11)."""
    adapter = surface.adapter
    with pytest.raises(TypeError, match="wrap takes"):
        adapter.wrap(object(), configured(emu))
    kind = adapter.ResilientTransport if surface.backend is None else adapter.AsyncResilientTransport
    with pytest.raises(TypeError, match="http2"):
        kind(configured(emu), transport=object(), http2=True)


@every_surface
def test_a_key_source_is_asked_again_after_a_401(surface: Surface, emu: Emulator) -> None:
    """A key that was renewed serves the same call."""
    keys = iter(["stale", "test-key"])
    with client(surface, emu, configured(emu, api_key=lambda: next(keys))) as caller:
        assert caller.request("POST", CHAT, json=ASK).status_code == 200
    assert [seen.headers["authorization"] for seen in emu.seen] == ["Bearer stale", "Bearer test-key"]


@every_surface
def test_an_async_key_source_works_where_it_can(surface: Surface, emu: Emulator) -> None:
    """Async clients await it; a sync client says that it cannot."""

    async def source() -> str:
        return "test-key"

    with client(surface, emu, configured(emu, api_key=source)) as caller:
        if surface.backend is None:
            with pytest.raises(ResilienceError, match="async"):
                caller.request("POST", CHAT, json=ASK)
        else:
            assert caller.request("POST", CHAT, json=ASK).status_code == 200


@every_surface
def test_codes_inside_http_200_are_read(surface: Surface, emu: Emulator) -> None:
    """A rate answer under HTTP 200 is retried; the good one comes back whole."""
    emu.script(Fault(status=200, body=b'{"code":430,"msg":"call frequency too high","data":null}'))
    with client(surface, emu) as caller:
        answer = caller.request(
            "POST", "/suno/generate", json={"prompt": "x", "model": "V5", "callBackUrl": "https://e.example"}
        )
    assert answer.json()["code"] == 200
    assert len(emu.seen) == 2
    assert len(emu.tasks) == 1


@every_surface
def test_a_failed_call_leaves_nothing_for_the_cycle_collector(surface: Surface, emu: Emulator) -> None:
    """Errors handed over hold no reference cycle of ours (a prototype left 17 objects a call)."""
    if surface.backend is not None:
        pytest.skip("event loops keep their own references; the drivers are twins")
    adapter, module = surface.adapter, surface.module

    class Broken(module.BaseTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            raise module.ReadError("reset")

    transport = adapter.ResilientTransport(configured(emu), transport=Broken())

    def fail() -> None:
        with contextlib.suppress(module.ReadError):
            transport.handle_request(module.Request("POST", emu.url + CHAT, json=ASK))

    fail()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            fail()
        assert gc.collect() == 0
    finally:
        gc.enable()


@every_surface
@pytest.mark.parametrize("moment", ["sending", "sleeping"])
def test_cancellation_passes_at_once_and_leaves_no_connection(surface: Surface, emu: Emulator, moment: str) -> None:
    """A cancelled call ends where it stands; its connection is closed, its create remembered as unknown."""
    if surface.backend is None:
        pytest.skip("a blocking call is interrupted by signals only; see the KeyboardInterrupt test")
    import anyio

    reached: list[str] = []

    async def forever(seconds: float) -> None:
        reached.append("sleeping")
        await anyio.sleep_forever()

    from anyint_resilience.runtime import Runtime

    emu.script(Fault(stall="before_headers", process=True) if moment == "sending" else Fault(status=429))
    anyint = configured(emu, runtime=Runtime(asleep=forever))
    with client(surface, emu, anyint) as caller:

        async def cancelled() -> bool:
            with anyio.move_on_after(30) as scope:
                async with anyio.create_task_group() as group:

                    async def when_there() -> None:
                        while not (emu.tasks if moment == "sending" else reached):
                            await anyio.sleep(0.005)
                        group.cancel_scope.cancel()

                    group.start_soon(when_there)
                    await caller.client.post(VIDEOS, json=FILM)
            return not scope.cancelled_caught

        assert caller.call(cancelled)
        assert len(anyint.ledger.unknown()) == (1 if moment == "sending" else 0)
        assert len(emu.seen) == 1
        again = caller.request("POST", CHAT, json=ASK)
        assert again.status_code == 200


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_keyboard_interrupt_passes_at_once_and_settles_the_ledger(library: str, emu: Emulator) -> None:
    """Ctrl-C in the middle of a paid create is not swallowed, and the create is unknown from then on."""
    surface = Surface(library)
    module = pytest.importorskip(library, reason="httpx2 needs Python 3.11")

    class Interrupted(module.BaseTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            raise KeyboardInterrupt

    anyint = configured(emu)
    transport = surface.adapter.ResilientTransport(anyint, transport=Interrupted())
    with pytest.raises(KeyboardInterrupt):
        transport.handle_request(module.Request("POST", emu.url + VIDEOS, json=FILM))
    assert len(anyint.ledger.unknown()) == 1


@every_surface
def test_a_callable_key_that_was_never_needed_does_not_disturb_a_retry(surface: Surface, emu: Emulator) -> None:
    """The caller's own right header takes the fast lane; its first answer is judged, and its connection given back."""
    emu.script(Fault(status=503, body=b"x" * 200_000))
    limits = surface.module.Limits(max_connections=1)
    own = {"Authorization": "Bearer test-key"}
    anyint = configured(emu, api_key=lambda: "never asked")
    with client(surface, emu, anyint, headers=own, limits=limits) as caller:
        answer = caller.request("POST", CHAT, json=ASK)
    found = report(answer)
    assert found is not None
    assert [attempt.status for attempt in found.attempts] == [503, 200]
    assert len(emu.seen) == 2


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_key_that_another_call_renewed_is_used_without_asking_again(library: str) -> None:
    """Calls refused with the old key while another renews it all go out once more with the new one."""
    module = pytest.importorskip(library, reason="httpx2 needs Python 3.11")
    asked: list[int] = []

    def source() -> str:
        asked.append(1)
        return f"k{len(asked)}"

    anyint = Resilience(api_key=source, runtime=Waits().runtime())

    class Gateway(module.BaseTransport):  # type: ignore[misc, name-defined]
        nested = False

        def handle_request(self, request: Any) -> Any:
            if request.headers["authorization"] != "Bearer k1":
                return module.Response(200, json={})
            if len(asked) == 1 and not self.nested:
                self.nested = True  # while this call is out, another one is refused and renews the key
                renewed = inner.handle_request(module.Request("POST", "https://api.anyint.ai" + CHAT, json=ASK))
                assert renewed.status_code == 200
            return module.Response(401, json={"error": {"code": "invalid_api_key"}})

    inner = Surface(library).adapter.ResilientTransport(anyint, transport=Gateway())
    anyint.credentials.accept(source())
    assert inner.handle_request(module.Request("POST", "https://api.anyint.ai" + CHAT, json=ASK)).status_code == 200
    assert len(asked) == 2


@every_surface
@pytest.mark.parametrize("step", [1, 2])
def test_a_store_that_fails_is_no_new_way_to_fail(surface: Surface, emu: Emulator, step: int) -> None:
    """The answer comes back and the report says that the ledger was not there."""
    from anyint_resilience.stores.memory import MemoryStore

    class Failing(MemoryStore):
        steps = 0

        def update(self, *args: Any) -> Any:
            self.steps += 1
            if self.steps == step:
                raise OSError("down")
            return super().update(*args)

    with client(surface, emu, configured(emu, store=Failing(lambda: 0.0))) as caller:
        answer = caller.request("POST", VIDEOS, json=FILM)
    assert answer.status_code == 200
    found = report(answer)
    assert found is not None
    if step == 1:
        assert any("store failed" in note for note in found.notes)


@every_surface
def test_a_deadline_spent_on_the_key_sends_nothing(surface: Surface, emu: Emulator) -> None:
    """A key source that takes too long is not followed by a paid create that is too late."""
    now = [0.0]

    def slow() -> str:
        now[0] += 5
        return "test-key"

    runtime = Waits().runtime(monotonic=lambda: now[0])
    with client(surface, emu, configured(emu, api_key=slow, policy=Policy(deadline=3), runtime=runtime)) as caller:
        assert isinstance(caller.error("POST", VIDEOS, json=FILM), DeadlineExceeded)
    assert not emu.seen


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
@pytest.mark.parametrize(
    "path", ["/openai/v1/responses", "/dashscope/v1/services/aigc/multimodal-generation/generation"]
)
def test_an_event_stream_is_not_held_up_nor_taken_for_lost(library: str, path: str) -> None:
    """A good answer that streams is handed over unread, also on routes whose plain answers are looked at."""
    module = pytest.importorskip(library, reason="httpx2 needs Python 3.11")
    read: list[int] = []

    def events() -> Iterator[bytes]:
        for number in range(3):
            read.append(number)
            yield b'data: {"type":"response.created"}\n\n'

    def answer(request: Any) -> Any:
        return module.Response(200, headers={"content-type": "text/event-stream"}, content=events())

    anyint = Resilience(api_key="k", runtime=Waits().runtime())
    transport = Surface(library).adapter.ResilientTransport(anyint, transport=module.MockTransport(answer))
    body = {"model": "m", "input": "x", "background": True, "stream": True}
    with module.Client(transport=transport, base_url="https://api.anyint.ai") as one:
        with one.stream("POST", path, json=body) as response:
            assert read == []
            assert "x-should-retry" not in response.headers
        assert anyint.ledger.unknown() == ()


@every_surface
def test_a_path_that_is_not_anyints_is_not_in_the_ledger(surface: Surface, emu: Emulator) -> None:
    """On a host of yours that also serves other things, a failed POST to those is nobody's paid create."""
    emu.script(Fault(status=500, body=b"{}"), match="POST /login")
    with client(surface, emu) as caller:
        assert caller.request("POST", "/login", json={}).status_code == 500
        assert caller.request("POST", "/login", json={}).status_code == 404


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_no_callers_key_follows_a_redirect_however_many_keys_there_are(library: str) -> None:
    """The memory of seen keys is bounded, and a key in use is always in it."""
    module = pytest.importorskip(library, reason="httpx2 needs Python 3.11")
    leaked: list[str] = []

    def answer(request: Any) -> Any:
        if request.url.host == "foreign.example":
            leaked.extend(value for value in request.headers.values() if "user-key" in value)
        elif request.url.path.endswith("/go"):
            return module.Response(307, headers={"location": "https://foreign.example/x"})
        return module.Response(200, json={})

    transport = Surface(library).adapter.ResilientTransport(Resilience(), transport=module.MockTransport(answer))
    with module.Client(transport=transport, base_url="https://api.anyint.ai", follow_redirects=True) as one:
        for path in ("/anthropic/v1/models", "/anthropic/v1/models/go"):
            for number in range(1500):
                one.get(path, headers={"x-api-key": f"user-key-{number}", "anthropic-version": "2023-06-01"})
    assert leaked == []


@every_surface
def test_a_long_answer_to_an_upload_is_not_taken_for_lost(surface: Surface, emu: Emulator) -> None:
    """More than we look at is not broken: the caller gets all of it, and may upload the same again."""
    blob = json.dumps({"blob": "x" * 200_000, "id": "file_1"}).encode()
    emu.script(Fault(status=200, body=blob))
    anyint = configured(emu)
    with client(surface, emu, anyint) as caller:
        answer = caller.request("POST", "/openai/v1/files", files={"file": ("a", b"x")})
    assert answer.content == blob
    assert "x-should-retry" not in answer.headers
    assert anyint.ledger.unknown() == ()


@every_surface
def test_a_failed_cancel_can_be_sent_again_by_the_application(surface: Surface, emu: Emulator) -> None:
    """Only what makes paid work is held back after an unknown outcome; cancelling makes none."""
    emu.script(Fault(status=500))
    with client(surface, emu) as caller:
        for _ in range(2):
            caller.request("POST", "/openai/v1/batches/b1/cancel")
    assert len(emu.seen) == 2


@every_surface
def test_the_report_names_the_intent_of_a_create_that_ended_in_a_502(surface: Surface, emu: Emulator) -> None:
    """The answer is handed over, and says what to forget once the application has looked."""
    emu.script(Fault(status=502))
    anyint = configured(emu)
    with client(surface, emu, anyint) as caller:
        found = report(caller.request("POST", VIDEOS, json=FILM))
        assert found is not None
        assert found.intent is not None
        assert isinstance(caller.error("POST", VIDEOS, json=FILM), OutcomeUnknown)
        anyint.ledger.forget(found.intent)
        assert caller.request("POST", VIDEOS, json=FILM).status_code == 200


@every_surface
def test_a_call_cancelled_while_asking_for_a_key_gives_its_connection_back(surface: Surface, emu: Emulator) -> None:
    """The 401 that nobody will see is closed."""
    if surface.backend is None:
        pytest.skip("a blocking call is interrupted by signals only")
    import anyio

    asked: list[str] = []

    async def source() -> str:
        asked.append("key")
        if len(asked) > 1:
            await anyio.sleep_forever()
        return "stale"

    emu.script(Fault(status=401, body=b"x" * 500_000))
    with client(surface, emu, configured(emu, api_key=source)) as caller:

        async def cancelled() -> None:
            async with anyio.create_task_group() as group:

                async def when_asked() -> None:
                    while len(asked) < 2:
                        await anyio.sleep(0.002)
                    group.cancel_scope.cancel()

                group.start_soon(when_asked)
                await caller.client.post(CHAT, json=ASK)

        caller.call(cancelled)
        assert not [c for c in caller.client._transport.inner._pool.connections if not c.is_idle()]
