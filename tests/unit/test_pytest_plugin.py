"""The pytest plugin as an author of a service meets it: each test here runs pytest on a service and its tests."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("h11")

from tests.unit.pytest_plugin_kit import run

pytest_plugins = ["pytester"]

ISOLATION = """
    import os

    def test_one_closes_the_gate(anyint_gateway, anyint_no_sleep):
        assert os.environ["ANYINT_BASE_URL"] == anyint_gateway.url
        assert anyint_gateway.seen == [] and anyint_gateway.clock.now() == 0
        anyint_gateway.script(*[{"status": 429, "retry_after": 50}] * 2)
        assert service.ask().status_code == 429
        assert max(anyint_no_sleep.waits) >= 50

    def test_two_loses_a_create(anyint_gateway):
        assert anyint_gateway.seen == [] and anyint_gateway.clock.now() == 0
        anyint_gateway.script({"reset": "before_headers", "process": True})
        with pytest.raises(Exception, match="intent"):
            service.film()
        assert len(anyint_gateway.tasks) == 1

    def test_three_leaves_chaos(anyint_gateway, anyint_clock):
        from anyint_resilience.emulator import Chaos, Fault

        assert service.film().status_code == 200
        anyint_gateway.set_chaos(Chaos(faults=((1.0, Fault(status=503)),)))
        assert service.ask().status_code == 503

    def test_four_is_calm(anyint_gateway, anyint_no_sleep):
        assert service.ask().status_code == 200
        assert service.film().status_code == 200
        assert anyint_no_sleep.waits == []

    def test_five_has_no_fixture_of_ours():
        assert "127.0.0.1" not in os.environ.get("ANYINT_BASE_URL", "")
"""

BACKWARDS = """
    def pytest_collection_modifyitems(items):
        items.reverse()
"""


@pytest.mark.parametrize("files", [{}, {"conftest.py": BACKWARDS}], ids=["forwards", "backwards"])
def test_no_test_leaves_anything_to_the_next(
    pytester: pytest.Pytester, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither requests, nor a closed gate, a lost create, chaos or the environment; a client that is kept goes on."""
    monkeypatch.delenv("ANYINT_BASE_URL", raising=False)
    run(pytester, ISOLATION, files=files).assert_outcomes(passed=5)


def test_marks_script_faults(pytester: pytest.Pytester) -> None:
    """On a function, a class or a parameter; as mappings or faults; for some requests; without naming a fixture."""
    run(
        pytester,
        """
        from anyint_resilience.emulator import Fault

        @pytest.mark.anyint_faults({"status": 503}, {"status": 429, "retry_after": 2}, strict=True)
        def test_mappings(anyint_gateway, anyint_clock):
            assert service.ask().status_code == 200
            assert [seen.answered for seen in anyint_gateway.seen] == [503, 429, 200]
            assert anyint_clock.now() >= 2

        @pytest.mark.anyint_faults(Fault.error(402, code="insufficient_quota"), match="POST /openai/v1/chat")
        def test_only_some(anyint_gateway):
            assert service.film().status_code == 200
            assert anyint_gateway.unmet[0].status == 402
            assert service.ask().status_code == 402

        @pytest.mark.anyint_faults({"status": 401})
        class TestMany:
            def test_by_a_class(self):
                assert service.ask().status_code == 401

            @pytest.mark.anyint_faults({"status": 400})
            def test_its_own_first(self):
                assert service.ask().status_code == 400
                assert service.ask().status_code == 401

        @pytest.mark.parametrize("status", [pytest.param(403, marks=pytest.mark.anyint_faults({"status": 403})), 200])
        def test_by_a_parameter(anyint_gateway, status):
            assert service.ask().status_code == status
        """,
    ).assert_outcomes(passed=6)


def test_a_mark_that_is_wrong_says_what_is_right(pytester: pytest.Pytester) -> None:
    """Every problem at once, with the nearest name."""
    result = run(
        pytester,
        """
        @pytest.mark.anyint_faults({"statsu": 503}, {"status": 7}, 503, mtch="POST")
        def test_faults():
            pass

        @pytest.mark.anyint_faults({"status": 503}, match=1, strict="yes")
        def test_options():
            pass

        @pytest.mark.anyint_gateway(query_limits=20)
        def test_gateway():
            pass

        def test_script(anyint_gateway):
            anyint_gateway.script({"retry_afer": 2})
        """,
    )
    result.assert_outcomes(errors=3, failed=1)
    result.stdout.fnmatch_lines_random(
        [
            "*no option 'mtch', did you mean 'match'?*",
            "*fault 1: bad fault: no field 'statsu', did you mean 'status'? (known: body, *",
            "*fault 2: bad fault: status must be 100-999, not 7*",
            "*fault 3: a Fault or a mapping of its fields is needed, not 503*",
            "*match must be text such as 'POST /openai/v1/videos', not 1*",
            "*strict must be True, False or None, not 'yes'*",
            "*no option 'query_limits', did you mean 'query_limit'?*",
            "*no field 'retry_afer', did you mean 'retry_after'?*",
        ]
    )


