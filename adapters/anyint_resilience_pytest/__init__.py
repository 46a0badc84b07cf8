"""The pytest plugin: fixtures, marks, and what calls did in the report of a failed test.

Must not import anything of the package, nor any client, before one of its fixtures is used: every run of pytest in this
environment loads this module.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from anyint_resilience import Resilience
    from anyint_resilience.testing import Gateway, NoSleep, VirtualClock
    from anyint_resilience.testing.gateway import Wire
    from anyint_resilience.testing.stage import Stage

__all__ = ["FaultsNotMet"]

_STAGE: pytest.StashKey[Stage] = pytest.StashKey()
_WIRE: pytest.StashKey[Wire] = pytest.StashKey()
_EARLY: pytest.StashKey[pytest.MonkeyPatch] = pytest.StashKey()
_TITLE = "AnyInt calls"
_FAULTS, _OPTIONS = "anyint_faults", "anyint_gateway"
_MARKS = (
    (
        f"{_FAULTS}(*faults, match=None, strict=None): let the next requests meet these faults, each a Fault or a "
        "mapping of its fields; match: requests whose 'METHOD path' starts with this; strict=True: the test fails if "
        "nobody met one, strict=False: that does not matter."
    ),
    (
        f"{_OPTIONS}(**options): make this test's gateway with arguments of Emulator: keys, seed, chaos, query_limit, "
        "callbacks, callback_form."
    ),
)


class FaultsNotMet(pytest.PytestWarning):
    """A test scripted faults that no request has met: does it test what it says?"""


# fixtures


@pytest.fixture
def _anyint_stage(request: pytest.FixtureRequest) -> Generator[Stage]:
    from anyint_resilience.testing.stage import Stage

    stage = request.node.stash[_STAGE] = Stage()
    yield stage
    stage.close()


@pytest.fixture
def anyint_gateway(_anyint_stage: Stage, request: pytest.FixtureRequest) -> Generator[Gateway]:
    """A stand-in AnyInt gateway of this test's own; ANYINT_BASE_URL and ANYINT_API_KEY lead to it meanwhile."""
    wire = _wire_of(request.config)
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


_FIRST = ("_anyint_stage", "anyint_gateway", "anyint_clock", "anyint_no_sleep", "anyint")


def _wire_of(config: pytest.Config) -> Wire:
    """Return what listens for all tests of this process; it begins with the first of them."""
    import os

    try:
        from anyint_resilience.testing.gateway import Wire
    except ModuleNotFoundError as error:
        if error.name != "h11":
            raise
        pytest.fail("anyint_gateway needs h11: pip install 'anyint-resilience[pytest]'", pytrace=False)
    wire = config.stash.get(_WIRE, None)
    if wire is None or wire.process != os.getpid():  # a fork has none of its parent's threads
        wire = config.stash[_WIRE] = Wire()
        wire.start()
    return wire


# hooks


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know the one setting."""
    parser.addini(
        "anyint_early_gateway",
        "start the gateway before any code of yours is imported, and have ANYINT_BASE_URL and ANYINT_API_KEY lead to "
        "it for the whole run",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marks known."""
    for line in _MARKS:
        config.addinivalue_line("markers", line)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-django reads its settings
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, Any, Any]:
    """Start the gateway early, where that is wanted: what is imported from here on may read the environment."""
    if early_config.getini("anyint_early_gateway"):
        try:
            wire = _wire_of(early_config)
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
    if _WIRE in config.stash:
        config.stash[_WIRE].stop()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Set our fixtures up first, so that what other fixtures build finds the gateway; a mark asks for it too."""
    names: list[str] | None = getattr(item, "fixturenames", None)
    if names is None:
        return
    marked = any(item.get_closest_marker(name) is not None for name in (_FAULTS, _OPTIONS))
    ours = [name for name in _FIRST if name in names or (marked and name == "anyint_gateway")]
    if ours:
        item.fixturenames = [*ours, *(name for name in names if name not in ours)]  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test whose gateway failed, or which left faults unmet that it wanted met."""
    result = yield
    stage = item.stash.get(_STAGE, None)
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
    stage = item.stash.get(_STAGE, None)
    if stage is not None:
        if report.failed and stage.tells:
            report.sections.append((_TITLE, stage.told()))
        if call.when == "teardown":
            del item.stash[_STAGE]
    return report
