"""The words of a decision: ``reason`` for logs, ``guidance`` for the developer (``user_words`` has the user's).

Must not know how a decision was reached: it is told the outcome and looks the words up. What the texts say is
AnyInt's errors-and-limits page in our own words, then the contract. Two things no text may do: quote what the
server wrote (it may hold a key or a prompt), or invite anyone to make a paid task a second time.
"""

from __future__ import annotations

from typing import Final

from ..contract.routes import ANTHROPIC_VERSION, AUTH_STYLE, Route
from ..contract.words import AuthStyle, Cause, Certainty, Family, Operation
from .echoes import id_of, word_of
from .given import one_line
from .model import Action, Fault, FaultKind, Observation
from .user_words import PASSING, exists, is_result, task_failed

__all__ = ["guidance", "log_line"]

_HEADER: Final = {
    AuthStyle.BEARER: "Authorization: Bearer <ANYINT_API_KEY>",
    AuthStyle.X_API_KEY: f"x-api-key: <ANYINT_API_KEY> together with anthropic-version: {ANTHROPIC_VERSION}",
}

_BY_CAUSE: Final[dict[Cause, str]] = {
    Cause.INVALID: "Fix the request before sending it once more: check that it is valid JSON, has every required field "
    "and keeps to the documented sizes. Repeating the same invalid request will not succeed.",
    Cause.AUTH: "Check the API key and the style of the header that carries it: {header}. A key also stops working "
    "when it is regenerated or its subscription ends. Correct or rotate the key before retrying.",
    Cause.PERMISSION: "The key was accepted but the request is not allowed. Check the entitlement of the subscription, "
    "access to this model, and the policy of the organisation, team or key (an IP allowlist, for one).",
    Cause.MODEL: "Do not retry at once. Call GET {models} and choose a model from data[].id. Confirm that the model ID "
    "exists, that it is enabled for this account, and that the subscription or key policy allows it.",
    Cause.RATE: "Back off before the next request and lower the concurrency. The limit can be the subscription's, the "
    "key's, the team's or the upstream provider's; if it is met often, upgrade it. Show users a temporary capacity or "
    "quota message instead of retrying in a tight loop.",
    Cause.QUOTA: "A quota, balance or spending limit is used up, so retrying soon cannot help. It can be the "
    "subscription's, the key's, the team's or the upstream provider's: upgrade it, top it up or wait for its reset. "
    "Show users a temporary capacity or quota message.",
    Cause.POLICY: "The content was refused, and the same input will be refused again. Change the input; do not send it "
    "to another model without the user's knowledge.",
    Cause.TRANSIENT: "A temporary failure. Retry with exponential backoff and a maximum number of attempts, or use a "
    "fallback route of the same family. Before treating it as an outage, confirm that the model is available to the "
    "account.",
    Cause.SERVER: "The provider failed. A few attempts with backoff are reasonable; a failure that stays may be caused "
    "by this very request, so check its size and parameters, then report it with the request id.",
    Cause.UNKNOWN: "This is no documented outcome. Look at the status and the body, and report it with the request id.",
}

_BY_FAULT: Final[dict[FaultKind, str]] = {
    FaultKind.TLS_CERTIFICATE: "The server's certificate was not accepted, and it will not be next time. Check the "
    "host name, the trusted CA bundle, the clock, and whether a proxy opens TLS connections on the way.",
    FaultKind.LOCAL_ERROR: "The request could not be put on the wire. Check its URL, its headers and its body.",
    FaultKind.POOL_TIMEOUT: "No connection of the client's pool became free. Check that every response is closed, "
    "allow more connections or send fewer requests at once.",
    FaultKind.PROXY_ERROR: "The proxy between this program and AnyInt failed. Check the proxy settings.",
    FaultKind.CONNECT_ERROR: "No connection could be made. Check the base URL, DNS and the network; if they are right, "
    "retry with exponential backoff and a maximum number of attempts.",
    FaultKind.READ_TIMEOUT: "No answer came in time. A good generation may take minutes: check the read time-out "
    "before anything else.",
}