def test_faults_that_nobody_met(pytester: pytest.Pytester) -> None:
    """A warning, a failure, or nothing: as the test has it. One that fails by itself tells of them in its section."""
    result = run(
        pytester,
        """
        one = {"status": 503}

        @pytest.mark.anyint_faults(one, match="POST /nowhere")
        def test_error():
            pass

        @pytest.mark.filterwarnings("default")
        @pytest.mark.anyint_faults(one, match="POST /nowhere")
        def test_warning():
            pass

        @pytest.mark.anyint_faults(one, match="POST /nowhere", strict=False)
        def test_let_be():
            pass

        @pytest.mark.anyint_faults(one, match="POST /nowhere", strict=True)
        def test_strict():
            pass

        @pytest.mark.filterwarnings("default")
        @pytest.mark.anyint_faults(one, match="POST /nowhere")
        def test_expected(anyint_gateway):
            anyint_gateway.expect_all_met()

        @pytest.mark.anyint_faults(one, match="POST /nowhere", strict=True)
        def test_by_itself():
            assert 0, "its own"
        """,
    )
    result.assert_outcomes(passed=2, failed=4, warnings=1)
    said = "scripted, but met by no request: status 503 (match 'POST /nowhere')"
    lines = ("___ test_error ___", f"FaultsNotMet: {said}", "___ test_strict ___", said, "___ test_expected ___", said)
    result.stdout.fnmatch_lines([f"*{line}*" for line in lines])
    result.stdout.fnmatch_lines(["*___ test_by_itself ___*", "E *its own*", "*nobody met: status 503*"])
    result.stdout.fnmatch_lines([f"*test_service.py:*: FaultsNotMet: {said}"])


def test_a_gateway_is_made_as_its_mark_says(pytester: pytest.Pytester) -> None:
    """At the same address; ours come first, whatever the order of arguments, and another gateway is stopped by hand."""
    run(
        pytester,
        """
        @pytest.fixture
        def keyless(monkeypatch):
            monkeypatch.setenv("ANYINT_API_KEY", "another")
            service.close()
            yield service.ask().status_code
            service.close()

        @pytest.mark.anyint_gateway(keys=["right"])
        def test_keys(keyless, anyint_gateway):
            assert keyless == 401
            assert len(anyint_gateway.seen) == 1

        @pytest.mark.anyint_gateway(callbacks=True, callback_form="wrapped")
        def test_callbacks(anyint, anyint_gateway, anyint_clock):
            import http.server, queue, threading
            told = queue.Queue()

            class Hook(http.server.BaseHTTPRequestHandler):
                def do_POST(self):
                    told.put(self.rfile.read(int(self.headers["content-length"])))
                    self.send_response(200)
                    self.end_headers()

                def log_message(self, *args):
                    pass

            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
                threading.Thread(target=server.serve_forever, daemon=True).start()
                url = f"http://127.0.0.1:{server.server_port}/hook"
                song = {"model": "V5", "prompt": "rain", "callBackUrl": url}
                made = service.client().post(f"{anyint_gateway.url}/suno/generate", json=song)
                task = anyint_gateway.tasks[0]
                assert service.wait_for_task(service.client(), made).phase == "success"
                assert b"callbackType" in told.get(timeout=20)
                server.shutdown()

        def test_it_serves_all(anyint_gateway):
            with pytest.raises(RuntimeError, match="your own"):
                anyint_gateway.stop()
            with pytest.raises(RuntimeError, match="running"):
                anyint_gateway.start()
            assert repr(anyint_gateway) == f"Gateway({anyint_gateway.url!r}, 0 request(s) seen)"
            service.ask()
            assert anyint_gateway.connections_open >= 1

        def test_a_configuration_of_its_own(anyint, anyint_gateway, anyint_clock):
            assert anyint.url == anyint_gateway.url
            with service.wrap(service.httpx.Client(base_url=anyint.url), anyint) as client:
                anyint_gateway.script(*[{"status": 503}] * 2)
                assert client.get("/openai/v1/models").status_code == 200
            assert max(anyint_clock.slept) < 1  # one call's failures close nothing

        def test_what_becomes_of_tasks(anyint_gateway, anyint_clock):
            with pytest.raises(ValueError, match="no outcome 'fail', did you mean 'failed'"):
                anyint_gateway.settle_all("fail")
            with pytest.raises(ValueError, match="visible_after"):
                anyint_gateway.settle_all("failed", visible_after=-1)
            anyint_gateway.settle_all("policy", visible_after=3)
            service.film()
            service.film(headers={"x-emulator-task": "stuck"})
            anyint_gateway.reset()
            service.film(headers={"idempotency-key": "3"})
            assert [task.outcome for task in anyint_gateway.tasks] == ["success"]
            anyint_gateway.settle_all("failed")
            service.film(headers={"idempotency-key": "4", "x-emulator-task": "stuck"})
            made = service.film(headers={"idempotency-key": "5"})
            assert [task.outcome for task in anyint_gateway.tasks] == ["success", "stuck", "failed"]
            with pytest.raises(service.TaskFailed):
                service.wait_for_task(service.client(), made)

        @pytest.mark.usefixtures("anyint_no_sleep")
        def test_without_a_gateway():
            service.Resilience().runtime.sleep(3600)
        """,
    ).assert_outcomes(passed=6)


