"""The gateway itself: one request in, one answer out. Auth, routes, models, then the family's handler.

Must not know sockets or how a fault is carried out.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from email.utils import formatdate
from typing import Any, Final

from ..contract.matching import route_table
from ..contract.routes import AUTH_STYLE, Route
from ..contract.words import AuthStyle, Family, Operation
from .envelopes import INVALID_JSON, MISSING_MODEL, envelope, model_missing
from .families import HANDLERS, Call, Mint, ObjectStore
from .faults import Fault
from .messages import Answer, Seen, form_fields, json_answer
from .tasks_state import Clock, TaskStore

__all__ = ["TASK_HEADER", "VISIBLE_HEADER", "Gateway"]

TASK_HEADER: Final = "x-emulator-task"
"""On a create: what becomes of the task, a row of ``turns.TURNS``."""

VISIBLE_HEADER: Final = "x-emulator-visible-after"
"""On a create: the task's age, in seconds, until which queries do not find it."""

_NO_KEY: Final = frozenset({"POST /files/upload"})
"""Routes that are called without a key in the code they were seen in."""

_NEEDS_MODEL: Final = frozenset(
    {
        "POST /openai/v1/chat/completions",
        "POST /openai/v1/responses",
        "POST /openai/v1/embeddings",
        "POST /openai/v1/images/generations",
        "POST /openai/v1/audio/speech",
        "POST /openai/v1/audio/transcriptions",
        "POST /openai/v1/audio/translations",
        "POST /openai/v1/videos",
        "POST /anthropic/v1/messages",
        "POST /anthropic/v1/messages/count_tokens",
        "POST /dashscope/v1/services/aigc/multimodal-generation/generation",
        "POST /dashscope/v1/services/aigc/video-generation/video-synthesis",
        "POST /doubao/video/generations",
    }
)
_REQUEST_ID: Final = {Family.ANTHROPIC: "request-id"}


class Gateway:
    """Answers requests. Not thread-safe: its owner holds one lock around every call."""

    def __init__(self, *, keys: Iterable[str] | None, seed: int, clock: Clock, query_limit: int | None = None) -> None:
        self.keys = None if keys is None else frozenset(keys)
        self.table = route_table(seedance=True)
        self.tasks = TaskStore(clock)
        self.objects = ObjectStore()
        self._mint = Mint(seed)
        self._query_limit = query_limit
        self._queries: deque[float] = deque()

    def reset(self) -> None:
        """Forget tasks, stored things and the queries counted."""
        self.tasks.clear()
        self.objects.clear()
        self._queries.clear()

    def respond(self, seen: Seen, fault: Fault | None) -> Answer:
        """Answer a request that may meet a fault: what goes over the wire if nothing cuts it short."""
        route = self.table.match(seen.method, seen.path)
        keep = fault is None or fault.processes
        with self.tasks.holding():
            if fault is None or not fault.replaces:
                answer = self.answer(seen, route, keep=keep)
            else:
                if keep:
                    self.answer(seen, route, keep=True)  # the work is done, its answer never seen
                answer = _replacement(fault, route)
        return self._dressed(answer, route, fault)

    def _dressed(self, answer: Answer, route: Route, fault: Fault | None) -> Answer:
        """Add what every answer carries, then the fault's own headers in the place of those they name."""
        family = route.family
        request_id = "x-request-id" if family is None else _REQUEST_ID.get(family, "x-request-id")
        own = () if fault is None else fault.pairs
        named = {name.lower() for name, _ in own}
        usual = (("date", formatdate(usegmt=True)), ("server", "anyint-emulator"), (request_id, self._mint("req_")))
        kept = tuple(pair for pair in (*usual, *answer.headers) if pair[0].lower() not in named)
        return replace(answer, headers=(*kept, *own))

    def answer(self, seen: Seen, route: Route, *, keep: bool = True) -> Answer:
        """Answer a request as the gateway does when all is well; with ``keep`` False no work is done."""
        handler = HANDLERS.get(route.name)
        if route.family is None or handler is None:
            message = f"Unknown request URL: {seen.method} {seen.path}"
            return json_answer(envelope(None, 404, code="unknown_url", message=message), status=404)
        refusal = self._refusal(seen, route)
        if refusal is not None:
            return refusal
        if self._throttled(route):
            message = "Requests throttling triggered."
            return json_answer(envelope(Family.DASHSCOPE, 429, code="Throttling", message=message), status=429)
        document = _document(seen)
        if document is None:
            return json_answer(INVALID_JSON, status=400)
        try:
            outcome, visible_after = _wishes(seen)
        except ValueError as error:
            return json_answer(envelope(None, 400, message=str(error)), status=400)
        call = Call(
            seen=seen,
            route=route,
            document=document,
            params=_params(route, seen.path),
            store=self.tasks,
            objects=self.objects,
            mint=self._mint,
            outcome=outcome,
            visible_after=visible_after,
            keep=keep,
        )
        refusal = _model_refusal(call)
        if refusal is not None:
            return refusal
        return handler(call)

    def _throttled(self, route: Route) -> bool:
        """Count a query that has a limit; return whether it is one too many for the last second of the clock."""
        if self._query_limit is None or route.family is not Family.DASHSCOPE or route.operation is not Operation.QUERY:
            return False
        now = self.tasks.now()
        while self._queries and self._queries[0] <= now - 1.0:
            self._queries.popleft()
        if len(self._queries) >= self._query_limit:
            return True
        self._queries.append(now)
        return False

    def _refusal(self, seen: Seen, route: Route) -> Answer | None:
        """Check the key in the family's own header, and Anthropic's version."""
        if route.name in _NO_KEY or route.family is None:
            return None
        if AUTH_STYLE[route.family] is AuthStyle.X_API_KEY:
            key = seen.headers.get("x-api-key", "").strip()
        else:
            scheme, _, rest = seen.headers.get("authorization", "").strip().partition(" ")
            key = rest.strip() if scheme.lower() == "bearer" else ""
        if not key or (self.keys is not None and key not in self.keys):
            return json_answer(envelope(None, 401), status=401)
        if route.family is Family.ANTHROPIC and not seen.headers.get("anthropic-version", "").strip():
            message = "anthropic-version: header is required"
            return json_answer(envelope(Family.ANTHROPIC, 400, message=message), status=400)
        return None