_PROXY_AUTH: Final = (
    "A proxy on the way, not AnyInt, asks for credentials (407). Check the proxy settings; the AnyInt key is not "
    "the cause."
)
_ANTHROPIC: Final = (
    " On /anthropic/ routes a likely cause is the header family: send x-api-key (not Authorization) and "
    f"anthropic-version: {ANTHROPIC_VERSION}."
)
_FORBIDDEN: Final = " For a 403 also check entitlement, model access and the policy of the organisation."
_QUERY: Final = " A failed query says nothing about the task itself: query it later, do not create the task again."
_GONE: Final = (
    "Nothing was found under this id. Check that the query path is that of the create and the id is whole; a task and "
    "its result also expire."
)
_EXISTS: Final = "This exists already: use {query} instead of creating it again."
_NO_FILE: Final = (
    "Nothing was found to download. Check that the id is whole; a task's product is there only after completion, and "
    "it expires."
)
_STOP: Final = (
    "The server or the contract asks not to send this same request again. Where a model was asked, a fallback route of "
    "the same family may serve; if not, try later."
)
_REFUSED: Final = "Hand the answer over: it is a refusal."
_FLAWED: Final = "The answer came, but its output is not whole: look at it before using it."
_GOOD: Final = "Nothing to do: use the answer."
_OTHER_STATUS: Final = (
    "This is neither a result nor an error of AnyInt's. AnyInt documents no such answer: check the base URL and what "
    "stands between."
)
_FOREIGN: Final = (
    "This is not an AnyInt route, so none of AnyInt's rules is applied: handle it as its own server documents."
)

_LOST: Final = (
    "The request may have been carried out and billed although no answer says so. Do not send it again: {look} before "
    "deciding anything."
)
_LOOK: Final = "look for it in the usage records of the key"
_LOOK_BY_TASKS: Final[dict[str, str]] = {
    "openai_batch": "look for it with GET /openai/v1/batches",
    "kling": "look it up (by its external_task_id, if the request set one) or check the usage records of the key",
    "suno": "wait for its callback, if the request named a callBackUrl, and check the usage records of the key",
}

_POLL: Final = (
    "The task was accepted and is not finished. Poll {query}{hook}; do not create it again. The first answer is not "
    "the result: use the asset only when its state says success."
)
_POLL_ON: Final = (
    "The task is still being worked on. Poll {query}{hook}; do not create it again. Use the asset only when the state "
    "says success."
)
_FAILED: Final = (
    "The task ended without a result; querying it further changes nothing. A new task is a new paid job: make one "
    "only as a deliberate decision."
)
_LEFT: Final = (
    "No result will come under this id: the task was cancelled, it has expired, or its state is lost. Look whether the "
    "result was saved before; a new task is a new paid job: make one only as a deliberate decision."
)
_CERTAINTY: Final[dict[Certainty, str]] = {
    Certainty.NOT_SENT: "not sent",
    Certainty.REJECTED: "rejected",
    Certainty.UNKNOWN: "outcome unknown",
    Certainty.COMMITTED: "committed",
}
_MAX_NOTE: Final = 400
_LIMITS: Final[dict[str, str]] = {
    "retry_window": " The wait that is needed does not fit into this call's retry_window: see retry_at, if known.",
    "hold": " The wait that is needed is longer than this policy's hold: see retry_at, if known.",
    "deadline": " The wait that is needed does not fit before this call's deadline: see retry_at, if known.",
}


def log_line(seen: Observation, fault: Fault | None, why: str) -> str:
    """Return the decision's reason: what came, what it means, what follows from it. One line, no server text."""
    if fault is not None:
        words = [fault.kind.value, f"({one_line(fault.name)})" if fault.name else ""]
        words.append("" if fault.status is None else f"in the body of an HTTP {fault.status}")
    else:
        words = [f"HTTP {seen.status}" if seen.status else "no usable status", _code(seen.code or seen.type)]
    meaning = "no error" if seen.cause is None else f"{seen.cause.value}, {_CERTAINTY[seen.certainty]}"
    if seen.hint is not None:
        meaning += f", {one_line(seen.hint.source)} says {seen.hint.seconds:g} s"
    request_id = id_of(seen.request_id)
    if request_id is not None:
        meaning += f", request id {request_id}"
    return f"{' '.join(word for word in words if word)}: {meaning}; {why}"


