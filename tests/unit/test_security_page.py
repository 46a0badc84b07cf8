"""What docs/security.md says of bounds is what the code has, and the tests that it names are there."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Policy, nearest
from anyint_resilience.cli import asked
from anyint_resilience.configuring import files
from anyint_resilience.guards import shared
from anyint_resilience.judging import PAID_BYTES, PEEK_BYTES
from anyint_resilience.keys import MAX_SEEN
from anyint_resilience.listening import OPENING_BYTES
from anyint_resilience.policy import bodies, hints, request
from anyint_resilience.policy.given import MOST_ATTEMPTS
from anyint_resilience.policy.times import MAX_HINT
from anyint_resilience.router import MAX_CACHED
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.stores.redis import RedisStore
from anyint_resilience.stores.sqlite import SqliteStore
from anyint_resilience.streams import marks
from anyint_resilience.streams.marks import MAX_ID, MAX_TEXT
from anyint_resilience.streams.watcher import MAX_EVENT
from anyint_resilience.tasks import answers, arrears, callbacks, updates
from anyint_resilience.telemetry import meters

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
KIB, MIB = 1024, 1024 * 1024


def default(store: Any) -> int:
    """Return how many entries a store has room for, where nothing is said."""
    return int(inspect.signature(store).parameters["max_entries"].default)


def page() -> str:
    if not PAGE.exists():
        pytest.skip("the documents are not part of the wheel")
    return PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("row", "bound"),
    [
        ("read of an error's body to classify it; you still get all of it", PEEK_BYTES),
        ("of the answer to a paid create, until its task is known", PAID_BYTES),
        ("what a compressed body is opened to", bodies.MAX_BODY),
        ("one event of a stream", MAX_EVENT),
        ("a stream's text that is kept for `StreamInterrupted`", MAX_TEXT),
        ("a task's document, opened too", updates.MAX_DOCUMENT),
        ("a gateway's list of models", nearest._BYTES),
        ("a callback's body", callbacks._MAX_BODY),
        ("a configuration file", files._BYTES),
        ("what is pasted into `explain`", asked._READ),
        ("a body that was compressed by its caller, opened to see whether it makes a paid task", request._UNPACKED),
        ("a body that is made canonical, so that an SDK's second try is the same create", request._LARGE),
        ("an answer that the ledger keeps", answers._MAX),
    ],
)
def test_a_bound_on_the_page_is_the_code_s(row: str, bound: int) -> None:
    """Where the code changes, the page has to."""
    said = f"{bound // MIB} MiB" if bound % MIB == 0 else f"{bound // KIB} KiB"
    assert f"| {row} | {said} |" in page()


@pytest.mark.parametrize(
    ("row", "bound"),
    [
        ("codings of a body that are undone, one in the other", bodies._MAX_CODINGS),
        ("headers that are looked at", hints._MAX_PAIRS),
        ("characters of one header's value", hints._MAX_VALUE),
        ("an event's id, in characters", MAX_ID),
        ("choices of one stream that are told apart", marks._MOST),
        ("what a ledger's store is still to be told, after it failed", arrears.MOST),
        ("`Policy(attempts=...)`, all of which stand on the report", MOST_ATTEMPTS),
        ("dots in one of its keys", files._DOTS),
        ("plans of URLs", MAX_CACHED),
        ("keys that were seen, in each of two turns", MAX_SEEN),
        ("hosts that are counted", shared._MOST),
        ("states of guards in a process: of keys, hosts and models", shared.MOST_STATES),
        ("entries of a ledger in memory", default(MemoryStore)),
        ("entries of a ledger in SQLite, and of one account in Redis", default(SqliteStore)),
        ("entries of a ledger in SQLite, and of one account in Redis", default(RedisStore)),
    ],
)
def test_a_number_on_the_page_is_the_code_s(row: str, bound: int) -> None:
    """Of what is counted in pieces."""
    assert f"| {row} | {bound} |" in page()


def test_the_labels_and_the_hint_on_the_page_are_the_code_s() -> None:
    """Rows with more than one number."""
    labels = [it._most for it in meters._bounds(object())]
    assert f"later ones are `other` | {labels[0]}, {labels[1]} and {labels[2]} |" in page()
    assert f"| a server's hint | {MAX_HINT / 86_400:.0f} days;" in page()


def test_how_much_of_a_stream_is_held_back_is_on_the_page() -> None:
    """In bytes; the seconds are a setting, whose name stands there."""
    assert f"{OPENING_BYTES // KIB} KiB, and `stream_hold` seconds" in page()
    assert Policy().stream_hold


def test_each_test_that_the_page_names_is_there() -> None:
    """By its whole path."""
    named = re.findall(r"[\w/]*test_\w+\.py", page())
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []
