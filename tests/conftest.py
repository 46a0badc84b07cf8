"""What every test shares: how tests are run, and the gateway they run against.

Must not import any client or SDK, nor more of ours than the emulator: each environment has others.
"""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from tests.brief import BRIEF, shared

if TYPE_CHECKING:
    from anyint_resilience.emulator import Emulator

# A slow machine is not a bug. The same examples in each run: a red gate must be red again on the next try.
SLOW: Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("gate", derandomize=True, **SLOW)
settings.register_profile("hunt", max_examples=5000, **SLOW)
settings.register_profile("brief", derandomize=True, max_examples=20, **SLOW)
settings.load_profile("brief" if BRIEF else "gate")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background deaf to Ctrl-C, and so would all be that tests start, and send it to.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def swept() -> None:
    """Put aside what is there before a module's tests: the cycle collector would look through it time and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def calm() -> None:
    """Forget the guards that configurations with the real clock share, where there are any: each test begins anew."""
    shared = sys.modules.get("anyint_resilience.guards.shared")
    if shared is not None:
        shared.shared_guards().clear()


@pytest.fixture(scope="module")
def gateway() -> Iterator[Emulator]:
    """The gateway of a module's tests; it knows one key."""
    from anyint_resilience.emulator import Emulator

    with Emulator(keys=("test-key",)) as running:
        yield running
    assert running.internal_errors == []


@pytest.fixture
def emu(gateway: Emulator) -> Emulator:
    """The gateway, which has forgotten all tests before."""
    gateway.reset()
    return gateway


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every test marked ``anyio`` runs on both event loops."""
    return str(request.param)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the other Pythons of the gate their share."""
    groups: dict[str, list[tuple[str, pytest.Item]]] = {}
    for it in items:
        groups.setdefault(it.nodeid.partition("[")[0], []).append((it.nodeid, it))
    left = set(shared(groups))
    if left:
        config.hook.pytest_deselected(items=list(left))
        items[:] = [it for it in items if it not in left]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes that are not plain text do not name a test: they are unreadable, and gzip's hold their birth time."""
    if isinstance(val, bytes) and (len(val) > 60 or not (val.isascii() and val.decode("ascii").isprintable())):
        return f"{argname}-{len(val)}-bytes"
    return None