def _code(said: str | None) -> str:
    code = word_of(said)
    if said and not code:
        return "(a code not shaped like one)"
    return f"code {code}" if code.isdigit() else code


def guidance(
    route: Route,
    operation: Operation,
    seen: Observation,
    action: Action,
    *,
    kind: FaultKind | None,
    lost: bool,
    limit: str | None,
) -> str:
    """Tell the developer what to check or do. ``lost``: nobody knows whether unsafe work was done."""
    if action is Action.POLL:
        text = _poll(route, operation, seen.task_id)
    elif seen.cause is None:
        text = _good(seen)
    elif lost and route.family is not None:
        text = _LOST.format(look=_look(route))
    elif exists(operation, seen):
        text = _EXISTS.format(query=_query_of(route, seen.task_id))
    elif task_failed(operation, seen):
        text = _LEFT if seen.cause is Cause.UNKNOWN else _FAILED
        text += f" {_BY_CAUSE[Cause.POLICY]}" if seen.cause is Cause.POLICY else ""
    else:
        text = _cause(route, operation, seen, kind) + _LIMITS.get(limit or "", "")
    return f"{text} Note: {one_line(seen.note, _MAX_NOTE)}." if seen.note else text


def _good(seen: Observation) -> str:
    if not is_result(seen):
        return _OTHER_STATUS
    if seen.flaw is None:
        return _GOOD
    return f"{_REFUSED} {_BY_CAUSE[Cause.POLICY]}" if seen.flaw is Cause.POLICY else _FLAWED


def _cause(route: Route, operation: Operation, seen: Observation, kind: FaultKind | None) -> str:
    cause = Cause.UNKNOWN if seen.cause is None else seen.cause
    if seen.status == 407:
        return _PROXY_AUTH
    if route.family is None:
        return _FOREIGN
    if kind is not None and kind in _BY_FAULT:
        text = _BY_FAULT[kind]
    elif seen.may_repeat is False and cause in PASSING:
        text = _STOP
    else:
        anthropic = route.family is Family.ANTHROPIC
        models = "/anthropic/v1/models (or GET /openai/v1/models)" if anthropic else "/openai/v1/models"
        text = _BY_CAUSE[cause].format(header=_header(route.family), models=models)
        if anthropic and seen.status in (400, 401) and cause is Cause.INVALID:
            text += _ANTHROPIC
    if seen.status == 403 and cause is not Cause.PERMISSION:
        text += _FORBIDDEN
    if operation is Operation.QUERY and seen.status == 404:
        text = _GONE
    elif operation is Operation.DOWNLOAD and seen.status == 404:
        text = _NO_FILE
    return text + (_QUERY if operation is Operation.QUERY else "")


def _header(family: Family) -> str:
    return f"{family.value} routes take {_HEADER[AUTH_STYLE[family]]}"


def _look(route: Route) -> str:
    tasks = route.tasks or ""
    if tasks.startswith("suno"):
        tasks = "suno"
    if route.template == "/openai/v1/files":
        return "look for it with GET /openai/v1/files"
    return _LOOK_BY_TASKS.get(tasks, _LOOK)


def _poll(route: Route, operation: Operation, task_id: str | None) -> str:
    hook = " or wait for its webhook" if route.family is Family.SUNO else ""
    if operation is Operation.QUERY or route.query is None:
        return _POLL_ON.format(query="the same URL", hook=hook)
    return _POLL.format(query=_query_of(route, task_id), hook=hook)


def _query_of(route: Route, task_id: str | None) -> str:
    """Return the request that asks for a task. The id came from a server: quoted and cut, it stays in its place."""
    if route.query is None:
        return "it"
    from urllib.parse import quote  # late: most programs never need it, and it costs every one of them at import

    name = quote(task_id[:128], safe="", errors="replace") if task_id else "{id}"
    return "GET " + route.query.replace("{id}", name)
