"""What only aiohttp has: middlewares, payloads, one time-out for all attempts, a retry of its own, websockets.

Must not repeat the contract: the conformance tests run it on aiohttp like on every other client.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import json
import ssl
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.sdk.trace import TracerProvider

from anyint_resilience import OutcomeUnknown, Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.policy.model import FaultKind
from anyint_resilience_aiohttp import DeadlineExceeded, OutcomeUnknownTimeout, ResilientMiddleware, wrap
from anyint_resilience_aiohttp._bodies import _put_back
from anyint_resilience_aiohttp._faults import fault_of
from anyint_resilience_aiohttp._surface import Hop
from tests.alone import ALONE
from tests.conformance.surfaces import Waits
from tests.waiting import arrived

CHAT, VIDEOS, MODELS = "/openai/v1/chat/completions", "/openai/v1/videos", "/openai/v1/models"
TRANSCRIBE = "/openai/v1/audio/transcriptions"
ASK: dict[str, Any] = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]}
FILM = {"model": "kling-3.0", "prompt": "a fox"}
BUSY = Fault(status=503)
LOST = Fault(reset="before_headers")

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """aiohttp is asyncio's alone."""
    return "asyncio"


@pytest.fixture
def emu() -> Iterator[Emulator]:
    with Emulator(keys=("test-key",)) as emulator:
        yield emulator


def configured(emu: Emulator, **more: Any) -> Resilience:
    return Resilience(
        **{"api_key": "test-key", "base_url": emu.url, "runtime": Waits().runtime(), "guards": ALONE, **more}
    )


@contextlib.asynccontextmanager
async def session(emu: Emulator, anyint: Resilience | None = None, **options: Any) -> AsyncIterator[Any]:
    """Open a session with a pool of one: a response that is not released would hang what follows."""
    more = {"connector": aiohttp.TCPConnector(limit=1), **options}
    made = aiohttp.ClientSession(emu.url, **more)
    async with wrap(made, configured(emu) if anyint is None else anyint) as wrapped:
        yield wrapped


# --- bodies

closes_files = pytest.mark.skipif(
    not hasattr(aiohttp.Payload, "consumed"), reason="this aiohttp closes a file once it was sent: it is sent once"
)


def form() -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field("model", "whisper-1")
    data.add_field("file", io.BytesIO(b"x" * 100_000), filename="a.wav", content_type="audio/wav")
    return data


BODIES: dict[str, Callable[[], Any]] = {
    "bytes": lambda: {"data": b"x" * 1000},
    "text": lambda: {"data": "x" * 1000},
    "json": lambda: {"json": {"x": "x" * 1000}},
    "urlencoded form": lambda: {"data": {"x": "y" * 1000}},
    "compressed": lambda: {"json": {"x": "x" * 1000}, "compress": True},
}
FILES: dict[str, Callable[[], Any]] = {
    "multipart form with a file": lambda: {"data": form()},
    "file in memory": lambda: {"data": io.BytesIO(b"x" * 100_000)},
}
EVERY_BODY = [
    *(pytest.param(body, id=name) for name, body in BODIES.items()),
    *(pytest.param(body, id=name, marks=closes_files) for name, body in FILES.items()),
]


@pytest.mark.parametrize("body", EVERY_BODY)
async def test_every_body_that_can_be_rewound_is_sent_again_whole(emu: Emulator, body: Callable[[], Any]) -> None:
    """Both requests carry the same bytes, and there are some (lesson M10)."""
    emu.script(BUSY)
    async with session(emu) as client, client.post(TRANSCRIBE, **body()):
        pass
    first, second = emu.seen
    assert first.body == second.body
    assert first.body


