"""What a fault makes of an answer's bytes: rows of ``hostile.chaos.wire``. Must not know sockets."""

from __future__ import annotations

import pytest

from hostile.chaos.plan import KINDS, Fault, plan_of
from hostile.chaos.wire import Reply, tampered
from tests.hostile.chaos_kit import fault

PLAIN = b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 10\r\n\r\n0123456789"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1c\r\n" + b"w" * 28 + b"\r\n0\r\n\r\n"
BODY = b"hello" + b"w" * 28
SHAPES = ("response_head", "framing", "data", "trailer", "after")


def reply(raw: bytes, size: int = 3) -> Reply:
    """Read an answer in small pieces."""
    made = Reply()
    for at in range(0, len(raw), size):
        made.feed(raw[at : at + size])
    return made


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_reply_knows_its_parts_however_it_comes(size: int) -> None:
    """Spans stand one behind the other and leave nothing out."""
    for raw, body in ((PLAIN, b"0123456789"), (CHUNKED, BODY), (b"HTTP/1.1 103 X\r\n\r\n" + PLAIN, b"0123456789")):
        read = reply(raw, size)
        assert (read.complete, read.status, bytes(read.body)) == (True, 200, body)
        ends = [0]
        for span in read.spans:
            assert span.start == ends[-1]
            ends.append(span.end)
        assert ends[-1] == len(raw)


@pytest.mark.parametrize(
    "raw", [PLAIN[:-1], CHUNKED[:-1], CHUNKED[:-3], b"", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n"]
)
def test_a_reply_that_is_cut_or_no_http_is_not_complete(raw: bytes) -> None:
    assert not reply(raw).complete


def sent(made: list[tuple[str, object]]) -> bytes:
    """All bytes of some acts."""
    return b"".join(value for what, value in made if what == "send" and isinstance(value, bytes))


@pytest.mark.parametrize("raw", [PLAIN, CHUNKED], ids=["plain", "chunked"])
@pytest.mark.parametrize("phase", SHAPES[:4])
@pytest.mark.parametrize("kind", ["rst", "fin", "half", "stall"])
def test_a_cut_sends_a_true_beginning_and_ends_so(raw: bytes, phase: str, kind: str) -> None:
    """Where in the phase is the plan's choice; never all of it."""
    for at in (0.0, 0.3, 0.99):
        made = tampered(reply(raw), fault(phase, kind, at))
        if made.phase == "after":  # a plain answer has no trailer
            continue
        assert made.acts[-1] == ("end", kind)
        whole = raw if phase != "trailer" else raw[:-2] + b"x-chaos-trailer: set\r\n\r\n"
        assert whole.startswith(sent(made.acts))
        assert len(sent(made.acts)) < len(whole)
        assert not made.whole


@pytest.mark.parametrize("raw", [PLAIN, CHUNKED], ids=["plain", "chunked"])
@pytest.mark.parametrize("phase", SHAPES[:3])
@pytest.mark.parametrize("kind", ["garbage", "flip", "truncate", "duplicate"])
def test_what_is_garbled_is_never_a_shorter_answer_that_looks_whole(raw: bytes, phase: str, kind: str) -> None:
    """Nobody could see that: no Content-Length that is smaller, no chunk that says it is the last."""
    for pick in range(40):
        for at in (0.0, 0.5, 0.99):
            made = tampered(reply(raw), fault(phase, kind, at, pick=pick, size=1 + pick % 7))
            assert made.acts[-1][0] == "end"
            strict = Reply()
            try:
                strict.feed(sent(made.acts))
            except ValueError:
                continue  # no number where one must stand
            if strict.complete and strict.status is not None:
                assert bytes(strict.body) == bytes(reply(raw).body) or not strict.raw.startswith(b"HTTP/1.1")


@pytest.mark.parametrize("raw", [PLAIN, CHUNKED], ids=["plain", "chunked"])
def test_what_comes_after_or_slowly_leaves_the_answer_whole(raw: bytes) -> None:
    for phase, kind in (("after", "rst"), ("after", "garbage"), ("after", "idle_fin"), ("data", "drip")):
        made = tampered(reply(raw), fault(phase, kind))
        assert made.whole
        assert sent(made.acts).startswith(raw)


def test_a_plan_is_its_seeds_and_its_numbers_alone() -> None:
    """And every phase and kind there is comes up."""
    plans = [plan_of(7, number) for number in range(2500)]
    plan_of.cache_clear()
    assert [plan_of(7, number) for number in reversed(range(2500))] == plans[::-1]
    assert plans != [plan_of(8, number) for number in range(2500)]
    met = {(it.phase, it.kind) for made in plans for it in (*made.tries, made.opening) if isinstance(it, Fault)}
    assert met >= {(phase, kind) for phase, weights in KINDS.items() for kind, _ in weights}
