"""What grows with what strangers and callers name has an end: at the bound all is there, beyond it there is no more.

Must not measure time: entries and bytes are counted. Bounds of the wire: test_bounds_wire.py.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.cli.asked import _READ
from anyint_resilience.cli.given import read as read_given
from anyint_resilience.cli.pasted import read_pasted
from anyint_resilience.configuring import files
from anyint_resilience.credentials import Credentials
from anyint_resilience.guards.shared import Shared
from anyint_resilience.guards.view import View
from anyint_resilience.keys import MAX_SEEN
from anyint_resilience.nearest import _names
from anyint_resilience.policy import hints, times
from anyint_resilience.policy.hints import normal_headers, read_hint
from anyint_resilience.repeats import Repeats
from anyint_resilience.router import MAX_CACHED, Router
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.streams.marks import Marks
from anyint_resilience.tasks import answers, callbacks, news
from anyint_resilience.tasks.arrears import Arrears
from anyint_resilience.tasks.handle import TaskHandle
from anyint_resilience.tasks.timetable import Timetable
from anyint_resilience.telemetry.meters import _bounds
from tests.unit.stream_kit import CHAT, ENDS
from tests.unit.task_kit import handle_of

# --- tables


def _plans(count: int) -> int:
    router = Router()
    for it in range(count):
        router.plan("https", "gateway.api.anyint.ai", None, "GET", b"/openai/v1/models/%d?x=%d" % (it, it))
    return len(router._plans)


def _keys(count: int) -> int:
    credentials = Credentials(None)
    for it in range(count):
        credentials.knows(f"sk-{it:08d}")
    return len(credentials._seen._now | credentials._seen._past)


def _hosts(count: int) -> int:
    shared = Shared(MemoryStore(lambda: 0.0))
    for it in range(count):
        shared.tally(f"{it}.test")
    return len(shared._tallies)


def _states(count: int) -> int:
    store = MemoryStore(lambda: 0.0)
    for it in range(count):
        store.update(f"gate:{it}", lambda state, now: ({"keep": True}, None), 60.0)
    return len(store._entries)


def _briefs(count: int) -> int:
    view = View()
    for it in range(count):
        view.note(f"gate:{it}", {"cause": "rate"} if it % 2 else None, float(it))
    return max(len(view._briefs), len(view.standing))


def _label(at: int) -> Callable[[int], int]:
    def filled(count: int) -> int:
        label = _bounds(object.__new__(type("Provider", (), {"__slots__": ()})))[at]
        return len({label(str(it)) for it in range(count)} - {"other"})

    return filled


def _repeated(count: int) -> int:
    repeats = Repeats(MemoryStore(lambda: 0.0, max_entries=256))
    for it in range(count):
        repeats.ended(str(it))
    return sum(repeats.before(str(it)) for it in range(count))


def _shelf(count: int) -> int:
    state: Any = None
    for it in range(count):
        state, _ = news.note_phase(state, 0.0, task=str(it), phase="first")
    return len(state)


def _phases(count: int) -> int:
    state: Any = None
    for it in range(count):
        state, _ = news.note_phase(state, 0.0, task="t", phase=f"word-{it}")
    return len(state["t"])


def _lines(count: int) -> int:
    timetable = Timetable()
    for it in range(count):
        timetable.take(str(it), 10.0 * it, 1.0)
    return len(timetable._lines)


def _listed(count: int) -> int:
    return len(_names(json.dumps({"data": [{"id": f"m-{it}"} for it in range(count)]}).encode()))


def _headers(count: int) -> int:
    return len(normal_headers([(f"h-{it}", "1") for it in range(count)]))


def _results(count: int) -> int:
    held = {
        "data": [{"audio_url": f"https://a.test/{it}"} for it in range(count)],
        "task_id": "t",
        "callbackType": "first",
    }
    return len(callbacks.parse_callback(json.dumps(held)).results)


def _arrears(count: int) -> int:
    owed = Arrears()
    for it in range(count):
        owed.add(f"create:{it}", print)  # type: ignore[arg-type]
    return len(owed.keys())


def _parts(count: int) -> int:
    found = Marks(ENDS[CHAT])
    for it in range(count):
        found.read({"choices": [{"index": it}]})
    return len(found._open)


TABLES: list[tuple[str, Callable[[int], int], int]] = [
    ("plans of URLs", _plans, MAX_CACHED),
    ("keys that were seen", _keys, 2 * MAX_SEEN),
    ("hosts that are counted", _hosts, 4096),
    ("states in memory", _states, 10_000),
    ("what a fleet's states are like", _briefs, 10_000),
    ("models in metrics", _label(0), 100),
    ("keys in metrics", _label(1), 50),
    ("stores in metrics", _label(2), 10),
    ("failed requests that are remembered", _repeated, 256),
    ("tasks whose callbacks are remembered under one key", _shelf, 64),
    ("words of one task's callbacks", _phases, 16),
    ("kinds of waits", _lines, 256),
    ("models of a gateway's list", _listed, 2000),
    ("headers of an answer", _headers, 512),
    ("results of a callback", _results, 64),
    ("what a store is still to be told", _arrears, 10_000),
    ("choices of a stream", _parts, 256),
]


@pytest.mark.parametrize(("fill", "most"), [it[1:] for it in TABLES], ids=[it[0] for it in TABLES])
def test_a_table_is_full_at_its_bound_and_no_larger_beyond(fill: Callable[[int], int], most: int) -> None:
    """Some begin anew there, the others keep what they have."""
    assert fill(most) == most
    assert 0 < fill(most + 1) <= most
    assert 0 < fill(most + most // 2) <= most


# --- texts and documents


def _file(size: int) -> int:
    return len(files._text(_Path("#" * size)))  # type: ignore[arg-type]


class _Path:
    """A file of so many bytes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def open(self, mode: str) -> Any:
        return io.BytesIO(self._text.encode())


