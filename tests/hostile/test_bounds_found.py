"""Bounds that did not hold, each by the name of what was wrong. Must not measure time: bytes are counted, and items."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Policy
from anyint_resilience.cli.doctor.key import flaws
from anyint_resilience.cli.masking import HIDDEN, Mask
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.streams import StreamEnds, ends_of
from anyint_resilience.contract.words import AuthStyle, Cause
from anyint_resilience.credentials import Credentials
from anyint_resilience.guards import breaker
from anyint_resilience.guards.fleet_circuits import Circuits
from anyint_resilience.guards.shared import MOST_STATES, Shared
from anyint_resilience.guards.sharing import EVERY, Sharing
from anyint_resilience.listening import read_failed
from anyint_resilience.policy.given import MOST_ATTEMPTS, Invalid
from anyint_resilience.policy.hints import normal_headers
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.streams.choosing import watcher_for
from anyint_resilience.streams.marks import MAX_ID, Marks, Verdict
from anyint_resilience.streams.watcher import MAX_EVENT, MAX_HELD

MIB = 1024 * 1024
CHAT = RouteTable().match("POST", "/openai/v1/chat/completions")


def ends() -> StreamEnds:
    found = ends_of(CHAT.family, CHAT.template)
    assert found is not None
    return found


# --- streams


@pytest.mark.parametrize("opening", [b'[{"a":"', b'{"a":"'])
def test_a_document_of_an_array_that_never_ends_was_kept_without_end(opening: bytes) -> None:
    """The bound of one event did not hold for streams that are JSON arrays (Gemini without alt=sse)."""
    watcher = watcher_for(ends(), array=True)
    watcher.feed(opening)
    piece = b"x" * 65_536
    for _ in range(MAX_EVENT // len(piece) + 16):
        watcher.feed(piece)
        assert sum(map(len, watcher._held)) <= MAX_EVENT + MIB
    assert sum(map(len, watcher._held)) <= MAX_HELD  # of what comes after, nothing is known and little is held
    assert (watcher.opaque, watcher.verdict) == (True, Verdict.UNKNOWN)


@pytest.mark.parametrize("array", [False, True])
def test_an_event_in_pieces_of_two_bytes_took_many_times_its_size(array: bool) -> None:
    """What is held of a long event is put together before it is as long again: a piece is 35 bytes and its own."""
    watcher = watcher_for(ends(), array=array)
    watcher.feed(b'[{"a":"' if array else b'data: {"a":"')
    watcher.feed(b"x" * MIB)
    most = 0
    for at in range(MIB // 5):
        watcher.feed(b"%02d" % (at % 100))
        most = max(most, len(watcher._held))
    assert most <= 256 * 1024 // 2 + 2


@pytest.mark.parametrize("key", ["error", "choices", "usage"])
@pytest.mark.parametrize("array", [False, True])
def test_an_event_nested_as_deeply_as_can_be_parsed_broke_a_stream(key: str, array: bool) -> None:
    """To look into what could just be parsed raised RecursionError, and the stream that went on was cut."""
    last = b'{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}'
    for depth in range(900, 1010):
        deep = f'{{"{key}":{"[" * depth}1{"]" * depth}}}'.encode()
        watcher = watcher_for(ends(), array=array)
        for event in (deep, last):
            watcher.feed(
                b"[" + event if array and event is deep else b"," + event if array else b"data: " + event + b"\n\n"
            )
            assert watcher.verdict in Verdict
        if watcher.marks.error is not None:
            seen = read_failed(CHAT, watcher.marks, 200, (), 0.0)
            assert seen.cause is not None


def test_a_failure_nested_as_deeply_as_can_be_parsed_broke_the_call() -> None:
    """It is written down again to be read like an answer: what can't be is a failure without words."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    marks = Marks(ends())
    marks.error = {"error": {"message": "m", "more": deep}}
    assert read_failed(CHAT, marks, 200, (), 0.0).cause is Cause.SERVER
    while deep:  # or the interpreter takes it apart by recursion
        deep = deep.pop()


def test_an_events_id_of_any_length_was_kept() -> None:
    """It stands on the exception of a stream that broke off."""
    for size, kept in ((MAX_ID, MAX_ID), (MAX_ID + 1, None)):
        watcher = watcher_for(ends())
        watcher.feed(b"id: " + b"7" * size + b"\ndata: {}\n\n")
        found = watcher.marks.last_id
        assert (None if found is None else len(found)) == kept


# --- tables


def test_models_that_callers_name_filled_the_list_of_troubled_states() -> None:
    """The store forgets; what is swept was remembered all the same."""
    store = MemoryStore(lambda: 0.0, max_entries=MOST_STATES)
    shared = Shared(store)
    for number in range(MOST_STATES + 500):
        shared.change(f"breaker:a:h:model-{number}", lambda state, now: ({"any": 1}, None))
    assert len(shared._troubled) == MOST_STATES
    assert set(shared._troubled) == {key for key, _ in store.scan("breaker:")}
    assert not shared.calm


def test_one_key_in_many_spellings_filled_the_list_of_good_headers() -> None:
    """Blanks around a key do not make another one of it."""
    credentials = Credentials(None)
    for blanks in range(3000):
        value = b"Bearer " + b" " * blanks + b"sk-12345678"
        assert credentials.in_order([(b"Authorization", b"authorization", value)], AuthStyle.BEARER)
    assert len(credentials._bearers) <= 1024


class _Nobody:
    """A member of a fleet whose store answers at once."""

    serves = True

    class backend:
        owner = "me"

        @staticmethod
        def now() -> float:
            return 0.0


