"""The canary can sing: it hears each channel, and each plant would arrive if the rule that keeps it in were not there.

Must not know how anything is emitted.
"""

from __future__ import annotations

import linecache
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags, TraceState

from anyint_resilience import CallReport, Event, Policy, ResilienceError
from anyint_resilience.contract.words import Family, Operation
from anyint_resilience.credentials import Credentials
from anyint_resilience.emulator import Emulator
from anyint_resilience.policy import wording
from anyint_resilience.telemetry import safety
from tests.conformance.canary import LOGGER, Ears, listening, mark
from tests.conformance.plants import CASES, ECHO, PROMPT, Leaky
from tests.conformance.singing import configured, leaks_of
from tests.conformance.surfaces import Surface

SECRET = mark("secret")


@pytest.fixture(scope="module")
def gateway() -> Iterator[Emulator]:
    """A gateway that takes every key."""
    with Emulator() as running:
        yield running
    assert running.internal_errors == []


# --- what says too much


class Loud(ResilienceError):
    """An exception of ours that says too much in one place."""

    def __init__(self, *args: object, text: str = "") -> None:
        super().__init__(*args)
        self.text = text

    def __str__(self) -> str:
        return self.text


def _told(**details: Any) -> Event:
    told: dict[str, Any] = {"level": 20, "route": "GET /", "family": Family.OPENAI, "operation": Operation.OTHER}
    return Event(**{"name": "backoff", "attempt": 1, **told, **details})


def _span(ears: Ears, name: str = "a", *, parent: Any = None, **more: Any) -> Any:
    return ears.tracers.get_tracer("t").start_span(name, parent, **more)


def _linked(ears: Ears) -> SpanContext:
    return SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1), trace_state=TraceState([("k", SECRET)]))


def _status(ears: Ears) -> None:
    span = _span(ears)
    span.set_status(Status(StatusCode.ERROR, SECRET))
    span.end()


def _recorded(ears: Ears) -> None:
    span = _span(ears)
    span.record_exception(ValueError(SECRET))
    span.end()


def _event(ears: Ears) -> None:
    span = _span(ears)
    span.add_event("e", {"a": [SECRET]})
    span.end()


def _traced_back(ears: Ears) -> None:
    line = f"raise Loud() # {SECRET}"
    try:
        exec(compile(line, "<leaky>", "exec"), {"Loud": Loud})
    except Loud as error:
        linecache.cache["<leaky>"] = (len(line), None, [line], "<leaky>")
        ears.error(error)
        del linecache.cache["<leaky>"]


def _noted(ears: Ears) -> None:
    error = Loud()
    error.__notes__ = [SECRET]  # what add_note does from Python 3.11 on
    ears.error(error)


def _behind(ears: Ears) -> None:
    outer = ValueError()
    outer.__cause__ = KeyError()
    outer.__cause__.__context__ = Loud(text=SECRET)
    ears.error(outer)


def _stored(ears: Ears) -> None:
    anyint = configured(ears)
    anyint.ledger.spare.update(SECRET, lambda state, now: ({"at": now}, None), 60)
    ears.configuration(anyint)


def _reported(ears: Ears, **told: Any) -> None:
    class Answer:
        anyint_report = CallReport(route="GET /", family=None, operation=Operation.OTHER, **told)

    ears.report(Answer())


def _logged(name: str, *args: Any, **more: Any) -> Callable[[Ears], None]:
    return lambda ears: logging.getLogger(name).debug(*args, **more)


