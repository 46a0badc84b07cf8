"""What streams can do wrong at the emulator: each fault on the wire, as any HTTP client sees it."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("h11")
httpx2 = pytest.importorskip("httpx2")

from anyint_resilience.emulator import Emulator, Fault  # noqa: E402
from anyint_resilience.emulator.messages import KEEP_ALIVE, Answer, sse_stream  # noqa: E402
from anyint_resilience.emulator.wire import Body, Cut, End, Head, Stall, Step, Wait, steps_for  # noqa: E402
from tests.waiting import until  # noqa: E402

TALK = [{"role": "user", "content": "hi"}]
CHAT = ("/openai/v1/chat/completions", {"model": "gpt-5", "messages": TALK, "stream": True})
CLAUDE = ("/anthropic/v1/messages", {**CHAT[1], "model": "claude-sonnet-5-5", "max_tokens": 9})
ARRAY = ("/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent", {"contents": [{"parts": [{"text": "hi"}]}]})
WAN = ("/dashscope/v1/services/aigc/multimodal-generation/generation", {"model": "qwen-vl-max", "input": {}})
PLAIN: Any = {"trust_env": False, "verify": False}
STREAM = sse_stream([b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', b"data: [DONE]\n\n"], error_event=b"data: no\n\n")
HEAD = Head(200, STREAM.headers, None)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(keys=("test-key",)) as running:
        yield running
    assert running.internal_errors == []


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    headers = {"authorization": "Bearer test-key", "x-dashscope-sse": "enable"}
    headers |= {"x-api-key": "test-key", "anthropic-version": "2023-06-01"}
    with httpx2.Client(base_url=emulator.url, headers=headers, timeout=5, **PLAIN) as it:
        yield it


def asked(client: Any, emulator: Emulator, what: tuple[str, Any], **fault: Any) -> Any:
    """Ask for a stream that meets a fault."""
    emulator.script(Fault(**fault))
    return client.post(what[0], json=what[1])


# the steps


@pytest.mark.parametrize(
    ("fault", "steps"),
    [
        (Fault(stall="after_headers"), [Stall(None, KEEP_ALIVE), Cut("fin")]),
        (Fault(stall="after_headers", keep_alive=0.5), [Stall(0.5, KEEP_ALIVE), Cut("fin")]),
        (
            Fault(delay_body=1.0, keep_alive=0.5, cut_stream_after=0),
            [Body(KEEP_ALIVE), Wait(0.5), Wait(0.5), Cut("fin")],
        ),
        (
            Fault(malformed_event=True, cut_stream_after=2),
            [Body(b'data: {"n":1}\n\n'), Body(b'data: {"n":2\n\n'), Cut("fin")],
        ),
        (
            Fault(line_end="crlf", error_event=True, cut_stream_after=1),
            [Body(b'data: {"n":1}\r\n\r\n'), Body(b"data: no\r\n\r\n"), End()],
        ),
        (
            Fault(line_end="cr", stall="mid_body"),
            [Body(b'data: {"n":1}\r\r'), Stall(None, b": keep-alive\r\r"), Cut("fin")],
        ),
    ],
    ids=lambda it: it.name if isinstance(it, Fault) else "",
)
def test_the_steps_of_a_stream_that_meets_a_fault(fault: Fault, steps: list[Step]) -> None:
    """Each is no more than what goes out, and what comes between."""
    assert steps_for(STREAM, fault) == [HEAD, *steps]


def test_compressed_pieces_can_each_be_read_at_once() -> None:
    """A keep-alive may come any number of times, since nothing in it refers to what came before."""
    head, *rest = steps_for(STREAM, Fault(gzip=True))
    assert head == Head(200, (*STREAM.headers, ("content-encoding", "gzip")), None)
    machine = zlib.decompressobj(16 + zlib.MAX_WBITS)
    pieces = [machine.decompress(step.data) for step in rest if isinstance(step, Body)]
    assert pieces == [*(STREAM.events or ()), b""]
    assert machine.eof
    stalled = [
        it for it in steps_for(STREAM, Fault(gzip=True, stall="mid_body", keep_alive=1)) if not isinstance(it, Head)
    ]
    first, beating = stalled[0], stalled[1]
    assert isinstance(first, Body)
    assert isinstance(beating, Stall)
    machine = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert machine.decompress(first.data + beating.beat * 3) == b'data: {"n":1}\n\n' + KEEP_ALIVE * 3


def test_a_body_that_is_no_stream_can_be_compressed() -> None:
    """Then nobody knows its length before."""
    head, body, last, end = steps_for(Answer(body=b"abc"), Fault(gzip=True))
    assert head == Head(200, (("content-encoding", "gzip"),), None)
    assert isinstance(body, Body)
    assert isinstance(last, Body)
    assert zlib.decompress(body.data + last.data, 16 + zlib.MAX_WBITS) == b"abc"
    assert end == End()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"keep_alive": 1.0}, "keep_alive needs"),
        ({"keep_alive": 1.0, "stall": "before_headers"}, "keep_alive needs"),
        ({"keep_alive": 0, "delay_body": 1.0}, "keep_alive must be a number of seconds > 0"),
        ({"keep_alive": 1e-9, "delay_body": 1.0}, "more than 10000"),
        ({"line_end": "\n"}, "line_end must be one of crlf, cr"),
        ({"gzip": 1}, "gzip must be true or false"),
        ({"malformed_event": None}, "malformed_event must be true or false"),
        ({"stall": "after_headers", "truncate": 1}, "one way only"),
    ],
)
def test_a_bad_fault_of_a_stream_is_refused(settings: Any, word: str) -> None:
    """With what is wrong about it."""
    with pytest.raises(ValueError, match=word):
        Fault(**settings)


def test_a_fault_of_a_stream_survives_json() -> None:
    """All that is new goes through JSON."""
    fault = Fault(malformed_event=True, keep_alive=0.5, stall="after_headers", line_end="crlf", gzip=True)
    assert Fault.from_json(json.loads(json.dumps(fault.to_json()))) == fault
    assert fault.name == "stall after_headers, malformed_event, keep_alive 0.5, line_end crlf, gzip"


# on the wire


@pytest.mark.parametrize(("line_end", "end"), [(None, "\n"), ("crlf", "\r\n"), ("cr", "\r")])
@pytest.mark.parametrize("gzip", [False, True], ids=["as it is", "gzip"])
def test_a_whole_stream_in_another_dress(emulator: Emulator, client: Any, line_end: Any, end: str, gzip: bool) -> None:
    """Other ends of lines, and compressed: the same events."""
    answer = asked(client, emulator, CHAT, line_end=line_end, gzip=gzip)
    assert answer.headers.get("content-encoding") == ("gzip" if gzip else None)
    events = answer.text.split(end * 2)
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(json.loads(event.removeprefix("data: "))["choices"] for event in events[:-2])


def test_a_malformed_event_is_one_more_in_the_middle(emulator: Emulator, client: Any) -> None:
    """Before and after it the stream is whole."""
    broken = []
    for event in asked(client, emulator, CHAT, malformed_event=True).text.split("\n\n")[:-2]:
        try:
            json.loads(event.removeprefix("data: "))
        except ValueError:
            broken.append(event)
    assert len(broken) == 1
    assert broken[0].startswith('data: {"id":')


@pytest.mark.parametrize(
    ("what", "beat"),
    [(CHAT, b": keep-alive\n\n"), (CLAUDE, b'event: ping\ndata: {"type":"ping"}\n\n'), (ARRAY, b"\n")],
    ids=["comments", "pings", "blanks"],
)
def test_keep_alives_come_until_the_client_leaves(emulator: Emulator, client: Any, what: Any, beat: bytes) -> None:
    """After the headers and nothing else; the emulator lets go of a client that left."""
    emulator.script(Fault(stall="after_headers", keep_alive=0.001))
    with client.stream("POST", what[0], json=what[1]) as answer:
        came = b""
        for piece in answer.iter_raw():
            came += piece
            if len(came) >= 3 * len(beat):
                break
    assert came.startswith(beat * 3)
    until(lambda: emulator.connections_open == 0)


def test_keep_alives_come_before_a_slow_body(emulator: Emulator, client: Any) -> None:
    """Then it comes whole."""
    begun = time.monotonic()
    text = asked(client, emulator, CHAT, delay_body=0.05, keep_alive=0.02).text
    assert time.monotonic() - begun >= 0.05
    assert text.startswith(": keep-alive\n\n" * 2 + "data: {")
    assert text.endswith("data: [DONE]\n\n")


def test_a_stall_after_the_headers_shows_the_headers(emulator: Emulator, client: Any) -> None:
    """Not a byte of the body comes."""
    emulator.script(Fault(stall="after_headers"))
    with client.stream("POST", CHAT[0], json=CHAT[1], timeout=httpx2.Timeout(5, read=0.2)) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx2.ReadTimeout):
            answer.read()


def test_dashscope_streams_where_its_header_asks_for_it(emulator: Emulator, client: Any) -> None:
    """Each event has a number, a name and the real status; the last has a reason for the end that is not "null"."""
    path, body = WAN
    *events, rest = client.post(path, json=body).text.split("\n\n")
    assert rest == ""
    heads = [event.split("\n")[:3] for event in events]
    assert heads == [[f"id:{number}", "event:result", ":HTTP_STATUS/200"] for number in range(1, len(events) + 1)]
    told = [json.loads(event.partition("\ndata:")[2])["output"]["choices"][0] for event in events]
    assert [it["finish_reason"] for it in told] == ["null"] * (len(told) - 1) + ["stop"]
    assert "".join(it["message"]["content"][0]["text"] for it in told[:-1]) == "Hello from the AnyInt emulator."
    whole = client.post(path, json=body, headers={"x-dashscope-sse": "disable"}).json()
    assert whole["output"]["choices"][0]["finish_reason"] == "stop"
    failed = asked(client, emulator, WAN, error_event=True).text
    assert failed.startswith('id:8\nevent:error\n:HTTP_STATUS/503\ndata:{"code":')
    assert asked(client, emulator, WAN, drop_terminator=True).text.count('"null"') == len(told) - 1


def test_a_json_array_meets_the_faults_of_streams(emulator: Emulator, client: Any) -> None:
    """It fails by an item, as its first word or later, and may lack its last bracket."""
    assert [list(it) for it in asked(client, emulator, ARRAY, error_event=True).json()] == [["error"]]
    late = asked(client, emulator, ARRAY, error_event=True, cut_stream_after=2).json()
    assert ["error" in it for it in late] == [False, False, True]
    cut = asked(client, emulator, ARRAY, drop_terminator=True).text
    with pytest.raises(ValueError):
        json.loads(cut)
    assert json.loads(cut + "]")[-1]["candidates"][0]["finishReason"] == "STOP"
    assert json.loads(asked(client, emulator, ARRAY, cut_stream_after=2, drop_terminator=True).text + "]")