@closes_files
async def test_a_file_is_sent_again_from_where_it_stood(emu: Emulator, tmp_path: Path) -> None:
    """Neither from its beginning nor empty."""
    path = tmp_path / "body"
    path.write_bytes(b"skip" + b"x" * 500_000)
    emu.script(BUSY)
    async with session(emu) as client:
        with path.open("rb") as file:
            file.seek(4)
            async with client.post(TRANSCRIBE, data=file):
                pass
    assert [len(seen.body) for seen in emu.seen] == [500_000, 500_000]


@closes_files
async def test_a_lost_upload_of_a_file_is_known_again_without_reading_it(emu: Emulator, tmp_path: Path) -> None:
    """Reading it all for the ledger would hold up the event loop: which file it is says enough."""
    read: list[int] = []

    class Watched(io.FileIO):
        def readinto(self, buffer: Any) -> Any:
            read.append(threading.get_ident())
            return super().readinto(buffer)

    path = tmp_path / "body"
    path.write_bytes(b"x" * 100_000)
    emu.script(Fault(reset="before_headers", process=True))
    async with session(emu) as client:
        for _ in range(2):
            with io.BufferedReader(Watched(path)) as file, pytest.raises(OutcomeUnknown):
                await client.post("/openai/v1/files", data=file)
    assert len(emu.seen) == 1
    assert threading.get_ident() not in read


async def chunks() -> AsyncIterator[bytes]:
    yield json.dumps(ASK).encode()


class Pipe(io.BytesIO):
    """A file that cannot be rewound."""

    def seekable(self) -> bool:
        return False


def form_around(value: Any) -> aiohttp.FormData:
    data = aiohttp.FormData()
    data.add_field("file", value, filename="a.wav")
    return data


@pytest.mark.parametrize(
    "body",
    [chunks, lambda: Pipe(b"{}"), lambda: form_around(Pipe(b"x")), lambda: form_around(chunks())],
    ids=["generator", "pipe", "form with a pipe", "form with a generator"],
)
async def test_what_can_be_read_once_is_sent_once(emu: Emulator, body: Callable[[], Any]) -> None:
    """The first answer is handed over; an empty body is never sent in its place (lesson M10)."""
    emu.script(BUSY)
    async with session(emu) as client, client.post(CHAT, data=body()) as answer:
        assert answer.status == 503
        assert "sent only once" in report(answer).decision.reason  # type: ignore[union-attr]
    assert len(emu.seen) == 1


@closes_files
async def test_a_lost_form_is_known_again_though_its_boundary_changed(emu: Emulator) -> None:
    """A form built anew is the same create; another file in it is another one."""
    emu.script(Fault(reset="before_headers", process=True), match="POST")
    async with session(emu) as client:
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                await client.post("/openai/v1/files", data=form())
        assert len(emu.seen) == 1
        other = aiohttp.FormData()
        other.add_field("file", b"another", filename="a.wav")
        async with client.post("/openai/v1/files", data=other) as answer:
            assert answer.status == 200


# --- one time-out for all attempts


@pytest.mark.parametrize("where", ["session", "request", "request, as a number"])
async def test_no_wait_goes_past_the_total_timeout(emu: Emulator, where: str) -> None:
    """aiohttp's total spans all attempts (M11): a hint beyond it is told at once instead of waited for in vain."""
    emu.script(Fault.error(429, retry_after=9))
    total = aiohttp.ClientTimeout(total=5)
    at_session = {"timeout": total} if where == "session" else {}
    at_request = {} if where == "session" else {"timeout": total if where == "request" else 5}
    waits = Waits()
    async with session(emu, configured(emu, runtime=waits.runtime()), **at_session) as client:
        async with client.get(MODELS, **at_request) as answer:
            found = report(answer)
    assert found is not None
    assert (answer.status, len(emu.seen), waits.asked) == (429, 1, [])
    assert found.decision is not None
    assert found.decision.retry_at is not None
    assert any("spans all attempts" in note and "5 s" in note for note in found.notes)


