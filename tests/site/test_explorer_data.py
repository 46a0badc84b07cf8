"""The explorer's data as it was built, without a browser: complete, small, and what ``Policy()`` decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Decision, Policy
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.words import Family
from tools.site.explorer import ATTEMPTS, HINTS

STEP = 23  # each so many decisions one is compared; all of them take half a minute
LARGEST = 300_000  # bytes
TABLE = RouteTable(seedance=True)


@pytest.fixture(scope="module")
def text(site: Path) -> str:
    return (site / "assets" / "explorer-data.json").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data(text: str) -> Any:
    return json.loads(text)


def test_it_is_small_and_the_same_twice(site: Path, text: str) -> None:
    """What the page loads, as JSON and as a script."""
    assert len(text.encode()) < LARGEST
    script = (site / "assets" / "explorer-data.js").read_text(encoding="utf-8")
    assert script == f"anyintExplorer({text.rstrip()})\n"


def test_every_route_can_be_chosen(data: Any) -> None:
    """With each operation that a body makes of it, and what no page names."""
    shown = {it["family"]: {(each["route"], each["operation"]) for each in it["requests"]} for it in data["families"]}
    for family in Family:
        routes = [it for it in TABLE.routes if it.family is family]
        wanted = {(it.name, operation) for it in routes for operation in (it.operation, *dict(it.body_switch).values())}
        assert {(name, operation.value) for name, operation in wanted} <= shown[family.value]
        assert any("/{rest}" in name for name, _ in shown[family.value])


def outcomes(family: dict[str, Any], request: dict[str, Any]) -> Iterator[tuple[str, int, str, int]]:
    """Yield each answer: what its reason begins with, its status, its body and the number of its decisions."""
    for good in request["goods"]:
        yield "HTTP 200", 200, good["body"], good["cell"]
    for status, columns in family["answers"].items():
        for place, column in columns.items():
            code: dict[str, Any] = family["codes"][int(place) - 1] if int(place) else {"said": "", "bodies": {"0": ""}}
            body = code["bodies"].get(status) or code["bodies"]["0"]
            yield f"HTTP {status} {code['said']}".strip(), int(status), body, family["columns"][column][request["kind"]]


def faults(family: dict[str, Any], request: dict[str, Any]) -> Iterator[tuple[str, str, int | None, int]]:
    """Yield each exception: what its reason begins with, its kind, the status that broke, its decisions' number."""
    for key, column in family["exceptions"].items():
        kind, _, status = key.partition(" ")
        head = f"{kind} in the body of an HTTP {status}" if status else kind
        yield head, kind, int(status) if status else None, family["columns"][column][request["kind"]]


def kept(data: Any, number: int, head: str) -> tuple[Any, ...]:
    """Return a decision as the page puts it together."""
    outcome, *texts = data["decisions"][number]
    reason, guidance, user = (" ".join(data["words"][word] for word in data["texts"][it]) for it in texts)
    return (*data["outcomes"][outcome], head + reason if reason.startswith(":") else reason, guidance, user)


def made(it: Decision) -> tuple[Any, ...]:
    """Return the same of a decision."""
    delay, retry_at = (None if value is None else round(value, 6) for value in (it.delay, it.retry_at))
    cause = None if it.cause is None else it.cause.value
    return (
        it.action.value,
        cause,
        it.certainty.value,
        delay,
        retry_at,
        it.source,
        it.reason,
        it.guidance,
        it.user_message,
    )


@pytest.mark.parametrize("name", [it.value for it in Family])
def test_it_is_what_the_policy_decides(data: Any, name: str) -> None:
    """For one in so many of all outcomes of all requests, at each attempt, with each hint."""
    policy = Policy()
    family = next(it for it in data["families"] if it["family"] == name)
    place = 0
    for request in family["requests"]:
        operation = request["operation"] if request["switched"] else None
        sent: dict[str, Any] = {"method": request["method"], "url": request["url"], "operation": operation}
        more: dict[str, Any] = {**sent, "now": 0.0, "table": TABLE}
        for head, status, body, cell in outcomes(family, request):
            for number, (attempt, hint) in zip(data["cells"][cell], pairs(), strict=True):
                place += 1
                if place % STEP == 0:
                    headers = {} if hint is None else {"Retry-After": str(hint)}
                    rest: dict[str, Any] = {
                        "status": status,
                        "headers": headers,
                        "body": body.encode(),
                        "attempt": attempt,
                    }
                    assert kept(data, number, head) == made(policy.decide_response(**more, **rest)), (sent, rest)
        for head, kind, broke, cell in faults(family, request):
            for number, attempt in zip(data["cells"][cell], ATTEMPTS, strict=True):
                decision = policy.decide_exception(**more, kind=kind, status=broke, attempt=attempt)
                assert kept(data, number, head) == made(decision), (sent, kind, broke)


def pairs() -> list[tuple[int, int | None]]:
    return [(attempt, hint) for attempt in ATTEMPTS for hint in HINTS]
