"""The emulator as a server: its faults on the wire, its scripts, its log and its own robustness."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("h11")
httpx2 = pytest.importorskip("httpx2")

from anyint_resilience.emulator import FAULT_HEADER, Chaos, Emulator, Fault  # noqa: E402
from anyint_resilience.emulator.messages import Answer  # noqa: E402
from anyint_resilience.emulator.wire import Body, End, Head, steps_for  # noqa: E402
from tests.waiting import arrived, until  # noqa: E402

CHAT = "/openai/v1/chat/completions"
VIDEOS = "/openai/v1/videos"
BODY = {"model": "kling-3.0", "prompt": "a cat"}
PLAIN: Any = {"trust_env": False, "verify": False}  # to read root certificates takes longer than most tests


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(keys=("test-key",)) as running:
        yield running
    assert running.internal_errors == []


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    headers = {"authorization": "Bearer test-key"}
    with httpx2.Client(base_url=emulator.url, headers=headers, timeout=5, **PLAIN) as it:
        yield it


def raw(emulator: Emulator) -> socket.socket:
    host, port = emulator.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def request(method: str = "GET", path: str = "/openai/v1/models", *more: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: emulator", "authorization: Bearer test-key", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def drain(sock: socket.socket, into: list[bytes] | None = None) -> bytes:
    """Read up to the end; a reset shows as ConnectionResetError."""
    parts: list[bytes] = [] if into is None else into
    while chunk := sock.recv(65536):
        parts.append(chunk)
    return b"".join(parts)


# scripts and the log


def test_scripted_faults_are_taken_in_order_then_answers_are_normal(emulator: Emulator, client: Any) -> None:
    """Two scripted faults meet the next two requests; the third is answered as usual."""
    emulator.script(Fault(status=503), Fault.error(429, retry_after=2), match=f"POST {CHAT}")
    got = [client.post(CHAT, json=BODY) for _ in range(3)]
    assert [it.status_code for it in got] == [503, 429, 200]
    assert got[1].headers["retry-after"] == "2"
    assert got[1].json()["error"] == {
        "message": "Rate limit exceeded",
        "type": "rate_limit_error",
        "code": "rate_limit_exceeded",
    }


def test_a_script_meets_only_what_it_matches(emulator: Emulator, client: Any) -> None:
    """A fault for creating videos leaves other routes and the query route alone."""
    emulator.script(Fault(status=500), match=f"POST {VIDEOS}")
    assert client.get("/openai/v1/models").status_code == 200
    assert client.post(CHAT, json=BODY).status_code == 200
    assert client.post(VIDEOS, json=BODY).status_code == 500


def test_every_request_is_logged_with_what_became_of_it(emulator: Emulator, client: Any) -> None:
    """The log holds method, path, query, headers, body, answer, fault and connection."""
    emulator.script(Fault(status=503))
    client.post(f"{CHAT}?a=1", json=BODY, headers={"X-Mine": "1"})
    client.get("/openai/v1/models")
    first, second = emulator.seen
    assert (first.method, first.path, first.query, first.answered, first.fault) == (
        "POST",
        CHAT,
        "a=1",
        503,
        "status 503",
    )
    assert first.headers["x-mine"] == "1"
    assert first.json() == BODY
    assert (second.answered, second.fault, second.connection) == (200, None, first.connection)
    assert emulator.requests("GET") == [second]
    assert emulator.requests(prefix="/openai/v1/chat") == [first]


def test_duplicate_and_odd_headers_of_a_fault_go_out_as_they_are(emulator: Emulator, client: Any) -> None:
    """A fault may send one name twice, and values no clock can read."""
    headers = [("Retry-After", "soon"), ("retry-after", "nan")]
    emulator.script(Fault(status=429, headers=headers))
    answer = client.get("/openai/v1/models")
    assert answer.headers.get_list("retry-after") == ["soon", "nan"]


def test_reset_forgets(emulator: Emulator, client: Any) -> None:
    """After a reset there are no requests, no tasks and no scripts."""
    client.post(VIDEOS, json=BODY)
    emulator.script(Fault(status=500))
    emulator.reset()
    assert (emulator.seen, emulator.tasks) == ([], [])
    assert client.get("/openai/v1/models").status_code == 200


# faults on the wire


def test_a_reset_before_the_headers_is_an_rst(emulator: Emulator) -> None:
    """The client's socket reports a connection reset, and nothing was answered."""
    emulator.script(Fault(reset="before_headers"))
    with raw(emulator) as sock:
        sock.sendall(request())
        with pytest.raises(ConnectionResetError):
            drain(sock)
    assert emulator.seen[0].answered is None


