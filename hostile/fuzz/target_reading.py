"""Reading an answer: status, headers and a body in any coding, whole or cut -> what it means, what is done about it.

Must not know how the fuzzer works. An input: ``METHOD PATH STATUS MODE CODING CUT ATTEMPT OPERATION``, headers, and a
body. ``MODE`` ``json`` makes a JSON document of any text, ``raw`` leaves the body as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

from anyint_resilience.contract.errors import CODE_ROWS, REQUEST_ID_HEADERS, CodeRow, Envelope
from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.tasks import TASKS, TaskStates
from anyint_resilience.contract.words import Family, Operation
from anyint_resilience.policy.bodies import MAX_BODY, Legibility, parse, slim
from anyint_resilience.policy.hints import normal_headers
from anyint_resilience.policy.model import HeaderPairs, Observation
from anyint_resilience.policy.reading import needs_body, read_response
from anyint_resilience.policy.rules import Policy

from .shapes import dumped, loose, message, number, pick, squeezed, written
from .sound import sound_decision, sound_observation, table_allows

__all__ = ["check", "seeds", "words"]

_TABLE: Final = RouteTable(seedance=True)
_ROUTES: Final = (*_TABLE.routes, _TABLE.match("POST", "/suno/x"), _TABLE.match("POST", "/x"))
_NAMED: Final = {route.name: route for route in _ROUTES}
_STATUSES: Final = (200, 201, 202, 204, 302, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 499, 500, 501, 502, 503)
_CODINGS: Final = ("", "gzip", "deflate", "raw", "br", "gzip, gzip")
_POLICIES: Final = (Policy(), Policy(attempts=9), Policy.strict(), Policy.batch())
_NOW: Final = 1.8e9


class Case(NamedTuple):
    """One answer."""

    route: Route
    method: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    attempt: int
    operation: Operation
    policy: Policy


def case_of(data: bytes) -> Case:
    """Return the answer that an input stands for."""
    said = message(data)
    route = pick(_ROUTES, f"{said.word(0)} {said.word(1)}", _NAMED)
    status = pick(_STATUSES, said.word(2), {str(it): it for it in range(100, 600)})
    body = said.body
    if said.word(3) != "raw":
        body = dumped(loose(body.decode("utf-8", "replace")))
    coding = pick(_CODINGS, said.word(4), {it: it for it in _CODINGS})
    body = squeezed(body, coding.partition(",")[0])
    cut = number(said.word(5), len(body), len(body))
    headers = said.headers + ([("Content-Encoding", "deflate" if coding == "raw" else coding)] if coding else [])
    method = "POST" if route.method == "*" else route.method
    operation = {it.value: it for it in Operation}.get(said.word(7), route.operation)
    policy = pick(_POLICIES, said.word(6))
    return Case(route, method, status, headers, body[:cut], number(said.word(6), 12, 1), operation, policy)


def check(data: bytes) -> None:
    """Whatever comes, there is one sound observation, the same each time, and a decision that the table allows."""
    it = case_of(data)
    seen = read_response(it.route, it.operation, it.status, it.headers, it.body, now=_NOW)
    sound_observation(seen, status=it.status)
    _is_the_same_in_any_form(it, seen)
    needs_body(it.route, it.operation, it.status, it.headers)
    decision = it.policy.on_response(
        it.route, it.operation, seen, method=it.method, attempt=it.attempt, elapsed=0.0, now=_NOW, u=0.5
    )
    sound_decision(decision)
    table_allows(decision, seen, method=it.method, attempt=it.attempt, policy=it.policy)
    _body_is_bounded(it)


def _is_the_same_in_any_form(it: Case, seen: Observation) -> None:
    """Headers as a mapping, as bytes and in capitals: the same answer. What stands behind 64 KiB does not count."""
    raw = [
        (name.upper().encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in it.headers
    ]
    normal = normal_headers(it.headers)
    body = it.body + b"x" * MAX_BODY if len(it.body) >= MAX_BODY else it.body
    forms: list[HeaderPairs] = [normal]
    if normal_headers(raw) == normal:  # else it has a letter whose capital is another one's
        forms.append(raw)
    for headers in forms:
        assert read_response(it.route, it.operation, it.status, headers, body, now=_NOW) == seen


def _body_is_bounded(it: Case) -> None:
    found = parse(it.body, normal_headers(it.headers).get("content-encoding", []))
    assert found.document is None or found.legibility in (Legibility.CUT, Legibility.WHOLE)
    assert len(slim(it.body)) <= max(len(it.body), MAX_BODY)


# --- where the fuzzer begins


def words() -> Iterator[str]:
    """Words of the contract: codes, states, paths, names of fields and headers."""
    yield from sorted({it.code for it in CODE_ROWS if it.code is not None})
    yield from (route.name for route in _ROUTES)
    for task in TASKS.values():
        yield from sorted(_states(task))
        for path in (*task.states, *task.ids, *task.results, *task.codes, *task.messages):
            yield from path
    yield from (*REQUEST_ID_HEADERS[0], *REQUEST_ID_HEADERS[1])
    yield from "error message type code status details request_id msg data output param title detail reason".split()
    yield from "raw json gzip deflate br Retry-After: retry-after-ms: x-should-retry: Content-Encoding:".split()
    yield from "google.rpc.RetryInfo retryDelay quotaId violations PerDay insufficient_quota refusal".split()


def seeds() -> Iterator[bytes]:
    """One answer for each row of the tables: a code in its envelope, a state where it stands, and the odd ones."""
    for row in CODE_ROWS:
        route = _route_of(row)
        if row.code is not None and route is not None:
            yield _seed(route, row.status or 429, json.dumps(_enveloped(row)))
    for route in _ROUTES:
        task = TASKS.get(route.tasks or "")
        for state in sorted(frozenset() if task is None else _states(task)):
            assert task is not None
            yield _seed(route, 200, json.dumps(_task_document(task, state)))
    chat = _NAMED["POST /openai/v1/chat/completions"]
    for coding in _CODINGS:
        yield _seed(chat, 429, '{"error":{"code":"insufficient_quota","message":"text"}}', coding=coding)
    for cut in (7, 19, 33):
        yield _seed(chat, 500, '{"error":{"message":"text","code":"server_error","type":null}}', cut=cut)
    for body in ("[" * 200, '{"a":' * 80, "<html>", '{"error":{"code":' + "9" * 300, '{"code":1e999,"msg":null}', "\0"):
        yield _seed(chat, 400, body, mode="raw")


def _seed(route: Route, status: int, body: str, *, mode: str = "json", coding: str = "", cut: int | str = "") -> bytes:
    return written([*route.name.split(" "), status, mode, coding, cut, 1], {"Retry-After": "2"}, body)


_FAMILY_OF: Final = {
    Envelope.ANTHROPIC: Family.ANTHROPIC,
    Envelope.GOOGLE: Family.GEMINI,
    Envelope.OPENAI: Family.OPENAI,
    Envelope.SUNO: Family.SUNO,
    Envelope.KLING: Family.KLING,
    Envelope.DASHSCOPE: Family.DASHSCOPE,
    Envelope.PROBLEM: Family.OPENAI,
}


def _route_of(row: CodeRow) -> Route | None:
    family = None if row.envelope is None else _FAMILY_OF[row.envelope]
    return next((it for it in _ROUTES if it.family is family and it.method == "POST"), None)


def _enveloped(row: CodeRow) -> dict[str, object]:
    code: str = (row.code or "").rstrip("*")
    whole: object = int(code) if code.isdigit() else code
    if row.envelope is Envelope.ANTHROPIC:
        return {"type": "error", "error": {"type": code, "message": "text"}}
    if row.envelope is Envelope.GOOGLE:
        return {"error": {"status": code.upper(), "code": 429, "details": [{"reason": code}], "message": "text"}}
    if row.envelope is Envelope.OPENAI:
        return {"error": {"code": code, "type": code, "message": "text", "param": None}}
    if row.envelope is Envelope.SUNO:
        return {"code": whole, "msg": "text", "data": None}
    if row.envelope is Envelope.PROBLEM:
        return {"type": f"https://errors/{code}", "title": "text", "detail": "text"}
    return {"code": whole, "message": "text", "request_id": "r"}


def _states(task: TaskStates) -> frozenset[str]:
    return task.open | task.success | task.failed | task.expired | task.doubtful


def _task_document(task: TaskStates, state: str) -> dict[str, object]:
    document: dict[str, object] = {}
    for path, value in ((task.states[0], state), (task.ids[0], "t1") if task.ids else ((), None)):
        at = document
        for key in path[:-1]:
            at = at.setdefault(key, {})  # type: ignore[assignment]
        if path:
            at[path[-1]] = value
    return document