@pytest.mark.parametrize("timeout", [aiohttp.ClientTimeout(total=None), None])
async def test_without_a_total_there_is_none_to_respect(emu: Emulator, timeout: Any) -> None:
    """A request that lifts the session's total waits as long as the policy allows."""
    emu.script(Fault.error(429, retry_after=9))
    async with session(emu, timeout=aiohttp.ClientTimeout(total=5)) as client:
        async with client.get(MODELS, timeout=timeout if timeout is not None else aiohttp.ClientTimeout()) as answer:
            assert answer.status == 200
    assert len(emu.seen) == 2


async def test_the_total_is_found_behind_other_middlewares(emu: Emulator) -> None:
    """Middlewares further in than ours hide nothing of it."""

    async def inner(request: Any, handler: Any) -> Any:
        return await handler(request)

    emu.script(Fault.error(429, retry_after=9))
    async with aiohttp.ClientSession(emu.url, middlewares=(ResilientMiddleware(configured(emu)), inner)) as client:
        async with client.get(MODELS, timeout=aiohttp.ClientTimeout(total=5)) as answer:
            assert answer.status == 429


async def test_a_handler_that_says_nothing_leaves_the_sessions_total(emu: Emulator) -> None:
    """Where the request's own can't be read, the session's is the best guess."""

    class Handler:
        async def __call__(self, request: Any) -> Any:
            raise AssertionError("not to be sent")

    surface = ResilientMiddleware(configured(emu)).surface
    request: Any = SimpleNamespace(session=SimpleNamespace(timeout=aiohttp.ClientTimeout(total=7)))
    assert surface.span_of(Hop(request, Handler())) == 7


async def test_the_total_timeout_ends_a_call_with_a_report_and_nothing_more_is_sent(emu: Emulator) -> None:
    """The application gets aiohttp's own TimeoutError; no attempt is begun that nobody waits for."""
    emu.script(Fault(stall="before_headers"))
    async with session(emu) as client:
        with pytest.raises(asyncio.TimeoutError) as caught:
            await client.get(MODELS, timeout=aiohttp.ClientTimeout(total=0.2))
    found = report(caught.value)
    assert found is not None
    assert len(found.attempts) == 1
    assert arrived(emu, 1)


async def test_a_create_cut_by_the_total_timeout_is_unknown(emu: Emulator) -> None:
    """It went out: the application is told so, in an exception that is still a TimeoutError, and it is not resent."""
    emu.script(Fault(stall="before_headers", process=True))
    async with session(emu) as client:
        with pytest.raises(asyncio.TimeoutError) as caught:
            await client.post(VIDEOS, json=FILM, timeout=aiohttp.ClientTimeout(total=0.2))
        assert isinstance(caught.value, OutcomeUnknownTimeout)
        with pytest.raises(OutcomeUnknown):
            await client.post(VIDEOS, json=FILM)
    assert arrived(emu, 1)
    assert len(emu.tasks) == 1


async def test_a_create_that_never_got_a_connection_names_its_intent(emu: Emulator) -> None:
    """aiohttp cuts it while it waits for the pool: a TimeoutError of its own, whose report says what to forget."""
    emu.script(Fault(stall="mid_body"))
    anyint = configured(emu)
    async with session(emu, anyint) as client:
        async with client.post(CHAT, json={**ASK, "stream": True}):  # holds the only connection
            with pytest.raises(asyncio.TimeoutError) as caught:
                await client.post(VIDEOS, json=FILM, timeout=aiohttp.ClientTimeout(total=0.1))
    found = report(caught.value)
    assert found is not None
    assert found.intent is not None
    assert anyint.ledger.unknown() == (found.intent,)
    anyint.ledger.forget(found.intent)
    assert anyint.ledger.unknown() == ()


async def test_a_create_cancelled_while_it_is_out_says_so(emu: Emulator) -> None:
    """Nobody knows what became of it: the report has the intent, and a note instead of an attempt."""
    emu.script(Fault(stall="before_headers", process=True))
    async with session(emu) as client:
        task = asyncio.ensure_future(client.post(VIDEOS, json=FILM))
        while not emu.tasks:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
    found = report(caught.value)
    assert found is not None
    assert found.intent is not None
    assert found.notes == ("cut off while attempt 1 was out: its outcome is unknown",)


