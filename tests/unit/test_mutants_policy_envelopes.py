"""All that each error envelope says, field by field; and at which length a word stops to be one."""

from __future__ import annotations

from typing import Any

import pytest

from anyint_resilience.contract.codes_chat import GOOGLE_LONG
from anyint_resilience.contract.errors import Envelope
from anyint_resilience.contract.words import Family
from anyint_resilience.policy.echoes import id_of, task_id_of, word_of
from anyint_resilience.policy.envelopes import Said, loose_message, read_envelope

RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo"}


def google(*details: dict[str, Any], **error: Any) -> dict[str, Any]:
    return {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m", "details": list(details), **error}}


def said(envelope: Envelope, *codes: str, **fields: Any) -> Said:
    return Said(envelope, codes, *(fields.pop(name, None) for name in ("code", "type")), fields.pop("m", "m"), **fields)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"error": {"message": "m", "type": "T", "code": "C", "param": " p\n"}},
            said(Envelope.OPENAI, "c", "t", code="C", type="T", param="p"),
        ),
        (
            {"error": {"message": "m", "code": 503, "param": "p" * 65}},
            said(Envelope.OPENAI, "503", code="503", number=503, param="p" * 64),
        ),
        ({"error": {"code": "C"}}, said(Envelope.OPENAI, "c", code="C", m="")),
        ({"error": {"type": "T"}}, said(Envelope.OPENAI, "t", type="T", m="")),
        ({"error": {"status": "S"}}, said(Envelope.OPENAI, m="")),
        ({"error": {"param": "p"}}, None),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            said(Envelope.ANTHROPIC, "overloaded_error", type="overloaded_error"),
        ),
        (
            {"type": "error", "error": {"type": "t", "message": "m", "details": {"error_code": "Credit"}}},
            said(Envelope.ANTHROPIC, "credit", "t", code="Credit", type="t"),
        ),
        (google(), said(Envelope.GOOGLE, "resource_exhausted", code="RESOURCE_EXHAUSTED", number=429)),
        ([google()], said(Envelope.GOOGLE, "resource_exhausted", code="RESOURCE_EXHAUSTED", number=429)),
        ([google(), google()], None),
        (
            google(status="S" * 130),
            said(Envelope.GOOGLE, "s" * 128, code="S" * 128, number=429),
        ),
        (google(status="lower"), said(Envelope.OPENAI, "429", code="429", number=429)),
        (
            google({"reason": "RATE_LIMIT_EXCEEDED"}, {"reason": "MODEL_GONE"}),
            said(
                Envelope.GOOGLE,
                *("model_gone", "rate_limit_exceeded", "resource_exhausted"),
                code="RESOURCE_EXHAUSTED",
                number=429,
            ),
        ),
        ({"code": 429, "msg": "m"}, said(Envelope.SUNO, "429", code="429", number=429)),
        ({"code": 200, "msg": "m"}, said(Envelope.SUNO, "200", code="200", number=200, good=True)),
        (
            {"code": 1302, "message": "m", "request_id": "r"},
            said(Envelope.KLING, "1302", code="1302", number=1302),
        ),
        (
            {"code": "Throttling", "message": "m", "request_id": "r"},
            said(Envelope.DASHSCOPE, "throttling", code="Throttling"),
        ),
        (
            {"type": "https://x/errors/quota#used_up", "title": "t", "detail": "m"},
            said(Envelope.PROBLEM, "used_up", code="used_up"),
        ),
        ({"type": "http://x/gone/", "title": "m"}, said(Envelope.PROBLEM, "gone", code="gone")),
        ({"type": "http://x/TAX", "title": "m"}, said(Envelope.PROBLEM, "tax", code="TAX")),
        (
            {"type": "http://" + "x" * 494 + "/" + "w" * 20, "title": "m"},  # 512 characters of it are looked at
            said(Envelope.PROBLEM, "w" * 10, code="w" * 10),
        ),
        ({"type": "https://x/gone"}, None),
        ({"type": "gone", "title": "m"}, None),
    ],
)
def test_an_envelope_says_all_of_this_and_no_more(document: Any, expected: Said | None) -> None:
    """Codes in lower case, the most telling first; the code and the type as they came; text, number, parameter."""
    assert read_envelope(document, None) == expected


@pytest.mark.parametrize(
    ("code", "shown", "number"),
    [
        (10**12 - 1, "9" * 12, 10**12 - 1),
        (1 - 10**12, "-" + "9" * 12, 1 - 10**12),
        (10**12, None, None),
        (-(10**12), None, None),
        ("9" * 12, "9" * 12, 10**12 - 1),
        ("9" * 13, "9" * 13, None),
        ("\u00b2", "\u00b2", None),
        (True, None, None),
        (4.5, None, None),
    ],
)
def test_a_code_that_is_a_number_has_at_most_twelve_digits(code: object, shown: str | None, number: int | None) -> None:
    """A longer one is a word where it is a text, and nothing where it is a number."""
    codes = () if shown is None else (shown,)
    expected = said(Envelope.OPENAI, *codes, code=shown, number=number)
    assert read_envelope({"error": {"message": "m", "code": code}}, None) == expected


