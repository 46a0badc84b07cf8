"""Waits whose queries are answered in a coding that nobody asked for, on every client.

Must not know which codings a client was installed with: bytes that are in none of them are read by nobody.
"""

from __future__ import annotations

import pytest

from anyint_resilience import Policy, Resilience, TaskHandle
from anyint_resilience.contract.words import Family
from tests.alone import ALONE
from tests.conformance.lives import FILM, updates
from tests.conformance.surfaces import Surface, Waits, calling, every_surface
from tests.hostile.bounds_kit import Pouring, head

DONE = b'{"id":"video_1","object":"video","status":"completed"}'
JSON = ("content-type", "application/json")


@every_surface
@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "x-own", "aes128gcm"])
def test_an_answer_in_a_coding_that_is_not_read_is_as_one_that_is_garbled(surface: Surface, coding: str) -> None:
    """Told with the update, and asked again: neither an end of the task nor of the wait."""

    def answer(asked: bytes) -> list[bytes]:
        body = DONE if len(server.asked) > 2 else b"\x0b\x02\x80\xff\xfe of no coding at all"
        own = () if body is DONE else (("content-encoding", coding),)
        return [head(200, JSON, *own, length=len(body)), body]

    with Pouring(answer) as server:
        anyint = Resilience(
            api_key="ak-1", base_url=server.url, guards=ALONE, runtime=Waits().runtime(), policy=Policy(attempts=1)
        )
        task = TaskHandle(task_id="video_1", family=Family.OPENAI, route=FILM, gateway=server.url, created_at=0.0)
        with calling(surface, anyint, base_url=server.url) as caller:
            found = updates(caller, task, deadline=600.0)
    assert [(it.phase, it.problem is None) for it in found] == [
        ("pending", False),
        ("pending", False),
        ("success", True),
    ]
    assert {it.note for it in found[:2]} <= {"the answer could not be read", "the query failed"}
