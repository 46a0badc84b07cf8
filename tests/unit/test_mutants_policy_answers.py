"""All that a 2xx answer says of a task, field by field: whether it goes on, ended, failed, or nobody can tell.

A caller's log, span and exception show these fields. A row of ``mutants_policy_answers.jsonl`` holds all of them: those
that it does not name are empty.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Cause, Certainty, Operation
from anyint_resilience.policy.model import Hint, Observation
from anyint_resilience.policy.reading import read_response
from tests.unit.test_reading_tasks import TABLE, VIDEO, VIDEO_QUERY, read

NOW = 1795737600.0  # 2026-11-27, midnight in Greenwich
LINES = Path(__file__).with_name("mutants_policy_answers.jsonl").read_text(encoding="utf-8").splitlines()
ROWS: list[dict[str, Any]] = [json.loads(line) for line in LINES]


def observed(seen: dict[str, Any], status: int) -> Observation:
    """What a row expects, with the words' own types."""
    hint = Hint(seconds=seen["hint"][0], source=seen["hint"][1]) if "hint" in seen else None
    cause, flaw = (None if seen.get(name) is None else Cause(seen[name]) for name in ("cause", "flaw"))
    own = {"status": status, "certainty": Certainty(seen["certainty"]), "hint": hint, "cause": cause, "flaw": flaw}
    return Observation(**{**seen, **own})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["what"])
def test_a_good_answer_says_all_of_this_and_no_more(row: dict[str, Any]) -> None:
    """Cause, certainty, who states it, status, code, text, hint, id, state, flaw and note."""
    route, body = TABLE.match(*row["ask"].split()), row["body"]
    sent = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    seen = read_response(route, route.operation, row["status"], row.get("headers", {}), sent, now=NOW)
    assert seen == observed(row["seen"], row["status"])


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]"], ids=["nothing", "a page", "an array"])
@pytest.mark.parametrize(
    ("operation", "cause"),
    [
        (Operation.CREATE, Cause.UNKNOWN),
        (Operation.UPLOAD, Cause.UNKNOWN),
        (Operation.QUERY, Cause.TRANSIENT),
        (Operation.STREAM, None),
        (Operation.GENERATE, None),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_loss_only_where_something_was_made(
    body: bytes, operation: Operation, cause: Cause | None
) -> None:
    """Of an inference the caller has what came; of a create the id is gone; of a query nothing is lost but time."""
    route = VIDEO if operation in (Operation.CREATE, Operation.UPLOAD) else VIDEO_QUERY
    assert read(route, 200, body, operation=operation).cause is cause


@pytest.mark.parametrize(
    ("route", "operation", "document", "pending", "note"),
    [
        (VIDEO, Operation.UPLOAD, {"x": 1}, False, "the answer names no task"),
        (VIDEO, Operation.UPLOAD, {"id": "v1"}, False, ""),
        (VIDEO, Operation.UPLOAD, {"status": "odd"}, False, ""),
        (VIDEO, Operation.UPLOAD, {"id": "v1", "status": "queued"}, True, ""),
        (VIDEO, Operation.CREATE, {"id": "v1"}, True, "no state is named yet"),
    ],
)
def test_what_a_body_made_of_a_call_says_whether_a_task_is_to_be_named(
    route: Route, operation: Operation, document: Any, pending: bool, note: str
) -> None:
    """An id alone is that of a task only where one was to be made; an upload is asked for where it has both."""
    seen = read(route, 200, document, operation=operation)
    assert (seen.cause, seen.pending, seen.note) == (None, pending, note)
