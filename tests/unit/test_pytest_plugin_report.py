"""What is told of calls when a test fails: enough to see why, and nothing that nobody may see."""

from __future__ import annotations

import pytest

pytest.importorskip("h11")

from tests.unit.pytest_plugin_kit import KEY, PROMPT, run, section

pytest_plugins = ["pytester"]


def test_a_failed_test_tells_of_its_calls(pytester: pytest.Pytester) -> None:
    """Attempts and decisions, waits, and what the gateway saw, in order."""
    result = run(
        pytester,
        """
        @pytest.mark.anyint_faults({"status": 503}, {"status": 429, "retry_after": 20})
        def test_it(anyint_gateway, anyint_clock):
            service.ask()
            service.watch(headers={"x-emulator-task": "failed"})
        """,
    )
    result.assert_outcomes(failed=1)
    told = section(result)
    pytest.LineMatcher(told).fnmatch_lines(
        [
            "POST /openai/v1/chat/completions: 3 attempt(s), waited * s",
            "  1. +0.00 s: 503 -> backoff: *",
            "  2. +*.* s: 429 -> backoff: *retry-after says 20 s*",
            "  3. +*.* s: 200 -> deliver: *",
            "POST /openai/v1/videos: 1 attempt(s), waited 0.00 s",
            "wait for openai task video_* of POST /openai/v1/videos: TaskFailed after * queries",
            "waits that took no time: *20.* s",
            "the gateway saw * request(s)",
            "  1. POST /openai/v1/chat/completions -> 503, met: status 503",
            "  2. POST /openai/v1/chat/completions -> 429, met: status 429",
            "  3. POST /openai/v1/chat/completions -> 200",
            "  4. POST /openai/v1/videos -> 200",
            "  5. GET /openai/v1/videos/video_* -> 200",
        ]
    )


def test_every_way_a_call_ends_is_told(pytester: pytest.Pytester) -> None:
    """One that was cut off from outside, a stream that broke off, and paid work of unknown outcome."""
    result = run(
        pytester,
        """
        def test_it(anyint_gateway, anyint_clock):
            anyint_gateway.script({"cut_stream_after": 4})
            body = {"model": "gpt-5", "messages": [], "stream": True}
            with pytest.raises(service.httpx.HTTPError):
                service.client().post("/openai/v1/chat/completions", json=body)
            anyint_gateway.script({"reset": "before_headers"})
            with pytest.raises(service.httpx.HTTPError):
                service.film()

            def key():
                raise KeyboardInterrupt

            anyint = service.Resilience(api_key=key, base_url=anyint_gateway.url)
            with service.wrap(service.httpx.Client(base_url=anyint.url), anyint) as client:
                with pytest.raises(KeyboardInterrupt):
                    client.get("/openai/v1/models")
            assert 0
        """,
    )
    result.assert_outcomes(failed=1)
    told = section(result)
    pytest.LineMatcher(told).fnmatch_lines(
        [
            "POST /openai/v1/chat/completions: 1 attempt(s), *",
            "  raised while its stream was read",
            "POST /openai/v1/videos: 1 attempt(s), waited 0.00 s",
            "*read_error*it may have been done*",
            "GET /openai/v1/models: 0 attempt(s), waited 0.00 s",
            "  cut off by KeyboardInterrupt",
            "  2. POST /openai/v1/videos -> no answer, met: reset before_headers",
        ]
    )


def test_nothing_secret_is_told(pytester: pytest.Pytester) -> None:
    """Neither key nor prompt, though a gateway says them back, and a caller puts them where they do not belong."""
    result = run(
        pytester,
        f"""
        @pytest.mark.anyint_gateway(keys=["other"])
        def test_it(anyint_gateway, anyint_clock, monkeypatch):
            monkeypatch.setenv("ANYINT_API_KEY", "{KEY}")
            service.close()
            said = {{"error": {{"message": "bad key {KEY} for {PROMPT}", "type": "{KEY}", "code": "{PROMPT} {KEY}"}}}}
            for status in (401, 400, 429, 503):
                anyint_gateway.script({{"status": status, "body": said, "headers": {{"x-request-id": "{KEY}"}}}})
            service.ask(params={{"key": "{KEY}"}})
            service.ask()
            service.film()
            pytest.fail("all of it", pytrace=False)
        """,
    )
    result.assert_outcomes(failed=1)
    told = "\n".join(section(result))
    assert "POST /openai/v1/chat/completions -> 401" in told
    assert KEY not in told
    assert PROMPT not in told


def test_little_is_told_of_much(pytester: pytest.Pytester) -> None:
    """The last calls, the last requests, and no more than fits on a few screens."""
    result = run(
        pytester,
        """
        def test_it(anyint_gateway, anyint_clock):
            anyint_gateway.script(*[{"status": 400}] * 70)
            for _ in range(70):
                service.ask()
            service.client().get("/openai/v1/models/" + "x" * 5000)
            assert 0
        """,
    )
    told = section(result)
    assert told[0].startswith("71 call(s) and waits (the last 20); ")
    assert sum("attempt(s)" in line for line in told) == 20
    assert "the gateway saw 71 request(s) (the last 50)" in told
    assert max(map(len, told)) < 400
    assert len("\n".join(told)) <= 16_100


def test_who_has_nothing_of_ours_is_told_nothing(pytester: pytest.Pytester) -> None:
    """Nor is a test that passes, or one whose marks are wrong; one whose gateway saw nothing is asked why."""
    result = run(
        pytester,
        """
        def test_plain():
            assert 0

        def test_good(anyint_gateway):
            service.ask()

        @pytest.mark.anyint_faults({"status": 1})
        def test_wrong():
            pass
        """,
        "-rA",
    )
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.no_fnmatch_line("*AnyInt calls*")
    result = run(pytester, "def test_elsewhere(anyint_gateway): assert 0")
    assert "saw no request: does the code under test use ANYINT_BASE_URL?" in section(result)[1]


def test_a_fixture_that_fails_later_tells_too(pytester: pytest.Pytester) -> None:
    """In its set-up, or when it is taken down."""
    result = run(
        pytester,
        """
        @pytest.fixture
        def late(anyint_gateway):
            yield
            service.ask()
            raise ValueError("late")

        @pytest.fixture
        def soon(anyint_gateway):
            service.ask()
            raise ValueError("soon")

        def test_late(late):
            pass

        def test_soon(soon):
            pass
        """,
    )
    result.assert_outcomes(passed=1, errors=2)
    shown = ["*ERROR at {when} of test_{name}*", "*AnyInt calls*", "  1. POST /openai/v1/chat/completions -> 200"]
    for when, name in (("teardown", "late"), ("setup", "soon")):
        result.stdout.fnmatch_lines([line.format(when=when, name=name) for line in shown])
