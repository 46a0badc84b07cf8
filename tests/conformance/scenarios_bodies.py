"""Bodies: requests that are sent again whole or not at all, answers and streams handed over as they came."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience import Cause, Certainty, report
from anyint_resilience.emulator import Fault
from tests.conformance.scenario import (
    CHAT,
    DELIVERED,
    MESSAGES,
    MODELS,
    STREAM,
    UPLOAD,
    Ask,
    File,
    Once,
    Raises,
    Scenario,
    healed,
    stops,
)

error = Fault.error
BUSY = error(503)


# --- request bodies

TEXT = json.dumps(CHAT.json)


def resent(name: str, ask: Ask, *lessons: str, **more: Any) -> Scenario:
    """Return a scenario of a body that is the same on both attempts."""
    return healed(f"{name}: the same both times", ask, BUSY, waits=(0.05,), lessons=lessons, **more)


def written(**more: Any) -> Ask:
    """Return the chat with a body made by the caller."""
    return CHAT.but(json=None, headers={"content-type": "application/json"}, **more)


ITERATED = dict.fromkeys(("httpx", "httpx2"), "httpx takes a file for an iterator like any other, which is sent once")
ONCE = Fault(status=503, body=b'{"error":{"message":"busy"}}')
SENDING = [
    resent("JSON", Ask(path="/openai/v1/embeddings", json={"model": "m", "input": "naïve ✓ 東"}), once=True),
    resent("bytes", written(content=TEXT.encode())),
    resent("text", written(content=TEXT)),
    resent("a large body", written(content=json.dumps({**CHAT.json, "pad": "x" * 900_000}).encode())),
    resent("no body at all", MODELS),
    resent("a form with a file", UPLOAD, "B8.34"),
    resent("a file", written(content=File(TEXT.encode())), "B8.34", cannot=ITERATED),
    resent("a file from where it stood", written(content=File(b"read: " + TEXT.encode(), 6)), "B8.34", cannot=ITERATED),
    Scenario(
        name="a generator is sent once, and the real 503 comes back",
        lessons=("M3", "M10", "B8.34"),
        asks=(written(content=Once(TEXT.encode())),),
        faults=(ONCE,),
        wire=(503,),
        ends=(503,),
        decision=stops(Cause.TRANSIENT),
        retry_at=0.05,  # the application's to make
        body=b'{"error":{"message":"busy"}}',
    ),
    Scenario(
        name="a generator under PUT is sent once, too",
        lessons=("M3",),
        asks=(Ask(method="PUT", path="/openai/v1/things", content=Once(b"x" * 9)),),
        faults=(ONCE,),
        wire=(503,),
        ends=(503,),
        decision=stops(Cause.TRANSIENT),
        retry_at=0.05,  # the application's to make
        body=b'{"error":{"message":"busy"}}',
    ),
    Scenario(
        name="a generator that was lost raises the client's own exception",
        lessons=("M3", "M10", "M21"),
        asks=(written(content=Once(TEXT.encode())),),
        faults=(Fault(reset="before_headers"),),
        wire=(None,),
        ends=(Raises.CLIENTS,),
        decision=stops(Cause.TRANSIENT, Certainty.UNKNOWN),
        retry_at=0.05,
    ),
]


# --- answers


def raises_status(played: Any) -> None:
    """See that ``raise_for_status`` works as ever, and that the report is found on what it raises."""
    with pytest.raises(played.surface.error) as caught:
        played.end.answer.response.raise_for_status()
    told = report(caught.value)
    assert told is not None
    assert [attempt.status for attempt in told.attempts] == [503, 503, 503]


def bare(played: Any) -> None:
    """See that nothing was put on a good answer."""
    assert "x-should-retry" not in played.end.answer.headers
    told = played.told
    assert (told.route, [it.status for it in told.attempts]) == ("POST /openai/v1/chat/completions", [200])


NOTHING = Fault(status=204)
ANSWERS = [
    Scenario(name="a good answer is left as it is", asks=(CHAT,), check=bare),
    healed("204 after a 503", MODELS, BUSY, NOTHING, waits=(0.05,), wire=(503, 204), ends=(204,), body=b""),
    Scenario(
        name="HEAD: no body to wait for",
        asks=(MODELS.but(method="HEAD"),),
        faults=(BUSY, Fault(status=200, body=b"{}")),
        wire=(503, 200),
        waits=(0.05,),
        decision=DELIVERED,
        body=b"",
        once=True,
    ),
    Scenario(name="100 Continue before the answer", asks=(CHAT,), faults=(Fault(status=100),)),
    Scenario(
        name="103 Early Hints before the answer",
        asks=(CHAT,),
        faults=(Fault(status=103),),
        cannot={"requests": "the http.client below it takes any 1xx but 100 for the answer itself"},
    ),
    Scenario(name="304", asks=(MODELS,), faults=(Fault(status=304),), wire=(304,), ends=(304,)),
    Scenario(
        name="raise_for_status works on what is handed over",
        lessons=("B2.8", "M21"),
        asks=(CHAT,),
        faults=(BUSY,) * 3,
        wire=(503, 503, 503),
        waits=(0.05, 0.1),
        ends=(503,),
        decision=stops(Cause.TRANSIENT),
        check=raises_status,
    ),
    Scenario(
        name="a large good answer",
        asks=(CHAT,),
        faults=(Fault(body=b'{"pad":"' + b"x" * 2_000_000 + b'"}'),),
        body=b'{"pad":"' + b"x" * 2_000_000 + b'"}',
    ),
    Scenario(
        name="a large answer to an upload is not taken for lost",
        asks=(UPLOAD,),
        faults=(Fault(body=b'{"pad":"' + b"x" * 200_000 + b'","id":"f"}'),),
        body=b'{"pad":"' + b"x" * 200_000 + b'","id":"f"}',
        decision=DELIVERED,
    ),
]


# --- streams


def ends_with(text: bytes) -> Any:
    """Return a check that all of a stream came, up to its terminal event."""

    def check(played: Any) -> None:
        assert played.end.answer.content.endswith(text)

    return check


DONE, STOP = ends_with(b"data: [DONE]\n\n"), ends_with(b'data: {"type":"message_stop"}\n\n')
CLAUDE_STREAM = MESSAGES.but(json={**MESSAGES.json, "stream": True}, streamed=True)
STREAMS = [
    Scenario(name="a good stream", asks=(STREAM,), check=DONE, once=True),
    healed("503 before a stream", STREAM, BUSY, waits=(0.05,), lessons=("B1.3",), check=DONE, once=True),
    healed("429 before a stream", STREAM, error(429, retry_after=2), waits=(2.2,), lessons=("B1.3",), check=DONE),
    healed("a reset before a stream", STREAM, Fault(reset="before_headers"), waits=(0.05,), check=DONE),
    healed(
        "Anthropic's 529 before a stream",
        CLAUDE_STREAM,
        error(529, family="anthropic"),
        waits=(0.05,),
        check=STOP,
    ),
    Scenario(
        name="a quota before a stream: once, its body readable",
        lessons=("B1.3", "M13"),
        asks=(STREAM,),
        faults=(Fault(status=429, body=b'{"error":{"code":"insufficient_quota"}}'),),
        wire=(429,),
        ends=(429,),
        decision=stops(Cause.QUOTA),
        body=b'{"error":{"code":"insufficient_quota"}}',
    ),
    Scenario(
        name="503 before a stream to the end: the last body readable",
        lessons=("B1.3", "B2.6"),
        asks=(STREAM,),
        faults=(Fault(status=503, body=b"<html>" + b"x" * 300_000),) * 3,
        wire=(503, 503, 503),
        waits=(0.05, 0.1),
        ends=(503,),
        decision=stops(Cause.TRANSIENT),
        body=b"<html>" + b"x" * 300_000,
    ),
    Scenario(
        name="a stream cut after its first content: raised as interrupted, not sent again",
        lessons=("B8.36",),
        asks=(STREAM,),
        faults=(Fault(cut_stream_after=3),),
        ends=(Raises.INTERRUPTED,),
        decision=stops(Cause.TRANSIENT, Certainty.UNKNOWN),
    ),
    Scenario(
        name="a stream reset after its first content: raised as interrupted, not sent again",
        lessons=("B8.36",),
        asks=(STREAM,),
        faults=(Fault(reset="mid_body"),),
        ends=(Raises.INTERRUPTED,),
        decision=stops(Cause.TRANSIENT, Certainty.UNKNOWN),
    ),
]

TOPICS = {
    "request bodies: the same on each attempt, or sent once": SENDING,
    "answers: handed over as they came": ANSWERS,
    "streams: repeated before they begin, never after": STREAMS,
}
