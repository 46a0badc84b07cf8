"""The data of docs/explorer.md: what ``Policy()`` decides about every outcome that the page can show.

Must not decide anything, nor may the page: it looks up here. ``write(site_dir)`` puts the data beside its script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from anyint_resilience.contract.errors import CODE_ROWS, STATUS_ROWS
from anyint_resilience.contract.words import Cause, Certainty, Family
from anyint_resilience.policy.model import Action, Decision, Fault, FaultKind
from anyint_resilience.policy.reading import read_response
from anyint_resilience.policy.rules import Policy
from anyint_resilience.telemetry.words import CAUSES

from .decision_words import ACTIONS, CERTAINTIES, FAMILIES, FAULTS, OPERATIONS, ORIGINS
from .explorer_answers import ENVELOPE_OF, Code, codes_of, goods_of
from .explorer_pack import Decisions, Numbered
from .explorer_requests import Request, requests_of

__all__ = ["ATTEMPTS", "EXAMPLES", "HINTS", "explorer_data", "statuses_of", "write"]

_CHAT, _VIDEO = "POST /openai/v1/chat/completions", "POST /openai/v1/videos"
_MESSAGES = "POST /anthropic/v1/messages"
ATTEMPTS = (1, 2, 3)
HINTS: tuple[int | None, ...] = (None, 2, 600)
"""Seconds of a Retry-After: none, one that fits into the retry window, and one that does not."""

EXAMPLES: Mapping[str, Mapping[str, str | int]] = {
    "a rate limit": {"request": _CHAT, "status": 429, "code": "rate_limit_exceeded", "retry_after": 2},
    "a rate limit that lasts": {"request": _CHAT, "status": 429, "code": "rate_limit_exceeded", "retry_after": 600},
    "a used-up quota": {"request": _CHAT, "status": 429, "code": "insufficient_quota"},
    "a lost answer, of a chat": {"request": _CHAT, "exception": "read_timeout"},
    "a lost answer, of a video": {"request": _VIDEO, "exception": "read_timeout"},
    "an overload, of a video": {"request": _VIDEO, "status": 503, "code": "server_is_overloaded"},
    "a quota inside HTTP 200": {"family": "suno", "request": "POST /suno/generate", "status": 200, "code": "429"},
    "a task that goes on": {"request": "GET /openai/v1/videos/VIDEO_ID", "status": 200, "body": "running"},
    "a wrong key": {"family": "anthropic", "request": _MESSAGES, "status": 401, "code": "authentication_error"},
}
"""What is worth a look, as the page's links have it; without a family: OpenAI's."""

_OK = 200
_COMMON = frozenset((_OK, 400, 401, 402, 403, 404, 409, 429, 500, 502, 503, 504, 529))
"""With these any code may come; with others those that are documented there, or are the same number."""

_LEFT_OUT = frozenset((521, 522, 523, 525, 526, 527))  # as 520 and 524 are
_ADDED = (_OK, 302, 405, 410)
_SUNO = (430, 455, 531)
_PHRASES = {
    425: "Too Early",
    430: "Suno's: a rate limit",
    455: "Suno's: maintenance",
    499: "closed on the way",
    520: "and 521 to 527: of a CDN",
    524: "of a CDN: time-out",
    529: "overloaded",
    530: "of a CDN",
    531: "Suno's: refunded",
}
_NOW = 0.0  # so that retry_at is counted from the answer


def statuses_of(family: Family) -> list[int]:
    """Return the HTTP statuses to choose from."""
    own = {row.status for row in CODE_ROWS if row.envelope is ENVELOPE_OF[family] and row.status is not None}
    return sorted({*STATUS_ROWS, *_ADDED, *own, *(_SUNO if family is Family.SUNO else ())} - _LEFT_OUT)


@cache
def explorer_data() -> dict[str, Any]:
    """Return everything the page shows, as JSON values."""
    decisions = Decisions()
    families = [_family(it, decisions) for it in Family]
    return {
        "attempts": ATTEMPTS,
        "hints": HINTS,
        "examples": [{"label": label, "state": {"family": "openai", **state}} for label, state in EXAMPLES.items()],
        "families": families,
        "actions": {it.value: words for it, words in ACTIONS.items() if it is not Action.FALLBACK},
        "causes": {it.value: CAUSES[it.value] for it in Cause},
        "certainties": {it.value: CERTAINTIES[it] for it in Certainty},
        "sources": {it.value: words for it, words in ORIGINS.items()},
        "operations": {it.value: words for it, words in OPERATIONS.items()},
        "faults": {it.value: words for it, words in FAULTS.items()},
        **decisions.plain(),
    }


def write(site_dir: str | Path) -> Path:
    """Write the data into a built site, and return the path of the JSON.

    A page that is opened as a file may not fetch one, so the same stands beside it as a script.
    """
    folder = Path(site_dir) / "assets"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(explorer_data(), separators=(",", ":"), ensure_ascii=False)
    (folder / "explorer-data.js").write_text(f"anyintExplorer({text})\n", encoding="utf-8")
    path = folder / "explorer-data.json"
    path.write_text(text + "\n", encoding="utf-8")
    return path


# --- one family


def _family(family: Family, decisions: Decisions) -> dict[str, Any]:
    requests, codes, statuses = requests_of(family), codes_of(family), statuses_of(family)
    kinds: dict[object, Request] = {}
    for request in requests:
        kinds.setdefault(request.kind, request)
    columns: Numbered[tuple[int, ...]] = Numbered()
    places = list(kinds)
    answers = {
        status: {
            place: columns(tuple(_answered(it, status, code, decisions) for it in kinds.values()))
            for place, code in enumerate((None, *codes))
            if code is None or status in _COMMON or status in code.at or code.name == str(status)
        }
        for status in statuses
    }
    faults = {
        key: columns(tuple(_failed(it, fault, decisions) for it in kinds.values())) for key, fault in _faults(statuses)
    }
    return {
        "family": family.value,
        "label": FAMILIES[family],
        "requests": [_request(it, requests, places.index(it.kind), decisions) for it in requests],
        "statuses": {status: _phrase(status) for status in statuses},
        "codes": [
            {"name": it.name, "label": _label(it), "at": it.at, "bodies": it.bodies, "said": _said(requests[0], it)}
            for it in codes
        ],
        "columns": list(columns),
        "answers": answers,
        "exceptions": faults,
    }


def _label(code: Code) -> str:
    return f"code {code.name}" if code.name.isdigit() else code.name


def _phrase(status: int) -> str:
    known = status in {it.value for it in HTTPStatus}
    return _PHRASES.get(status) or (HTTPStatus(status).phrase if known else "")


def _request(request: Request, all_of_them: list[Request], kind: int, decisions: Decisions) -> dict[str, Any]:
    return {
        "name": request.name,
        "method": request.method,
        "url": request.path,
        "route": request.route.name,
        "operation": request.operation.value,
        "switched": bool(request.switch),
        "paid": request.paid,
        "kind": kind,
        "other": _other(request, all_of_them),
        "goods": [
            {"key": it.key, "label": it.label, "body": it.body, "cell": _good(request, it.body, decisions)}
            for it in goods_of(request)
        ],
    }


def _other(request: Request, all_of_them: list[Request]) -> int | None:
    """Find what to compare a request with: a paid create, and that with a request that is safe to repeat."""
    fit = [it for it in all_of_them if (not it.unsafe if request.paid else it.paid)]
    fit.sort(key=lambda it: request.paid or "video" not in it.path)  # a video is what most people think of
    return all_of_them.index(fit[0]) if fit else None


# --- one outcome: the decisions for each attempt and hint


def _answered(request: Request, status: int, code: Code | None, decisions: Decisions) -> int:
    body = "" if code is None else code.body(status)
    said = "" if code is None else f" {_said(request, code)}"
    return decisions.cell(_decided(request, status, body), f"HTTP {status}{said}")


@cache
def _said(request: Request, code: Code) -> str:
    """Return the code as a reason has it."""
    seen = read_response(request.route, request.operation, 400, (), code.bodies[0].encode())
    said = seen.code or seen.type or ""
    return f"code {said}" if said.isdigit() else said


def _good(request: Request, body: str, decisions: Decisions) -> int:
    return decisions.cell(_decided(request, _OK, body), f"HTTP {_OK}")


def _decided(request: Request, status: int, body: str) -> Iterator[Decision]:
    """Decide as ``Policy().decide_response`` does, but read each answer once."""
    policy, route = Policy(), request.route
    seen = [read_response(route, request.operation, status, _headers(hint), body.encode(), now=_NOW) for hint in HINTS]
    for attempt in ATTEMPTS:
        for it in seen:
            yield policy.on_response(
                route, request.operation, it, method=request.method, attempt=attempt, elapsed=0.0, now=_NOW, u=1.0
            )


def _headers(hint: int | None) -> Mapping[str, str]:
    return {} if hint is None else {"Retry-After": str(hint)}


def _faults(statuses: list[int]) -> Iterator[tuple[str, Fault]]:
    for kind in FaultKind:
        yield kind.value, Fault(kind)
    for status in statuses:
        yield f"{FaultKind.BODY_ERROR.value} {status}", Fault(FaultKind.BODY_ERROR, status=status)


def _failed(request: Request, fault: Fault, decisions: Decisions) -> int:
    policy = Policy()
    made = (
        policy.on_fault(
            request.route, request.operation, fault, method=request.method, attempt=it, elapsed=0.0, now=_NOW, u=1.0
        )
        for it in ATTEMPTS
    )
    head = fault.kind.value + (f" in the body of an HTTP {fault.status}" if fault.status else "")
    return decisions.cell(made, head)
