"""What the tests of tasks share: a handle of each kind, and answers to a query in each family's form.

Must not know what an answer means.
"""

from __future__ import annotations

import json
from typing import Any

from anyint_resilience import TaskHandle
from anyint_resilience.contract.tasks import TASKS, Path, TaskStates
from anyint_resilience.contract.words import Family
from anyint_resilience.tasks.handle import CREATES

GATEWAY = "https://gateway.api.anyint.ai"
WALL = 1_000_000.0
ROUTE_OF = {row.tasks: name for name, row in reversed(CREATES.items()) if row.tasks is not None}
"""A route for each vocabulary; seedance_native has none in the contract."""

RESULT = "https://cdn.test/1.mp4"
_AROUND: dict[Family, dict[str, Any]] = {
    Family.SUNO: {"code": 200, "msg": "success"},
    Family.KLING: {"code": 0, "message": "ok", "request_id": "r"},
}


def handle_of(vocabulary: str, *, age: float = 3600.0, **more: Any) -> TaskHandle:
    name = ROUTE_OF[vocabulary]
    known = {"task_id": "t1", "gateway": GATEWAY, "created_at": WALL - age, **more}
    return TaskHandle(family=CREATES[name].family, route=name, **known)  # type: ignore[arg-type]


def put(document: Any, path: Path, value: Any) -> Any:
    """Put a value into a document; ``[]`` makes an array of one."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if first == "[]":
        return [put({}, rest, value)]
    held = document if isinstance(document, dict) else {}
    return {**held, first: put(held.get(first), rest, value)}


def answer(vocabulary: str, state: Any, *, task_id: Any = "t1", result: Any = None, at: int = 0, **more: Any) -> Any:
    """Return what a query's answer says: in which state the task is, and where its product is."""
    row: TaskStates = TASKS[vocabulary]
    document: Any = dict(_AROUND.get(row.family, {}))
    if task_id is not None:
        document = put(document, row.ids[0], task_id)
    if state is not None:
        document = put(document, row.states[at], int(state) if str(state).isdigit() else state)
    if result is not None and row.results:
        document = put(document, row.results[0], result)
    return {**document, **more}


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()
