"""The words by which docs/decisions.md explains why a request was not sent again are the code's. No call is made."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import anyint_resilience
from anyint_resilience import Action, Policy
from anyint_resilience.admission import WHY
from anyint_resilience.guards.budget import SPENT

PAGE = Path(__file__).resolve().parents[2] / "docs" / "decisions.md"
CODE = Path(anyint_resilience.__file__).parent
CHAT, VIDEO = "/openai/v1/chat/completions", "/openai/v1/videos"


def told() -> list[str]:
    """Return the reasons of the table, as the page has them."""
    if not PAGE.exists():
        pytest.skip("the documents are not part of the wheel")
    found = re.search(r"(?m)^\| `reason` ends in \|.*\n.*\n((?:\|.*\n)+)", PAGE.read_text(encoding="utf-8"))
    assert found is not None
    return [line.split("`")[1] for line in found[1].splitlines()]


def test_every_reason_of_the_table_stands_in_the_code() -> None:
    """Word for word, but for its numbers."""
    names = ("policy/rules.py", "policy/verdicts.py", "attempts.py")
    code = "\n".join((CODE / name).read_text(encoding="utf-8") for name in names)
    code = re.sub(r"\{[^{}]*\}", "#", code) + SPENT + WHY["rate"][1]
    for reason in told():
        words = re.sub(r"^not sent again: |^not sent: ", "", re.sub(r"^not sent again: ", "", reason))
        pattern = re.escape(words.partition(" (Guards")[0])
        pattern = re.sub(r"\d+(?:\\\.\d+)?", "#", pattern).replace("retry_window", "#")
        assert re.search(pattern, code), reason


@pytest.mark.parametrize(
    ("path", "status", "attempt", "ends"),
    [
        (CHAT, 503, 3, "attempt 3 of 3 was the last"),
        (CHAT, 401, 1, "the same request would fail again"),
        (VIDEO, 502, 1, "it may have been done, so it is not sent twice"),
        ("/nobodys", 503, 1, "not an AnyInt route"),
    ],
)
def test_a_reason_comes_where_the_table_says(path: str, status: int, attempt: int, ends: str) -> None:
    """At the end of a decision's reason, and on the page."""
    decision = Policy().decide_response("POST", path, status, attempt=attempt)
    assert decision.action is Action.NO_RETRY
    assert decision.reason.endswith(ends)
    assert ends in told()


def test_each_refusal_of_the_rule_table_is_on_the_page() -> None:
    """None of its words is left out."""
    source = (CODE / "policy" / "verdicts.py").read_text(encoding="utf-8")
    body = source[source.index("def refusal(") :]
    reasons = set(re.findall(r'"([a-z][^"]{10,})"', body)) - {"retry"}
    assert reasons
    assert reasons <= set(told())