THROTTLING = said(Envelope.DASHSCOPE, "throttling", code="Throttling")


@pytest.mark.parametrize(
    ("document", "family", "expected"),
    [
        ({"code": 1302, "message": "m"}, None, None),
        ({"code": 1302, "request_id": "r"}, None, None),
        ({"code": 1302, "message": "m"}, Family.KLING, said(Envelope.KLING, "1302", code="1302", number=1302)),
        ({"code": 1302, "message": "m"}, Family.DASHSCOPE, None),  # its codes are words
        ({"code": "429", "msg": "m"}, Family.SUNO, said(Envelope.SUNO, "429", code="429", number=429)),
        ({"code": "429", "msg": "m"}, None, None),  # elsewhere a number in quotes is a word
        ({"code": "Throttling", "msg": "m"}, Family.SUNO, None),
        ({"code": "Throttling", "message": "m"}, None, None),
        ({"code": "Throttling", "request_id": "r"}, None, None),
        ({"code": "Throttling", "message": "m"}, Family.DASHSCOPE, THROTTLING),
        ({"code": "Throttling", "message": "m", "request_id": "r"}, None, THROTTLING),
        ({"code": "Success", "message": "m", "request_id": "r"}, None, None),
        ({"code": "OK", "message": "m"}, Family.DASHSCOPE, None),
    ],
)
def test_a_code_by_itself_is_told_by_its_neighbours_or_its_route(
    document: Any, family: Family | None, expected: Said | None
) -> None:
    """Many answers have a field of that name: of one alone nothing follows."""
    assert read_envelope(document, family) == expected


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"error": " e\n", "message": "m"}, "e"),
        ({"error": 7, "message": "m", "msg": "s"}, "m"),
        ({"msg": "s", "detail": "d"}, "s"),
        ({"detail": "d", "other": "o"}, "d"),
        ({"detail": ["d"], "other": "o"}, ""),
        (["e"], ""),
    ],
)
def test_what_a_body_of_no_envelope_says_to_people(document: Any, text: str) -> None:
    """The first field of a usual name that is a text."""
    assert loose_message(document) == text


@pytest.mark.parametrize(
    ("seconds", "reason", "codes"),
    [
        (300, "RATE_LIMIT_EXCEEDED", ("rate_limit_exceeded", "resource_exhausted")),
        (301, "RATE_LIMIT_EXCEEDED", (GOOGLE_LONG, "rate_limit_exceeded", "resource_exhausted")),
        (301, "OTHER", ("other", GOOGLE_LONG, "resource_exhausted")),
    ],
)
def test_a_long_wait_tells_more_than_a_limit_and_less_than_a_reason(
    seconds: int, reason: str, codes: tuple[str, ...]
) -> None:
    """It is a limit that nobody waits for: five minutes are not long, a second more is."""
    seen = read_envelope(google({"reason": reason}, {**RETRY, "retryDelay": f"{seconds}s"}), Family.GEMINI)
    assert seen is not None
    assert seen.codes == codes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("_".join(["abcde"] * 10) + "_wxyz", True),  # 64 characters
        ("_".join(["abcde"] * 10) + "_vwxyz", False),
        ("a1_b2_c3_d456", True),  # six digits
        ("a1_b2_c3_d4567", False),
        ("123456", True),
        ("1234567", False),
        ("sk-live-abcdef0123456789", False),
        ("a sentence", False),
        ("", False),
    ],
)
def test_a_word_is_shown_that_has_a_words_length_and_few_digits(text: str, shown: bool) -> None:
    """What is longer, or has more of them, may be a key."""
    assert word_of(text) == (text if shown else "")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (" t1 ", "t1"),
        ("XtX", "XtX"),
        ("Xt", "Xt"),
        ("t" * 256, "t" * 256),
        ("t" * 257, None),
        (0, "0"),
        (10**30 - 1, "9" * 30),
        (10**30, None),
        (-1, None),
        (True, None),
        ("", None),
        ("  ", None),
        (".", None),
        ("..", None),
        ("X", "X"),
        (".X.", ".X."),
        ("a b", None),
        ("a\nb", None),
    ],
)
def test_what_may_be_asked_for_in_a_tasks_name(value: object, name: str | None) -> None:
    """Nothing cut short, nothing that a client would make another path of."""
    assert task_id_of(value) == name


@pytest.mark.parametrize(("length", "shown"), [(1, True), (128, True), (129, False)])
def test_an_id_of_a_request_has_an_end(length: int, shown: bool) -> None:
    """128 characters at the most."""
    assert id_of("r" * length) == ("r" * length if shown else None)
