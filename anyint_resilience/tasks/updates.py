"""``TaskUpdate``: how a task stands, read from the answer to a query. Must not know who asks, nor any client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ..contract.matching import route_table
from ..contract.routes import Route
from ..contract.tasks import TASKS, TaskStates
from ..contract.words import Operation
from ..policy.bodies import slim, values_at
from ..policy.echoes import task_id_of
from ..policy.model import Decision, HeaderPairs, Observation
from ..policy.reading import read_response
from .handle import CREATES, TaskHandle

__all__ = ["MAX_DOCUMENT", "Phase", "TaskUpdate", "query_route", "read_task", "states_of"]

MAX_DOCUMENT: Final = 16 * 1024 * 1024
"""Bytes of the answer to a query that are read; a longer one ends the wait with ``QueryRefused``."""

_MAX_RESULTS: Final = 64
_PRODUCTS: Final[dict[str, Callable[[TaskHandle, Mapping[str, Any]], str | None]]] = {
    "openai_video": lambda handle, document: f"{handle.url}/content",
    "openai_batch": lambda handle, document: _file(handle, document.get("output_file_id")),
}
"""Vocabularies whose answers do not hold the address of the product, and what it is made of."""

Phase = Literal["pending", "running", "partial", "success", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUpdate:
    """How a task stands.

    Attributes:
        handle: which task.
        phase: ``pending``, ``running``, ``partial`` (something usable is there, the task goes on), ``success`` or
            ``failed``. A state that no document knows is ``pending``, with a ``note``.
        state: the gateway's own word for it; None where none was named.
        progress: from 0 to 100, None where the family does not tell.
        results: URLs of what was made; most expire.
        document: the whole answer, decoded, with the gateway's reason where the task failed; empty for a query that
            failed.
        note: what is special about it, in words.
        polls: queries made so far by this wait.
        elapsed: seconds since this wait began.
        reason: why it failed, in the gateway's own words, which may quote what it was asked: not for logs.
        problem: why the last query failed, None if it did not. The task is as it was.
    """

    handle: TaskHandle
    phase: Phase
    state: str | None = None
    progress: float | None = None
    results: tuple[str, ...] = field(default=(), repr=False)
    document: Mapping[str, Any] = field(default_factory=dict, repr=False)
    note: str = ""
    reason: str = field(default="", repr=False)
    polls: int = 0
    elapsed: float = 0.0
    problem: Decision | None = field(default=None, repr=False)

    @property
    def done(self) -> bool:
        """Whether the task has come to its end."""
        return self.phase in ("success", "failed")


def query_route(handle: TaskHandle) -> Route:
    """Return the row that asks for a task."""
    return route_table(seedance=True).match("GET", handle.path.partition("?")[0])


def states_of(handle: TaskHandle) -> TaskStates:
    """Return the vocabulary of a task."""
    return TASKS[CREATES[handle.route].tasks or ""]


def read_task(
    handle: TaskHandle, status: int, headers: HeaderPairs, body: bytes, *, now: float | None
) -> tuple[Observation, dict[str, Any]]:
    """Return what the answer to a query means, and the answer decoded (empty where it is no JSON object)."""
    whole: dict[str, Any] = {}
    with suppress(ValueError, RecursionError):
        document = json.loads(body)
        whole = document if isinstance(document, dict) else {}
    return read_response(query_route(handle), Operation.QUERY, status, headers, slim(body, whole), now=now), whole


def phase_of(states: TaskStates, seen: Observation) -> Phase:
    """Return the phase of a task that is not finished."""
    word = (seen.task_state or "").lower()
    return "running" if word in states.running else "partial" if word in states.partial else "pending"


def results_of(handle: TaskHandle, states: TaskStates, document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the URLs of what a task made, as far as they are there."""
    product = _PRODUCTS.get(states.name)
    if product is not None:
        made = product(handle, document)
        return () if made is None else (made,)
    found = (it for path in states.results for value in values_at(document, path) for it in _urls(value, 0))
    return tuple(dict.fromkeys(found))[:_MAX_RESULTS]


def _file(handle: TaskHandle, file_id: object) -> str | None:
    """Return where the content of a file is."""
    from urllib.parse import quote  # late: most programs never need it, and it costs every one of them at import

    name = task_id_of(file_id)
    return None if name is None else f"{handle.gateway}/openai/v1/files/{quote(name, safe='')}/content"


def _urls(value: object, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith(("https://", "http://")):
            yield value
    elif isinstance(value, list) and depth < 3:
        for it in value[:_MAX_RESULTS]:
            yield from _urls(it, depth + 1)


def progress_of(document: Mapping[str, Any]) -> float | None:
    """Return the progress a document tells, from 0 to 100."""
    told = document.get("progress")
    if isinstance(told, bool) or not isinstance(told, (int, float)) or not 0 <= told <= 100:
        return None
    return float(told)
