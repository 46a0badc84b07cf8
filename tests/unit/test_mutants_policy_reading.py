"""Which answers are looked into, and what routes say of them that no row of the contract is like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Cause, Certainty, Operation
from anyint_resilience.policy.model import Action, Observation
from anyint_resilience.policy.reading import needs_body, read_response
from anyint_resilience.policy.wording import guidance
from tests.unit.test_reading_tasks import CHAT, RESPONSES, SONG, TABLE, UPLOAD, VIDEO, VIDEO_QUERY, read

FILE_QUERY = TABLE.match("GET", "/openai/v1/files/f1")
CREATE, DOWNLOAD, GENERATE = Operation.CREATE, Operation.DOWNLOAD, Operation.GENERATE


@pytest.mark.parametrize(
    ("route", "operation", "status", "kind", "needed"),
    [
        (CHAT, GENERATE, 400, "audio/mpeg", True),  # an error is always looked at
        (CHAT, GENERATE, 399, "application/json", False),
        (CHAT, GENERATE, 200, "application/json", False),  # nothing in it changes what is done
        (VIDEO, CREATE, 199, "application/json", False),
        (VIDEO, CREATE, 200, "application/json", True),  # it names a task
        (VIDEO, CREATE, 299, None, True),
        (VIDEO, CREATE, 300, "application/json", False),
        (VIDEO, DOWNLOAD, 200, "application/json", False),
        (VIDEO, CREATE, 200, " Audio/mpeg", False),
        (UPLOAD, Operation.UPLOAD, 200, "application/json", True),
        (VIDEO_QUERY, Operation.QUERY, 200, "application/json", True),
        (FILE_QUERY, Operation.QUERY, 200, "application/json", False),  # no task is asked for
        (RESPONSES, GENERATE, 200, "application/json", False),  # nor made
        (SONG, GENERATE, 200, "application/json", True),  # a family that says no within a yes
        (SONG, GENERATE, 200, "text/event-stream", False),
    ],
)
def test_which_answers_are_looked_into(
    route: Route, operation: Operation, status: int, kind: str | None, needed: bool
) -> None:
    """Errors, and of the good ones those that may name a task or say no; a stream or a file never."""
    headers = {} if kind is None else {"Content-Type": kind}
    assert needs_body(route, operation, status, headers) is needed


def test_without_a_body_there_is_none_in_any_coding() -> None:
    """A create that says yes and no more is lost, whatever its headers say of what is not there."""
    seen = read_response(VIDEO, CREATE, 200, {"content-encoding": "br"})
    assert (seen.cause, seen.certainty) == (Cause.UNKNOWN, Certainty.UNKNOWN)


def test_a_routes_own_place_for_an_id_comes_first() -> None:
    """Then those of its tasks."""
    route = replace(VIDEO, id_path=("made", "id"))
    assert read(route, 200, {"id": "r1", "made": {"id": "v1"}, "status": "queued"}).task_id == "v1"
    assert read(route, 200, {"id": "v1", "status": "queued"}).task_id == "v1"


def told(route: Route, **seen: Any) -> str:
    observation = replace(Observation(cause=None, certainty=Certainty.COMMITTED, source="", status=200), **seen)
    return guidance(route, CREATE, observation, Action.DELIVER, kind=None, lost=False, limit=None)


def test_what_exists_already_on_a_route_without_a_query() -> None:
    """No request can be named that asks for it."""
    seen = {"cause": Cause.INVALID, "task_id": "s1"}
    assert "use it instead" in told(replace(SONG, query=None), **seen)
    assert "use GET /suno/query/task?taskId=s1 instead" in told(SONG, **seen)


def test_a_note_is_told_up_to_four_hundred_characters() -> None:
    """It may have been made of what a server said."""
    assert told(CHAT, note="n" * 400).endswith(f" Note: {'n' * 400}.")
    assert told(CHAT, note="n" * 401).endswith(f" Note: {'n' * 400}.")
