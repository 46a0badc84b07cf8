"""What is shown of a server's words: shapes, keys in use, URLs, models; and what objects show of themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience import Policy, Resilience
from anyint_resilience.contract.errors import CODE_ROWS
from anyint_resilience.contract.tasks import TASKS
from anyint_resilience.contract.words import AuthStyle, Cause, Certainty
from anyint_resilience.credentials import Credentials, HeaderEdit
from anyint_resilience.effects import AskKey, Discard, Outcome, Peek, Peeked, Result, Send
from anyint_resilience.policy.echoes import id_of, task_id_of, word_of
from anyint_resilience.policy.model import Observation
from anyint_resilience.policy.rules import DEFAULT_TABLE
from anyint_resilience.telemetry.safety import full_url, model_of, request_ids
from anyint_resilience.watched import Body
from tests.unit.engine_kit import World, make_call

CHAT = DEFAULT_TABLE.match("POST", "/openai/v1/chat/completions")
POST = ("POST", "/openai/v1/chat/completions")


# --- words and ids


def test_every_word_of_the_contract_is_shown() -> None:
    """The codes and the states of the tables have the shape of words, a prefix's star apart."""
    codes = {row.code.rstrip("*_.") for row in CODE_ROWS if row.code is not None and ":" not in row.code}
    states = {state for row in TASKS.values() for state in (*row.open, *row.success, *row.failed, *row.expired)}
    assert len(codes) > 100
    assert {word for word in codes | states | {word.upper() for word in codes} if word_of(word) != word} == set()


@pytest.mark.parametrize(
    "word", ["Throttling.RateQuota", "InvalidApiKey", "upstream_unavailable", "1302", "E4001", "a-b"]
)
def test_a_word_is_shown(word: str) -> None:
    """Also one that no table names."""
    assert word_of(word) == word


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        "a fox in the snow",
        "two words",
        "rate_limit\n",
        "https://files.example/a?sig=b",
        "user@example.org",
        "sk-4f9aB2x7Qm1LpZ8r",
        "sk-proj-Ab3dEf6hIj9kLm2nOp5q",
        "AIzaSyA1b2C3d4E5f6G7h8I9j0KlMnOpQrStUv",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "4111111111111111",
        "4111-1111-1111-1111",
        "x" * 65,
        "x" * 25,
        "caf\u00e9",
        "_",
    ],
)
def test_what_is_no_word_is_not_shown(said: str | None) -> None:
    """Sentences, URLs, addresses, keys, tokens and numbers of cards."""
    assert word_of(said) == ""


@pytest.mark.parametrize(
    "text", ["req_011CSHoEeqs5C35K2UUqR7Fy", "0f8fad5b-d9cb-469f-a165-70867728950e", "8c5f1d2-FRA", "a:b/c+d=="]
)
def test_an_id_is_shown(text: str) -> None:
    """As servers make them."""
    assert id_of(text) == text


@pytest.mark.parametrize("text", [None, "", "a b", "a\n", "https://files.example/a", "a?sig=b", "x" * 129, "caf\u00e9"])
def test_what_is_no_id_is_not_shown(text: str | None) -> None:
    """Sentences, URLs, and what has no end."""
    assert id_of(text) is None


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        *((it, it) for it in ("t1", "a/b:c?d=e", "caf\u00e9", "...a", ".a", "x" * 256, "0")),
        (" t1 ", "t1"),
        (0, "0"),
        (2**64, "18446744073709551616"),
        (10**30 - 1, "9" * 30),
    ],
    ids=lambda it: repr(it)[:20],
)
def test_what_can_be_a_tasks_id(value: Any, wanted: str) -> None:
    """Text, or a whole number as text."""
    assert task_id_of(value) == wanted


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", " ", ".", "..", "....", "a b", "a\n", "\ta", "a\u00a0b", "a\u2028", "\ud800", "\0", "x" * 257),
        *(True, False, -1, 1.0, float("nan"), 10**30, 10**5000, [], ["t1"], {}, b"t1"),
    ],
    ids=lambda it: type(it).__name__,
)
def test_what_cannot_be_a_tasks_id(value: Any) -> None:
    """Nothing else is ever asked for in its name: no other path, no list, no text with a line break in it."""
    assert task_id_of(value) is None


# --- in decisions


