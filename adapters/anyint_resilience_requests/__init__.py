"""anyint-resilience for requests: an adapter, and ``wrap`` for sessions that exist already.

Must not decide anything: all behaviour is in the core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import ReadTimeoutError

from anyint_resilience import Resilience
from anyint_resilience import exceptions as ours
from anyint_resilience.drive import answered, drive_sync, failed, resume_sync
from anyint_resilience.surface import Errors
from anyint_resilience.tasks.updates import TaskUpdate
from anyint_resilience.tasks.waiting import Looked
from anyint_resilience.waits import Gathered, unwrapped, updates_sync, waited

from ._heads import final
from ._surface import OTHERS, Parcel, Surface, spent

__all__ = [
    "CircuitOpen",
    "DeadlineExceeded",
    "GateClosed",
    "NotRecorded",
    "OutcomeUnknown",
    "OutcomeUnknownTimeout",
    "ResilientAdapter",
    "StreamInterrupted",
    "StreamInterruptedTimeout",
    "task_updates",
    "wait_for_task",
    "wrap",
]


class OutcomeUnknown(ours.OutcomeUnknown, requests.ConnectionError):
    """A paid create or upload may have been done; also a ``requests.ConnectionError``."""


class OutcomeUnknownTimeout(ours.OutcomeUnknown, requests.ReadTimeout):
    """The same after a time-out; also a ``requests.ReadTimeout``."""


class NotRecorded(ours.NotRecorded, requests.ConnectionError):
    """A strict ledger could not record a paid create, which was not sent; also a ``requests.ConnectionError``."""


class GateClosed(ours.GateClosed, requests.ConnectionError):
    """A guard did not let a call out, which was not sent; also a ``requests.ConnectionError``."""


class CircuitOpen(ours.CircuitOpen, GateClosed):
    """A circuit is open, and the call was not sent; also a ``requests.ConnectionError``."""


class StreamInterrupted(ours.StreamInterrupted, requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
    """A streamed answer is not whole; also what requests raises for a broken body and for one that ends early."""


class StreamInterruptedTimeout(ours.StreamInterrupted, requests.ConnectionError, requests.ReadTimeout):
    """The same where it fell silent; also a ``requests.ConnectionError`` and a ``requests.ReadTimeout``."""


class DeadlineExceeded(ours.DeadlineExceeded, requests.ReadTimeout):
    """The user's deadline has passed; also a ``requests.ReadTimeout``."""


_ERRORS = Errors(
    unknown=OutcomeUnknown,
    unknown_timeout=OutcomeUnknownTimeout,
    unrecorded=NotRecorded,
    closed=GateClosed,
    circuit=CircuitOpen,
    silent=requests.ReadTimeout,
    interrupted=StreamInterrupted,
    interrupted_timeout=StreamInterruptedTimeout,
    late=DeadlineExceeded,
    timeouts=(requests.Timeout, TimeoutError, ReadTimeoutError),
)


_FAILURES = (requests.RequestException, OSError)
_QUERY_TIMEOUT = 30.0  # seconds for each query of a wait: requests has none of its own
_OPTIONS = ("stream", "timeout", "verify", "cert", "proxies")