@pytest.mark.parametrize(("where", "whole"), [("after_headers", False), ("mid_body", True)])
def test_a_later_reset_shows_the_headers_first(emulator: Emulator, where: Any, whole: bool) -> None:
    """The status line arrives, then the socket reports a connection reset."""
    emulator.script(Fault(reset=where))
    with raw(emulator) as sock:
        sock.sendall(request())
        parts: list[bytes] = []
        with pytest.raises(ConnectionResetError):
            drain(sock, parts)
        got = b"".join(parts)
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert bool(got.partition(b"\r\n\r\n")[2]) is whole


@pytest.mark.parametrize(
    ("fault", "error", "answered"),
    [
        (Fault(half_close=True), "RemoteProtocolError", None),
        (Fault(truncate=5), "RemoteProtocolError", 200),
        (Fault(truncate=10_000_000), "RemoteProtocolError", 200),
        (Fault(garbage="not_http"), "RemoteProtocolError", None),
        (Fault(reset="before_headers"), "ReadError", None),
        (Fault(reset="mid_body"), "ReadError", 200),
        (Fault(stall="before_headers"), "ReadTimeout", None),
        (Fault(stall="mid_body"), "ReadTimeout", 200),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else None,
)
def test_what_a_client_sees_of_a_broken_answer(
    emulator: Emulator, client: Any, fault: Fault, error: str, answered: int | None
) -> None:
    """Each way of breaking an answer gives the client the exception the real thing gives."""
    emulator.script(fault)
    # A slow machine is no stall, and may take its time for what comes before one.
    read = 30 if fault.stall is None else 0.2 if answered is None else 1.0
    with pytest.raises(getattr(httpx2, error)):
        client.post(CHAT, json=BODY, timeout=httpx2.Timeout(30, read=read))
    assert arrived(emulator, 1)
    assert emulator.seen[0].answered == answered
    assert client.post(CHAT, json=BODY).status_code == 200


def test_broken_json_is_a_good_status_with_a_body_that_does_not_parse(emulator: Emulator, client: Any) -> None:
    """The garbage json fault keeps HTTP whole and breaks the document."""
    emulator.script(Fault(garbage="json"))
    answer = client.post(CHAT, json=BODY)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    with pytest.raises(ValueError, match="Expecting"):
        answer.json()


def test_delays_come_before_the_headers_and_before_the_body(emulator: Emulator, client: Any) -> None:
    """A slow answer is slow where the fault says."""
    emulator.script(Fault(delay_headers=0.05), Fault(delay_body=0.05), Fault(delay_body=60))
    began = time.monotonic()
    with client.stream("GET", "/openai/v1/models") as slow:
        assert time.monotonic() - began >= 0.05
        slow.read()
    began = time.monotonic()
    assert client.get("/openai/v1/models").status_code == 200
    assert time.monotonic() - began >= 0.05
    with client.stream("GET", "/openai/v1/models") as answer:  # its headers do not wait for its body
        assert answer.status_code == 200


def test_bodies_may_be_bytes_text_or_json(emulator: Emulator, client: Any) -> None:
    """A fault's body goes out as it is, with a content type that fits it."""
    html = "<html>" + "x" * 100_000
    emulator.script(Fault(status=502, body=html), Fault(status=500, body=b""), Fault(body={"code": 430, "msg": "slow"}))
    first, second, third = (client.post("/suno/generate", json={}) for _ in range(3))
    assert (first.status_code, first.headers["content-type"], first.text) == (502, "text/html", html)
    assert (second.status_code, second.content) == (500, b"")
    assert (third.status_code, third.json()) == (200, {"code": 430, "msg": "slow"})


@pytest.mark.parametrize("status", [204, 301, 304, 407, 418, 529, 599])
def test_any_status_goes_out_well_formed(emulator: Emulator, client: Any, status: int) -> None:
    """A status with or without a body leaves the connection usable."""
    emulator.script(Fault(status=status))
    assert client.post(CHAT, json=BODY).status_code == status
    assert client.post(CHAT, json=BODY).status_code == 200
    assert len({seen.connection for seen in emulator.seen}) == 1


def test_an_informational_answer_comes_before_the_normal_one(emulator: Emulator) -> None:
    """A 103 is sent first, then the request is answered as usual."""
    emulator.script(Fault(status=103))
    with raw(emulator) as sock:
        sock.sendall(request("GET", "/openai/v1/models", "connection: close"))
        got = drain(sock)
    assert got.startswith(b"HTTP/1.1 103 ")
    assert b"\r\n\r\nHTTP/1.1 200 OK\r\n" in got


def test_a_fault_may_frame_its_body_wrongly(emulator: Emulator) -> None:
    """Headers HTTP does not allow go out as they are, then the connection ends."""
    emulator.script(Fault(status=200, body=b"abc", headers=[("content-length", "3"), ("content-length", "9")]))
    with raw(emulator) as sock:
        sock.sendall(request())
        got = drain(sock)
    assert b"content-length: 3\r\ncontent-length: 9\r\n" in got
    assert got.endswith(b"\r\n\r\nabc")


# was the work done?


@pytest.mark.parametrize(
    ("fault", "created"),
    [
        (Fault(status=503), 0),
        (Fault(status=503, process=True), 1),
        (Fault(reset="before_headers"), 0),
        (Fault(reset="before_headers", process=True), 1),
        (Fault(reset="mid_body"), 0),
        (Fault(reset="mid_body", process=True), 1),
        (Fault(half_close=True), 0),
        (Fault(garbage="not_http", process=True), 1),
        (Fault(truncate=3), 1),
        (Fault(delay_headers=0.01), 1),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else None,
)
def test_process_decides_whether_a_task_exists_after_a_fault(
    emulator: Emulator, client: Any, fault: Fault, created: int
) -> None:
    """Process-then-drop leaves one task behind; a fault without it leaves none."""
    emulator.script(fault)
    try:
        client.post(VIDEOS, json=BODY)
    except httpx2.TransportError:
        pass
    assert len(emulator.tasks) == created


# streams


def lines(client: Any, body: dict[str, Any]) -> list[str]:
    with client.stream("POST", CHAT, json=body) as answer:
        return [line for line in answer.iter_lines() if line]


def test_stream_faults(emulator: Emulator, client: Any) -> None:
    """A stream can end without its terminator, be cut with or without a clean end, or say that it failed."""
    body = {**BODY, "stream": True}
    whole = lines(client, body)
    assert whole[-1] == "data: [DONE]"
    emulator.script(
        Fault(drop_terminator=True),
        Fault(cut_stream_after=2, drop_terminator=True),
        Fault(error_event=True, cut_stream_after=1),
        Fault(cut_stream_after=2),
    )
    assert len(lines(client, body)) == len(whole) - 1
    assert len(lines(client, body)) == 2
    failed = lines(client, body)
    assert (len(failed), "error" in json.loads(failed[1].removeprefix("data: "))) == (2, True)
    with pytest.raises(httpx2.RemoteProtocolError):
        lines(client, body)


# per request, by chance, by endpoint


def test_a_request_can_bring_its_own_fault(emulator: Emulator, client: Any) -> None:
    """One fault in the header meets every request that carries it; a list is taken one by one."""
    one = {FAULT_HEADER: json.dumps({"status": 503})}
    assert [client.get("/openai/v1/models", headers=one).status_code for _ in range(2)] == [503, 503]
    listed = {FAULT_HEADER: json.dumps([{"status": 503}, {"status": 429}])}
    assert [client.get("/openai/v1/models", headers=listed).status_code for _ in range(3)] == [503, 429, 200]
    wrong = client.get("/openai/v1/models", headers={FAULT_HEADER: '{"stats": 1}'})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "bad_emulator_fault")


def test_chaos_with_one_seed_is_always_the_same() -> None:
    """Two runs with one seed meet the same faults; another seed meets others."""

    def statuses(seed: int) -> list[int]:
        chaos = {"seed": seed, "faults": [{"p": 0.3, "status": 503}, {"p": 0.2, "status": 429}]}
        with Emulator(chaos=chaos) as emulator:
            headers = {"authorization": "Bearer any"}
            with httpx2.Client(base_url=emulator.url, headers=headers, **PLAIN) as client:
                return [client.get("/openai/v1/models").status_code for _ in range(60)]

    assert statuses(1) == statuses(1) != statuses(2)
    assert set(statuses(1)) == {200, 429, 503}


def test_the_control_endpoints(emulator: Emulator, client: Any) -> None:
    """Faults, chance, clock, log and reset are reachable over HTTP and do not count as requests."""
    faults = {"faults": [{"status": 503}], "match": "GET /openai"}
    assert client.post("/__emulator__/faults", json=faults).json() == {"ok": True, "scripted": 1}
    assert client.get("/openai/v1/models").status_code == 503
    assert client.post("/__emulator__/chaos", json={"faults": [{"p": 1, "status": 500}]}).status_code == 200
    assert client.get("/openai/v1/models").status_code == 500
    assert client.post("/__emulator__/chaos").status_code == 200
    client.post(VIDEOS, json=BODY)
    assert client.post("/__emulator__/clock", json={"advance": 60}).json()["now"] == 60
    (task,) = client.get("/__emulator__/tasks").json()["tasks"]
    assert (task["family"], task["state"], task["body"]) == ("openai", "success", BODY)
    seen = client.get("/__emulator__/seen").json()["seen"]
    assert [it["answered"] for it in seen] == [503, 500, 200]
    assert "test-key" not in json.dumps(seen)
    assert client.post("/__emulator__/reset").json() == {"ok": True}
    assert emulator.seen == []


def test_scripted_faults_can_be_taken_back(emulator: Emulator, client: Any) -> None:
    """DELETE without a body forgets the faults still to come, or chance; what was seen stays."""
    client.post("/__emulator__/faults", json=[{"status": 503}, {"status": 503}])
    client.post("/__emulator__/chaos", json={"faults": [{"p": 1, "status": 500}]})
    assert client.get("/openai/v1/models").status_code == 503
    assert client.delete("/__emulator__/faults").json() == {"ok": True}
    assert client.get("/openai/v1/models").status_code == 500
    assert client.delete("/__emulator__/chaos").json() == {"ok": True}
    assert client.get("/openai/v1/models").status_code == 200
    assert client.delete("/__emulator__/seen").status_code == 404
    assert len(emulator.seen) == 3


def test_a_fault_in_json_can_name_its_retry_after(emulator: Emulator, client: Any) -> None:
    """``retry_after`` in seconds, or as a date, becomes the header, beside any others."""
    faults = [{"status": 429, "retry_after": 0.5}, {"status": 503, "retry_after": 2, "headers": {"x-more": "1"}}]
    assert client.post("/__emulator__/faults", json=faults).json()["scripted"] == 2
    first, second = client.get("/openai/v1/models"), client.get("/openai/v1/models")
    assert (first.status_code, first.headers["retry-after"]) == (429, "0.5")
    assert (second.headers["retry-after"], second.headers["x-more"]) == ("2", "1")
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    assert Fault.from_json({"status": 429, "retry_after": date}).pairs == (("retry-after", date),)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("faults", {"status": 5}, 400),
        ("faults", {"status": 429, "retry_after": -1}, 400),
        ("faults", {"status": 429, "retry_after": True}, 400),
        ("faults", "x", 400),
        ("faults", {"faults": [{"reset": "never"}]}, 400),
        ("chaos", {"faults": [{"status": 500}]}, 400),
        ("chaos", {"faults": [{"p": 2, "status": 500}]}, 400),
        ("clock", {"advance": -1}, 400),
        ("clock", {}, 400),
        ("nothing", {}, 404),
    ],
)
def test_a_wrong_control_request_is_told_why(client: Any, path: str, body: object, status: int) -> None:
    """A control request that cannot be carried out is a 4xx with a message."""
    answer = client.post(f"/__emulator__/{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


# Fault as a value


def test_a_bad_fault_names_every_problem() -> None:
    """One ValueError lists all that is wrong."""
    with pytest.raises(ValueError) as caught:
        Fault(status=7, delay_headers=-1, reset="later", truncate=True, process="yes", headers=["x"])  # type: ignore[arg-type, list-item]
    for word in ("status", "delay_headers", "reset", "truncate", "process", "headers"):
        assert word in str(caught.value)
    with pytest.raises(ValueError, match="one way only, not in reset and truncate"):
        Fault(reset="mid_body", truncate=3)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(),
        Fault(status=429, headers={"retry-after": "2"}, delay_body=0.5),
        Fault(body=b"\x00\xff"),
        Fault(body={"a": [1]}, status=500, process=True),
        Fault(cut_stream_after=0, drop_terminator=True),
        Fault.error(200, family="suno", code=430),
    ],
    ids=lambda fault: fault.name,
)
def test_a_fault_survives_json(fault: Fault) -> None:
    """What goes through JSON comes back equal."""
    assert Fault.from_json(json.loads(json.dumps(fault.to_json()))) == fault


