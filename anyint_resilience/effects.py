"""What the engine asks for and is told: the effects, their replies, and the result of a call.

Must not know who carries them out. None of them shows a response, an error or a body: a client's own texts hold URLs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from .callreport import CallReport
from .credentials import HeaderEdit
from .policy.model import Decision, Fault, HeaderPairs
from .router import Plan
from .runtime import Bell
from .stores.protocol import Step
from .streams.watcher import Watcher

__all__ = [
    "Answer",
    "Ask",
    "AskKey",
    "Discard",
    "Flow",
    "GuardCall",
    "Outcome",
    "Pace",
    "Peek",
    "Peeked",
    "R",
    "Refusal",
    "Rest",
    "Result",
    "Send",
    "Sleep",
    "StateCall",
    "Target",
    "is_own",
]


R = TypeVar("R")
Pace: TypeAlias = "Callable[[float | None], object]"
"""Says for how many seconds each further read of a body may wait (None: as long as the caller has it)."""


def is_own(error: Exception | None) -> bool:
    """Whether a time-out is one of ours, raised in Python's own class: the clients' have classes of their own."""
    return type(error).__module__ in ("builtins", "asyncio.exceptions")


@dataclass(slots=True)
class Ask:
    """A GET to the gateway that a create went to: its path (with any query) and the plan of that."""

    target: bytes
    plan: Plan


@dataclass(slots=True)
class Target:
    """Where a fallback goes: another gateway, another path (with any query), or both; ``model`` serves there."""

    scheme: str
    host: str
    port: int | None
    target: bytes
    model: str

    @property
    def url(self) -> str:
        """The whole URL."""
        name = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return f"{self.scheme}://{name if self.port is None else f'{name}:{self.port}'}{self.target.decode('latin-1')}"


@dataclass(slots=True)
class Send:
    """Put the request on the wire; told: an :class:`Outcome`. ``remaining`` bounds it, in seconds.

    ``body``: what to send in the place of its own; ``ask``: send this GET to the same gateway in its place; ``to``:
    send it there. ``silent``: seconds in which the answer must begin; a body may take longer. ``paced``: how long a
    read of the body may take will be said later.
    """

    number: int
    edit: HeaderEdit | None = None
    remaining: float | None = None
    body: bytes | None = field(default=None, repr=False)
    ask: Ask | None = None
    to: Target | None = None
    silent: float | None = None
    paced: bool = False

    @property
    def patience(self) -> float | None:
        """Seconds until the answer must have begun, None for any time."""
        if self.silent is None or self.remaining is None:
            return self.remaining if self.silent is None else self.silent
        return min(self.silent, self.remaining)

    def cut_short(self, error: Exception) -> bool:
        """Whether an error is the end of ``silent``, and of no other time-out: the client's have classes of its own."""
        early = self.silent is not None and (self.remaining is None or self.silent < self.remaining)
        return early and isinstance(error, TimeoutError) and is_own(error)

    @property
    def plain(self) -> bool:
        """Whether the request goes out as it is."""
        return (
            self.edit is None
            and self.remaining is None
            and self.body is None
            and self.ask is None
            and self.to is None
            and self.silent is None
            and not self.paced
        )


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

    Of a stream it is read until its ``watcher`` has seen content, or the end. The first piece must come within
    ``first`` seconds; ``pace`` says how long each read may take, and that is ``idle`` afterwards (None: as the caller
    has it). Without content it may be for ``content_idle`` seconds after its first piece, whatever comes.

    ``strict``: one that is not whole by ``until`` has broken, but for its end when all ``length`` bytes have come.
    """

    response: R = field(repr=False)
    max_bytes: int
    until: float
    remaining: float | None = None
    watcher: Watcher | None = None
    first: float | None = None
    idle: float | None = None
    content_idle: float | None = None
    pace: Pace | None = field(default=None, repr=False)
    strict: bool = False
    length: int | None = None


@dataclass(slots=True)
class Discard(Generic[R]):
    """Close a response that nobody will see."""

    response: R = field(repr=False)


@dataclass(slots=True)
class Sleep:
    """Wait; the only place where a call waits on purpose."""

    seconds: float


@dataclass(slots=True)
class Rest:
    """Wait in line at a guard, until it rings or the time is over; told: whether it rang."""

    bell: Bell = field(repr=False)
    seconds: float


@dataclass(slots=True)
class StateCall:
    """Change shared state in one atomic step; told: the step's verdict."""

    key: str
    step: Step
    ttl: float
    enters: bool = False  # a create, which must not go out without it


@dataclass(slots=True)
class GuardCall:
    """Change a guard's state in one atomic step; told: the step's verdict."""

    key: str
    step: Step


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
    pace: Pace | None = field(default=None, repr=False)
    watcher: Watcher | None = None  # of a stream whose opening was read already, and what that saw
    peeked: Peeked | None = None


@dataclass(slots=True)
class Peeked:
    """What a Peek saw. ``complete``: this is the whole body. ``error``: it broke after these bytes, in which way."""

    body: bytes = field(default=b"", repr=False)
    complete: bool = False
    error: Exception | None = field(default=None, repr=False)
    fault: Fault | None = None


class Refusal(NamedTuple):
    """A guard let an attempt not out: ``why`` (rate, quota, down, full, circuit), and when it may, in Unix seconds."""

    why: str
    retry_at: float | None
    reason: str


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
    opened: bool = False  # a stream that broke before its content: who reads the response gets the error
    closed: Refusal | None = None  # a guard did not let it out, and there is no answer to hand over


Flow: TypeAlias = (
    "Generator[Send | Answer | Peek[R] | Discard[R] | Sleep | Rest | StateCall | GuardCall | AskKey, Any, Result[R]]"
)