async def test_a_deadline_ends_a_body_that_stalls(emu: Emulator) -> None:
    """Our own deadline holds for the rest of a body too, though the response is the application's by then."""
    emu.script(Fault(stall="mid_body"))
    async with session(emu, configured(emu, policy=Policy(deadline=0.8))) as client:
        async with client.post(CHAT, json={**ASK, "stream": True}) as answer:
            with pytest.raises(DeadlineExceeded) as caught:
                await answer.read()
    assert isinstance(caught.value, asyncio.TimeoutError)
    assert report(caught.value) is not None


# --- aiohttp's own retry


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_aiohttps_own_retry_does_not_multiply_ours(emu: Emulator, method: str) -> None:
    """What aiohttp sends once more after a lost connection, it does not after we gave it up (M20)."""
    emu.script(*[LOST] * 20)
    async with session(emu) as client:
        for number in (1, 2):
            with pytest.raises(aiohttp.ClientOSError) as caught:
                await client.request(method, "/openai/v1/files/file-1")
            found = report(caught.value)
            assert found is not None
            assert len(emu.seen) == number * len(found.attempts)


async def test_a_call_after_one_that_was_given_up_is_a_call_of_its_own(emu: Emulator) -> None:
    """What was given up is not held against the next call of the same task, nor against another URL."""
    emu.script(*[LOST] * 3)
    async with session(emu) as client:
        with contextlib.suppress(aiohttp.ClientOSError):
            await client.get(MODELS)
        async with client.get(MODELS) as answer:
            assert answer.status == 200


async def test_what_was_given_up_is_soon_forgotten(emu: Emulator) -> None:
    """Neither an exception nor its session is kept for calls that aiohttp never sends again."""
    ours = ResilientMiddleware(configured(emu, hosts=["http://127.0.0.1:9"]))
    async with aiohttp.ClientSession(middlewares=[ours]) as client:
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get("http://127.0.0.1:9/openai/v1/models")
    assert ours._gave_up == {}


async def test_a_middleware_above_that_sends_again_is_let_through(emu: Emulator) -> None:
    """It sends the same request; aiohttp makes a new one of it. Only the latter is held back, in any task."""
    emu.script(*[LOST] * 3)

    async def again(request: Any, handler: Any) -> Any:
        with contextlib.suppress(aiohttp.ClientOSError):
            return await asyncio.wait_for(handler(request), 10)
        return await asyncio.wait_for(handler(request), 10)

    async with aiohttp.ClientSession(emu.url, middlewares=[again, ResilientMiddleware(configured(emu))]) as client:
        async with client.get(MODELS) as answer:
            assert answer.status == 200
    assert len(emu.seen) == 4


async def test_a_call_given_up_in_a_task_of_its_own_is_given_up(emu: Emulator) -> None:
    """A middleware above that runs us in another task does not bring aiohttp's own retry back."""
    emu.script(*[LOST] * 9)

    async def apart(request: Any, handler: Any) -> Any:
        return await asyncio.ensure_future(handler(request))

    async with aiohttp.ClientSession(emu.url, middlewares=[apart, ResilientMiddleware(configured(emu))]) as client:
        with pytest.raises(aiohttp.ClientOSError):
            await client.get(MODELS)
    assert len(emu.seen) == 3


async def test_a_foreign_host_keeps_aiohttps_retry(emu: Emulator) -> None:
    """None of our business: aiohttp heals it as ever."""
    emu.script(LOST)
    async with session(emu, Resilience(api_key="test-key")) as client, client.get(MODELS) as answer:
        assert answer.status == 401
    assert len(emu.seen) == 2


# --- middlewares


