"""``TaskHandle``: all that is needed to find a task again, in another process, on another client.

Must not know any client, ledger or clock, nor hold any key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any, Final

from ..contract.routes import ROUTES, SEEDANCE_ROUTES, Route
from ..contract.words import Family
from ..policy.echoes import task_id_of

__all__ = ["CREATES", "TaskHandle", "read_handle"]

CREATES: Final[dict[str, Route]] = {
    route.name: route for route in (*ROUTES, *SEEDANCE_ROUTES) if route.query is not None and route.tasks is not None
}
"""The routes that make a task which can be asked for, by name."""

_MAX_JSON: Final = 8192
_MAX_TEXT: Final = 512
_LATEST: Final = 1e11  # Unix seconds
_NOT_JSON: Final = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHandle:
    """A task at the gateway: made once, followed from anywhere. ``report(response).task`` gives it after a create.

    Of an id alone ``Resilience.task`` makes one.

    Attributes:
        family: what its routes speak.
        route: the row that made it, ``METHOD /template``.
        task_id: its id, as the gateway gave it.
        gateway: where it lives: scheme, host, port if it is not the scheme's, and the path before the contract's own.
            A wait asks it over https only (http on this machine), and only if the configuration has it.
        created_at: when the create went out, Unix seconds.
        request_id: the gateway's id of the create's answer, None where it gave none.
        key_id: what stands for the key that made it (another key may not see it); never the key. None: no key was seen.
        trace_id, span_id: the create's span in hexadecimal, None where it was not traced; a wait's span links to it.

    Raises:
        ValueError: naming every problem at once, as :meth:`from_json` does.
    """

    family: Family
    route: str
    task_id: str
    gateway: str
    created_at: float
    request_id: str | None = None
    key_id: str | None = None
    trace_id: str | None = field(default=None, compare=False)
    span_id: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        problems = _problems({it.name: getattr(self, it.name) for it in fields(self)})
        if problems:
            raise ValueError("invalid TaskHandle: " + "; ".join(problems))
        object.__setattr__(self, "family", Family(self.family))

    def __str__(self) -> str:
        return f"{self.family.value} task {self.task_id} of {self.route}"

    @property
    def path(self) -> str:
        """The path, with its query, that asks for the task; the id is quoted and stays in its place."""
        from urllib.parse import quote  # late: most programs never need it, and it costs every one at import

        row = CREATES[self.route]
        return (row.query or "").replace("{id}", quote(self.task_id, safe=""))

    @property
    def url(self) -> str:
        """The whole URL that asks for the task."""
        return self.gateway + self.path

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values; what is not known is left out."""
        shown = {name: it.value if isinstance(it, Enum) else it for name, it in asdict(self).items()}
        return {name: it for name, it in shown.items() if it is not None}

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(self.as_dict(), separators=(",", ":"))

    @classmethod
    def from_dict(cls, document: object) -> TaskHandle:
        """Make one of what :meth:`as_dict` gave; fields that a newer version added are left out.

        Raises:
            ValueError: naming every problem at once.
        """
        if not isinstance(document, dict):
            raise ValueError(f"invalid TaskHandle: a JSON object is needed, not {type(document).__name__}")
        known = {it.name: document[it.name] for it in fields(cls) if it.name in document}
        missing = [name for name in ("family", "route", "task_id", "gateway", "created_at") if name not in known]
        if missing:
            problems = [f"{', '.join(missing)} missing", *_problems(known)]
            raise ValueError("invalid TaskHandle: " + "; ".join(problems))
        return cls(**known)

    @classmethod
    def from_json(cls, text: str | bytes) -> TaskHandle:
        """Make one of what :meth:`to_json` gave, perhaps in another process.

        Raises:
            ValueError: if it is no handle; the text is not quoted in it.
        """
        if not isinstance(text, (str, bytes)) or len(text) > _MAX_JSON:
            raise ValueError("invalid TaskHandle: JSON text of at most 8 KiB is needed")
        document: object = _NOT_JSON
        with suppress(ValueError, RecursionError):
            document = json.loads(text)
        if document is _NOT_JSON:  # raised out here: the decoder's own error, even as a context, would carry the text
            raise ValueError("invalid TaskHandle: it is not JSON")
        return cls.from_dict(document)


def read_handle(document: object) -> TaskHandle | None:
    """Return the handle that a store holds, None for what is none: of a route without a query, or somebody else's."""
    try:
        return TaskHandle.from_dict(document)
    except ValueError:
        return None


def _problems(known: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with the fields that are given, without quoting any."""
    problems = [f"{name} {said}" for name, good, said in _RULES if name in known and not good(known[name])]
    if "route" in known:
        route = known["route"]
        row = CREATES.get(route) if isinstance(route, str) else None
        if row is None:
            problems.append("route is no row of the contract that makes a task (a newer version may know it)")
        elif "family" in known and known["family"] != row.family:
            problems.append(f"family must be {row.family}, the route's")
    return problems


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MAX_TEXT and value.isprintable()


def _is_text_or_none(value: object) -> bool:
    return value is None or _is_text(value)


def _is_hex(value: object) -> bool:
    return value is None or (isinstance(value, str) and 0 < len(value) <= 64 and set(value) <= set("0123456789abcdef"))


def _is_gateway(value: object) -> bool:
    if not _is_text(value) or not isinstance(value, str):
        return False
    scheme, mark, rest = value.partition("://")
    host = rest.partition("/")[0]
    return scheme in ("http", "https") and bool(mark) and host[:1] not in ("", ":") and not set(rest) & set("@?#\\ ")


def _is_time(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _LATEST


_RULES: Final[tuple[tuple[str, Callable[[object], bool], str], ...]] = (
    ("task_id", lambda it: isinstance(it, str) and task_id_of(it) == it, "must be an id as a gateway gives it"),
    ("gateway", _is_gateway, "must be a URL such as https://gateway.api.anyint.ai"),
    ("created_at", _is_time, "must be Unix seconds"),
    ("request_id", _is_text_or_none, "must be text"),
    ("key_id", _is_hex, "must be hexadecimal"),
    ("trace_id", _is_hex, "must be hexadecimal"),
    ("span_id", _is_hex, "must be hexadecimal"),
)
