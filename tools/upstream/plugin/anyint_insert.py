"""A pytest plugin that puts our layer into every client a foreign test suite builds, and counts what goes through.

``run.py`` loads it (``-p anyint_insert``) and says in ``ANYINT_UPSTREAM`` what to do, as JSON: ``client`` (whose
clients), ``mode`` (one of ``MODES``), ``counts`` (the folder for what was counted, a file for each process) and
``peel`` (show tests the transport or adapter that we wrapped in place of ours, when they ask a client for it).
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Policy, Resilience
from anyint_resilience.router import host_problem

TOLD = json.loads(os.environ["ANYINT_UPSTREAM"])

MODES: dict[str, dict[str, Any]] = {
    # Nobody the suite talks to is AnyInt, and there is a key that must not get there.
    "strangers": {"api_key": "anyint-upstream-key"},
    # Everybody is AnyInt. One attempt, since a suite whose server says 500 wants to see it once; no key to add.
    "anyint": {"policy": Policy(attempts=1)},
    # The same, switched off: no call takes the fast lane, and nothing may change on any answer.
    "disabled": {"policy": Policy(enabled=False)},
}


class Anywhere(dict[tuple[str, str, int], str]):
    """The origins of a Router for which every origin that could be AnyInt's is: https, or http to this machine."""

    def get(self, key: Any, default: Any = None) -> Any:
        """Return where the contract's paths begin on this origin: at its root."""
        scheme, host, _ = key
        return default if host_problem(f"{scheme}://{f'[{host}]' if ':' in host else host}") else ""


class Tally:
    """What went through our layer in this process, and in which tests."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.tests: set[str] = set()
        self.now: str | None = None

    def watch(self, kind: Any, way_in: str, surface: Any) -> None:
        """Count each call that comes to us, and each that we find to be for somebody else."""
        enter, ticket = getattr(kind, way_in), surface.ticket

        @functools.wraps(enter)
        def entered(*args: Any, **kwargs: Any) -> Any:
            TALLY.counts["calls"] += 1
            if TALLY.now is not None:
                TALLY.tests.add(TALLY.now)
            return enter(*args, **kwargs)

        @functools.wraps(ticket)
        def looked_up(*args: Any, **kwargs: Any) -> Any:
            got = ticket(*args, **kwargs)
            TALLY.counts["foreign"] += got is None
            return got

        setattr(kind, way_in, entered)
        if not hasattr(ticket, "__wrapped__"):
            surface.ticket = looked_up

    def write(self) -> None:
        """Leave the figures for ``run.py``."""
        told = {**self.counts, "tests": sorted(self.tests)}
        Path(TOLD["counts"], f"{os.getpid()}.json").write_text(json.dumps(told), encoding="utf-8")


TALLY = Tally()


def fresh() -> Resilience:
    """Make a configuration for one client, so that no test learns of another by what ours remembers."""
    anyint = Resilience(**MODES[TOLD["mode"]])
    if TOLD["mode"] != "strangers":
        anyint.router._origins = Anywhere()
    return anyint


def after_init(kind: type, then: Callable[[Any], object]) -> None:
    """Do something with each object of a class as soon as it is made."""
    init = kind.__init__  # type: ignore[misc]

    @functools.wraps(init)
    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        then(self)

    kind.__init__ = made  # type: ignore[misc]


def peel(kind: type, name: str) -> None:
    """Make a method show what we wrapped to whoever is not the client itself; its calls still go through ours."""
    if not TOLD["peel"]:
        return
    method, package = getattr(kind, name), kind.__module__.partition(".")[0]

    @functools.wraps(method)
    def peeled(*args: Any, **kwargs: Any) -> Any:
        got = method(*args, **kwargs)
        asks = str(sys._getframe(1).f_globals.get("__name__")).partition(".")[0]
        return got if asks == package else getattr(got, "inner", got)

    setattr(kind, name, peeled)


def insert_httpx(name: str) -> None:
    """Wrap every client of httpx or httpx2, whoever makes it."""
    module, adapter = import_module(name), import_module(f"anyint_resilience_{name}")
    for kind in (module.Client, module.AsyncClient):
        after_init(kind, lambda client: TALLY.counts.update(clients=1) or adapter.wrap(client, fresh()))
        peel(kind, "_transport_for_url")
    surface = import_module("anyint_resilience._httpx.surface").Base
    TALLY.watch(adapter.ResilientTransport, "handle_request", surface)
    TALLY.watch(adapter.AsyncResilientTransport, "handle_async_request", surface)


def insert_requests() -> None:
    """Wrap every session of requests, and every adapter that is mounted on one later."""
    import requests

    from anyint_resilience_requests import ResilientAdapter, _surface, wrap

    mount = requests.Session.mount

    @functools.wraps(mount)
    def mounted(self: requests.Session, prefix: Any, adapter: Any) -> None:
        wrapped = isinstance(adapter, requests.adapters.BaseAdapter) and not isinstance(adapter, ResilientAdapter)
        mount(self, prefix, ResilientAdapter(fresh(), adapter=adapter) if wrapped else adapter)

    requests.Session.mount = mounted  # type: ignore[method-assign]
    after_init(requests.Session, lambda session: TALLY.counts.update(clients=1) or wrap(session, fresh()))
    peel(requests.Session, "get_adapter")
    TALLY.watch(ResilientAdapter, "send", _surface.Surface)


def insert_aiohttp() -> None:
    """Wrap every session of aiohttp, or (switched off) give it ours as a middleware: there are two ways to have ours.

    Where a single request brings middlewares, which then replace the session's, ours is put behind them.
    """
    import aiohttp

    from anyint_resilience_aiohttp import ResilientMiddleware, _surface, wrap

    request = aiohttp.ClientSession._request

    @functools.wraps(request)
    async def requested(self: aiohttp.ClientSession, *args: Any, **kwargs: Any) -> aiohttp.ClientResponse:
        given = kwargs.get("middlewares")
        if given is not None:
            kwargs["middlewares"] = (*given, ResilientMiddleware(fresh()))
        return await request(self, *args, **kwargs)

    def put_into(session: aiohttp.ClientSession) -> None:
        TALLY.counts["clients"] += 1
        if TOLD["mode"] == "disabled":
            session._middlewares = (*session._middlewares, ResilientMiddleware(fresh()))
        else:
            wrap(session, fresh())

    aiohttp.ClientSession._request = requested  # type: ignore[method-assign]
    after_init(aiohttp.ClientSession, put_into)
    TALLY.watch(ResilientMiddleware, "__call__", _surface.Surface)


INSERT: dict[str, Callable[[], None]] = {
    "aiohttp": insert_aiohttp,
    "httpx": lambda: insert_httpx("httpx"),
    "httpx2": lambda: insert_httpx("httpx2"),
    "requests": insert_requests,
}


def pytest_configure(config: pytest.Config) -> None:
    """Insert before any test module is read; workers of pytest-xdist do it for themselves."""
    INSERT[TOLD["client"]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note which test is running."""
    TALLY.now = item.nodeid
    try:
        return (yield)
    finally:
        TALLY.now = None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the figures."""
    TALLY.write()
