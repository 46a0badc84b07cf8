"""``Resilience``: everything a client needs, assembled and validated once.

Must not know any client.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .checking import problems_of, tupled, url_of
from .credentials import Credentials, KeySource
from .fallbacks import guarding_of
from .guards.guarding import Guarding
from .guards.settings import Guards
from .guards.shared import guards_of
from .policy.fallback import Fallback
from .policy.rules import Policy
from .repeats import Repeats
from .router import Router
from .runtime import Runtime
from .stores.memory import MemoryStore
from .stores.opening import opened
from .stores.protocol import Store
from .tasks.handle import CREATES, TaskHandle
from .tasks.ledger import Ledger
from .tasks.timetable import Timetable, shared_timetable
from .telemetry.events import Listener
from .telemetry.hub import Telemetry
from .telemetry.words import SpanMode

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["OVERRIDES", "Resilience"]

Override: TypeAlias = "tuple[Resilience, Policy, Override | None]"

# The overrides in force in this context, innermost first: (whose, policy, the one outside it).
OVERRIDES: ContextVar[Override | None] = ContextVar("anyint_resilience_overrides", default=None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Resilience:
    """The configuration of one gateway account: pass it to any adapter, share it between clients and threads.

    Args:
        api_key: the AnyInt key, a callable that returns it (asked when first needed and once more after a
            401; it may be async if only async clients use it), or None to use the key each caller sends.
        base_url: where the gateway is, if not at AnyInt's published hosts. Only https, or http to a
            loopback address. Requests are never redirected there: it only says that this host is AnyInt's.
        hosts: more such URLs.
        policy: when to try again, and when to stop.
        seedance: also know the ``/doubao`` routes, which no AnyInt page names.
        store: where state shared between calls lives: this process's memory by default, ``"redis://host:6379/0"`` for a
            Redis or Valkey that all processes behind one key share (also ``rediss://``, ``unix://`` and
            ``redis+sentinel://host:port,host:port/service``; extra ``redis``), ``"sqlite:///path"`` for a file that the
            processes of one machine share and that survives them, or a :class:`Store` of your own. One for each
            account, where keys come from a callable: all keys of one store share their creates then.
        store_wait: seconds that a call waits for a shared store at the most; after that this process's memory serves,
            until the store answers in time again.
        unknown_window: seconds for which a paid create of unknown outcome is not sent again, and for which one that was
            made is remembered: longer than the application may be down.
        dedupe: ``"fingerprint"``: the same create (by route, body and key) is not made anew while its first task is
            unfinished; its task is asked for instead. None: asking twice for the same prompt gives two tasks.
        reconcile: put a mark on paid creates where the contract has a place for one (Kling's ``external_task_id``, if
            the caller set none, and the query of a Suno ``callBackUrl``), and look for one of unknown outcome by it.
            AnyInt confirms neither, so it is off by default.
        strict_ledger: a paid create that the store can't record is not sent (``NotRecorded``); else this process's
            memory serves, with an error in the log. A file locked by others for over 5 s can't record.
        guards: what calls of one key share so that a fleet of them is calm: retry budget, gate, circuit breakers. One
            state for the process, whichever configuration its calls go through.
        fallbacks: :class:`Fallback` rows: which model or host serves while another fails.
        spans: ``auto`` (a span for the call and one for each attempt; HTTP instrumentations of OpenTelemetry keep
            quiet meanwhile, so that no attempt has two), ``always`` (ours, whatever else there is), ``call-only``
            (none for attempts: leave those to an instrumentation), ``off``.
        tracer_provider: where spans go; None: OpenTelemetry's global one, if the application has set one.
        meter_provider: where metrics go; None: the global one. ``NoOpMeterProvider()`` turns metrics off.
        listeners: callables that are told of each :class:`Event`: retries, refusals, creates held back, and so on.
        runtime: clocks, random numbers and sleeping, for tests.

    Raises:
        ValueError: naming every problem at once.
    """

    api_key: KeySource = field(default=None, repr=False)
    base_url: str | None = None
    hosts: Iterable[str] = ()
    policy: Policy = field(default_factory=Policy)
    seedance: bool = False
    store: Store | str | None = field(default=None, repr=False)  # it may say where it is, and by which password
    store_wait: float = 0.05
    unknown_window: float = 3600.0
    dedupe: Literal["fingerprint"] | None = None
    reconcile: bool = False
    strict_ledger: bool = False
    guards: Guards = field(default_factory=Guards)
    fallbacks: Iterable[Fallback] = ()
    spans: SpanMode = "auto"
    tracer_provider: TracerProvider | None = field(default=None, repr=False)
    meter_provider: MeterProvider | None = field(default=None, repr=False)
    listeners: Iterable[Listener] = field(default=(), repr=False)
    runtime: Runtime = field(default_factory=Runtime, repr=False)

    credentials: Credentials = field(init=False, repr=False)
    router: Router = field(init=False, repr=False)
    guarding: Guarding = field(init=False, repr=False)
    ledger: Ledger = field(init=False, repr=False)
    repeats: Repeats = field(init=False, repr=False)
    timetable: Timetable = field(init=False, repr=False)
    telemetry: Telemetry = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("hosts", "listeners", "fallbacks"):  # what can be gone through once is gone through here
            object.__setattr__(self, name, tupled(getattr(self, name)))
        problems = problems_of({it.name: getattr(self, it.name) for it in fields(self) if it.init})
        if problems:
            raise ValueError("invalid Resilience configuration: " + "; ".join(problems))
        urls = self.hosts if self.base_url is None else (self.base_url, *self.hosts)
        if isinstance(self.store, str):
            store = opened(self.store, runtime=self.runtime, wait=float(self.store_wait))
        else:
            store = MemoryStore(self.runtime.monotonic) if self.store is None else self.store
        ledger = Ledger(
            store,
            spare=MemoryStore(self.runtime.monotonic),
            window=float(self.unknown_window),
            strict=self.strict_ledger,
        )
        shared = guards_of(store, self.runtime)
        router = Router(urls=urls, seedance=self.seedance is True, tally=shared.tally)
        credentials = Credentials(self.api_key, router.knows)
        for name, value in (
            ("store", store),
            ("credentials", credentials),
            ("router", router),
            ("guarding", guarding_of(self.guards, shared, self.fallbacks, router, credentials)),
            ("repeats", Repeats(MemoryStore(self.runtime.monotonic, max_entries=256))),
            ("ledger", ledger),
            ("timetable", shared_timetable() if self.runtime == Runtime() else Timetable()),
        ):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "telemetry", self._telemetry())
        if shared.fleet is not None:
            shared.fleet.makes_calls_of([credentials.key_id(), *self.guarding.key_ids()])

    def _telemetry(self) -> Telemetry:
        return Telemetry(
            spans=self.spans,
            tracer_provider=self.tracer_provider,
            meter_provider=self.meter_provider,
            listeners=self.listeners,
            clock=self.runtime.monotonic,
            wall=self.runtime.wall,
            hides=self.credentials.holds,
        )

    def __copy__(self) -> Resilience:
        """Copy what was configured; a copy of a client, deep or not, goes on with the same store and providers."""
        return type(self)(**{it.name: getattr(self, it.name) for it in fields(self) if it.init})

    def __deepcopy__(self, memo: object) -> Resilience:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what was configured, the key included.

        What was learnt (the ledger in memory) stays behind, and so do providers, which can't be pickled.
        """
        here = ["tracer_provider", "meter_provider"]
        if self.runtime == Runtime():
            here.append("runtime")  # else each copy goes on with the same random numbers, at a pace of its own
        given = {it.name: getattr(self, it.name) for it in fields(self) if it.init and it.name not in here}
        return partial(type(self), **given), ()

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **more: object) -> Resilience:
        """Make one from the environment; keywords win over it.

        ``ANYINT_API_KEY``, ``ANYINT_BASE_URL``, one variable for each setting (``ANYINT_RESILIENCE_POLICY_ATTEMPTS``)
        and the file that ``ANYINT_RESILIENCE_CONFIG`` names, over which the variables win. ``environ``: instead of the
        process's own.

        Raises:
            ValueError: naming every problem at once, also a variable ``ANYINT_RESILIENCE_...`` that is no setting.
        """
        return cls._loaded(None, os.environ if environ is None else environ, more, search=False)

    @classmethod
    def from_toml(
        cls, path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None, **more: object
    ) -> Resilience:
        """Make one from a file, the environment over it, and keywords over both.

        Args:
            path: an ``anyint-resilience.toml``, or a ``pyproject.toml`` with ``[tool.anyint-resilience]``. None: that
                of ``ANYINT_RESILIENCE_CONFIG``, else the nearest from the working folder up to its project's root.
            environ: instead of the process's environment.
            more: arguments of a ``Resilience``.

        Raises:
            ValueError: naming every problem at once, with where it stands and the nearest valid name.
        """
        return cls._loaded(path, os.environ if environ is None else environ, more, search=True)

    @classmethod
    def _loaded(
        cls, path: str | os.PathLike[str] | None, env: Mapping[str, str], more: dict[str, object], *, search: bool
    ) -> Resilience:
        from .configuring import load  # late: it reads this module

        found = load(path, environ=env, search=search, must=search, keywords=more)
        if found.problems:
            raise ValueError("invalid Resilience configuration: " + "; ".join(found.problems))
        return cls(**found.arguments)

    @property
    def url(self) -> str:
        """Where the gateway is: ``base_url``, or the first of AnyInt's published hosts. For a client's base URL."""
        return url_of(self.base_url)

    def task(self, route: str, task_id: str, *, created_at: float | None = None) -> TaskHandle:
        """Make the handle of a task of which only its id is known: ``anyint.task("/openai/v1/videos", video.id)``.

        For what hides a create's answer, as an SDK's parsed object does; ``report(answer).task`` knows more. ``route``
        is the create's path, ``created_at`` when it was made, in Unix seconds (now by default; for a minute from then
        a wait takes "no such task" for "not yet").

        Raises:
            ValueError: if no create of the contract has this path, or the id can't be one.
        """
        path = route.partition(" ")[2] if route.startswith("POST ") else route
        row = CREATES.get(f"POST {path}")
        if row is None or row.family is None:
            raise ValueError(f"route must be the path of a create, such as {next(iter(CREATES))[5:]}")
        return TaskHandle(
            family=row.family,
            route=row.name,
            task_id=task_id,
            gateway=self.url,
            created_at=self.runtime.wall() if created_at is None else created_at,
            key_id=self.credentials.key_id(),
        )

    @contextmanager
    def override(self, policy: Policy) -> Generator[None]:
        """Use another policy for the calls made inside this block, on every client of this configuration.

        Held in a context variable: other threads and tasks that were started before are not touched.
        """
        if not isinstance(policy, Policy):
            raise ValueError(f"override takes a Policy, not {type(policy).__name__}")
        token = OVERRIDES.set((self, policy, OVERRIDES.get()))
        try:
            yield
        finally:
            OVERRIDES.reset(token)

    def overridden(self) -> Policy | None:
        """Return the policy of the innermost :meth:`override` of this configuration, None outside all."""
        held = OVERRIDES.get()
        while held is not None:
            owner, policy, outer = held
            if owner is self:
                return policy
            held = outer
        return None

    def in_force(self) -> Policy:
        """Return the policy that counts here: that of the innermost :meth:`override`, else the configuration's."""
        own = self.overridden()
        return self.policy if own is None else own
