"""The fixtures.

Must not import anything of the package, nor any client, before one of them is used.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from anyint_resilience import Resilience
    from anyint_resilience.testing import Gateway, NoSleep, VirtualClock
    from anyint_resilience.testing.gateway import Wire
    from anyint_resilience.testing.stage import Stage

__all__ = ["_anyint_stage", "anyint", "anyint_clock", "anyint_gateway", "anyint_no_sleep"]

STAGE: pytest.StashKey[Stage] = pytest.StashKey()
"""What a test has of ours while it runs."""

WIRE: pytest.StashKey[Wire] = pytest.StashKey()
"""What listens for all tests of a process."""


@pytest.fixture
def _anyint_stage(request: pytest.FixtureRequest) -> Generator[Stage]:
    from anyint_resilience.testing.stage import Stage

    stage = request.node.stash[STAGE] = Stage()
    yield stage
    stage.close()


@pytest.fixture
def anyint_gateway(_anyint_stage: Stage, request: pytest.FixtureRequest) -> Generator[Gateway]:
    """A stand-in AnyInt gateway of this test's own; ANYINT_BASE_URL and ANYINT_API_KEY lead to it meanwhile."""
    wire = wire_of(request.config)
    from anyint_resilience.testing.gateway import KEY
    from anyint_resilience.testing.marks import gateway_of

    gateway = gateway_of(request.node, wire)
    _anyint_stage.open(gateway)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ANYINT_BASE_URL", gateway.url)
        environment.setenv("ANYINT_API_KEY", KEY)
        yield gateway


@pytest.fixture
def anyint_clock(_anyint_stage: Stage) -> VirtualClock:
    """A clock that waits of our layer move instead of taking time; the gateway's tasks go by it too."""
    return _anyint_stage.clock


@pytest.fixture
def anyint_no_sleep(_anyint_stage: Stage) -> NoSleep:
    """No wait of our layer takes time; ``waits`` has them. For tests that mock the wire."""
    from anyint_resilience.testing.clock import NoSleep

    return NoSleep(_anyint_stage.clock)


@pytest.fixture
def anyint(anyint_gateway: Gateway, anyint_clock: VirtualClock) -> Resilience:
    """A configuration for this test's gateway and clock, whose guards let one call fail as often as it likes."""
    from anyint_resilience import Guards, Resilience
    from anyint_resilience.testing.gateway import KEY

    return Resilience(api_key=KEY, base_url=anyint_gateway.url, guards=Guards(budget_reserve=100, failures=100))


def wire_of(config: pytest.Config) -> Wire:
    """Return what listens for all tests of this process; it begins with the first of them."""
    import os

    try:
        from anyint_resilience.testing.gateway import Wire
    except ModuleNotFoundError as error:
        if error.name != "h11":
            raise
        pytest.fail("anyint_gateway needs h11: pip install 'anyint-resilience[pytest]'", pytrace=False)
    wire = config.stash.get(WIRE, None)
    if wire is None or wire.process != os.getpid():  # a fork has none of its parent's threads
        wire = config.stash[WIRE] = Wire()
        wire.start()
    return wire
