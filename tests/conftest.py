"""What every test shares. Must not know any feature: only how tests are run."""

from __future__ import annotations

import pytest
from hypothesis import settings

# No deadline: a slow machine is not a bug. The same examples in each run: a red gate must be red again on the next try.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("hunt", deadline=None, max_examples=5000)
settings.load_profile("gate")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Every test marked ``anyio`` runs on both event loops."""
    return str(request.param)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes that are not plain text do not name a test: they are unreadable, and gzip's hold their birth time."""
    if isinstance(val, bytes) and (len(val) > 60 or not (val.isascii() and val.decode("ascii").isprintable())):
        return f"{argname}-{len(val)}-bytes"
    return None
