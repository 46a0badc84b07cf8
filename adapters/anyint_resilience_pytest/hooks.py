"""The hooks.

Must not import anything of the package, nor any client, before one of the fixtures is used.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from . import fixtures
from .fixtures import STAGE, WIRE, wire_of
from .words import FAULTS, FIXTURES, MARKS, OPTIONS

__all__ = [
    "FaultsNotMet",
    "pytest_addoption",
    "pytest_configure",
    "pytest_itemcollected",
    "pytest_load_initial_conftests",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_unconfigure",
]

_EARLY: pytest.StashKey[pytest.MonkeyPatch] = pytest.StashKey()
_SWITCH = "anyint_early_gateway"
_TITLE = "AnyInt calls"
_FIRST = ("_anyint_stage", *FIXTURES)


class FaultsNotMet(pytest.PytestWarning):
    """A test scripted faults that no request has met: does it test what it says?"""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the one setting."""
    parser.addini(
        _SWITCH,
        "start the gateway before any code of yours is imported, and have ANYINT_BASE_URL and ANYINT_API_KEY lead to "
        "it for the whole run",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known; refuse to come too late for what is wanted early."""
    for line in MARKS:
        config.addinivalue_line("markers", line)
    if config.getini(_SWITCH) and _EARLY not in config.stash:
        raise pytest.UsageError(f"{_SWITCH}: the plugin came after conftest.py: pytest -p anyint_resilience_pytest")


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-django reads its settings
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Start the gateway early, where that is wanted: what is imported from here on may read the environment."""
    if early_config.getini(_SWITCH):
        try:
            wire = wire_of(early_config)
        except pytest.fail.Exception as error:
            raise pytest.UsageError(str(error)) from None
        from anyint_resilience.testing.gateway import KEY

        environment = early_config.stash[_EARLY] = pytest.MonkeyPatch()
        environment.setenv("ANYINT_BASE_URL", wire.url)
        environment.setenv("ANYINT_API_KEY", KEY)
    return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what listens."""
    if _EARLY in config.stash:
        config.stash[_EARLY].undo()
    if WIRE in config.stash:
        config.stash[WIRE].stop()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Set ours up first among those of a test, so that what others build finds the gateway; a mark asks for it too."""
    names: list[str] | None = getattr(item, "fixturenames", None)
    info: Any = getattr(item, "_fixtureinfo", None)
    if names is None or info is None:
        return
    found: dict[str, Any] = info.name2fixturedefs
    ours = [name for name in _FIRST if name in found and found[name][-1].func.__module__ == fixtures.__name__]
    if "anyint_gateway" not in names and any(item.get_closest_marker(name) is not None for name in (FAULTS, OPTIONS)):
        ours.append("anyint_gateway")
    rest = [name for name in names if name not in ours]
    wider = next((at for at, name in enumerate(rest) if not _is_wide(found.get(name))), len(rest))
    if ours:
        item.fixturenames = [*rest[:wider], *ours, *rest[wider:]]  # type: ignore[attr-defined]


def _is_wide(defined: Any) -> bool:
    """Whether a fixture is there for more than one test: pytest has sorted those before the others."""
    return bool(defined) and defined[-1].scope != "function"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test whose gateway failed, or which left faults unmet that it wanted met."""
    result = yield
    stage = item.stash.get(STAGE, None)
    if stage is not None:
        problems = stage.problems()
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)
        unmet = stage.unmet()
        if unmet:
            try:
                item.warn(FaultsNotMet(unmet))
            except FaultsNotMet as error:  # warnings are errors here: without our own lines
                pytest.fail(f"{type(error).__name__}: {error}", pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what its calls did to the report of a test that failed."""
    report = yield
    stage = item.stash.get(STAGE, None)
    if stage is not None:
        if report.failed and stage.tells:
            report.sections.append((_TITLE, stage.told()))
        if call.when == "teardown":
            del item.stash[STAGE]
    return report
