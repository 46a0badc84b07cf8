"""What a family's handler is given: one request with its route, its parsed body and the stores.

Must not know any family's answers, faults or sockets.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...contract.routes import Route
from ..envelopes import envelope
from ..messages import Answer, Seen, json_answer
from ..tasks_state import Clock, Task, TaskStore
from .states import STATES

__all__ = ["REPLY", "Call", "Handler", "Handlers", "Mint", "ObjectStore", "tokens"]

REPLY: Final = ("Hello", " from", " the", " AnyInt", " emulator", ".")
"""What every model says, in the pieces a stream brings it in."""


class Mint:
    """Makes ids: seeded, so two runs with one seed give the same ids."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"ids {seed}")

    def __call__(self, prefix: str = "", digits: int = 24) -> str:
        """Return the next id."""
        return f"{prefix}{self._random.getrandbits(digits * 4):0{digits}x}"


class ObjectStore:
    """Plain stored documents (files, assistants, threads ...), by kind and id, in order."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, dict[str, Any]]] = {}

    def put(self, kind: str, document: dict[str, Any]) -> None:
        """Store a document under its ``id``."""
        self._kinds.setdefault(kind, {})[document["id"]] = document

    def get(self, kind: str, ident: str) -> dict[str, Any] | None:
        """Return a document, or None."""
        return self._kinds.get(kind, {}).get(ident)

    def pop(self, kind: str, ident: str) -> dict[str, Any] | None:
        """Remove and return a document, or None."""
        return self._kinds.get(kind, {}).pop(ident, None)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Return the documents of one kind in order."""
        return list(self._kinds.get(kind, {}).values())

    def clear(self) -> None:
        """Forget everything."""
        self._kinds.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request on its way to a handler; with ``keep`` False nothing it makes is kept."""

    seen: Seen
    route: Route
    document: dict[str, Any]
    params: Mapping[str, str]
    store: TaskStore
    objects: ObjectStore
    mint: Mint
    outcome: str
    visible_after: float
    keep: bool

    @property
    def clock(self) -> Clock:
        """The clock tasks run by."""
        return self.store.clock

    @property
    def model(self) -> str:
        """The model id the answer repeats."""
        named = self.params.get("model") or self.document.get("model") or self.document.get("model_name")
        return named if isinstance(named, str) else "emulated-model"

    @property
    def streams(self) -> bool:
        """Whether the body asks for a stream."""
        return self.document.get("stream") is True

    def new_task(self, prefix: str = "", digits: int = 24) -> Task:
        """Create the task this route creates."""
        assert self.route.family is not None
        assert self.route.tasks is not None
        return self.store.create(
            ident=self.mint(prefix, digits),
            family=self.route.family,
            kind=self.route.tasks,
            path=self.seen.path.rstrip("/"),
            body=self.document,
            outcome=self.outcome,
            keep=self.keep,
            words=STATES[self.route.tasks],
            visible_after=self.visible_after,
            base=self.seen.base,
        )

    def find_task(self, ident: str | None) -> Task | None:
        """Return the task a query route asks for."""
        return None if ident is None or self.route.tasks is None else self.store.get(ident, self.route.tasks)

    def put(self, kind: str, document: dict[str, Any]) -> None:
        """Store a document, unless the work is not to be done."""
        if self.keep:
            self.objects.put(kind, document)

    def result_url(self, ident: str, suffix: str) -> str:
        """Return an address under which the emulator serves a result."""
        return f"{self.seen.base}/__emulator__/results/{ident}{suffix}"

    def refuse(self, status: int, *, code: str | int | None = None, message: str | None = None) -> Answer:
        """Answer with the family's error."""
        return json_answer(envelope(self.route.family, status, code=code, message=message), status=status)


Handler = Callable[[Call], Answer]
Handlers = dict[str, Handler]


def tokens(document: object) -> int:
    """Return a token count that grows with the input, as a real one does."""
    return max(1, len(str(document)) // 4)