def sharing() -> Sharing:
    member: Any = _Nobody()
    return Sharing(member, clock=lambda: 0.0, local=lambda key, step: None, ring=lambda it: None, stir=lambda: None)


def test_a_key_for_each_of_a_fleets_users_filled_the_list_of_accounts() -> None:
    """Of too many it is nobody's in particular: all that is told concerns this process."""
    shares = sharing()
    for number in range(10_500):
        shares.makes_calls_of(f"{number:016x}")
    assert (len(shares.accounts), EVERY in shares.accounts) == (10_001, True)


def test_models_that_callers_name_filled_a_fleets_counts_of_good_outcomes() -> None:
    """One that fails once is counted anew."""
    circuits: Any = Circuits.__new__(Circuits)
    shares = sharing()
    shares.update = lambda key, step, **more: iter(())  # type: ignore[assignment, method-assign]
    circuits._sharing, circuits._goods = shares, {}
    step = _told()
    for number in range(5000):
        list(circuits.told(f"breaker:a:h:{number}", step, lambda error: None))
    assert len(circuits._goods) <= 4096


def _told() -> Any:
    from functools import partial

    return partial(breaker.told, ticket="", good=False, window=60.0)


def test_a_header_with_a_hundred_thousand_values_was_read_whole() -> None:
    """The number of headers was bounded, not that of one's values."""
    found = normal_headers({"a": ["b"] * 100_000})
    assert len(found["a"]) == 512


def test_a_report_could_hold_a_million_attempts() -> None:
    """Each attempt of a call stands on its report, which lives as long as its response."""
    assert Policy(attempts=MOST_ATTEMPTS).attempts == MOST_ATTEMPTS
    with pytest.raises(Invalid, match="attempts must be a whole number from 1 to 1000"):
        Policy(attempts=MOST_ATTEMPTS + 1)


# --- the doctor


def test_a_long_row_of_stars_in_an_answer_hung_the_doctor() -> None:
    """By the cube of its length: 1000 of them took seconds. (That no pattern does so: test_regexes.py)."""
    mask = Mask(["sk-0123456789abcdef"])
    assert mask.foreign("*" * 16_000).startswith("***")
    assert mask.foreign("a" * 16_000).startswith("aaa")
    assert mask.foreign(f"{'://' * 5000}u:p@h") == f"://{HIDDEN}@h"
    assert mask.foreign("your key ab****yz is wrong") == f"your key {HIDDEN} is wrong"


def test_a_key_that_stands_there_twice_is_told() -> None:
    """As it was when a pattern told it, by the square of its length."""
    assert [it.found for it in flaws("k" * 100_001) if "twice" in it.found] == []
    assert [it.found for it in flaws("sk-12345678 sk-12345678") if "twice" in it.found] == ["it is there twice"]
    assert [it.found for it in flaws("sk-12345678" * 2) if "twice" in it.found] == ["it is there twice"]


# --- what is decompressed


def test_an_error_that_is_a_bomb_was_opened_whole_on_requests() -> None:
    """urllib3 opens no more than was asked for; behind a body that was looked at, it opened all that a piece held."""
    requests = pytest.importorskip("requests")
    urllib3 = pytest.importorskip("urllib3")
    if not hasattr(urllib3.response.GzipDecoder, "has_unconsumed_tail"):
        pytest.skip("this urllib3 bounds nothing by itself")
    from anyint_resilience_requests._bodies import unread
    from anyint_resilience_requests._reader import watched

    bomb = gzip.compress(gzip.compress(b"\0" * 16 * MIB))
    raw = urllib3.HTTPResponse(io.BytesIO(bomb), {"content-encoding": "gzip, gzip"}, 503, preload_content=False)
    response = requests.Response()
    response.raw, response.request = raw, requests.Request("GET", "http://127.0.0.1/").prepare()
    unread(response)
    watched(response.raw)
    tracemalloc.start()
    try:
        got = sum(len(it) for it in first(response.raw.stream(65_536), 40))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert got == 40 * 65_536
    assert peak < 4 * MIB


def first(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    for _, piece in zip(range(most), pieces, strict=False):
        yield piece


def test_what_is_decoded_here_of_a_tasks_document_is_bounded_at_each_coding() -> None:
    """httpx opened each piece of a query's answer whole; now it is opened here (test_bounds_wire.py, on the wire)."""
    from anyint_resilience.tasks.updates import MAX_DOCUMENT
    from anyint_resilience.waits import Gathered

    for body, long in ((b'{"a":1}', False), (b" " * (MAX_DOCUMENT - 1), False), (b" " * MAX_DOCUMENT, True)):
        gathered = Gathered()
        gathered.full(gzip.compress(gzip.compress(body)))
        looked = gathered.looked(200, [("content-encoding", "gzip, gzip")])
        assert (looked.too_long, len(looked.body)) == (long, len(body))


def test_the_masks_still_hide_what_they_hid(tmp_path: Path) -> None:
    """The patterns became words and looks into them."""
    mask = Mask.of({"URL": "http://x/y,redis://user:s3cret-word@host", "HTTPS_PROXY": "http://joe:hunter2222@proxy:1"})
    for text in (
        "s3cret-word",
        "hunter2222",
        "http://joe:other@h/ and ftp://a:b@c",
        json.dumps({"k": "sk-abcdefgh123"}),
    ):
        shown = mask.foreign(text)
        assert HIDDEN in shown
        assert not any(it in shown for it in ("s3cret", "hunter", "joe", "a:b", "abcdefgh"))