def decide(body: Any, headers: Any = (), *, status: int = 400, at: tuple[str, str] = POST) -> str:
    """Return all words of a decision for the developer."""
    made = Policy().decide_response(*at, status, headers, json.dumps(body).encode(), now=0.0)
    return f"{made.reason} {made.guidance}"


def test_a_code_that_is_no_word_is_not_quoted() -> None:
    """The reason says that there was one."""
    said = decide({"error": {"message": "m", "code": "paint a fox"}})
    assert "HTTP 400 (a code not shaped like one): invalid, rejected" in said
    assert "fox" not in said


def test_a_code_that_no_table_names_is_quoted() -> None:
    """It is what a developer looks for in the provider's documents."""
    assert "HTTP 400 some_new_code: " in decide({"error": {"message": "m", "code": "some_new_code"}})


def test_the_first_id_that_is_one_counts() -> None:
    """A header that holds anything else is passed over."""
    headers = [("x-request-id", "a fox"), ("request-id", "https://x.example/a"), ("cf-ray", "8c5f-FRA")]
    assert "request id 8c5f-FRA;" in decide({}, headers)
    assert "request id" not in decide({}, headers[:2])


@pytest.mark.parametrize(
    ("path", "body", "shown"),
    [
        ("responses/r", {"id": "r", "status": "incomplete", "incomplete_details": {"reason": "steered"}}, "steered"),
        ("responses/r", {"id": "r", "status": "incomplete", "incomplete_details": {"reason": "a fox"}}, "no reason"),
        ("videos/v", {"id": "v", "status": "some_state"}, "the task's state is some_state;"),
        ("videos/v", {"id": "v", "status": "a fox"}, "the task is not finished;"),
        (
            "batches/b",
            {"id": "b", "status": "completed", "request_counts": {"failed": 2}, "output_file_id": "f"},
            "2 request(s)",
        ),
        ("batches/b", {"id": "b", "status": "completed", "request_counts": {"failed": "a fox"}}, ""),
    ],
)
def test_the_words_of_a_task_are_quoted_if_they_are_words(path: str, body: Any, shown: str) -> None:
    """States, reasons and counts come from a server too."""
    said = decide(body, status=200, at=("GET", f"/openai/v1/{path}"))
    assert shown in said
    assert "fox" not in said


def test_what_a_gateway_reports_is_a_number() -> None:
    """And of a message that names a provider's exception only that there is one."""
    body = {"error": {"message": "FoxException: no"}}
    said = decide(body, {"x-litellm-attempted-retries": "2", "x-litellm-attempted-fallbacks": "a fox"}, status=500)
    assert "the gateway reports attempted-retries: 2; the provider failed, not the gateway." in said
    assert "fox" not in said.lower()


# --- keys in use


def test_a_key_that_went_out_is_found_in_what_comes_back() -> None:
    """Whichever way it became known, wherever it stands; a short one only where it is all there is."""
    credentials = Credentials("configured-key")
    credentials.accept("rotated-key")
    credentials.edit([(b"x-api-key", b"callers-key")], None, AuthStyle.X_API_KEY, secure=True)
    credentials.edit([(b"authorization", b"Bearer abc")], None, AuthStyle.BEARER, secure=True)
    for text in ("configured-key", "req-rotated-key-1", "callers-key", "abc"):
        assert credentials.holds(text)
    for text in ("configured", "abcd", "", "caf\u00e9 \ud800"):
        assert not credentials.holds(text)


def test_a_key_in_a_servers_word_is_taken_out_of_what_was_seen() -> None:
    """Every field that is shown; the rest stays."""
    call = make_call(World())
    call.credentials.accept("letters-only")
    words = {"code": "letters-only", "type": "error", "request_id": "a-letters-only", "note": "see letters-only"}
    seen = Observation(cause=Cause.RATE, certainty=Certainty.REJECTED, source="AnyInt", task_id="letters-only", **words)
    clean = call.without_keys(seen)
    assert (clean.code, clean.type, clean.request_id, clean.note, clean.task_id) == (None, "error", None, "", None)
    assert call.without_keys(clean) is clean


