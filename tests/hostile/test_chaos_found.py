"""What chaos on the wire has found, one test for each defect, on every client.

Must not know the proxy of ``hostile.chaos``: each defect stands here by itself.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import pytest

from anyint_resilience import DeadlineExceeded, OutcomeUnknown, Policy, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.policy.model import FaultKind
from anyint_resilience.runtime import Runtime
from tests.conformance.kit import ASK, CHAT, FILM, MODELS, VIDEOS, client, configured
from tests.conformance.surfaces import Surface, every_surface

KLING, SONG = "/transtreams/kling/v1/videos/text2video", {"model_name": "kling-v3", "prompt": "a fox"}

LEFT_BY_ASYNCIO = pytest.mark.filterwarnings(  # its TLS was written anew for 3.11
    "ignore:.*_SSLProtocolTransport:pytest.PytestUnraisableExceptionWarning" if sys.version_info < (3, 11) else "error"
)


class Server:
    """Reads each request, says the next of what it is given, the last one again and again, and closes."""

    def __init__(self, sayings: Sequence[bytes]) -> None:
        self._sayings = list(sayings)
        self.asked = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            try:
                held, _ = self._socket.accept()
            except OSError:
                return
            with held:
                held.settimeout(10)
                self._answer(held)

    def _answer(self, held: socket.socket) -> None:
        come = b""
        while b"\r\n\r\n" not in come or len(come) < _length(come):
            more = held.recv(65_536)
            if not more:
                return
            come += more
        self.asked += 1
        held.sendall(self._sayings.pop(0) if len(self._sayings) > 1 else self._sayings[0])

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


def _length(come: bytes) -> int:
    """How long a request is whose head has come."""
    head, _, _ = come.partition(b"\r\n\r\n")
    _, _, after = head.lower().partition(b"content-length:")
    return len(head) + 4 + int(after.split(b"\r\n")[0] or 0)


@every_surface
@pytest.mark.parametrize(("path", "body"), [(VIDEOS, FILM), (KLING, SONG)], ids=["openai", "kling"])
def test_an_answer_of_a_create_that_came_at_the_deadline_is_not_lost_and_the_task_not_made_anew(
    surface: Surface, emu: Emulator, path: str, body: dict[str, Any]
) -> None:
    """The deadline passes while the answer is read. Asked again, the application gets no second task."""

    def monotonic() -> float:
        return time.monotonic() + (3600.0 if emu.requests("POST", path) else 0.0)

    anyint = configured(emu, policy=Policy(deadline=60.0), runtime=Runtime(monotonic=monotonic))
    with client(surface, emu, anyint) as caller:
        try:
            answer = caller.request("POST", path, json=body)
        except (DeadlineExceeded, OutcomeUnknown):
            with pytest.raises((DeadlineExceeded, OutcomeUnknown)):
                caller.request("POST", path, json=body)
        else:
            assert emu.tasks[0].id in answer.text
    assert len(emu.tasks) == 1


WHOLE = (
    b"HTTP/1.1 200 OK\r\ndate: Fri, 27 Nov 2026 06:00:00 GMT\r\ncontent-type: application/json\r\n"
    b"content-length: 2\r\n\r\n{}"
)
CUTS = [b"HTTP/1.1 200 OK\r\n", b"content-type", b"content-length: "]
GARBLED = WHOLE.replace(b"content-length: 2\r\n\r\n{}", b"content-length: 2\x00\xff\r\n\r\n")
CHUNKED = WHOLE.replace(b"content-length: 2\r\n\r\n{}", b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")


@every_surface
@pytest.mark.parametrize(
    ("path", "sent"),
    [
        *((CHAT, WHOLE[: WHOLE.index(it) + len(it)]) for it in CUTS),
        (CHAT, CHUNKED[: CHUNKED.index(b"chunked") + 3]),
        (CHAT, GARBLED),
        (VIDEOS, WHOLE[: WHOLE.index(CUTS[1])]),
    ],
    ids=["status", "header", "length", "chunked", "garbled", "create"],
)
def test_an_answer_that_broke_off_in_its_head_is_no_empty_success(surface: Surface, path: str, sent: bytes) -> None:
    """http.client takes the end of the connection for the end of the head, and of a body without a length."""
    with Server([sent]) as server, client(surface, server, configured(server, policy=Policy(attempts=2))) as caller:
        error = caller.error("POST", path, json=ASK)
    assert isinstance(error, OutcomeUnknown) is (path == VIDEOS)
    told = report(error)
    assert told is not None
    assert [it.status for it in told.attempts] == [None] * (1 if path == VIDEOS else 2)


@every_surface
@pytest.mark.parametrize(("path", "body"), [(CHAT, ASK), (VIDEOS, FILM)])
def test_an_early_answer_is_not_taken_for_the_final_one(
    surface: Surface, emu: Emulator, path: str, body: dict[str, Any]
) -> None:
    """http.client passes over 100 alone; the final answer would stay behind for whoever has the connection next."""
    emu.script(Fault(status=103), Fault(status=102), match="POST")
    with client(surface, emu, pool=1) as caller:
        answers = [caller.request("POST", path, json={**body, "user": str(number)}) for number in range(3)]
    assert [it.status for it in answers] == [200] * 3
    assert len({it.json()["id"] for it in answers}) == 3
    assert len({it.connection for it in emu.requests("POST")}) == 1
    assert len(emu.tasks) == (3 if path == VIDEOS else 0)


@every_surface
@pytest.mark.parametrize(("status", "body"), [(200, b"{}"), (503, b""), (404, b"none")])
def test_an_answer_that_ends_with_its_connection_is_whole(surface: Surface, status: int, body: bytes) -> None:
    """As a server of HTTP/1.0 sends it; an error's may be empty."""
    sent = b"HTTP/1.0 %d X\r\ncontent-type: application/json\r\n\r\n%s" % (status, body)
    with Server([sent]) as server, client(surface, server, configured(server, policy=Policy(attempts=1))) as caller:
        answer = caller.request("GET", MODELS)
    assert (answer.status, answer.content) == (status, body)


