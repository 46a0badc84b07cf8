"""How pytest comes by the plugin: where pytest is old, or loads it late."""

from __future__ import annotations

import textwrap

import pytest

pytest.importorskip("h11")

from tests.brief import once
from tests.unit.pytest_plugin_kit import run

pytestmark = once
pytest_plugins = ["pytester"]

NO_STASH = "import pytest\ndel pytest.StashKey\n"  # pytest 6
OLD_PLUGGY = """
import pytest

class Marker:
    def __init__(self, real):
        self.real = real

    def __call__(self, function=None, hookwrapper=False, optionalhook=False, tryfirst=False, trylast=False):
        return self.real(function, hookwrapper, optionalhook, tryfirst, trylast)

pytest.hookimpl = Marker(pytest.hookimpl)
"""


@pytest.mark.parametrize("old", [NO_STASH, OLD_PLUGGY], ids=["no stash", "old pluggy"])
def test_an_old_pytest_runs_as_if_we_were_not_there(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, old: str
) -> None:
    """But for tests that want our fixtures or marks: each says what it needs. A fixture of others is theirs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    tests = """
        import pytest

        def test_plain(tmp_path):
            pass

        def test_wants(anyint_gateway):
            pass

        @pytest.mark.anyint_faults({"status": 503})
        def test_is_marked():
            pass

        class TestOthers:
            @pytest.fixture
            def anyint(self):
                return 1

            def test_theirs(self, anyint):
                assert anyint == 1
    """
    pytester.makepyfile(old=old, test_it=textwrap.dedent(tests))
    plugins = ("-p", "old", "-p", "anyint_resilience_pytest", "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess(*plugins, "--strict-markers", "-W", "error")
    result.assert_outcomes(passed=2, errors=2)
    needs = "needs pytest 8 or newer, and this is *: pip install 'anyint-resilience[[]pytest]'"
    result.stdout.fnmatch_lines([f"anyint_gateway {needs}", f"anyint_faults {needs}"])


def test_an_early_gateway_that_comes_too_late_says_so(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded by a conftest.py the plugin cannot be there before it: that is an error, and not no gateway."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\nanyint_early_gateway = true\n")
    pytester.makeconftest('pytest_plugins = ["anyint_resilience_pytest"]')
    pytester.makepyfile("def test_it(): pass")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: anyint_early_gateway: the plugin came after conftest.py: pytest -p anyint_resilience_pytest"]
    )
    result = pytester.runpytest_subprocess("-p", "anyint_resilience_pytest", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)


def test_each_worker_has_its_gateway_early(pytester: pytest.Pytester) -> None:
    """Each says by its own address where it is."""
    tests = """
        import os

        URL = os.environ["ANYINT_BASE_URL"]

        @pytest.mark.parametrize("number", range(2))
        def test_it(anyint_gateway, number):
            assert anyint_gateway.url == URL
    """
    result = run(pytester, tests, "-n", "2", "-o", "anyint_early_gateway=true", alone=True, service="")
    result.assert_outcomes(passed=2)
