"""uvloop in asyncio's place: under the calls, and under what runs beside them.

Must not know either loop.
"""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from anyint_resilience.emulator import Emulator, Fault
from tests.conformance import surfaces
from tests.conformance.kit import CHAT
from tests.conformance.surfaces import Surface
from tests.processes.kit import asked, every_store, hasty, life, opened, ran, real, store_url
from tests.redis_kit import redis_server as redis_server  # a fixture

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not here: python -m nox -s loops"
)

PROGRAM = """
import asyncio, sys, warnings
import uvloop
from types import SimpleNamespace
from tests.conformance.kit import ASK, CHAT
from tests.processes.kit import forked, hasty, real

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
import httpx
from anyint_resilience_httpx import wrap

url, store = sys.argv[1:]
anyint = real(SimpleNamespace(url=url), store or None, runtime=hasty())

async def main():
    async with wrap(httpx.AsyncClient(), anyint) as client:
        return (await client.post(url + CHAT, json=ASK)).status_code

def again():
    assert asyncio.run(main()) == 200

said = [asyncio.run(main()) for _ in range(3)]
member = getattr(anyint.ledger.store, "member", None)
beside = "uvloop" if member is None else type(member._companion._run.loop).__module__
print(said, beside, [forked(again)], asyncio.run(main()))
anyint.ledger.store.close()
"""


@every_store
@pytest.mark.parametrize("library", ["httpx", "httpx2", "aiohttp"])
def test_calls_on_uvloop(
    library: str,
    store: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    emu: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One loop after the other, each with a client of its own."""
    pytest.importorskip(library)
    portal = partial(start_blocking_portal, backend_options={"use_uvloop": True})
    monkeypatch.setattr(surfaces, "start_blocking_portal", portal)
    anyint = real(emu, store_url(store, request, tmp_path), runtime=hasty())
    for number in range(2):
        emu.script(Fault.error(503))
        with opened(Surface(library, "asyncio"), anyint) as caller:
            assert caller.call(running) == "uvloop"
            life(caller, key=str(number))
            assert asked(caller) == 200
    assert len(emu.requests("POST", CHAT)) == 6
    anyint.ledger.store.close()


async def running() -> str:
    import asyncio

    return type(asyncio.get_running_loop()).__module__


@every_store
def test_a_program_whose_loops_are_all_uvloops(
    store: str, request: pytest.FixtureRequest, tmp_path: Path, emu: Emulator
) -> None:
    """That beside the calls too; and a fork of it has its own."""
    done = ran(PROGRAM, emu.url, store_url(store, request, tmp_path) or "")
    assert (done.stdout, done.stderr) == ("[200, 200, 200] uvloop [''] 200\n", "")
