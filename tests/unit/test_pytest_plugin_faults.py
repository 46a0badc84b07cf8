"""What an emulator is told about faults and keys: in Python, by HTTP, and by the marks of a test."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("h11")

from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.testing.gateway import Gateway, Wire
from tests.unit.pytest_plugin_kit import run

pytest_plugins = ["pytester"]

MODELS = "/openai/v1/models"
FORM = "it is the beginning of METHOD path, such as 'POST /openai/v1/videos', or of a path, such as '/openai'"


def met(emulator: Emulator, match: str) -> list[str]:
    """Say which of some requests meet a fault that waits for this match."""
    lines = [("GET", MODELS), ("POST", "/openai/v1/chat/completions"), ("GET", "/gemini/v1beta/models")]
    found = []
    for method, path in lines:
        emulator.reset()
        emulator.script(Fault(status=503), match=match)
        try:
            urlopen(
                Request(emulator.url + path, b"{}" if method == "POST" else None, {"x-api-key": "k"}, method=method)
            )
        except HTTPError as error:
            found += [f"{method} {path}"] if error.code == 503 else []
            error.close()
    return found


@pytest.mark.parametrize(
    ("match", "count"),
    [
        ("/", 3),
        ("/openai", 2),
        (MODELS, 1),
        ("/openai/v2", 0),
        ("POST", 1),
        ("G", 2),
        ("GET ", 2),
        ("GET /openai", 1),
        ("", 3),
    ],
)
def test_a_match_is_the_beginning_of_a_line_or_a_path(emu: Any, gateway: Emulator, match: str, count: int) -> None:
    """A path alone goes for each method."""
    assert len(met(gateway, match)) == count


NEVER = [
    "openai/v1",
    "FOO /x",
    "post /openai",
    "POST openai/v1",
    "POST  /openai",
    " POST /openai",
    " /openai",
    " ",
    "POST /openai /v1",
    "POST/openai",
    "https://gateway.api.anyint.ai/openai",
    "GET /openai/v1/models?limit=1",
    "/openai/vidéos",
    "/a\nb",
]


@pytest.mark.parametrize("match", [*NEVER, 5, ["POST"], "x" * 5000])
def test_a_match_that_no_request_can_have_is_refused(gateway: Emulator, emu: Emulator, match: Any) -> None:
    """In Python, and by HTTP as a 400; nothing is scripted then."""
    said = FORM if isinstance(match, str) else "match must be text such as "
    with pytest.raises(ValueError, match=r"^match ") as caught:
        emu.script(Fault(status=503), match=match)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300
    document = json.dumps({"match": match, "faults": [{"status": 503}]}).encode()
    with pytest.raises(HTTPError) as answered:
        urlopen(f"{emu.url}/__emulator__/faults", document)
    with answered.value as answer:
        assert answer.code == 400
        assert said.replace("'", '"') in json.load(answer)["error"]["message"].replace("'", '"')
    urlopen(Request(emu.url + MODELS, headers={"authorization": "Bearer test-key"})).close()


def test_a_mark_says_what_a_match_must_be(pytester: pytest.Pytester) -> None:
    """As the emulator does, beside whatever else is wrong; and a path goes for each method."""
    result = run(
        pytester,
        """
        @pytest.mark.anyint_faults({"status": 503}, {"stats": 1}, match="openai/v1")
        def test_wrong():
            pass

        @pytest.mark.anyint_faults({"status": 402}, match="/openai/v1/chat")
        def test_a_path():
            assert service.film().status_code == 200
            assert service.ask().status_code == 402

        def test_a_path_in_a_script(anyint_gateway):
            with pytest.raises(ValueError, match="can match no request"):
                anyint_gateway.script({"status": 402}, match="FOO /x")
            anyint_gateway.script({"status": 402}, match="/openai/v1/chat")
            assert service.ask().status_code == 402
        """,
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "*mark anyint_faults: match 'openai/v1' can match no request: " + FORM,
            "*fault 2: bad fault: no field 'stats'*",
        ]
    )


def test_a_list_of_faults_is_the_faults(pytester: pytest.Pytester) -> None:
    """As the control route takes one; its members are counted with the others."""
    result = run(
        pytester,
        """
        @pytest.mark.anyint_faults([{"status": 400}, {"status": 403}], {"status": 401}, strict=True)
        def test_listed(anyint_gateway):
            assert [service.ask().status_code for _ in range(4)] == [400, 403, 401, 200]

        @pytest.mark.anyint_faults([{"status": 400}, {"status": 7}], {"statsu": 1}, [[]])
        def test_wrong():
            pass
        """,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*fault 2: bad fault: status must be *",
            "*fault 3: *'statsu'*",
            "*fault 4: a Fault or a mapping *, not [[][]]",
        ]
    )


def test_a_fault_that_nobody_met_says_whom_it_waits_for(pytester: pytest.Pytester) -> None:
    """Its match, which may be what is wrong."""
    tests = """
        @pytest.mark.anyint_faults({"status": 503}, match="POST /openai/v2", strict=True)
        def test_strict(anyint_gateway):
            anyint_gateway.script({"status": 500})
    """
    result = run(pytester, tests)
    said = "scripted, but met by no request: status 503 (match 'POST /openai/v2'); status 500"
    result.stdout.fnmatch_lines(
        [said, "  nobody met: status 503 (match 'POST /openai/v2')", "  nobody met: status 500"]
    )


@pytest.mark.parametrize("keys", ["sk-hush-1", b"sk-hush-1", "", 5, [b"sk-hush-1"], ["sk-hush-1", ""], [None]])
@pytest.mark.parametrize("make", [Emulator, lambda **more: Gateway(Wire(), **more)], ids=["emulator", "gateway"])
def test_keys_are_a_list_of_keys(make: Any, keys: Any) -> None:
    """One key as a text is not taken letter by letter; nothing of it is said."""
    with pytest.raises(ValueError, match=r"^keys must be a list of keys, such as ") as caught:
        make(keys=keys)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("keys", [["a", "b"], ("a", "b"), {"a", "b"}, {"a": 1, "b": 2}.keys(), iter(["a", "b"])])
def test_any_list_of_keys_will_do(keys: Any) -> None:
    """One that can be gone through once only, too."""
    with Emulator(keys=keys) as emulator:
        statuses = []
        for key in ("a", "b", "c"):
            try:
                urlopen(Request(emulator.url + MODELS, headers={"authorization": f"Bearer {key}"})).close()
                statuses.append(200)
            except HTTPError as error:
                statuses.append(error.code)
                error.close()
    assert statuses == [200, 200, 401]


def test_a_mark_says_what_its_gateways_options_must_be(pytester: pytest.Pytester) -> None:
    """Each by its own kind."""
    result = run(
        pytester,
        """
        @pytest.mark.anyint_gateway(keys="test-key")
        def test_keys():
            pass

        @pytest.mark.anyint_gateway(query_limit="20", callbacks="no", seed="x")
        def test_kinds():
            pass
        """,
    )
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines_random(
        [
            "*mark anyint_gateway: keys must be a list of keys, *",
            "*mark anyint_gateway: query_limit must be a whole number or None, not '20'*",
            "*callbacks must be True or False, not 'no'*",
            "*seed must be a whole number, not 'x'*",
        ]
    )
