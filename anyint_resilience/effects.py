"""What the engine asks for and is told: the effects, their replies, and the result of a call.

Must not know who carries them out. None of them shows a response, an error or a body: a client's own texts hold URLs.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from .callreport import CallReport
from .credentials import HeaderEdit
from .policy.model import Decision, Fault, HeaderPairs
from .router import Plan
from .stores.protocol import Step

__all__ = [
    "Answer",
    "Ask",
    "AskKey",
    "Discard",
    "Flow",
    "Outcome",
    "Peek",
    "Peeked",
    "R",
    "Result",
    "Send",
    "Sleep",
    "StateCall",
]

R = TypeVar("R")


@dataclass(slots=True)
class Ask:
    """A GET to the gateway that a create went to: its path (with any query) and the plan of that."""

    target: bytes
    plan: Plan


@dataclass(slots=True)
class Send:
    """Put the request on the wire; told: an :class:`Outcome`. ``remaining`` bounds it, in seconds.

    ``body``: what to send in the place of its own; ``ask``: send this GET to the same gateway in its place.
    """

    number: int
    edit: HeaderEdit | None = None
    remaining: float | None = None
    body: bytes | None = field(default=None, repr=False)
    ask: Ask | None = None


@dataclass(slots=True)
class Answer:
    """An answer given before, to be handed over as a response of the client's; told: that response."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class Peek(Generic[R]):
    """Read the start of a body without taking it from the caller; told: a :class:`Peeked`.

    No further piece is read once the clock says ``until``; ``remaining`` seconds are left of the user's deadline.
    """

    response: R = field(repr=False)
    max_bytes: int
    until: float
    remaining: float | None = None


@dataclass(slots=True)
class Discard(Generic[R]):
    """Close a response that nobody will see."""

    response: R = field(repr=False)


@dataclass(slots=True)
class Sleep:
    """Wait; the only place where a call waits on purpose."""

    seconds: float


@dataclass(slots=True)
class StateCall:
    """Change shared state in one atomic step; told: the step's verdict."""

    key: str
    step: Step
    ttl: float
    enters: bool = False  # a create, which must not go out without it


@dataclass(slots=True)
class AskKey:
    """Ask the key source, because ``used`` was refused (None: there is no key yet)."""

    used: bytes | None = field(repr=False)


@dataclass(slots=True)
class Outcome(Generic[R]):
    """What a Send came back with: a response with its status and headers, or an error and its kind."""

    response: R | None = field(default=None, repr=False)
    status: int = 0
    headers: HeaderPairs = field(default=(), repr=False)
    error: Exception | None = field(default=None, repr=False)
    fault: Fault | None = None


@dataclass(slots=True)
class Peeked:
    """What a Peek saw. ``complete``: this is the whole body. ``error``: it broke after these bytes."""

    body: bytes = field(default=b"", repr=False)
    complete: bool = False
    error: Exception | None = field(default=None, repr=False)


@dataclass(slots=True)
class Result(Generic[R]):
    """What the call ends with: the response to hand over, or an error to raise."""

    report: CallReport
    decision: Decision | None = None
    response: R | None = field(default=None, repr=False)
    error: Exception | None = field(default=None, repr=False)
    refused: bool = False  # the ledger did not let it out,
    said: str | None = None  # and this is what is raised
    unknown: bool = False  # a paid create or upload of unknown fate
    late: bool = False  # the user's deadline has passed
    instead: str | None = None  # what the response is in the place of the create's own: replayed, polled, found
    sent: bool = True  # a create went out


Flow: TypeAlias = "Generator[Send | Answer | Peek[R] | Discard[R] | Sleep | StateCall | AskKey, Any, Result[R]]"
