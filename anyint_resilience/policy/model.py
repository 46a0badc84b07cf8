"""The nouns of the policy: what was seen, what is decided, attempt by attempt.

Must not know any rule: values only. Times are seconds; wall-clock times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from ..contract.words import Cause, Certainty, Family, Operation

__all__ = ["Action", "Attempt", "Decision", "Fault", "FaultKind", "HeaderPairs", "Hint", "Observation"]

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
    """One request on the wire: when it began (seconds after the call did), how long it took, how it ended.

    ``asked``: the row of a query that went out in the place of the call's own request, None for that. ``to``: the model
    or host that it fell back to, None for the primary.
    """

    number: int
    started: float
    duration: float
    status: int | None
    fault: Fault | None
    decision: Decision | None
    waited: float = 0.0  # after this attempt
    request_id: str | None = None
    asked: str | None = None
    to: str | None = None