async def test_it_is_hashable_and_serves_several_sessions(emu: Emulator) -> None:
    """aiohttp may cache chains by their middlewares: ours hashes by identity."""
    ours = ResilientMiddleware(configured(emu))
    assert hash(ours) == hash(ours)
    assert ours in {ours}
    for _ in range(2):
        emu.script(BUSY)
        async with aiohttp.ClientSession(emu.url, middlewares=[ours]) as client, client.get(MODELS) as answer:
            assert answer.status == 200


async def test_wrap_puts_ours_last_and_once(emu: Emulator) -> None:
    """The session's own middlewares see a call, not its attempts, and stay in their order."""
    seen: list[int] = []

    async def first(request: Any, handler: Any) -> Any:
        answer = await handler(request)
        seen.append(answer.status)
        return answer

    emu.script(BUSY, BUSY)
    made = aiohttp.ClientSession(emu.url, middlewares=[first])
    anyint = configured(emu)
    async with wrap(wrap(made, anyint), anyint) as client:
        async with client.get(MODELS):
            pass
        assert [type(it).__name__ for it in client._middlewares] == ["function", "ResilientMiddleware"]
    assert seen == [200]


@pytest.mark.parametrize("observed", [False, True], ids=["unobserved", "observed"])
async def test_what_a_middleware_below_writes_stays(emu: Emulator, observed: bool) -> None:
    """Headers it adds, and those of a body it changes; what we wrote for the wire, a key and a trace, does not."""
    body = b'{"model":"gpt-5","messages":[],"pad":"%s"}' % (b"x" * 500)

    async def signs(request: Any, handler: Any) -> Any:
        request.headers["X-Signed"] = "yes"
        await request.update_body(body)
        return await handler(request)

    settings = {"tracer_provider": TracerProvider(shutdown_on_exit=False)} if observed else {}
    emu.script(BUSY)
    ours = ResilientMiddleware(configured(emu, **settings))
    async with aiohttp.ClientSession(emu.url, middlewares=[ours, signs], headers={"X-Mine": "1"}) as client:
        async with client.post(CHAT, json=ASK) as answer:
            assert answer.status == 200
            shown = answer.request_info.headers
    assert (shown["X-Signed"], shown["Content-Length"], shown["X-Mine"]) == ("yes", str(len(body)), "1")
    assert not {"Authorization", "traceparent"} & set(shown)
    for seen in emu.seen:
        assert (seen.body, seen.headers["x-signed"], seen.headers["authorization"]) == (body, "yes", "Bearer test-key")
        assert ("traceparent" in seen.headers) == observed
    assert len(emu.seen) == 2


async def test_a_request_that_brings_its_own_middlewares_is_told_of(emu: Emulator) -> None:
    """They replace the session's (B11): a wrapped session says so, for AnyInt's hosts, and sends it all the same."""
    async with session(emu) as client:
        with pytest.warns(UserWarning, match="replaced the session's"):
            async with client.get(MODELS, middlewares=()) as answer:
                assert (answer.status, report(answer)) == (401, None)
        ours = ResilientMiddleware(configured(emu))
        emu.script(BUSY)
        async with client.get(MODELS, middlewares=(ours,)) as answer:
            assert answer.status == 200
    async with session(emu, Resilience()) as client, client.get(MODELS, middlewares=()) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    ("make", "words"),
    [(lambda: wrap(object()), "ClientSession"), (lambda: ResilientMiddleware(object()), "Resilience")],
)  # type: ignore[type-var, arg-type]
async def test_what_cannot_be_wrapped_is_refused(make: Any, words: str) -> None:
    """A wrong object is a TypeError that names what is wanted."""
    with pytest.raises(TypeError, match=words):
        make()