@LEFT_BY_ASYNCIO
@every_surface
def test_tls_that_breaks_after_the_request_went_out_is_a_lost_connection(surface: Surface) -> None:
    """On an event loop httpx raises ssl's own exception for it: no class of its own, and yet no riddle."""
    trustme = pytest.importorskip("trustme", reason="trustme makes the certificate")
    authority = trustme.CA()
    with Broken(authority) as server:
        anyint = configured(server, policy=Policy(attempts=2))
        options: dict[str, Any] = {}
        if surface.is_httpx:
            options["verify"] = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
        with client(surface, server, anyint, **options) as caller, authority.cert_pem.tempfile() as file:
            if surface.library == "requests":
                caller.client.verify, caller.client.trust_env = file, False
            trusted = {} if options or surface.library == "requests" else {"ssl": _trusting(authority)}
            known = surface.error if isinstance(surface.error, tuple) else (surface.error,)
            with pytest.raises((*known, ssl.SSLError)) as caught:
                caller.request("GET", MODELS, **trusted)
    told = report(caught.value)
    assert told is not None
    assert [it.fault.kind for it in told.attempts if it.fault is not None] == [FaultKind.READ_ERROR] * 2


def _trusting(authority: Any) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())


class Broken(Server):
    """Takes each request by TLS, and answers with a record that no key fits."""

    def __init__(self, authority: Any) -> None:
        super().__init__([b"\x17\x03\x03\x00\x20" + b"x" * 32])
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._context)
        self.url = self.url.replace("http:", "https:")

    def _answer(self, held: socket.socket) -> None:
        bare = held.dup()
        with bare, self._context.wrap_socket(held, server_side=True) as secure:
            secure.recv(65_536)
            bare.sendall(self._sayings[0])
            bare.settimeout(5)
            with contextlib.suppress(OSError):
                bare.recv(65_536)


BEGUN = (
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"id":"video_1","object":"video"'
)


@every_surface
def test_a_create_whose_answer_breaks_off_at_the_deadline_is_of_unknown_outcome(surface: Surface) -> None:
    """Its beginning names the task, and the caller never gets the rest: the same create is held back then."""

    def monotonic() -> float:
        return time.monotonic() + (3600.0 if server.asked else 0.0)

    with Server([BEGUN]) as server:
        anyint = configured(server, policy=Policy(deadline=60.0), runtime=Runtime(monotonic=monotonic))
        with client(surface, server, anyint) as caller:
            errors = [caller.error("POST", VIDEOS, json=FILM) for _ in range(2)]
    assert server.asked == 1
    assert all(isinstance(it, (OutcomeUnknown, DeadlineExceeded)) for it in errors)


EVENTS = [
    b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}\n\n',
    b"data: [DONE]\n\n",
]
FRAMED = b"".join(b"%x\r\n%s\r\n" % (len(it), it) for it in EVENTS) + b"0\r\n\r\n"


@every_surface
def test_the_framing_of_a_stream_is_never_its_content(surface: Surface) -> None:
    """A tab in the blank line: http.client reads another coding than chunked there, and urllib3 reads chunked."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\t\n"
    with Server([head + FRAMED]) as server, client(surface, server, configured(server)) as caller:
        try:
            _, came, broken = caller.stream("POST", CHAT, json={**ASK, "stream": True})
        except surface.error as error:
            came, broken = b"", error
    assert broken is not None
    assert b"\r\n" not in came