# --- on spans


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("key=secret&alt=sse", "key=REDACTED&alt=sse"),
        ("X-Goog-Signature=abc", "X-Goog-Signature=REDACTED"),
        ("secret", "REDACTED"),
        ("secret&alt=sse", "REDACTED&alt=sse"),
        ("alt=sse;key=secret", "alt=REDACTED"),
        ("after=a%20fox", "after=REDACTED"),
        ("after=", "after="),
        ("alt", "alt"),
        ("https://app.example/secret", "REDACTED"),
        ("https://app.example/secret?a=b", "REDACTED"),
        ("a%20fox=1", "REDACTED"),
        ("limit=2#secret", "limit=2"),
    ],
)
def test_a_query_is_shown_without_what_it_says(query: str, shown: str) -> None:
    """Names, and the values of a few parameters if they are as plain as those are; a bare token is no name."""
    assert full_url("https", "h", None, f"/p?{query}".encode()) == f"https://h/p?{shown}"


def test_request_ids_are_shown_if_they_are_some() -> None:
    """No other header, no odd value, no key."""
    headers = [(b"X-Request-Id", b"r1"), (b"request-id", b"a fox"), (b"cf-ray", b"secret-FRA"), (b"server", b"s")]
    assert request_ids(headers, lambda text: "secret" in text) == {"http.response.header.x-request-id": ["r1"]}


@pytest.mark.parametrize(
    ("body", "model"),
    [
        ({"model": "gpt-5", "messages": [{"content": "{"}]}, "gpt-5"),
        ({"messages": [{"content": "hi"}], "model": "gpt-5", "n": 1}, "gpt-5"),
        ({"messages": [{"content": "hi"}], "model": "gpt-5", "tools": [{"a": {}}]}, "gpt-5"),
        ({"messages": [{"input": {"model": "Tesla"}}]}, None),
        ({"input": {"model": "Tesla"}, "model_name": "kling-v3"}, "kling-v3"),
        ({"model": "a fox in the snow", "input": {"model": "Tesla"}}, None),
        ({"a": [{"model": "Tesla"}], "b": [{}]}, None),
        ({'a"model': "Tesla"}, None),
        ({"a": '"model":"Tesla"'}, None),
        ([{"model": "Tesla"}], None),
    ],
)
def test_only_the_documents_own_model_is_shown(body: Any, model: str | None) -> None:
    """One inside (a tool's argument, a form's field) is a piece of a prompt."""
    for separators in ((",", ":"), (", ", ": ")):
        assert model_of(CHAT, b"/", json.dumps(body, separators=separators).encode()) == model


def test_a_model_in_a_file_is_not_shown() -> None:
    """Neither in a form nor in lines of JSON."""
    line = b'{"custom_id": "1", "body": {"model": "Tesla"}}\n'
    for body in (line, line * 2, b"--b\r\nContent-Type: text/plain\r\n\r\n" + line + b"\r\n--b--\r\n"):
        assert model_of(CHAT, b"/", body) is None


# --- what objects show of themselves


@pytest.mark.parametrize(
    "thing",
    [
        Body(b"secret"),
        Peeked(b"secret", error=ValueError("secret")),
        Outcome("secret", 200, [("a", "secret")], ValueError("secret")),
        Peek("secret", 1, 1.0),
        Discard("secret"),
        AskKey(b"secret"),
        Send(1, HeaderEdit(add=((b"a", b"secret"),))),
        Result(make_call(World()).report(), response="secret", error=ValueError("secret")),
        Observation(cause=None, certainty=Certainty.COMMITTED, source="AnyInt", message="secret"),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_no_value_shows_a_body_a_header_or_a_response(thing: object) -> None:
    """A debugger that prints local variables sends them to wherever errors go."""
    assert "secret" not in repr(thing)


def test_a_configuration_does_not_show_its_store() -> None:
    """A store's own text may hold where it is and by which password."""

    class Store:
        owner = ""

        def nothing(self, *args: object) -> None: ...

        update = scan = close = gone = nothing

        def __repr__(self) -> str:
            return "Store(redis://:secret@host)"

    assert "secret" not in repr(Resilience(store=Store()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["https://user:secret", "https://[secret", "https://gw.example/?key=secret", "https://gw.example/#secret"]
)
def test_a_base_url_that_is_refused_is_not_quoted(url: str) -> None:
    """What was taken for a port may be a password; a query in a base URL is a mistake, and perhaps a key."""
    with pytest.raises(ValueError, match="base_url") as caught:
        Resilience(base_url=url)
    assert "secret" not in str(caught.value)
