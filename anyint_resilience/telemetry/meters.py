"""The instruments of the table in ``words``, on OpenTelemetry's metrics API, and what is counted when.

Must not know a call or a client. Every label takes only so many values: models, keys and stores are bounded here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from opentelemetry import metrics

from .safety import Bounded
from .words import METRICS, SCHEMA_URL, SCOPE

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

__all__ = ["Meters", "given_meter", "meter_may_be_set"]

_KEPT = getattr(metrics, "_internal", None)
_BOUNDS: WeakKeyDictionary[Any, tuple[Bounded, Bounded, Bounded]] = WeakKeyDictionary()
"""The labels of each provider, whose instruments all configurations share."""


class Meters:
    """One meter with all instruments. ``broke`` is told of those that fail: nothing else must suffer from them."""

    def __init__(self, provider: MeterProvider, version: str, broke: Callable[[str, Exception], None]) -> None:
        meter = provider.get_meter(SCOPE, version, schema_url=SCHEMA_URL)
        self.models, self.keys, self.stores = _bounds(provider)
        self._record: dict[str, Any] = {}
        for name, row in METRICS.items():
            if row.kind == "counter":
                record: Callable[..., None] = meter.create_counter(name, row.unit, row.meaning).add
            else:
                record = meter.create_histogram(
                    name, row.unit, row.meaning, explicit_bucket_boundaries_advisory=list(row.buckets)
                ).record
            self._record[name] = _harmless(record, broke)

    def attempt(self, labels: dict[str, Any], seconds: float, status: int | None, error: str | None) -> None:
        """Record how long an attempt took; ``labels`` are those of its request."""
        labels = {**labels}
        if status is not None:
            labels["http.response.status_code"] = status
        if error is not None:
            labels["error.type"] = error
        self._record["http.client.request.duration"](seconds, labels)

    def failure(self, family: str, cause: str, model: str | None, key: str | None) -> None:
        """Count an attempt that failed."""
        named = {"gen_ai.request.model": self.models(model), "anyint.key": self.keys(key)}
        labels = {name: it for name, it in named.items() if it is not None}
        self._record["anyint.failures"](1, {"anyint.family": family, "anyint.cause": cause, **labels})

    def retry(self, family: str, cause: str) -> None:
        """Count an attempt after the first, by why there is one."""
        self._record["anyint.retries"](1, {"anyint.family": family, "anyint.cause": cause})

    def wait(self, family: str, cause: str, seconds: float, *, hint: bool) -> None:
        """Count seconds waited because a server's hint or the schedule asked for it."""
        kind = "hint" if hint else "backoff"
        labels = {"anyint.family": family, "anyint.cause": cause, "anyint.wait.kind": kind}
        self._record["anyint.wait.time"](seconds, labels)

    def held(self, family: str, why: str, seconds: float) -> None:
        """Record a wait in line at a gate, by what closed it."""
        self._record["anyint.gate.wait"](seconds, {"anyint.family": family, "anyint.guard": why})

    def guard(self, name: str, family: str, word: str, model: str | None) -> None:
        """Count that a guard closed, opened or refused: the metric's name, and which guard or state it is."""
        what = "anyint.circuit" if name == "anyint.circuit.changes" else "anyint.guard"
        named = {"anyint.family": family, what: word, "gen_ai.request.model": self.models(model)}
        self._record[name](1, {key: it for key, it in named.items() if it is not None})

    def fallback(self, family: str, cause: str, origin: str, target: str, workload: str) -> None:
        """Count a call that went to a fallback."""
        named = {"anyint.fallback.from": self.models(origin), "anyint.fallback.to": self.models(target)}
        labels = {key: it for key, it in named.items() if it is not None}
        self._record["anyint.fallbacks"](
            1, {"anyint.family": family, "anyint.cause": cause, "anyint.workload": workload, **labels}
        )

    def nested(self, family: str, sends: int, how: str) -> None:
        """Record how often a layer above has sent a request, this time included."""
        self._record["anyint.nested_retry.factor"](sends, {"anyint.family": family, "anyint.nested.kind": how})

    def store_failure(self, store: str) -> None:
        """Count a step that a store failed at."""
        self._record["anyint.store.failures"](1, {"anyint.store": self.stores(store)})

    def stream(self, family: str, outcome: str) -> None:
        """Count a streamed answer that ended."""
        self._record["anyint.streams"](1, {"anyint.family": family, "anyint.outcome": outcome})

    def wait_over(self, family: str, outcome: str, age: float) -> None:
        """Record a wait for a task that ended; ``age``: of the task, in seconds."""
        self._record["anyint.task.waits"](1, {"anyint.family": family, "anyint.outcome": outcome})
        if outcome in ("success", "task_failed"):
            self._record["anyint.task.duration"](age, {"anyint.family": family, "anyint.outcome": outcome})

    def call(self, family: str, operation: str, outcome: str, cause: str | None, seconds: float, attempts: int) -> None:
        """Count a call that ended."""
        labels = {"anyint.family": family, "anyint.operation": operation, "anyint.outcome": outcome}
        self._record["anyint.call.duration"](seconds, labels)
        self._record["anyint.call.attempts"](attempts, labels)
        self._record["anyint.calls"](1, labels if cause is None else {**labels, "anyint.cause": cause})
        if outcome in ("held_back", "replayed"):
            self._record["anyint.duplicates_prevented"](1, {"anyint.family": family})


def _harmless(record: Callable[..., None], broke: Callable[[str, Exception], None]) -> Callable[..., None]:
    def recorded(value: float, labels: dict[str, Any]) -> None:
        try:
            record(value, labels)
        except Exception as error:
            broke("a metric instrument", error)

    return recorded


def _bounds(provider: Any) -> tuple[Bounded, Bounded, Bounded]:
    made = Bounded(100), Bounded(50), Bounded(10)
    try:
        return _BOUNDS.setdefault(provider, made)
    except TypeError:  # not made to be referred to weakly
        return made


def meter_may_be_set() -> bool:
    """Whether to look for a global meter provider; as for tracers."""
    return getattr(_KEPT, "_METER_PROVIDER", metrics) is not None


def given_meter(*, look: bool) -> MeterProvider | None:
    """Return the global meter provider, None as long as none was set; ``look``: ask for it the slow, public way."""
    if not look and not meter_may_be_set():
        return None
    found = metrics.get_meter_provider()
    return None if type(found).__module__.startswith("opentelemetry.metrics") else found
