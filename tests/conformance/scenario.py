"""What a scenario of the conformance matrix is: data, and the few requests most of them make.

Must not know any client, nor how a scenario is played.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from anyint_resilience import Action, Cause, Certainty
from anyint_resilience.emulator import Fault

NOW = 1_800_000_000.0
"""The wall clock of every scenario. It and the clock of the call move with the waits asked for, and by nothing else."""

Sees = tuple[Action, Cause | None, Certainty]
"""Of a decision: what is done, why, and what became of the request."""


class Raises(Enum):
    """How a call ends that gives no answer."""

    CLIENTS = "the client's own exception"
    TIMEOUT = "the client's own time-out"
    BROKEN = "an answer that the client says is broken off"
    INTERRUPTED = "StreamInterrupted, also what the client raises for a body that breaks off"
    INTERRUPTED_TIMEOUT = "StreamInterrupted, also the client's time-out"
    UNKNOWN = "OutcomeUnknown, also the client's connection error"
    UNKNOWN_TIMEOUT = "OutcomeUnknown, also the client's time-out"
    LATE = "DeadlineExceeded, also the client's time-out"
    TASK_FAILED = "TaskFailed: the task came to its end without a result"
    TASK_TIMEOUT = "TaskTimeout: the task goes on"
    QUERY_REFUSED = "QueryRefused: the gateway does not tell"


@dataclass(frozen=True)
class Once:
    """A body that can be read only once: a generator, async where the client is."""

    data: bytes


@dataclass(frozen=True)
class File:
    """A file, opened anew for each call and read from ``position`` on."""

    data: bytes
    position: int = 0

    def opened(self) -> io.BytesIO:
        """Return it, standing there."""
        file = io.BytesIO(self.data)
        file.seek(self.position)
        return file


@dataclass(frozen=True)
class Keys:
    """A source of keys: gives one after the other each time it is asked, in each play from the first on."""

    keys: tuple[str, ...]

    def source(self) -> Callable[[], str]:
        """Return the callable that ``Resilience`` takes."""
        return iter(self.keys).__next__


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One call of the application. ``streamed``: its answer is read as it comes.

    ``follow``: the task that it made is then waited for on the same client, for so many seconds at the most.

    In a path and in header values ``{gateway}``, ``{other}`` and ``{closed}`` stand for the address of the gateway, of
    a second host and of one where nobody listens, ``{task}`` for the task made last.
    """

    method: str = "POST"
    path: str
    json: Any = None
    content: Any = None
    data: Mapping[str, str] | None = None
    files: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    policy: Any = None
    timeout: Any = None
    redirects: bool = False
    streamed: bool = False
    follow: float | None = None

    def but(self, **changes: Any) -> Ask:
        """Return the same call with some things changed."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One row of the matrix: what the application asks, what goes wrong, and all that must follow.

    name:      what happens, in a line of the table.
    lessons:   the rows of ``lessons.py`` it stands for.
    asks:      the application's calls, one after the other, on a client with one connection.
    faults:    what the requests that arrive meet, in order; ``Fault()`` is none.
    wire:      the requests that arrived, each by the status that answered it (None: no status line was sent).
    waits:     every wait asked for, exactly, the jitter at its longest.
    ends:      how each call ended: a status or an exception; one that stands for all where there is only one.
    decision:  the last decision of the last call; None where nothing had to be decided.
    body:      the last answer's body, to the letter (a call that broke: what came of it). None: any.
    sent:      headers that every request had; None: that none had.
    tasks:     tasks made at the gateway.
    unknown:   creates that the ledger holds to be unknown in the end.
    retry_at:  seconds from now from which on, as the last decision says, trying again makes sense.
    found:     headers of each request that arrived at ``{other}``, None as in ``sent``.
    once:      all that went over the wire came over one connection: retried answers gave theirs back.
    real_clock: the call's clock is the real one, because an attempt that takes time is what it is about.
    anyint:    settings of ``Resilience``.
    client:    settings of the client.
    check:     anything that is no data.
    cannot:    client or surface -> why it can't.
    """

    name: str
    lessons: tuple[str, ...] = ()
    asks: tuple[Ask, ...]
    faults: tuple[Fault, ...] = ()
    wire: tuple[int | None, ...] = (200,)
    waits: tuple[float, ...] = ()
    ends: tuple[int | Raises, ...] = (200,)
    decision: Sees | None = None
    body: bytes | None = None
    sent: Mapping[str, str | None] = field(default_factory=dict)
    tasks: int = 0
    unknown: int = 0
    retry_at: float | None = None
    found: tuple[Mapping[str, str | None], ...] = ()
    once: bool = False
    real_clock: bool = False
    anyint: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Any], None] | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)

    def why_not(self, surface: Any) -> str | None:
        """Return why a surface cannot play this, None if it can."""
        return self.cannot.get(str(surface), self.cannot.get(surface.library))