async def test_a_request_class_that_is_no_class_is_left_alone(emu: Emulator) -> None:
    """aiohttp takes any callable there: what it makes is retried all the same, only the warning is not to be had."""
    emu.script(BUSY)
    made = aiohttp.ClientSession(emu.url, request_class=functools.partial(aiohttp.ClientRequest))  # type: ignore[arg-type]
    async with wrap(made, configured(emu)) as client:
        async with client.get(MODELS) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "request_like", [mock.Mock(), mock.Mock(spec_set=["headers", "method", "url"]), mock.Mock(spec_set=["url"])]
)
async def test_what_is_no_request_passes(request_like: Any) -> None:
    """Tests of other people's put mocks where requests should be: none of our business."""

    async def handler(request: Any) -> str:
        return "answered"

    middleware: Any = ResilientMiddleware(Resilience())
    assert await middleware(request_like, handler) == "answered"


async def test_a_session_without_middlewares_is_refused() -> None:
    """An aiohttp that is too old is named, not broken later."""
    async with aiohttp.ClientSession() as made:
        del made._middlewares
        with pytest.raises(TypeError, match=r"3\.12"):
            wrap(made, Resilience())


async def test_a_websocket_passes_untouched() -> None:
    """No key, no report, no judgement: frames go both ways."""
    seen: list[Any] = []

    async def echo(request: web.Request) -> web.WebSocketResponse:
        seen.append(request.headers)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/openai/v1/responses", echo)
    async with TestServer(app) as server:
        url = str(server.make_url(""))
        made = aiohttp.ClientSession()
        async with wrap(made, Resilience(api_key="test-key", base_url=url)) as client:
            async with client.ws_connect(server.make_url("/openai/v1/responses")) as socket:
                await socket.send_str("hello")
                assert (await socket.receive_str()) == "hello"
    assert "Authorization" not in seen[0]


# --- what comes back


async def test_raise_for_status_keeps_the_report(emu: Emulator) -> None:
    """aiohttp's exception holds no response; the report is found all the same."""
    emu.script(*[Fault(status=500)] * 3)
    async with session(emu, raise_for_status=True) as client:
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await client.get(MODELS)
    assert len(report(caught.value).attempts) == 3  # type: ignore[union-attr]


async def test_our_key_is_not_shown_on_what_comes_back(emu: Emulator) -> None:
    """Neither the response's request nor an exception's holds a header that the application did not set."""
    emu.script(BUSY)
    async with session(emu) as client:
        async with client.get(MODELS, headers={"X-Mine": "1"}) as answer:
            assert answer.request_info.headers["X-Mine"] == "1"
            assert "Authorization" not in answer.request_info.headers
        emu.script(Fault(status=400))
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await client.get(MODELS, raise_for_status=True)
    assert "test-key" not in repr(caught.value)