def test_error_envelopes_per_family() -> None:
    """``Fault.error`` writes the family's own envelope."""
    assert Fault.error(429, code="insufficient_quota").body == {
        "error": {"message": "Rate limit exceeded", "type": "insufficient_quota", "code": "insufficient_quota"}
    }
    bodies: dict[str, Any] = {
        name: Fault.error(429, family=name).body for name in ("anthropic", "gemini", "dashscope", "kling", "suno")
    }
    assert bodies["anthropic"]["error"]["type"] == "rate_limit_error"
    assert bodies["gemini"]["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert bodies["dashscope"]["code"] == "Throttling.RateQuota"
    assert (bodies["kling"]["code"], bodies["suno"]["code"]) == (1302, 430)


def test_a_status_without_a_body_is_the_family_s_usual_error(emulator: Emulator, client: Any) -> None:
    """The same fault speaks each route's own language."""
    emulator.script(*[Fault(status=503)] * 3)
    assert client.post("/transtreams/kling/v1/videos/text2video", json={}).json()["code"] == 5001
    assert client.post("/anthropic/v1/messages", json=BODY).json()["type"] == "error"
    assert client.post("/suno/generate", json={}).json()["code"] == 455


def test_bad_chaos_is_refused() -> None:
    """Probabilities outside 0-1, or more than 1 in all, are a ValueError."""
    with pytest.raises(ValueError, match="probabilities"):
        Chaos(faults=((0.7, Fault()), (0.7, Fault())))
    with pytest.raises(ValueError, match="probability"):
        Chaos.usual(float("nan"))


def test_no_fault_gives_the_plain_steps() -> None:
    """Without a fault: head, body, end."""
    answer = Answer(body=b"abc")
    assert steps_for(answer, None) == steps_for(answer, Fault()) == [Head(200, (), 3), Body(b"abc"), End()]


# robustness


def test_connections_are_counted_until_the_client_leaves(emulator: Emulator) -> None:
    """The count goes up with a connection and down when the client closes it."""
    with httpx2.Client(base_url=emulator.url, **PLAIN) as client:
        client.get("/openai/v1/models")
        assert emulator.connections_open == 1
    until(lambda: emulator.connections_open == 0)


def test_an_answer_reaches_a_client_that_shut_its_side(emulator: Emulator) -> None:
    """A client's half-close is not its end: the answer still comes."""
    with raw(emulator) as sock:
        sock.sendall(request())
        sock.shutdown(socket.SHUT_WR)
        assert drain(sock).startswith(b"HTTP/1.1 200 OK")


def test_pipelined_requests_are_answered_in_order(emulator: Emulator) -> None:
    """Two requests in one packet get two answers."""
    with raw(emulator) as sock:
        sock.sendall(request() + request("GET", "/nowhere", "connection: close"))
        got = drain(sock)
    assert (got.count(b"HTTP/1.1 200 OK"), got.count(b"HTTP/1.1 404 Not Found")) == (1, 1)


def test_expect_100_continue_is_answered(emulator: Emulator) -> None:
    """A client that waits for leave to send its body gets it."""
    body = json.dumps(BODY).encode()
    head = request("POST", CHAT, f"content-length: {len(body)}", "expect: 100-continue", "connection: close")
    with raw(emulator) as sock:
        sock.sendall(head)
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert drain(sock).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("mess", [b"\x16\x03\x01\x00\xff", b"GET\r\n\r\n", b"A" * 400_000, b"GET / HTTP/9.9\r\n\r\n"])
def test_garbage_from_a_client_is_survived(
    emulator: Emulator, client: Any, capfd: pytest.CaptureFixture[str], mess: bytes
) -> None:
    """Whatever a client sends, the server goes on and says nothing on stderr."""
    with raw(emulator) as sock:
        try:
            sock.sendall(mess)
            sock.shutdown(socket.SHUT_WR)
            drain(sock)
        except OSError:
            pass
    assert client.get("/openai/v1/models").status_code == 200
    assert capfd.readouterr().err == ""


def test_a_client_that_leaves_in_its_body_is_logged_as_incomplete(emulator: Emulator) -> None:
    """Half a request is in the log, does no work and takes no fault."""
    emulator.script(Fault(status=503))
    with raw(emulator) as sock:
        sock.sendall(request("POST", VIDEOS, "content-length: 100") + b"half")
    until(lambda: len(emulator.seen) == 1)
    assert (emulator.seen[0].complete, emulator.seen[0].body, emulator.seen[0].fault) == (False, b"half", None)
    assert emulator.tasks == []


def test_stopping_ends_stalls_and_open_connections(capfd: pytest.CaptureFixture[str]) -> None:
    """Stop does not wait for anyone, twice is fine, and the next start gets a clean server."""
    emulator = Emulator().start()
    emulator.script(Fault(stall="before_headers"), Fault(delay_headers=30))
    with raw(emulator) as first, raw(emulator) as second:
        first.sendall(request())
        second.sendall(request())
        until(lambda: len(emulator.seen) == 2)
        began = time.monotonic()
        emulator.stop()
        emulator.stop()
        assert time.monotonic() - began < 5
    with pytest.raises(RuntimeError, match="not running"):
        assert emulator.url
    emulator.start()
    assert emulator.url
    emulator.stop()
    assert (emulator.internal_errors, capfd.readouterr().err) == ([], "")


def test_a_port_that_is_taken_is_an_error_at_start(emulator: Emulator) -> None:
    """The caller of start gets the OSError."""
    with pytest.raises(OSError):
        Emulator(port=int(emulator.url.rpartition(":")[2])).start()


def test_answers_do_not_wait_for_nagle(emulator: Emulator, client: Any) -> None:
    """A small answer takes far less than a delayed acknowledgement, 40 ms: the quickest of many show it."""
    took = []
    for _ in range(100):
        began = time.monotonic()
        client.get("/openai/v1/models")
        took.append(time.monotonic() - began)
    assert sorted(took)[25] < 0.03


def test_a_crowd_with_every_fault_leaves_nothing_behind(capfd: pytest.CaptureFixture[str]) -> None:
    """Twenty threads, thousands of answers and every kind of fault: no connection, no error and no word stay."""
    listed: list[dict[str, Any]] = [
        {"status": 503}, {"reset": "before_headers"}, {"reset": "after_headers"}, {"reset": "mid_body"},
        {"half_close": True}, {"truncate": 3}, {"garbage": "not_http"}, {"garbage": "json"},
        {"reset": "before_headers", "process": True},
    ]  # fmt: skip
    chaos = {"seed": 7, "faults": [{"p": 0.05, **fault} for fault in listed]}

    def visit(emulator: Emulator) -> int:
        answered = 0
        headers = {"authorization": "Bearer any"}
        with httpx2.Client(base_url=emulator.url, headers=headers, timeout=5, **PLAIN) as client:
            for _ in range(50):
                with contextlib.suppress(httpx2.TransportError):
                    client.post(VIDEOS, json=BODY)
                    answered += 1
        return answered

    with Emulator(chaos=chaos) as emulator:
        with ThreadPoolExecutor(20) as pool:
            answered = sum(pool.map(visit, [emulator] * 20))
        until(lambda: emulator.connections_open == 0)
        assert len(emulator.seen) == 1000
        assert 500 < answered < 1000
        assert emulator.internal_errors == []
    assert capfd.readouterr().err == ""


def test_an_ipv6_address_is_written_as_in_a_url() -> None:
    """With brackets; else its colons are taken for a port's."""
    with contextlib.ExitStack() as stack:
        try:
            emulator = stack.enter_context(Emulator(host="::1"))
        except OSError as error:
            pytest.skip(f"this machine has no IPv6 loopback address: {error}")
        assert emulator.url.startswith("http://[::1]:")
        headers = {"authorization": "Bearer any"}
        assert httpx2.get(f"{emulator.url}/openai/v1/models", headers=headers, trust_env=False).status_code == 200
