"""``Telemetry``: who looks at the calls of one configuration, and how they are told.

Must not know any client, nor let anybody who looks change what becomes of a call: what they raise is reported once.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from inspect import iscoroutinefunction
from threading import Lock
from typing import TYPE_CHECKING, Any, final

from ..forking import after_fork
from ..policy.given import shown
from . import logs
from .events import Event, Listener
from .words import MODES

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .meters import Meters
    from .spans import Tracing

__all__ = ["Telemetry", "telemetry_problems"]

_MOST_DROPPED = 1000


def telemetry_problems(spans: object, tracer_provider: object, meter_provider: object, listeners: object) -> list[str]:
    """Say what is wrong with the settings; nothing, if they can be used."""
    problems = []
    if spans not in MODES:
        problems.append(f"spans must be one of {', '.join(MODES)}, not {shown(spans)}")
    for name, given, method in (
        ("tracer_provider", tracer_provider, "get_tracer"),
        ("meter_provider", meter_provider, "get_meter"),
    ):
        if given is not None and not callable(getattr(given, method, None)):
            problems.append(f"{name} must have a {method} method, as OpenTelemetry's have: {type(given).__name__}")
    if isinstance(listeners, (str, bytes)) or not isinstance(listeners, Iterable):
        problems.append(f"listeners must be an iterable of callables, not {type(listeners).__name__}")
    else:
        problems += [
            f"each of the listeners must be callable, not {type(it).__name__}" for it in listeners if not callable(it)
        ]
        problems += ["a listener must not be a coroutine function" for it in listeners if _awaits(it)]
    return problems


@final
class Telemetry:
    """What one configuration tells, and to whom. Shared between calls and threads.

    Providers of None are OpenTelemetry's global ones, once the application has set them; until then a call pays one
    look for each of the two.
    """

    def __init__(
        self,
        *,
        spans: str,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        listeners: Iterable[Listener],
        clock: Callable[[], float],
        wall: Callable[[], float],
        hides: Callable[[str], bool],
    ) -> None:
        from . import meters as meters_module  # late: OpenTelemetry's API is loaded by a configuration, not an import
        from . import spans as spans_module

        self._spans, self._meters = spans_module, meters_module
        self.mode = spans
        self.clock = clock
        self.wall = wall
        self.dropped: deque[Callable[[], None]] = deque(maxlen=_MOST_DROPPED)
        self.hides = hides
        self.listeners = tuple(listeners)
        self.tracing: Tracing | None = None
        self.meters: Meters | None = None
        self._broken: set[str] = set()
        self._settled = self._sure = False
        # Not looked for: switched off, or what was given does nothing or is broken, and the global one was not wanted.
        self._left: set[str] = {"tracer"} if spans == "off" else set()
        self._lock = Lock()
        after_fork(self, Telemetry._forked)
        if spans_module.unpropagated is not None and spans != "off":
            self.broke("a propagator that the environment names", spans_module.unpropagated)
        self._settle(tracer_provider, meter_provider, look=True)

    def _forked(self) -> None:
        self._lock = Lock()

    def active(self) -> bool:
        """Whether a call is to be watched: somebody records spans or metrics, or there is a trace to hand on."""
        if self._sure:
            return True
        if not self._settled and (self._spans.tracer_may_be_set() or self._meters.meter_may_be_set()):
            self._settle()
        return self.tracing is not None or self.meters is not None or (self.mode != "off" and self._traced())

    def flush(self) -> None:
        """Tell of what ended while nothing could be told: within the garbage collector, which runs anywhere."""
        with suppress(IndexError):
            while True:
                self.dropped.popleft()()

    def _traced(self) -> bool:
        try:
            return self._spans.traced()
        except Exception as error:  # some other implementation's span
            self.broke("the current span", error)
            return False

    def headers(self) -> Any:
        """Return the headers that hand on a trace that is not ours."""
        return self._spans.current_headers() if self.mode != "off" else ()

    def current_ids(self) -> tuple[str, str] | None:
        """Return the current span's ids, None without one."""
        try:
            return self._spans.current_ids()
        except Exception as error:  # some other implementation's span
            self.broke("the current span", error)
            return None

    def hears(self, level: int) -> bool:
        """Whether an event of this level is told to anybody."""
        return bool(self.listeners) or logs.LOG.isEnabledFor(level)

    def call_spans(
        self, name: str, attributes: Any, around: Iterable[object], link: tuple[str | None, str | None] | None = None
    ) -> Any:
        """Begin the spans of a call, None if nobody wants any.

        ``around``: spans that may have to make way; ``link``: trace and span id of one that this goes on from.
        """
        return None if self.tracing is None else self._spans.CallSpans(self.tracing, name, attributes, around, link)

    def tell(self, event: Event) -> None:
        """Log an event and tell each listener."""
        try:
            logs.write(event)
        except Exception as error:
            self.broke("a log handler", error)
        for listener in self.listeners:
            self._tell_one(listener, event)

    def _tell_one(self, listener: Listener, event: Event) -> None:
        try:
            listener(event)
        except Exception as error:
            self.broke(f"the listener {getattr(listener, '__qualname__', type(listener).__name__)}", error)

    def broke(self, who: str, error: Exception) -> None:
        """Report that somebody who looks on has failed: once for each, since it may be so for every call."""
        if who in self._broken or len(self._broken) > 100:
            return
        self._broken.add(who)
        said = f"{who} failed ({type(error).__name__}); calls go on without it, and this is said once"
        try:
            logs.LOG.warning("%s", said)
        except Exception:  # the log itself is what is broken
            with suppress(Exception):
                sys.stderr.write(f"anyint_resilience: {said}\n")

    def _settle(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        look: bool = False,
    ) -> None:
        with self._lock:  # two threads would make each instrument twice
            if self.tracing is None and "tracer" not in self._left:
                try:
                    tracers = self._spans.given_tracer(look=look) if tracer_provider is None else tracer_provider
                    if tracers is not None and not self._is_none("tracer", tracers):
                        self.tracing = self._spans.Tracing(tracers, _version(), self.mode, self.broke)
                except Exception as error:
                    self._lost("tracer", error, given=tracer_provider is not None or not look)
            if self.meters is None and "meter" not in self._left:
                try:
                    meters = self._meters.given_meter(look=look) if meter_provider is None else meter_provider
                    if meters is not None and not self._is_none("meter", meters):
                        self.meters = self._meters.Meters(meters, _version(), self.broke)
                except Exception as error:
                    self._lost("meter", error, given=meter_provider is not None or not look)
            found = (self.tracing is not None, self.meters is not None)
            self._settled = all(it or what in self._left for it, what in zip(found, ("tracer", "meter"), strict=True))
            self._sure = self._settled and any(found)

    def _is_none(self, what: str, provider: object) -> bool:
        """Whether a provider is the API's own that does nothing: then there is none, and none is looked for."""
        none = type(provider).__module__.startswith(f"opentelemetry.{'trace' if what == 'tracer' else 'metrics'}")
        if none:
            self._left.add(what)
        return none

    def _lost(self, what: str, error: Exception, *, given: bool) -> None:
        """Report a provider that failed, and leave it unless another may still be set in its place."""
        self.broke(f"the {what} provider", error)
        if given:
            self._left.add(what)


def _awaits(listener: object) -> bool:
    return iscoroutinefunction(listener) or iscoroutinefunction(getattr(listener, "__call__", None))  # noqa: B004


@lru_cache(maxsize=1)
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("anyint-resilience")
    except PackageNotFoundError:  # run from a tree that was never installed
        return ""