@pytest.mark.parametrize("size", [50, 300_000])
async def test_a_judged_body_can_be_read_in_every_way(emu: Emulator, size: int) -> None:
    """What we looked at is still there, whole, whichever of aiohttp's ways is used."""
    body = b"a line\n" * (size // 7)
    ways: list[Callable[[Any], Awaitable[bytes]]] = [
        lambda answer: answer.read(),
        lambda answer: joined(answer.content.iter_any()),
        lambda answer: joined(answer.content.iter_chunked(1000)),
        lambda answer: joined(answer.content),
        lambda answer: joined(piece async for piece, _ in answer.content.iter_chunks()),
        lambda answer: answer.content.readexactly(len(body)),
    ]
    async with session(emu) as client:
        for way in ways:
            emu.script(Fault(status=400, body=body))
            async with client.post(CHAT, json=ASK) as answer:
                assert await way(answer) == body


async def joined(pieces: Any) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_an_error_whose_body_breaks_keeps_its_status_and_what_came(emu: Emulator) -> None:
    """The break says less than the answer."""
    emu.script(Fault(status=400, body=b"x" * 1000, truncate=100))
    async with session(emu) as client:
        async with client.post(CHAT, json=ASK) as answer:
            assert (answer.status, await answer.read()) == (400, b"x" * 100)
        async with client.get(MODELS) as answer:
            assert answer.status == 200


async def test_a_reader_built_another_way_still_takes_bytes_back() -> None:
    """Without the parts we know, aiohttp's own deprecated method serves, and its warning stays quiet."""
    import warnings

    class Reader:
        back = b""

        def unread_data(self, data: bytes) -> None:
            warnings.warn("unread_data() is deprecated", DeprecationWarning, stacklevel=2)
            self.back = data

    reader = Reader()
    _put_back(reader, b"head")
    assert reader.back == b"head"


# --- faults

KEY: Any = SimpleNamespace(host="h", port=1, ssl=True, is_ssl=True)
OS = OSError(1, "x")
CERTIFICATE = ssl.SSLCertVerificationError("certificate verify failed")
FAULTS: list[tuple[Exception, FaultKind]] = [
    (aiohttp.ConnectionTimeoutError(), FaultKind.CONNECT_TIMEOUT),
    (aiohttp.SocketTimeoutError(), FaultKind.READ_TIMEOUT),
    (asyncio.TimeoutError(), FaultKind.READ_TIMEOUT),
    (TimeoutError(), FaultKind.READ_TIMEOUT),
    (aiohttp.ClientConnectorError(KEY, OS), FaultKind.CONNECT_ERROR),
    (aiohttp.ClientConnectorDNSError(KEY, OS), FaultKind.CONNECT_ERROR),
    (aiohttp.ClientConnectorSSLError(KEY, OS), FaultKind.TLS_ERROR),
    (aiohttp.ClientConnectorCertificateError(KEY, CERTIFICATE), FaultKind.TLS_CERTIFICATE),
    (aiohttp.ServerFingerprintMismatch(b"a", b"b", "h", 1), FaultKind.TLS_CERTIFICATE),
    (aiohttp.ClientProxyConnectionError(KEY, OS), FaultKind.PROXY_ERROR),
    (aiohttp.ServerDisconnectedError(), FaultKind.PROTOCOL_ERROR),
    (aiohttp.ClientOSError(104, "reset"), FaultKind.READ_ERROR),
    (aiohttp.ClientConnectionResetError("closing"), FaultKind.WRITE_ERROR),
    (aiohttp.ClientPayloadError(), FaultKind.READ_ERROR),
    (aiohttp.InvalidURL("x"), FaultKind.LOCAL_ERROR),
    (aiohttp.ClientConnectionError("closed"), FaultKind.UNKNOWN),
    (RuntimeError(), FaultKind.UNKNOWN),
]


@pytest.mark.parametrize(("error", "kind"), FAULTS, ids=lambda it: it if isinstance(it, FaultKind) else "")
async def test_each_exception_says_what_became_of_the_request(error: Exception, kind: FaultKind) -> None:
    """Only what surely never left may be sent again for a paid create."""
    assert fault_of(error).kind is kind


@pytest.mark.parametrize("reconcile", [False, True])
async def test_a_body_that_aiohttp_compresses_arrives(emu: Emulator, reconcile: bool) -> None:
    """What we put into a create is not sent beside a compressed one's length."""
    path, body = "/transtreams/kling/v1/videos/text2video", {"model_name": "kling-v3", "prompt": "x" * 300}
    ask = {"data": json.dumps(body), "headers": {"content-type": "application/json"}, "compress": "deflate"}
    emu.script(Fault(body={"code": 0, "data": {"task_id": "task-1", "task_status": "submitted"}}, process=False))
    async with session(emu, configured(emu, reconcile=reconcile)) as client, client.post(path, **ask) as answer:
        assert answer.status == 200
        assert report(answer).task.task_id == "task-1"  # type: ignore[union-attr]
    (seen,) = emu.seen
    plain = zlib.decompress(seen.body) if seen.headers.get("content-encoding") else seen.body
    assert json.loads(plain)["prompt"] == body["prompt"]
