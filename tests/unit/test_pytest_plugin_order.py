"""When the plugin's fixtures are set up: before others of their kind, never before those that pytest has come first."""

from __future__ import annotations

import pytest

pytest.importorskip("h11")

from tests.unit.pytest_plugin_kit import run

pytest_plugins = ["pytester"]

OTHERS = """
    import os
    import pytest

    @pytest.fixture(autouse=True)
    def settings(monkeypatch):
        monkeypatch.setenv("MY_KEY", "k")

    @pytest.fixture
    def {name}():
        return os.environ["MY_KEY"]
"""


@pytest.mark.parametrize("name", ["anyint", "anyint_clock", "anyint_gateway", "anyint_no_sleep"])
def test_a_fixture_of_others_with_our_name_is_theirs(pytester: pytest.Pytester, name: str) -> None:
    """It is set up when it would be without us: after what is set up for each test."""
    tests = f"""
        def test_mine({name}):
            assert {name} == "k"
    """
    run(pytester, tests, files={"conftest.py": OTHERS.format(name=name)}).assert_outcomes(passed=1)


BUILT_ON_OURS = """
    import os
    from dataclasses import replace
    import pytest

    @pytest.fixture(autouse=True)
    def settings(monkeypatch):
        assert "127.0.0.1" in os.environ["ANYINT_BASE_URL"]  # ours was there before
        monkeypatch.setenv("MY_WINDOW", "7")

    @pytest.fixture
    def anyint(anyint):
        return replace(anyint, policy=replace(anyint.policy, retry_window=float(os.environ["MY_WINDOW"])))
"""


def test_a_fixture_that_is_built_on_ours_comes_in_its_own_turn(pytester: pytest.Pytester) -> None:
    """What it stands on is still set up first."""
    tests = """
        def test_mine(anyint, anyint_gateway):
            assert (anyint.policy.retry_window, anyint.base_url) == (7.0, anyint_gateway.url)
    """
    run(pytester, tests, files={"conftest.py": BUILT_ON_OURS}).assert_outcomes(passed=1)


WIDER = """
    import os
    import pytest

    HERE = "http://127.0.0.1:1"

    @pytest.fixture(scope="{scope}", autouse=True)
    def base_env():
        patch = pytest.MonkeyPatch()
        patch.setenv("ANYINT_BASE_URL", HERE)
        yield
        assert os.environ["ANYINT_BASE_URL"] == HERE
        patch.undo()
"""


@pytest.mark.parametrize("scope", ["session", "package", "module", "class"])
@pytest.mark.parametrize("only", ["", "first", "second"])
def test_a_fixture_for_many_tests_comes_before_ours(pytester: pytest.Pytester, scope: str, only: str) -> None:
    """Whichever test is the first of them: each finds its gateway, and those without one what the wider fixture set."""
    result = run(
        pytester,
        """
        import os

        class TestThem:
            def test_first(self, anyint_gateway):
                assert os.environ["ANYINT_BASE_URL"] == anyint_gateway.url

            @pytest.mark.anyint_faults({"status": 400})
            def test_second(self):
                assert os.environ["ANYINT_BASE_URL"] != "http://127.0.0.1:1"
                assert service.ask().status_code == 400

            def test_after(self):
                assert os.environ["ANYINT_BASE_URL"] == "http://127.0.0.1:1"
        """,
        "-k",
        f"after or {only}" if only else "test",
        files={"conftest.py": WIDER.format(scope=scope)},
    )
    result.assert_outcomes(passed=2 if only else 3, deselected=1 if only else 0)
