"""The endpoints under ``/__emulator__/``: faults, chance, the clock, and what was seen.

Must not know sockets or families; it calls the emulator's own methods.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from .desk import Chaos, faults_from
from .envelopes import envelope
from .families.extended import PICTURE
from .faults import Fault
from .messages import Answer, Seen, binary, json_answer
from .tasks_state import Clock, Task

__all__ = ["PREFIX", "Controlled", "control"]

PREFIX: Final = "/__emulator__/"
_SHOWN_BODY: Final = 64 * 1024
_RESULT_TYPES: Final = {"png": "image/png", "mp4": "video/mp4", "mp3": "audio/mpeg", "wav": "audio/wav"}


class Controlled(Protocol):
    """What can be controlled."""

    @property
    def clock(self) -> Clock:
        """The clock of tasks."""
        ...

    @property
    def seen(self) -> list[Seen]:
        """The requests so far."""
        ...

    @property
    def tasks(self) -> list[Task]:
        """The tasks so far."""
        ...

    @property
    def connections_open(self) -> int:
        """The open connections."""
        ...

    def script(self, *faults: Fault, match: str | None = None) -> None:
        """Let requests meet these faults."""

    def unscript(self) -> None:
        """Forget the faults that are still to come."""

    def set_chaos(self, chaos: Chaos | None) -> None:
        """Begin with chance, or stop."""

    def reset(self) -> None:
        """Forget."""


def control(emulator: Controlled, seen: Seen) -> Answer:
    """Answer one control request; a wrong one gets a 400 that says why."""
    name = seen.path[len(PREFIX) :]
    if seen.method == "GET" and name.startswith("results/"):
        return _result(name)
    try:
        if seen.method == "GET":
            return _show(emulator, name)
        if seen.method == "DELETE":
            return json_answer(_delete(emulator, name))
        return json_answer(_change(emulator, name, json.loads(seen.body) if seen.body else None))
    except LookupError:
        message = f"no control endpoint {seen.method} {seen.path}"
        return json_answer(envelope(None, 404, code="unknown_url", message=message), status=404)
    except (ValueError, TypeError, RecursionError) as error:
        return json_answer(envelope(None, 400, message=str(error)), status=400)


def _show(emulator: Controlled, name: str) -> Answer:
    if name == "seen":
        return json_answer({"seen": [_seen_json(seen) for seen in emulator.seen]})
    if name == "tasks":
        return json_answer({"tasks": [task.to_json() for task in emulator.tasks]})
    if name == "health":
        return json_answer({"ok": True, "clock": emulator.clock.now(), "connections_open": emulator.connections_open})
    raise LookupError(name)


def _delete(emulator: Controlled, name: str) -> dict[str, Any]:
    if name == "faults":
        emulator.unscript()
    elif name == "chaos":
        emulator.set_chaos(None)
    else:
        raise LookupError(name)
    return {"ok": True}


def _change(emulator: Controlled, name: str, document: Any) -> dict[str, Any]:
    if name == "faults":
        match = document.get("match") if isinstance(document, Mapping) and "faults" in document else None
        listed = document["faults"] if isinstance(document, Mapping) and "faults" in document else document
        faults = faults_from(listed)
        emulator.script(*faults, match=match)
        return {"ok": True, "scripted": len(faults)}
    if name == "chaos":
        emulator.set_chaos(None if document is None else Chaos.from_json(document))
        return {"ok": True}
    if name == "clock":
        step = document.get("advance") if isinstance(document, Mapping) else None
        if isinstance(step, bool) or not isinstance(step, (int, float)):
            raise ValueError('{"advance": seconds} is needed')
        emulator.clock.advance(float(step))
        return {"ok": True, "now": emulator.clock.now()}
    if name == "reset":
        emulator.reset()
        return {"ok": True}
    raise LookupError(name)


def _seen_json(seen: Seen) -> dict[str, Any]:
    """Show a request without its key: the log may end up in a bug report."""
    hidden = {name: "***" for name in ("authorization", "x-api-key", "x-goog-api-key") if name in seen.headers}
    document: dict[str, Any] = {
        name: getattr(seen, name)
        for name in ("method", "path", "query", "at", "clock", "answered", "fault", "connection", "complete")
    }
    document["headers"] = {**seen.headers, **hidden}
    body = seen.body[:_SHOWN_BODY]
    try:
        document["body"] = body.decode()
    except UnicodeDecodeError:
        document["body_base64"] = base64.b64encode(body).decode()
    return document


def _result(name: str) -> Answer:
    """Serve a result the answers link to."""
    kind = _RESULT_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return binary(PICTURE if kind == "image/png" else f"emulated result {name}".encode() * 16, kind)