# --- decisions

DELIVERED: Sees = (Action.DELIVER, None, Certainty.COMMITTED)
POLL: Sees = (Action.POLL, None, Certainty.COMMITTED)


def stops(cause: Cause, certainty: Certainty = Certainty.REJECTED) -> Sees:
    """Return a decision that hands over."""
    return Action.NO_RETRY, cause, certainty


# --- requests

TALK = [{"role": "user", "content": "hi"}]
CHAT = Ask(path="/openai/v1/chat/completions", json={"model": "gpt-5", "messages": TALK})
STREAM = CHAT.but(json={**CHAT.json, "stream": True}, streamed=True)
MESSAGES = Ask(path="/anthropic/v1/messages", json={"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": TALK})
GEMINI = Ask(path="/gemini/v1beta/models/gemini-2.5-flash:generateContent", json={"contents": [{"parts": []}]})
MODELS = Ask(method="GET", path="/openai/v1/models")
UPLOAD = Ask(path="/openai/v1/files", files={"file": ("a.jsonl", b"{}\n" * 2000)}, data={"purpose": "batch"})

VIDEO = Ask(path="/openai/v1/videos", json={"model": "kling-3.0", "prompt": "a fox in the snow"})
SONG = Ask(path="/suno/generate", json={"model": "V5", "prompt": "a song", "callBackUrl": "https://app.example/hook"})
KLING = Ask(path="/transtreams/kling/v1/videos/text2video", json={"model_name": "kling-v3", "prompt": "a fox"})
WAN = Ask(
    path="/dashscope/v1/services/aigc/video-generation/video-synthesis",
    json={"model": "wan2.5-t2v-preview", "input": {"prompt": "a fox"}},
)
CREATES = {"openai": VIDEO, "suno": SONG, "kling": KLING, "dashscope": WAN}
VIDEO_QUERY = Ask(method="GET", path="/openai/v1/videos/{task}")


# --- scenarios that differ in little


def healed(
    name: str, ask: Ask, *faults: Fault, waits: tuple[float, ...], lessons: tuple[str, ...] = (), **more: Any
) -> Scenario:
    """Return a scenario whose last attempt goes through, after these faults and waits."""
    made = ask.path in {create.path for create in CREATES.values()}
    return Scenario(
        name=name,
        lessons=lessons,
        **{
            "asks": (ask,),
            "faults": faults,
            "waits": waits,
            "wire": (*(answered(fault) for fault in faults), 200),
            "decision": POLL if made else DELIVERED,
            "tasks": int(made),
            **more,
        },
    )


def refused(name: str, ask: Ask, fault: Fault, cause: Cause, lessons: tuple[str, ...] = (), **more: Any) -> Scenario:
    """Return a scenario whose first answer is handed over, because the same request would fail again."""
    status = answered(fault)
    assert status is not None
    return Scenario(
        name=name,
        lessons=lessons,
        **{"asks": (ask,), "faults": (fault,), "wire": (status,), "ends": (status,), "decision": stops(cause), **more},
    )


def answered(fault: Fault) -> int | None:
    """Return the status line that a request meeting this fault is sent, None without one."""
    silent = fault.reset == "before_headers" or fault.half_close or fault.stall == "before_headers"
    if silent or fault.garbage == "not_http":
        return None
    return fault.status if fault.status is not None and fault.status >= 200 else 200