def test_an_error_of_the_emulator_fails_the_test(pytester: pytest.Pytester) -> None:
    """It is not the service's fault, and must not be taken for it."""
    result = run(
        pytester,
        """
        def test_it(anyint_gateway):
            anyint_gateway.wronged(KeyError("its own"))
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the emulator itself failed: KeyError('its own')*"])


EARLY = """
    from anyint_resilience import Resilience
    import httpx
    from anyint_resilience_httpx import wait_for_task, wrap

    ANYINT = Resilience.from_env()
    CLIENT = wrap(httpx.Client(base_url=ANYINT.url), ANYINT)
    close = CLIENT.close
"""


def test_a_service_that_reads_its_environment_when_imported(pytester: pytest.Pytester) -> None:
    """With one setting the gateway is there before; afterwards the environment is as it was."""
    before = os.environ.get("ANYINT_BASE_URL")
    result = run(
        pytester,
        """
        import app

        service.close = app.close

        @pytest.mark.anyint_faults({"status": 429, "retry_after": 30}, match="POST")
        def test_a_video(anyint_gateway, anyint_clock):
            made = app.CLIENT.post("/openai/v1/videos", json={"model": "kling-3.0", "prompt": "x"})
            assert app.wait_for_task(app.CLIENT, made).state == "completed"
            assert anyint_clock.now() >= 40

        def test_again(anyint_gateway):
            assert app.CLIENT.get("/openai/v1/models").status_code == 200
            assert len(anyint_gateway.seen) == 1

        def test_without_our_fixtures():
            assert app.CLIENT.get("/openai/v1/models").status_code == 200
        """,
        "-o",
        "anyint_early_gateway=true",
        files={"app.py": EARLY},
    )
    result.assert_outcomes(passed=3)
    assert os.environ.get("ANYINT_BASE_URL") == before


LIGHT = """
    import sys

    def test_nothing_of_ours_is_loaded_before_it_is_used():
        ours = ("anyint_resilience", "h11", "httpx", "httpx2", "aiohttp", "requests", "opentelemetry")
        assert not [name for name in ours if name in sys.modules]

    def test_then_it_is(anyint_no_sleep):
        import anyint_resilience
        assert "h11" not in sys.modules

    def test_a_gateway_of_each_worker(anyint_gateway, worker_id):
        assert worker_id in ("gw0", "gw1")
        import httpx
        httpx.get(f"{anyint_gateway.url}/openai/v1/models", headers={"authorization": "Bearer x"})
        assert len(anyint_gateway.seen) == 1

    @pytest.mark.parametrize("number", range(4))
    def test_and_of_each_test(anyint_gateway, number):
        assert anyint_gateway.seen == []
"""


def test_it_is_light_and_works_in_many_workers(pytester: pytest.Pytester) -> None:
    """A run of pytest that does not use it loads one small module; one with xdist has a gateway in each worker."""
    result = run(pytester, LIGHT, "-n", "2", "--dist", "loadfile", alone=True, service="")
    result.assert_outcomes(passed=7)


def test_without_h11_it_says_what_to_install(pytester: pytest.Pytester) -> None:
    """Only a gateway needs it: in its test, or in one line before anything is collected where it is wanted early."""
    tests = """
        def test_gateway(anyint_gateway):
            pass

        def test_clock(anyint_clock, anyint_no_sleep):
            pass
    """
    files = {"without.py": "import sys\nsys.modules['h11'] = None\n"}
    said = "anyint_gateway needs h11: pip install 'anyint-resilience[[]pytest]'"
    result = run(pytester, tests, "-p", "without", files=files, alone=True, service="")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([said])
    result = run(
        pytester, tests, "-p", "without", "-o", "anyint_early_gateway=true", files=files, alone=True, service=""
    )
    result.stderr.fnmatch_lines([f"ERROR: {said}"])
