"""A ledger's rows do not grow with how often one create is made, nor with what a server answers, on every store.

Must not know any client. That a full store forgets what is worth least: tests/unit/test_stores.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from anyint_resilience.contract.words import Certainty
from anyint_resilience.stores.redis.backend import _MOST_OWN_TAGS, RedisBackend
from anyint_resilience.tasks import answers, entries
from anyint_resilience.tasks.handle import TaskHandle, read_handle
from tests.redis_kit import redis_server  # noqa: F401 - a fixture
from tests.unit.store_kit import EVERY, Clock, get
from tests.unit.task_kit import GATEWAY, handle_of

KEY = "create:0123456789abcdef"
ROW = 256 * 1024
"""Bytes of one row, at the most that a hostile gateway can make of it."""


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[Any]:
    behind = EVERY[request.param]
    made = behind.make(request.getfixturevalue(behind.needs), Clock())
    yield made
    made.close()


def largest() -> TaskHandle:
    """Return a handle whose every text is as long as a handle takes."""
    long = "x" * 512
    return handle_of("openai_video", task_id="t" * 256, request_id=long, gateway=(GATEWAY + "/" + long)[:512])


def test_one_create_made_again_and_again_is_a_row_of_bounded_size(store: Any) -> None:
    """So many creates of one intent are known, and each with an answer and a handle that are bounded."""
    document = {"id": "t", **{f"m{it}": "y" * 15 for it in range(150)}}
    body = json.dumps(document).encode()
    answer = answers.kept(200, "application/json", body, b"{}")
    assert len(body) < answers._MAX < 2 * len(body)
    for number in range(entries._MOST + 20):
        known: dict[str, Any] = {"ident": f"{number:032x}", "owner": "me", "body": "f" * 32, "mark": ""}
        begin = partial(entries.begin, window=600.0, gone=lambda name: False, facts={}, **known)
        assert store.update(KEY, begin, 600.0).kind == "go"
        done = {"certainty": Certainty.COMMITTED, "task": largest().as_dict(), "answer": answer, "facts": {}}
        store.update(KEY, partial(entries.settle, **known, **done), 600.0)
    row = get(store, KEY)
    assert len(row["creates"]) == entries._MOST
    assert len(json.dumps(row)) < ROW


@pytest.mark.parametrize(
    "more", [{"task_id": "t" * 257}, {"request_id": "x" * 513}, {"gateway": "https://" + "x" * 505}]
)
def test_what_a_handle_does_not_take_is_in_no_row(more: dict[str, str]) -> None:
    """One character more than it takes is no handle, also where a store says it is one."""
    assert read_handle(largest().as_dict()) == largest()
    assert read_handle({**largest().as_dict(), **more}) is None


@pytest.mark.parametrize(("size", "kept"), [(answers._MAX, True), (answers._MAX + 1, False)])
def test_an_answer_is_kept_up_to_its_bound(size: int, kept: bool) -> None:
    """A longer one is left out; the create is known all the same."""
    body = b'{"id":"t"}'.ljust(size)
    assert (answers.kept(200, "application/json", body, b"{}") is not None) is kept


def test_a_key_for_each_of_very_many_users_filled_what_is_known_of_a_redis() -> None:
    """Those met first are forgotten: whether the server lost what it held of them is not found out."""
    backend = RedisBackend("redis://127.0.0.1:1", monotonic=lambda: 0.0, clock=None, max_entries=10)
    for number in range(_MOST_OWN_TAGS + 500):
        backend._tags[f"{number:08x}"] = None
        backend._born(f"{number:08x}", b"life 1.0", None)  # type: ignore[arg-type]
        backend._born(f"other-{number}", b"life 1.0", None)  # type: ignore[arg-type]
        backend._forget_some()
    assert (len(backend._tags), len(backend.births)) == (_MOST_OWN_TAGS, _MOST_OWN_TAGS)