def _replacement(fault: Fault, route: Route) -> Answer:
    """Make the answer a fault puts in the normal one's place."""
    status = fault.status if fault.status is not None else 200
    if fault.garbage is not None:
        return Answer(status=status, headers=(("content-type", "application/json"),), body=b'{"id": "x", "choices": [{')
    if fault.body is not None:
        body, kind = fault.body_bytes()
        return Answer(status=status, headers=(("content-type", kind),), body=body)
    if status < 400:
        return Answer(status=status)
    return json_answer(envelope(route.family, status), status=status)


def _wishes(seen: Seen) -> tuple[str, float]:
    """Read what a create asks of its task: the outcome, and the age from which queries find it; raises ValueError."""
    outcome, text = seen.headers.get(TASK_HEADER, "success"), seen.headers.get(VISIBLE_HEADER, "0")
    if outcome not in TaskStore.OUTCOMES:
        raise ValueError(f"{TASK_HEADER} must be one of {', '.join(TaskStore.OUTCOMES)}")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{VISIBLE_HEADER} must be a number of seconds >= 0, not {text!r}")
    return outcome, seconds


def _document(seen: Seen) -> dict[str, Any] | None:
    """Read the request's body: a JSON object or a form; None when it should be one and is not."""
    kind = seen.headers.get("content-type", "")
    if kind.lower().startswith("multipart/form-data"):
        return form_fields(seen.body, kind)
    if not seen.body or seen.method in ("GET", "DELETE", "HEAD"):
        return {}
    try:
        document = json.loads(seen.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _params(route: Route, path: str) -> dict[str, str]:
    """Return the path parameters by name."""
    params: dict[str, str] = {}
    for named, actual in zip(route.template.strip("/").split("/"), path.strip("/").split("/"), strict=False):
        if named.startswith("{"):
            name, _, verb = named[1:].partition("}")
            params[name] = actual.removesuffix(verb) if verb else actual
    return params


def _model_refusal(call: Call) -> Answer | None:
    """Refuse a missing model name, and every model whose id contains "missing"."""
    named = call.params.get("model") or call.document.get("model") or call.document.get("model_name")
    if not isinstance(named, str) or not named:
        return json_answer(MISSING_MODEL, status=400) if call.route.name in _NEEDS_MODEL else None
    if "missing" not in named:
        return None
    status, document = model_missing(call.route.family, named)
    return json_answer(document, status=status)