SONGS: dict[str, tuple[str, Callable[[Ears], object]]] = {
    "span name": ("span", lambda ears: _span(ears, SECRET).end()),
    "span attribute": ("span", lambda ears: _span(ears, attributes={"a": f"x{SECRET}"}).end()),
    "span attribute's name": ("span", lambda ears: _span(ears, attributes={SECRET: 1}).end()),
    "span event": ("span", _event),
    "span exception": ("span", _recorded),
    "span status": ("span", _status),
    "span link": ("span", lambda ears: _span(ears, links=[Link(_linked(ears))]).end()),
    "span link's attribute": (
        "span",
        lambda ears: _span(ears, links=[Link(SpanContext(1, 2, False), {"a": SECRET})]).end(),
    ),
    "span's trace state": (
        "span",
        lambda ears: _span(ears, parent=trace.set_span_in_context(NonRecordingSpan(_linked(ears)))).end(),
    ),
    "span's scope": ("span", lambda ears: ears.tracers.get_tracer(SECRET).start_span("a").end()),
    "metric attribute": ("metric", lambda ears: ears.meters.get_meter("m").create_counter("c").add(1, {"a": SECRET})),
    "metric name": ("metric", lambda ears: ears.meters.get_meter("m").create_counter(SECRET).add(1)),
    "log message": ("log", _logged(LOGGER, SECRET)),
    "log argument": ("log", _logged(LOGGER, "%s", [SECRET])),
    "log argument not shown": ("log", _logged(LOGGER, "%.0s", SECRET)),
    "log extra": ("log", _logged(LOGGER, "a", extra={"anyint_reason": {"a": SECRET}})),
    "log exception": ("log", _logged(LOGGER, "a", exc_info=ValueError(SECRET))),
    "log of a child": ("log", _logged(f"{LOGGER}.child", SECRET)),
    "warning": ("warning", lambda ears: warnings.warn(SECRET, stacklevel=2)),
    "standard output": ("output", lambda ears: print(SECRET)),
    "standard error": ("output", lambda ears: sys.stderr.write(SECRET)),
    "event name": ("event", lambda ears: ears.events.append(_told(name=SECRET))),
    "event detail": ("event", lambda ears: ears.events.append(_told(details={"anyint.reason": SECRET}))),
    "repr": ("client", lambda ears: ears.hear("client", Leaky())),
    "str": ("client", lambda ears: ears.hear("client", Loud(text=SECRET))),
    "exception text": ("exception", lambda ears: ears.error(Loud(text=SECRET))),
    "exception arguments": ("exception args", lambda ears: ears.error(Loud(SECRET))),
    "exception notes": ("exception notes", _noted),
    "exception traceback": ("exception traceback", _traced_back),
    "exception behind another": ("exception", _behind),
    "report": ("report", lambda ears: _reported(ears, notes=(SECRET,))),
    "decision": (
        "report",
        lambda ears: _reported(ears, decision=replace(Policy().decide_response("GET", "/", 500), reason=SECRET)),
    ),
    "store": ("stores", _stored),
    "configuration": ("configuration", lambda ears: ears.configuration(configured(ears, hosts=[f"https://{SECRET}"]))),
    "in base64": ("client", lambda ears: ears.hear("client", "Basic dXNlcjpxenhqcw==")),
    "in other letters": ("client", lambda ears: ears.hear("client", SECRET.upper())),
    "in bytes": ("client", lambda ears: ears.hear("client", {"a": [SECRET.encode()]})),
}


@pytest.mark.parametrize("name", list(SONGS))
def test_the_canary_hears_every_channel(name: str) -> None:
    """A secret said on purpose is found where it was said."""
    channel, sing = SONGS[name]
    with listening() as ears:
        assert ears.leaks() == []
        sing(ears)
        found = {leak.partition(":")[0] for leak in ears.leaks()}
        assert channel in found
        assert found <= {channel, "exception", "exception args", "exception traceback"}


@pytest.mark.parametrize(
    ("owner", "attribute", "broken", "name", "channels"),
    [
        (wording, "word_of", str, "400, code sentence", {"span", "log", "event", "report"}),
        (wording, "id_of", lambda text: ECHO, "503, code key", {"span", "log", "event", "report"}),
        (Credentials, "holds", lambda self, text: False, "503, code key", {"span", "log", "event", "report"}),
        (safety, "_shown", lambda part: part, "good", {"span"}),
        (safety, "id_of", str, "good", {"span"}),
        (safety, "_at_top", lambda *args: True, "model inside alone", {"span", "log", "event", "metric"}),
        (Credentials, "__repr__", lambda self: repr(vars(self)), "good", {"configuration"}),
        (ResilienceError, "__str__", lambda self: PROMPT, "create lost and held back", {"exception"}),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_each_rule_is_what_keeps_a_plant_in(
    owner: Any,
    attribute: str,
    broken: Any,
    name: str,
    channels: set[str],
    emu: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With one rule out of force, what was planted for it comes out on each channel that it guards."""
    monkeypatch.setattr(owner, attribute, broken)
    found = {leak.partition(":")[0] for leak in leaks_of(CASES[name], Surface("httpx"), emu)}
    assert found >= channels
