"""``multiprocessing`` in each of its ways, and what a configuration is when it was pickled or copied for that.

Must not know how a process is started.
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import sys
import warnings
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import Resilience
from anyint_resilience.emulator import Emulator
from tests.conformance.lives import FILM, path_of
from tests.conformance.surfaces import SURFACES, Surface
from tests.processes.kit import asked, can_fork, hasty, in_turn, life, opened, real, store_url
from tests.redis_kit import redis_server as redis_server  # a fixture

pytestmark = can_fork


def work(anyint: Resilience, surface: Surface) -> str:
    """Do in another process what its parent did: the same create comes back where the store is shared."""
    with opened(surface, anyint) as caller:
        assert asked(caller) == 200
        life(caller, key="mine")
    entries = len(anyint.ledger.entries())
    if getattr(anyint.ledger.store, "member", None) is not None:
        anyint.ledger.store.close()
    return f"{os.getpid()} {entries}"


@pytest.fixture(scope="module", params=["fork", "forkserver", "spawn"])
def way(request: pytest.FixtureRequest) -> BaseContext:
    """One way to start processes; the one that forks from a server has all of this loaded already."""
    context: Any = multiprocessing.get_context(request.param)
    if request.param == "forkserver":
        context.set_forkserver_preload(["tests.processes.test_multiprocessing"])
    return context


def started(way: BaseContext, anyint: Resilience, surface: Surface) -> str:
    """Have a process do the work, and end; return what it came to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, from 3.12 on
        with way.Pool(1) as pool:
            return str(pool.apply_async(work, (anyint, surface)).get(50))


@in_turn(SURFACES[:1] + SURFACES[-1:] + SURFACES[2:3])
def test_a_configuration_is_given_to_another_process(
    surface: Surface,
    store: str,
    way: BaseContext,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    emu: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It works there at once, whatever its parent did with it before, and shares what the store shares."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(it for it in sys.path if it))
    anyint = real(emu, store_url(store, request, tmp_path), runtime=hasty())
    assert work(anyint, surface).startswith(f"{os.getpid()} ")
    number, entries = started(way, anyint, surface).split()
    assert int(number) != os.getpid()
    assert entries == "1"
    assert len(emu.requests("POST", path_of(FILM))) == (2 if store == "memory" else 1)
    anyint.ledger.store.close()


@in_turn(SURFACES)
def test_a_copy_goes_on_where_it_is(
    surface: Surface, store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """Copied, copied deep and pickled, in one process: each can be used, beside the others."""
    anyint = real(emu, store_url(store, request, tmp_path), runtime=hasty())
    for twin in (anyint, copy.copy(anyint), copy.deepcopy(anyint), pickle.loads(pickle.dumps(anyint))):
        with opened(surface, twin) as caller:
            life(caller, key="mine")
    assert len(emu.tasks) == (2 if store == "memory" else 1), "a pickled memory is an empty one"
    anyint.ledger.store.close()
