"""The nouns of the policy: what was seen, what is decided, what became of a call.

Must not know any rule: values only. Times are seconds; wall-clock times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from ..contract.words import Cause, Certainty, Family, Operation

__all__ = ["Action", "Attempt", "CallReport", "Decision", "Fault", "FaultKind", "HeaderPairs", "Hint", "Observation"]

HeaderPairs: TypeAlias = "Mapping[Any, Any] | Iterable[tuple[Any, Any]]"
"""Headers as any client holds them: a mapping or pairs, names and values as str or bytes."""


class Action(str, Enum):
    """What happens next. ``deliver`` and ``no_retry`` hand the answer over, ``poll`` does too and names a task."""

    DELIVER = "deliver"
    NO_RETRY = "no_retry"
    BACKOFF = "backoff"
    POLL = "poll"
    FALLBACK = "fallback"

    __str__ = str.__str__


class FaultKind(str, Enum):
    """How an attempt ended without a (whole) answer. The words of ``explain --exception``."""

    CONNECT_ERROR = "connect_error"  # refused, unreachable, DNS
    CONNECT_TIMEOUT = "connect_timeout"
    TLS_ERROR = "tls_error"  # the handshake failed for a reason that may pass
    TLS_CERTIFICATE = "tls_certificate"  # the certificate was not accepted: it will not be next time either
    POOL_TIMEOUT = "pool_timeout"
    PROXY_ERROR = "proxy_error"
    WRITE_ERROR = "write_error"
    WRITE_TIMEOUT = "write_timeout"
    READ_ERROR = "read_error"  # reset or EOF
    READ_TIMEOUT = "read_timeout"
    PROTOCOL_ERROR = "protocol_error"  # the server's bytes were not HTTP, or it hung up without an answer
    BODY_ERROR = "body_error"  # headers came, the body broke
    LOCAL_ERROR = "local_error"  # the request itself could not be put on the wire
    UNKNOWN = "unknown"

    __str__ = str.__str__


@dataclass(frozen=True, slots=True)
class Fault:
    """An exception, told apart by kind, with its class name for people (never its text: it may hold a URL)."""

    kind: FaultKind
    name: str = ""
    status: int | None = None  # of the answer whose body broke


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What the server said about time: wait at least ``seconds``; ``source`` names the header or field.

    ``at_most``: no longer than that, perhaps much less (OpenAI's reset is the time to a full refill).
    """

    seconds: float
    source: str
    at_most: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one answer or one fault means, before any rule is applied.

    ``cause`` is None for a good answer. ``may_repeat`` is False where the server or the contract says
    that the same request must not be sent again, None where the cause alone decides. ``few`` asks for
    one retry at the most (the contract's "one retry reasonable" rows). ``least`` is what our own schedule
    must not go below, in seconds. ``flaw`` says what a good answer lacks: ``policy`` for a refusal inside it,
    another cause for an output that is not whole.
    """

    cause: Cause | None
    certainty: Certainty
    source: str
    status: int | None = None
    code: str | None = None
    type: str | None = None
    message: str = field(default="", repr=False)  # it may hold anything that the server was sent
    envelope: str | None = None
    hint: Hint | None = None
    request_id: str | None = None
    task_id: str | None = None
    task_state: str | None = None
    pending: bool = False
    may_repeat: bool | None = None
    few: bool = False
    least: float = 0.0
    flaw: Cause | None = None
    note: str = ""  # more for the developer, from the row that matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do about an outcome, and why.

    ``delay`` is seconds to wait before the next attempt or poll (None: there is none); ``retry_at`` the
    Unix time from which trying again makes sense, where one is known. ``reason`` is for logs,
    ``guidance`` for the developer, ``user_message`` fit to show to an end user. ``route`` is
    ``METHOD /template`` or None for a foreign URL; ``source`` says who states the rule.
    """

    action: Action
    cause: Cause | None
    certainty: Certainty
    delay: float | None
    retry_at: float | None
    reason: str
    guidance: str
    user_message: str
    route: str | None
    family: Family | None
    operation: Operation
    source: str

    def as_dict(self) -> dict[str, Any]:
        """Return the twelve fields as plain JSON values, enum values in lower case."""
        return {key: value.value if isinstance(value, Enum) else value for key, value in asdict(self).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request on the wire: when it began (seconds after the call did), how long it took, how it ended."""

    number: int
    started: float
    duration: float
    status: int | None
    fault: Fault | None
    decision: Decision | None
    waited: float = 0.0  # after this attempt
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """What happened to one call of the application; read it with ``report(response_or_exception)``.

    ``decision`` is the one the call ended by, None where the first answer was good and nothing had to be
    decided. ``attempts`` in order; ``route`` is ``METHOD /template``; ``outer_retries`` is how many times a retry
    layer above us had already sent this call (``x-stainless-retry-count``), 0 if none was seen. ``repeats`` is how many
    times the same request had failed through us within the minute before: a retry layer above that says nothing of
    itself, or the same question asked anew. ``intent`` names a
    paid create of unknown outcome in the ledger (``ledger.forget(intent)`` lets it out again); None for any other call.
    """

    route: str
    family: Family | None
    operation: Operation
    decision: Decision | None = None
    attempts: tuple[Attempt, ...] = ()
    outer_retries: int = 0
    repeats: int = 0
    intent: str | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """Every decision taken, in order."""
        return tuple(attempt.decision for attempt in self.attempts if attempt.decision is not None)

    @property
    def waited(self) -> float:
        """Seconds spent waiting between attempts."""
        return sum(attempt.waited for attempt in self.attempts)

    def __str__(self) -> str:
        return self.timeline()

    def timeline(self) -> str:
        """Tell the call in words, one line an attempt."""
        lines = [f"{self.route}: {len(self.attempts)} attempt(s), waited {self.waited:.2f} s"]
        for attempt in self.attempts:
            end = str(attempt.status) if attempt.fault is None else attempt.fault.kind.value
            line = f"  {attempt.number}. +{attempt.started:.2f} s: {end}"
            if attempt.decision is not None:
                line += f" -> {attempt.decision.action.value}: {attempt.decision.reason}"
            lines.append(line)
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])
