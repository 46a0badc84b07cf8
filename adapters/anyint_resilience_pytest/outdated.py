"""The plugin where pytest is too old for it: who does not use it sees nothing of it, and who does is told.

Must not need anything that came after pytest 6.
"""

from __future__ import annotations

from typing import Any

import pytest

from .words import FAULTS, FIXTURES, MARKS, OPTIONS

__all__ = ["pytest_configure", "pytest_runtest_setup"]


def pytest_configure(config: Any) -> None:
    """Make the marks known."""
    for line in MARKS:
        config.addinivalue_line("markers", line)


@pytest.hookimpl(tryfirst=True)  # before a fixture is looked for
def pytest_runtest_setup(item: Any) -> None:
    """Fail a test that wants one of ours; a fixture of this name that is there is not ours."""
    there = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    wanted = [name for name in getattr(item, "fixturenames", ()) if name in FIXTURES and name not in there]
    wanted += [name for name in (FAULTS, OPTIONS) if item.get_closest_marker(name) is not None]
    if wanted:
        needs = f"{wanted[0]} needs pytest 8 or newer, and this is {pytest.__version__}"
        pytest.fail(f"{needs}: pip install 'anyint-resilience[pytest]'", pytrace=False)