class ResilientAdapter(HTTPAdapter):
    """An adapter that makes calls to AnyInt survive, around any other adapter; mount it like one.

    What an ``HTTPAdapter`` has (``poolmanager``, ``max_retries``, ...) is the wrapped adapter's, read and set alike.
    It can be pickled like the sessions it is in, where its configuration can; the pickle holds the key.

    Args:
        anyint: the configuration; None reads ``ANYINT_API_KEY`` and ``ANYINT_BASE_URL``.
        adapter: the adapter to wrap. Without one an ``HTTPAdapter`` is made of the other keywords
            (``pool_maxsize``, ``pool_block``, ...).

    Raises:
        TypeError: if settings are given beside an adapter that would never see them, or this is no adapter.
    """

    surface: Surface

    def __init__(
        self, anyint: Resilience | None = None, *, adapter: BaseAdapter | None = None, **settings: Any
    ) -> None:
        # HTTPAdapter's own __init__ is left out: its pool would never be used.
        if adapter is not None and settings:
            names = ", ".join(sorted(settings))
            raise TypeError(f"these belong to the adapter you pass, and would be lost: {names}")
        if adapter is not None and not isinstance(adapter, BaseAdapter):
            raise TypeError(f"adapter must be a requests adapter, not {type(adapter).__name__}")
        self.__setstate__({"anyint": anyint, "inner": HTTPAdapter(**settings) if adapter is None else adapter})

    @property
    def inner(self) -> BaseAdapter:
        """The wrapped adapter."""
        return self.surface.inner

    @property
    def anyint(self) -> Resilience:
        """The configuration; ``anyint.ledger`` is where an intent can be forgotten."""
        return self.surface.anyint

    def __getattr__(self, name: str) -> Any:
        if name == "surface":  # not there yet: being unpickled
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.inner, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {"anyint": self.surface.anyint, "inner": self.inner}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__["surface"] = Surface(state["anyint"], state["inner"], self, _ERRORS)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({type(self.inner).__name__})"  # not what that says: it may know a proxy's login

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a prepared request; see ``requests.adapters.HTTPAdapter.send`` for its options.

        One that is in order goes out from here: each call more would be a good part of what that costs.
        """
        surface = self.surface
        held: Any = getattr(request.headers, "_store", {})  # by lower-case name: (name, value)
        try:
            plan = surface.lane[request.method, request.url, held["authorization"][1]]
        except (KeyError, TypeError):
            plan = None
        proxied = plan is not None and plan.local and options.get("proxies")
        if plan is None or args or proxied or not OTHERS.isdisjoint(held) or not surface.free():
            if args:
                options.update(zip(_OPTIONS, args, strict=False))
            return drive_sync(surface, Parcel(surface.inner, request, options))
        started, tally = surface.monotonic(), plan.tally
        tally.out += 1
        try:
            response = final(surface.inner.send(request, **options), request)
        except Exception as error:
            first = failed(surface, error)
        else:
            if response.status_code < 400 and not spent(response):
                tally.good += 1
                tally.last, tally.flew = started, tally.out
                response.anyint_report = plan  # type: ignore[attr-defined]
                response.connection = self
                return response
            first = answered(surface, response)
            del response
        finally:
            tally.out -= 1
        try:
            return resume_sync(surface, Parcel(surface.inner, request, options), plan, started, first)
        finally:
            del first  # it may hold the error, whose traceback holds this frame

    def close(self) -> None:
        """Close the wrapped adapter."""
        self.inner.close()
        self.anyint.telemetry.flush()


_Session = TypeVar("_Session", bound=requests.Session)


def wrap(session: _Session, anyint: Resilience | None = None) -> _Session:
    """Make an existing session resilient, in place, and return it; its pools, TLS settings and proxies stay.

    Every mounted adapter is wrapped; one that is mounted later is not. Idempotent: an adapter that is wrapped already
    is wrapped anew around its own inner one, never twice.

    Raises:
        TypeError: if this is no requests session.
    """
    if not isinstance(session, requests.Session):
        raise TypeError(f"wrap takes a requests.Session, not {type(session).__name__}")
    settled = Resilience.from_env() if anyint is None else anyint
    made: dict[int, ResilientAdapter] = {}
    for prefix, adapter in session.adapters.items():
        inner = adapter.inner if isinstance(adapter, ResilientAdapter) else adapter
        if id(inner) not in made:
            made[id(inner)] = ResilientAdapter(settled, adapter=inner)
        session.adapters[prefix] = made[id(inner)]  # in place: the order of the prefixes stays
    return session


def wait_for_task(
    session: requests.Session,
    task: object,
    on_update: Callable[[TaskUpdate], object] | None = None,
    deadline: float | None = None,
) -> TaskUpdate:
    """Wait for a task to its end and return its last update; see :func:`task_updates` for each.

    Args:
        session: the one it was made with, or any other that is wrapped: any process, any client library.
        task: a :class:`TaskHandle`, its JSON, or what the create came back with.
        on_update: called with each :class:`TaskUpdate`, the one that failed too; what it raises ends the wait.
        deadline: seconds from now; 30 minutes by default. The last query may take 10 s beyond it.

    Raises:
        TaskFailed, QueryRefused, TaskTimeout: each a ``TaskError``, with the handle. No end of a wait ends the task.
        ValueError: if there is no task, or it is at a gateway that is none of the configuration's, or on plain http.
        TypeError: if the client is not wrapped.
    """
    return waited(updates_sync(_anyint_of(session), task, deadline, partial(_look, session), _FAILURES), on_update)


def task_updates(session: requests.Session, task: object, deadline: float | None = None) -> Iterator[TaskUpdate]:
    """Iterate over the updates of a task until it is done. Arguments and errors are those of :func:`wait_for_task`."""
    return updates_sync(_anyint_of(session), task, deadline, partial(_look, session), _FAILURES)


def _anyint_of(session: object) -> Resilience:
    for adapter in session.adapters.values() if isinstance(session, requests.Session) else ():
        if isinstance(adapter, ResilientAdapter):
            return adapter.anyint
    raise unwrapped(session, "a requests session")


def _look(session: requests.Session, url: str) -> Looked:
    body = Gathered()
    with session.get(url, stream=True, allow_redirects=False, timeout=_QUERY_TIMEOUT) as response:
        for piece in response.iter_content(65_536):
            if body.full(piece):
                break
    return body.looked(response.status_code, list(response.headers.items()))
