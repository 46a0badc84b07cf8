"""What the tests of processes and interpreters share: children that must end, and a store of each kind for them.

Must not know any test. A child that hangs is ended by the system's alarm, so that a deadlock is a failure and no hang.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import anyio
import pytest

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator
from anyint_resilience.runtime import Runtime
from anyint_resilience.stores import link as link  # first: its handlers are called after those that come later
from tests.alone import ALONE
from tests.conformance.kit import ASK, CHAT, KEY
from tests.conformance.lives import FILM, body_of, path_of, updates
from tests.conformance.surfaces import Caller, Surface, calling
from tests.redis_kit import needs_redis

__all__ = [
    "PATIENCE",
    "STORES",
    "asked",
    "can_fork",
    "every_store",
    "forked",
    "hasty",
    "held",
    "in_turn",
    "life",
    "opened",
    "ran",
    "real",
    "store_url",
]

PATIENCE = 40
"""Seconds that no machine needs for what a child does here."""

STORES = ("memory", "sqlite", "redis")
every_store = pytest.mark.parametrize("store", [*STORES[:2], pytest.param("redis", marks=needs_redis)])


def in_turn(surfaces: list[Any], stores: tuple[str, ...] = STORES) -> Any:
    """Make the mark that gives each surface one of the stores: for what would take too long on all of them."""
    found = [
        pytest.param(*it.values, store, id=f"{it.id}-{store}", marks=[*it.marks, *([needs_redis] * (store == "redis"))])
        for it, store in zip(surfaces, cycle(stores), strict=False)
    ]
    return pytest.mark.parametrize(("surface", "store"), found)


_DATABASES = cycle(range(1, 16))
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def store_url(kind: str, request: pytest.FixtureRequest, folder: Path) -> str | None:
    """Return the URL of an empty store; None: this process's memory."""
    if kind == "redis":
        redis = pytest.importorskip("redis", reason="redis-py is not here: pip install redis")
        url = str(request.getfixturevalue("redis_server").url)
        url += f"{'&' if '?' in url else '?'}db={next(_DATABASES)}"  # it served other tests of this process
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return url
    return None if kind == "memory" else f"sqlite:///{folder / 'store.db'}"


def real(emu: Emulator, store: str | None = None, **more: Any) -> Resilience:
    """Return a configuration for the emulator, whose calls wait for a store as long as it takes."""
    own = {"api_key": KEY, "base_url": emu.url, "store": store, "store_wait": 5.0, "guards": ALONE}
    return Resilience(**{**own, **more})


def hasty() -> Runtime:
    """Return the real clock, on which no sleep is longer than a moment."""
    return Runtime(sleep=_nap, asleep=_moment, random=_half)  # each can be pickled


def _half() -> float:
    return 0.5


def _nap(seconds: float) -> None:
    time.sleep(min(seconds, 0.002))


async def _moment(seconds: float) -> None:
    await anyio.sleep(min(seconds, 0.002))


@contextmanager
def opened(surface: Surface, anyint: Resilience, **options: Any) -> Iterator[Caller]:
    """Open a client on a configuration's own gateway."""
    with calling(surface, anyint, base_url=anyint.url, **options) as caller:
        yield caller


def asked(caller: Caller, **options: Any) -> int:
    """Make a call; return its status."""
    return caller.request("POST", CHAT, json=ASK, **options).status


def life(caller: Caller, key: str = "") -> None:
    """Make a plain call and a paid one, and ask for what it makes."""
    assert asked(caller) == 200
    headers = {"Idempotency-Key": key} if key else {}
    made = caller.request("POST", path_of(FILM), json=body_of(FILM), headers=headers)
    assert made.status == 200
    assert len(updates(caller, made, most=1)) == 1


def forked(work: Callable[[], object]) -> str:
    """Run ``work`` in a fork of this process; return what went wrong there, or nothing."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, if there are threads
        child = os.fork()
    if child == 0:
        _alone(work, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return said if status == 0 or said else f"the child ended with {status}: {-signal.SIGALRM} is a hang"


def _alone(work: Callable[[], object], write: int) -> None:
    """Be a child, to its end."""
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # pytest's time-out raises instead, which a lock would not hear
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        work()
    except BaseException:
        os.write(write, traceback.format_exc()[-4000:].encode())
    finally:
        os._exit(0)


@contextmanager
def held(locks: list[Any], until: Callable[[Any], bool] = lambda lock: False) -> Iterator[None]:
    """Have another thread hold locks for as long as this block goes, but for those that it lets go of at a fork."""
    taken, done = threading.Event(), threading.Event()
    _FORKING.clear()

    def hold() -> None:
        for lock in locks:
            lock.acquire()
        taken.set()
        _FORKING.wait(PATIENCE)
        early = [lock for lock in locks if until(lock)]
        for lock in early:
            lock.release()
        done.wait(PATIENCE)
        for lock in locks:
            if all(lock is not it for it in early):
                lock.release()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    try:
        assert taken.wait(PATIENCE), "a lock is held by somebody else"
        yield
    finally:
        _FORKING.set()
        done.set()
        thread.join(PATIENCE)


_FORKING = threading.Event()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_FORKING.set)  # called before those of the package, which were registered earlier


def ran(code: str, *args: str, program: str = sys.executable, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program of its own that may use all of this tree, to its end."""
    path = os.pathsep.join(it for it in sys.path if it)
    return subprocess.run(
        [program, "-W", "error", "-c", code, *args],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **env},
    )
