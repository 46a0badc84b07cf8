"""What goes over the wire, step by step: an answer and a fault become a list of steps.

Pure. Must not know sockets, tasks or routes; ``connection.py`` carries the steps out.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from .faults import Fault
from .messages import KEEP_ALIVE, Answer

__all__ = ["Body", "Cut", "End", "Head", "Inform", "Raw", "Shut", "Stall", "Step", "Wait", "steps_for"]

_BEFORE_RST: Final = 0.02
"""Seconds a client gets to read what was sent: an RST may overtake data on some systems."""

_LINE_ENDS: Final = {"crlf": b"\r\n", "cr": b"\r"}
_NOT_HTTP: Final = b"\x16\x03\x01\x02\x00 this is not HTTP at all\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Inform:
    """Send an informational answer (1xx)."""

    status: int


@dataclass(frozen=True, slots=True)
class Head:
    """Send status and headers; ``length`` None means chunked."""

    status: int
    headers: tuple[tuple[str, str], ...]
    length: int | None


@dataclass(frozen=True, slots=True)
class Body:
    """Send a piece of the body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The answer is whole."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Send bytes as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing until the client gives up, but for a ``beat`` every so many seconds."""

    every: float | None = None
    beat: bytes = b""


@dataclass(frozen=True, slots=True)
class Shut:
    """Shut the writing side and wait for the client to leave."""


@dataclass(frozen=True, slots=True)
class Cut:
    """End the connection."""

    how: Literal["fin", "rst"]


Step = Wait | Inform | Head | Body | End | Raw | Stall | Shut | Cut


def steps_for(answer: Answer, fault: Fault | None) -> list[Step]:
    """Return how this answer goes out when it meets this fault."""
    if fault is None:
        return [_head(answer, None), *map(Body, _pieces(answer)), End()]
    before = _before(fault)
    if before and isinstance(before[-1], (Cut, Shut)):
        return before
    answer = _written(answer, fault)
    head = _head(answer, fault)
    if fault.reset == "after_headers":
        return [*before, head, Wait(_BEFORE_RST), Cut("rst")]
    rest = [*_delay(answer, fault), *_rest(answer, _pieces(answer), fault)]
    return [*before, *([_coded(head), *_compressed(rest)] if fault.gzip else [head, *rest])]


def _pieces(answer: Answer) -> Sequence[bytes]:
    return answer.events if answer.events is not None else (answer.body,)


def _written(answer: Answer, fault: Fault) -> Answer:
    """Return the answer as the fault has it written."""
    kind = next((value for name, value in answer.headers if name.lower() == "content-type"), "")
    if not kind.startswith("text/event-stream"):
        return replace(answer, keep_alive=answer.keep_alive or b" ")
    end, events = _LINE_ENDS.get(fault.line_end or "", b"\n"), answer.events
    if fault.malformed_event and events is not None:
        middle = len(events) // 2
        broken = events[middle].rstrip(b"\n")[:-1] + b"\n\n"  # without the last bracket of its JSON
        events = (*events[:middle], broken, *events[middle:])
    return replace(
        answer,
        body=answer.body.replace(b"\n", end),
        events=None if events is None else tuple(it.replace(b"\n", end) for it in events),
        error_event=answer.error_event.replace(b"\n", end),
        keep_alive=(answer.keep_alive or KEEP_ALIVE).replace(b"\n", end),
    )


def _delay(answer: Answer, fault: Fault) -> list[Step]:
    """Return how the time between headers and body passes."""
    left, every = fault.delay_body, fault.keep_alive
    if not left:
        return []
    steps: list[Step] = []
    while every is not None and left > every:
        steps += [Body(answer.keep_alive), Wait(every)]
        left -= every
    return [*steps, Wait(left)]


def _before(fault: Fault) -> list[Step]:
    """Return the steps before the status line; a last one that ends it all means there will be none."""
    steps: list[Step] = [Wait(fault.delay_headers)] if fault.delay_headers else []
    if fault.reset == "before_headers":
        steps.append(Cut("rst"))
    elif fault.half_close:
        steps.append(Shut())
    elif fault.stall == "before_headers":
        steps += [Stall(), Cut("fin")]
    elif fault.garbage == "not_http":
        steps += [Raw(_NOT_HTTP), Cut("fin")]
    elif fault.status is not None and fault.status < 200:
        steps.append(Inform(fault.status))
    return steps


def _head(answer: Answer, fault: Fault | None) -> Head:
    if answer.events is not None:
        return Head(answer.status, answer.headers, None)
    length = len(answer.body)
    if fault is not None and fault.truncate is not None:
        length = max(length, min(fault.truncate, length) + 1)  # more is promised than comes
    return Head(answer.status, answer.headers, length)


def _rest(answer: Answer, pieces: Sequence[bytes], fault: Fault) -> list[Step]:
    """Return the steps after the headers."""
    if fault.truncate is not None:
        kept = b"".join(pieces)[: fault.truncate]
        return [*_bodies([kept]), Cut("fin")]
    if fault.reset == "mid_body":
        return [*_bodies(_half(pieces)), Wait(_BEFORE_RST), Cut("rst")]
    if fault.stall is not None:
        told = _half(pieces) if fault.stall == "mid_body" else ()
        return [*_bodies(told), Stall(fault.keep_alive, answer.keep_alive), Cut("fin")]
    if answer.events is None:
        return [*_bodies(pieces), End()]
    if fault.error_event:
        told = pieces[: fault.cut_stream_after or 0]
        failure = answer.error_event if told or answer.error_first is None else answer.error_first
        return [*_bodies([*told, failure]), End()]
    if fault.cut_stream_after is not None:
        ending: Step = End() if fault.drop_terminator else Cut("fin")
        return [*_bodies(pieces[: fault.cut_stream_after]), ending]
    if fault.drop_terminator:
        return [*_bodies(pieces[: len(pieces) - answer.terminal]), End()]
    return [*_bodies(pieces), End()]


def _half(pieces: Sequence[bytes]) -> Sequence[bytes]:
    """Return the first half of a body, or of a stream's events."""
    if len(pieces) == 1:
        return [pieces[0][: len(pieces[0]) // 2]]
    return pieces[: len(pieces) // 2]


def _coded(head: Head) -> Head:
    return replace(head, headers=(*head.headers, ("content-encoding", "gzip")), length=None)


def _compressed(steps: Sequence[Step]) -> list[Step]:
    """Return the steps with each piece compressed, so that it can be read before the next one comes."""
    machine = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    made: list[Step] = []
    for step in steps:
        if isinstance(step, Body):
            # Nothing in a piece refers to one before it, so that one may be sent again and again.
            made.append(Body(machine.compress(step.data) + machine.flush(zlib.Z_FULL_FLUSH)))
        elif isinstance(step, Stall) and step.beat:
            made.append(replace(step, beat=machine.compress(step.beat) + machine.flush(zlib.Z_FULL_FLUSH)))
        elif isinstance(step, End):
            made += [Body(machine.flush()), step]
        else:
            made.append(step)
    return made


def _bodies(pieces: Sequence[bytes]) -> list[Step]:
    return [Body(piece) for piece in pieces if piece]
