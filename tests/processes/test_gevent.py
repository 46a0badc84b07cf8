"""Greenlets in the place of threads: requests under gevent's monkey patches, in a process that was patched first.

Must not know how our locks and sleeps are made: only that greenlets get on, and that none holds the others up.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.emulator import Emulator, Fault
from tests.conformance.kit import CHAT
from tests.processes.kit import every_store, ran, store_url
from tests.redis_kit import needs_redis
from tests.redis_kit import redis_server as redis_server  # a fixture

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("gevent") is None, reason="gevent is not here: python -m nox -s loops"
)

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent, requests
from anyint_resilience import Guards, Resilience
from anyint_resilience_requests import wrap
from tests.conformance.kit import ASK, CHAT, KEY
from tests.conformance.lives import FILM, body_of, path_of

url, *stores = sys.argv[1:]
ticks = 0

def tick():
    global ticks
    while True:
        ticks += 1
        gevent.sleep(0.001)

def calls(store):
    said = []
    guards = Guards(budget_reserve=100, failures=100)
    anyint = Resilience(api_key=KEY, base_url=url, store=store or None, store_wait=5.0, guards=guards,
                        listeners=[lambda event: said.append(event.name)])
    session = wrap(requests.Session(), anyint)
    jobs = [gevent.spawn(session.post, url + CHAT, json=ASK) for _ in range(10)]
    mine = {"Idempotency-Key": "all of " + store}
    jobs += [gevent.spawn(session.post, url + path_of(FILM), json=body_of(FILM), headers=mine) for _ in range(3)]
    gevent.joinall(jobs, raise_error=True)
    fates = [it.fate for it in anyint.ledger.entries()]
    return [job.value.status_code for job in jobs], fates, "store failure" in said, anyint

ticking = gevent.spawn(tick)
for store in stores:
    codes, fates, failed, anyint = calls(store)
    print(set(codes), fates, failed, ticks > 10)
    anyint.ledger.store.close()
ticking.kill()
"""


@every_store
def test_greenlets_share_guards_budget_and_ledger(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """Ten wait at one gate and come through, three order the same and get one; the hub goes on all the while."""
    emu.script(Fault.error(503), Fault.error(429, retry_after=0.2), match=CHAT)
    done = ran(PROGRAM, emu.url, store_url(store, request, tmp_path) or "")
    assert (done.stdout, done.stderr) == ("{200} ['committed'] False True\n", "")
    assert len(emu.requests("POST", CHAT)) == 12
    assert len(emu.tasks) == 1


@needs_redis
def test_a_second_shared_store_is_away_and_nobody_waits_for_it(tmp_path: Path, emu: Any, redis_server: Any) -> None:
    """To asyncio all greenlets are one thread, in which one loop runs: the second one says so, and memory serves."""
    both = PROGRAM.replace("    anyint.ledger.store.close()\n", "")
    done = ran(both, emu.url, redis_server.url, f"sqlite:///{tmp_path / 'store.db'}")
    assert done.stdout == "{200} ['committed'] False True\n{200} ['committed'] True True\n", done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "under gevent a process has one shared store" in done.stderr
