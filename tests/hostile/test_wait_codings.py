"""Waits whose queries are answered in a coding, one that is read and one that nobody asked for, on every client.

Must not know which codings a client was installed with: bytes that are in none of them are read by nobody.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest

from anyint_resilience import Policy, Resilience, TaskHandle, TaskUpdate
from anyint_resilience.contract.words import Family
from tests.alone import ALONE
from tests.conformance.lives import FILM, updates
from tests.conformance.surfaces import Surface, Waits, calling, every_surface
from tests.hostile.bounds_kit import Pouring, head

DONE = b'{"id":"video_1","object":"video","status":"completed"}'
JSON = ("content-type", "application/json")
GARBAGE = {
    "garbage": b"\x0b\x02\x80\xff\xfe of no coding at all",
    # JSON to Python, which takes any Unicode. Who looks at it as it came would take the task for one that is done.
    "a document in no coding": DONE.decode().encode("utf-16"),
}


def told(surface: Surface, answer: Callable[[int], tuple[bytes, str | None]]) -> list[TaskUpdate]:
    """Return the updates of a task; ``answer`` gives body and coding of each query's."""

    def pouring(asked: bytes) -> list[bytes]:
        body, coding = answer(len(server.asked))
        own = () if coding is None else (("content-encoding", coding),)
        return [head(200, JSON, *own, length=len(body)), body]

    with Pouring(pouring) as server:
        anyint = Resilience(
            api_key="ak-1", base_url=server.url, guards=ALONE, runtime=Waits().runtime(), policy=Policy(attempts=1)
        )
        task = TaskHandle(task_id="video_1", family=Family.OPENAI, route=FILM, gateway=server.url, created_at=0.0)
        with calling(surface, anyint, base_url=server.url) as caller:
            return updates(caller, task, deadline=600.0)


@every_surface
@pytest.mark.parametrize("body", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "x-own", "aes128gcm"])
def test_an_answer_in_a_coding_that_is_not_read_is_as_one_that_is_garbled(
    surface: Surface, coding: str, body: bytes
) -> None:
    """Told with the update, and asked again: neither an end of the task nor of the wait."""
    found = told(surface, lambda number: (DONE, None) if number > 2 else (body, coding))
    assert [(it.phase, it.problem is None) for it in found] == [
        ("pending", False),
        ("pending", False),
        ("success", True),
    ]
    assert {it.note for it in found[:2]} <= {"the answer could not be read", "the query failed"}


CODED = {
    "gzip": gzip.compress(DONE),
    "deflate": zlib.compress(DONE),
    "deflate, gzip": gzip.compress(zlib.compress(DONE)),
}


@every_surface
@pytest.mark.parametrize("coding", CODED)
def test_an_answer_in_a_coding_that_is_read_is_as_one_in_none(surface: Surface, coding: str) -> None:
    """Whether the client undoes it or leaves it: the first look is the last."""
    (found,) = told(surface, lambda number: (CODED[coding], coding))
    assert (found.phase, found.problem, found.document["status"]) == ("success", None, "completed")
