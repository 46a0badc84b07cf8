"""What is seen and decided from bytes and faults, all fields and every word: what a caller, a log and a user get.

A row of ``mutants_policy_decisions.jsonl`` has a request, what came back, what is seen in it (fields that are not named
are empty) and what is decided. Whoever changes a word on purpose runs this module with ``python -m``
and reads the difference.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.policy.given import operation_of
from anyint_resilience.policy.model import Decision, Fault, FaultKind, Hint, Observation
from anyint_resilience.policy.reading import read_fault, read_response
from anyint_resilience.policy.rules import DEFAULT_TABLE, Policy

NOW = 1795737600.0  # 2026-11-27, midnight in Greenwich
FILE = Path(__file__).with_name("mutants_policy_decisions.jsonl")
ROWS: list[dict[str, Any]] = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def sent(row: dict[str, Any]) -> bytes:
    body = row.get("body", "")
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def seen(row: dict[str, Any]) -> Observation:
    route = DEFAULT_TABLE.match(*row["ask"].split())
    if "fault" in row:
        return read_fault(route, Fault(FaultKind(row["fault"]), status=row.get("status")))
    operation = operation_of(row.get("call", {}).get("operation"), route.operation)
    return read_response(route, operation, row["status"], row.get("headers", {}), sent(row), now=NOW)


def decided(row: dict[str, Any]) -> Decision:
    policy, more = Policy(**row.get("policy", {})), {"now": NOW, **row.get("call", {})}
    if "fault" in row:
        return policy.decide_exception(*row["ask"].split(), row["fault"], status=row.get("status"), **more)
    return policy.decide_response(*row["ask"].split(), row["status"], row.get("headers", {}), sent(row), **more)


def told(observation: Observation) -> dict[str, Any]:
    """Return the fields that are not empty, as JSON has them, without the status, which the row has."""
    found: dict[str, Any] = {}
    for field in fields(observation):
        value = getattr(observation, field.name)
        if isinstance(value, Hint):
            value = [value.seconds, value.source, *([True] if value.at_most else [])]
        if field.name != "status" and (field.default is MISSING or value != field.default or value is False):
            found[field.name] = value.value if isinstance(value, Enum) else value
    return {name: value for name, value in found.items() if value is not False or name == "may_repeat"}


def words(decision: Decision) -> dict[str, Any]:
    """Return the fields that the observation does not have."""
    return {name: value for name, value in decision.as_dict().items() if name not in ("cause", "certainty")}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["what"])
def test_all_that_is_seen(row: dict[str, Any]) -> None:
    """Cause, certainty, who states it, code, type, text, envelope, hint, ids, state, bounds and note."""
    found = seen(row)
    assert told(found) == row["seen"]
    assert found.status == (row.get("status") if "fault" in row else row["status"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["what"])
def test_all_that_is_decided(row: dict[str, Any]) -> None:
    """Action, times, the words for logs, for developers and for users, route, family and operation."""
    decision = decided(row)
    assert words(decision) == row["decides"]
    assert (decision.cause, decision.certainty.value) == (row["seen"]["cause"], row["seen"]["certainty"])


if __name__ == "__main__":
    lines = [
        json.dumps({**row, "seen": told(seen(row)), "decides": words(decided(row))}, ensure_ascii=False) for row in ROWS
    ]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
