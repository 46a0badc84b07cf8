"""A fork while other threads hold our locks: the child has none of those threads, and must not wait for them.

Must not know which locks there are: they are looked for in everything that a configuration reaches.
"""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator
from anyint_resilience.stores import link, owners
from tests.conformance.surfaces import Surface, Waits, every_surface
from tests.processes.kit import asked, can_fork, every_store, forked, held, life, opened, ran, real, store_url
from tests.redis_kit import redis_server as redis_server  # a fixture

pytestmark = can_fork

LOCKS = (type(threading.Lock()), type(threading.RLock()))
ALWAYS = {"MemoryStore._lock", "Telemetry._lock", "News._lock", "Timetable._lock", "shared._sharing"}
KNOWN = {
    "memory": ALWAYS,
    "sqlite": ALWAYS | {"Link.lock", "link._registering", "owners.LOCK", "member._sharing", "Companion._lock"},
    "redis": ALWAYS | {"member._sharing", "Companion._lock", "Turns._lock"},
}
"""Some of the locks that must be found, by the store."""


ROOMS = tuple(f"anyint_resilience.{it}." for it in ("stores", "guards", "tasks", "telemetry"))


def ours(thing: object) -> bool:
    name = type(thing).__module__
    return name.startswith("anyint_resilience") and not name.startswith("anyint_resilience.emulator")


def parts_of(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yield what something holds, with the name it has there."""
    if isinstance(thing, types.ModuleType):
        yield from ((f"{thing.__name__.rpartition('.')[2]}.{name}", it) for name, it in vars(thing).items())
    elif isinstance(thing, types.MethodType):
        yield "", thing.__self__
    elif isinstance(thing, dict):
        yield from (("", it) for it in list(thing.values()))
    elif isinstance(thing, (list, tuple, set, frozenset)):
        yield from (("", it) for it in list(thing))
    elif ours(thing):
        names = [*getattr(thing, "__dict__", ()), *(it for kind in type(thing).__mro__ for it in _slots(kind))]
        yield from ((f"{type(thing).__name__}.{it}", getattr(thing, it, None)) for it in names)


def _slots(kind: type) -> tuple[str, ...]:
    found = kind.__dict__.get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)


def locks_of(*roots: Any) -> dict[int, tuple[str, Any]]:
    """Return every lock that can be reached, with its name."""
    found: dict[int, tuple[str, Any]] = {}
    seen: set[int] = set()
    left = [("", it) for it in roots]
    while left:
        name, thing = left.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        if isinstance(thing, types.ModuleType) and not thing.__name__.startswith(ROOMS):
            continue
        seen.add(id(thing))
        if isinstance(thing, LOCKS):
            found[id(thing)] = (name, thing)
        else:
            left.extend(parts_of(thing))
    return found


def modules() -> list[types.ModuleType]:
    return [it for name, it in sorted(sys.modules.items()) if name.startswith(ROOMS)]


@every_store
@every_surface
def test_a_fork_while_other_threads_hold_every_lock(
    surface: Surface, store: str, emu: Emulator, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The child's calls come through at once, on a client of its own, and so do its parent's afterwards."""
    anyint: Resilience = real(emu, store_url(store, request, tmp_path), runtime=Waits().runtime())
    try:
        with opened(surface, anyint) as caller:
            assert asked(caller) == 200
        found = locks_of(anyint, *modules())
        names = {name for name, _ in found.values()}
        assert KNOWN[store] <= names, KNOWN[store] - names

        def waits_for(lock: Any) -> bool:
            """Whether a fork waits for it: what it guards must be whole in the child."""
            waits = {id(owners.LOCK), id(link._registering), *(id(it.lock) for it in link._links.alive())}
            return id(lock) in waits

        def child() -> None:
            trace.set_tracer_provider(TracerProvider())  # so that telemetry has something to settle
            with opened(surface, anyint) as own:
                life(own)

        with held([it for _, it in found.values()], waits_for):
            assert forked(child) == ""
        with opened(surface, anyint) as caller:
            life(caller)
    finally:
        anyint.ledger.store.close()


INTERRUPTED = """
import os, signal, sys, threading
from anyint_resilience.stores import link
from anyint_resilience.stores.sqlite import SqliteStore

ignored = []
sys.unraisablehook = lambda it: ignored.append(it)
store = SqliteStore(sys.argv[1], lambda: 1.0)
add = lambda state, now: ({"n": 1 if state is None else state["n"] + 1}, None)
store.update("a", add, 60.0)
forking, taken, heard = threading.Event(), threading.Event(), threading.Event()
def interrupted(*_):
    heard.set()
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, interrupted)
os.register_at_fork(before=forking.set)

def hold():
    with store._link.lock:
        taken.set()
        forking.wait(20)
        while not link._registering.locked():
            pass
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # while it waits for this lock
        heard.wait(20)

thread = threading.Thread(target=hold)
thread.start()
taken.wait(20)
child = os.fork()
if child == 0:
    signal.alarm(10)
    store.update("a", add, 60.0)
    os._exit(0)
thread.join()
status = os.waitstatus_to_exitcode(os.wait()[1])
found = []
other = threading.Thread(target=lambda: found.append(store.update("a", lambda state, now: (state, state["n"]), 60.0)))
other.daemon = True
other.start()
other.join(10)
print(status, found, [it.exc_type.__name__ for it in ignored], link._registering.locked(), flush=True)
os._exit(0)
"""


def test_a_fork_that_ctrl_c_interrupts_leaves_no_lock_held(tmp_path: Path) -> None:
    """It may come while the fork waits for another thread: the fork is made all the same, and whole."""
    done = ran(INTERRUPTED, str(tmp_path / "store.db"))
    assert (done.stdout, done.stderr) == ("0 [2] ['KeyboardInterrupt'] False\n", "")
