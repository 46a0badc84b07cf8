"""What the conformance tests share with pytest: their gateway, and failed assertions explained in ``playing`` too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.conformance.playing")

from anyint_resilience.emulator import Emulator  # noqa: E402
from tests.conformance.kit import KEY  # noqa: E402


@pytest.fixture(scope="module")
def gateway() -> Iterator[Emulator]:
    with Emulator(keys=(KEY,)) as running:
        yield running
    assert running.internal_errors == []


@pytest.fixture
def emu(gateway: Emulator) -> Emulator:
    gateway.reset()
    return gateway