def _callback(size: int) -> int:
    body = b'{"task_id":"t","callbackType":"first"}'
    return len(json.dumps(callbacks.parse_callback(body + b" " * (size - len(body))).task_id))


def _answer(size: int) -> int:
    body = b'{"id":"t"}'
    if answers.kept(200, "application/json", body + b" " * (size - len(body)), b"{}") is None:
        raise ValueError
    return size


def _handle(size: int) -> int:
    text = handle_of("openai_video").to_json()
    return len(TaskHandle.from_json(text + " " * (size - len(text))).task_id)


@pytest.mark.parametrize(
    ("read", "most"),
    [(_file, files._BYTES), (_callback, callbacks._MAX_BODY), (_answer, answers._MAX), (_handle, 8192)],
    ids=["a configuration file", "a callback", "an answer in the ledger", "a handle"],
)
def test_a_text_is_read_at_its_bound_and_refused_beyond(read: Callable[[int], int], most: int) -> None:
    """By an error of its own, or by not being kept."""
    assert read(most)
    with pytest.raises(ValueError, match=r"^$|1 MiB|8 KiB"):
        read(most + 1)


def test_what_is_pasted_is_read_to_64_kib(tmp_path: Path) -> None:
    """Of a file, and of standard input; and what is in it is looked at once."""
    file = tmp_path / "answer.txt"
    file.write_bytes(b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n" * 10_000)
    raw = read_given(str(file), _READ, "no")
    assert len(raw) == _READ == 65_536
    pasted = read_pasted(raw)
    assert pasted is not None
    assert pasted.status == 100


# --- hints


@pytest.mark.parametrize(
    ("headers", "document", "wanted"),
    [
        ({"retry-after": [f"{times.MAX_HINT:.0f}"]}, None, times.MAX_HINT),
        ({"retry-after": [f"{times.MAX_HINT + 1:.0f}"]}, None, None),
        ({"retry-after": ["0" * 60 + "7"]}, None, None),
        ({"retry-after-ms": [f"{times.MAX_HINT * 1000:.0f}"]}, None, times.MAX_HINT),
        ({"retry-after-ms": [f"{times.MAX_HINT * 1000 + 1000:.0f}"]}, None, None),
        ({"ratelimit": [f'"a";r=0;t={times.MAX_HINT:.0f}']}, None, times.MAX_HINT),
        ({"ratelimit": ['"' + "a" * (hints._MAX_FIELD - 10) + '";r=0;t=7']}, None, 7.0),
        ({"ratelimit": ['"' + "a" * hints._MAX_FIELD + '";r=0;t=7']}, None, None),
        ({}, {"error": {"details": [{}] * 31 + [{"@type": "google.rpc.RetryInfo", "retryDelay": "7s"}]}}, 7.0),
        ({}, {"error": {"details": [{}] * 32 + [{"@type": "google.rpc.RetryInfo", "retryDelay": "7s"}]}}, None),
        ({}, {"error": {"message": " " * 4000 + "retry in 7s"}}, 7.0),
        ({}, {"error": {"message": " " * 4096 + "retry in 7s"}}, None),
    ],
)
def test_a_hint_is_believed_at_its_bound_and_not_beyond(headers: Any, document: Any, wanted: float | None) -> None:
    """What is beyond is as if it had not been sent."""
    found = read_hint(429, headers, document=document, now=0.0)
    assert (None if found is None else found.seconds) == wanted
