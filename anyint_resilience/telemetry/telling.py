"""Saying that something happened in a call: to its span, the log and listeners, and never louder than that.

Must not know any client, nor when anything happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from ..contract.words import Operation
from ..forking import generation
from ..stores.protocol import StoreError
from .details import NESTED
from .events import Event, Value
from .hub import Telemetry
from .safety import model_of
from .words import EVENTS

if TYPE_CHECKING:
    from ..router import Plan

__all__ = ["LOOKERS", "Source", "Teller", "safe"]

P = ParamSpec("P")
T = TypeVar("T", bound="Teller")

LOOKERS = "a span processor, sampler, propagator or metric reader"


class Source(Protocol):
    """What a watch reads of a request, where somebody wants to know: an adapter's surface."""

    def method_of(self, request: Any, /) -> str:
        """Return the method."""
        ...

    def place_of(self, request: Any, /) -> tuple[str, str, int | None, bytes]:
        """Return where it goes."""
        ...

    def body_of(self, request: Any, /) -> Any:
        """Return its body."""
        ...

    def around(self, request: Any, /) -> Iterable[object]:
        """Return spans of others around it."""
        ...


def safe(method: Callable[Concatenate[T, P], None]) -> Callable[Concatenate[T, P], None]:
    """Let nothing out of a method of a watch; report it instead."""

    @wraps(method)
    def run(self: T, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if self.foreign:
            if self.generation != generation():  # a parent's call, where it goes on and is told of
                return
            self.hub.dropped.append(partial(_later, self, partial(method, self, *args, **kwargs)))
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            self.hub.broke(LOOKERS, error)

    return run


def _later(teller: Teller, said: Callable[[], None]) -> None:
    teller.foreign = False
    try:
        said()
    except Exception as error:
        teller.hub.broke(LOOKERS, error)


class Teller:
    """What a call is, and how anything is said of it.

    ``foreign``: the call is being ended from a place where nothing may be told at once, such as the garbage collector.
    """

    __slots__ = ("attempts", "foreign", "generation", "hub", "model", "operation", "plan", "request", "source", "spans")

    def __init__(self, hub: Telemetry, source: Source, request: Any, plan: Plan, operation: Operation) -> None:
        self.hub = hub
        self.source = source
        self.request = request
        self.plan = plan
        self.operation = operation
        self.spans: Any = None
        self.model: str | None = None
        self.attempts = 0
        self.foreign = False
        self.generation = generation()

    @safe
    def told(self, /, name: str, **details: Value) -> None:
        """Say that something happened: a row of ``words.EVENTS``, its details by names without ``anyint.``."""
        self.say(name, {f"anyint.{key}": value for key, value in details.items()})

    @safe
    def held_back(self, reason: str, intent: str | None) -> None:
        """Say that a create was not sent, because the same one, named by ``intent``, had an unknown outcome."""
        given = {"anyint.intent": intent, "gen_ai.request.model": self.model_name(), "anyint.reason": reason}
        self.say("held back", {name: it for name, it in given.items() if it is not None})

    @safe
    def nested(self, sends: int, how: str) -> None:
        """Say that a layer above has sent the same request ``sends`` times, this one included."""
        if self.hub.meters is not None:
            self.hub.meters.nested(self.family, sends, how)
        self.say("nested retry seen", {"anyint.sends": sends, "anyint.reason": NESTED[how]})

    @safe
    def store_failed(self, store: object, error: Exception) -> None:
        """Say that a step on the store failed."""
        name = type(store).__name__
        if self.hub.meters is not None:
            self.hub.meters.store_failure(name)
        kind = type(error).__name__
        why = getattr(error, "why", "")
        more = f" ({why})" if isinstance(error, StoreError) and isinstance(why, str) and why else ""
        reason = f"{name} raised {kind}{more}; this process's memory served instead"
        self.say("store failure", {"anyint.store": name, "error.type": kind, "anyint.reason": reason})

    def store_back(self, store: object) -> None:
        """Say that a store that many share answers again."""
        self.say("store back", {"anyint.store": type(store).__name__})

    def say(self, name: str, details: dict[str, Value], level: int | None = None) -> None:
        """Put an event on the span and tell it to the log and to listeners; ``level`` if it is not the row's."""
        level = EVENTS[name].level if level is None else level
        if self.spans is not None and self.spans.recording:
            self.spans.event(name, details)
        if self.hub.hears(level):
            self.hub.tell(self._event(name, details, level))

    def heard(self, name: str, level: int | None) -> bool:
        """Whether anybody is told of an event: its details are not made for nobody."""
        recording = self.spans is not None and self.spans.recording
        return recording or self.hub.hears(EVENTS[name].level if level is None else level)

    def _event(self, name: str, details: dict[str, Value], level: int) -> Event:
        route = self.plan.route
        ids = self.hub.current_ids() if self.spans is None else self.spans.ids()
        trace_id, span_id = (None, None) if ids is None else ids
        return Event(
            name=name,
            level=level,
            route=route.name,
            family=route.family,
            operation=self.operation,
            attempt=self.attempts,
            details=MappingProxyType(details),
            trace_id=trace_id,
            span_id=span_id,
        )

    def ids(self) -> tuple[str, str] | None:
        """Return the trace and span id of the call's span, None where it has none."""
        return None if self.spans is None or not self.spans.recording else self.spans.ids()

    @property
    def family(self) -> str:
        """The route's family, ``none`` where it has none."""
        family = self.plan.route.family
        return "none" if family is None else family.value

    def model_name(self) -> str | None:
        """Return the model of the request, looked up when it is first asked for."""
        if self.model is None and self.request is not None:
            target = self.source.place_of(self.request)[3]
            self.model = self.shown(model_of(self.plan.route, target, self.source.body_of(self.request).content))
        return self.model

    def shown(self, model: str | None) -> str | None:
        """Return the name of a model if it is none of a key's: that may stand anywhere by mistake."""
        return None if model is not None and self.hub.hides(model) else model
