"""The tables of the documents are what the code says, and say all of it. Must not know what is in any."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from anyint_resilience import Policy
from anyint_resilience.contract.codes_chat import GOOGLE_LONG_WAIT
from anyint_resilience.contract.errors import CODE_ROWS, Envelope
from anyint_resilience.contract.words import Cause, Certainty
from anyint_resilience.policy.backoff import HINT_SPREAD, HINT_SPREAD_MAX
from anyint_resilience.policy.bodies import MAX_BODY
from anyint_resilience.policy.model import Action
from anyint_resilience.policy.times import MAX_HINT
from anyint_resilience.policy.verdicts import RULES

if not (Path(__file__).resolve().parents[2] / "tools" / "site").exists():
    pytest.skip("the documents and their tools are not part of the wheel", allow_module_level=True)

from tools.site.decision_words import complete, spelled
from tools.site.decisions import _read, hint_order, runs
from tools.site.tables import ROOT, TABLES, drift, filled, main, pages

NO_LIMITS = [it for it in CODE_ROWS if (it.envelope, it.status) == (Envelope.KLING, 429) and it.cause is not Cause.RATE]
NAMES = [str(path.relative_to(ROOT)) for path in pages()]


def rows(name: str) -> list[list[str]]:
    """Return the cells of a table's lines."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLES[name]().splitlines()[2:]]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_what_the_code_says(name: str) -> None:
    """If not: ``python -m tools.site.tables --write``."""
    assert list(drift(ROOT / name)) == []


def test_each_table_stands_on_a_page() -> None:
    """Once on the site, whatever README.md has too: a table that nobody sees holds nobody to anything."""
    mark = re.compile(r"<!-- (?:generated: ([\w-]+)|([\w-]+):begin) -->")
    docs = [path for path in pages() if path != ROOT / "README.md"]
    marks = ((path.stem, *it) for path in docs for it in mark.findall(path.read_text(encoding="utf-8")))
    found = [name or f"{page}-{older}" for page, name, older in marks]
    assert sorted(it for it in found if it in TABLES) == sorted(TABLES)


def test_there_is_a_word_for_everything() -> None:
    """A new action, certainty, operation, kind of exception, envelope or family needs one."""
    assert list(complete()) == []


def test_the_rule_table_has_every_rule() -> None:
    """Read back from the page's table: each cause, safe and not, with each certainty."""
    found = {}
    for causes, kind, *answers in rows("decision-rules"):
        for cause in re.findall(r"`(\w+)`", causes):
            for unsafe in {"safe": [False], "not safe": [True], "any": [False, True]}[kind]:
                for certainty, answer in zip(Certainty, answers, strict=True):
                    found[Cause(cause), unsafe, certainty] = answer == "**again**"
    assert found == {key: action is Action.BACKOFF for key, action in RULES.items()}


def test_every_code_is_in_its_familys_table() -> None:
    """With its cause and its certainty."""
    for row in CODE_ROWS:
        if row.code is None or ":" in row.code:  # the status alone, or what is no code
            continue
        assert row.envelope is not None
        cells = [it for it in rows(f"decision-codes-{row.envelope}") if f"`{spelled(row.envelope, row.code)}`" in it[0]]
        assert f"`{row.cause}`, `{row.certainty}`" in [it[2] for it in cells], row


def test_hints_stand_in_the_order_in_which_they_win() -> None:
    """Of any two that a server sends together, the one that stands first is read."""
    order = hint_order()
    for (first, hint), (second, _) in combinations(order, 2):
        assert _read(429, second, first) == _read(429, first, second) == hint
    assert len({hint.source for _, hint in order}) == len(order) == len(rows("decision-hints"))


@pytest.mark.parametrize(
    "said",
    [
        f"first {MAX_BODY // 1024} KiB of a body",
        f"up to `max_delay` ({Policy().max_delay:g} s)",
        f"past the `retry_window` ({Policy().retry_window:g} s)",
        f"over {MAX_HINT / 86_400:g} days",
        f"up to a {({0.1: 'tenth'})[HINT_SPREAD]} of it, at most {({1.0: 'one second'})[HINT_SPREAD_MAX]}",
        f"a hint of {({300.0: 'five minutes'})[GOOGLE_LONG_WAIT]} or less",
        f"{({4: 'Four'})[len(NO_LIMITS)]} of those that come with HTTP 429 are no rate limit",
        "`server` failure may come from the request itself, so it gets three attempts",
        "an `unknown` one two",
    ],
)
def test_numbers_in_the_text(said: str) -> None:
    """What the page says of amounts and times is so."""
    assert said in " ".join((ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").split())


def test_codes_in_the_text() -> None:
    """What the page says of a code under a status is so."""
    decide, path = Policy().decide_response, "/openai/v1/chat/completions"
    limited = decide("POST", path, 502, (), b'{"error":{"code":"rate_limit_exceeded","message":"slow down"}}')
    assert (limited.cause, limited.certainty) == (Cause.RATE, Certainty.UNKNOWN)
    down = decide("POST", "/suno/generate", 502, (), b'{"code":455,"msg":"maintenance"}')
    assert down.certainty is Certainty.REJECTED
    asked = [decide("POST", path, 999, {"x-should-retry": it}, b"").action for it in ("true", "false")]
    assert asked == [Action.BACKOFF, Action.NO_RETRY]
    assert decide("POST", path, 401, {"x-should-retry": "true"}, b"").action is Action.NO_RETRY


@pytest.mark.parametrize(
    ("numbers", "said"), [([], []), ([400], ["400"]), ([400, 402, 403, 404, 599], ["400", "402 to 404", "599"])]
)
def test_runs_of_statuses(numbers: list[int], said: list[str]) -> None:
    """As a person would write them."""
    assert runs(numbers) == said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<!-- generated: nothing -->\n<!-- /generated -->\n", "no table is called nothing"),
        ("<!-- generated: decision-hints -->\n| a |\n", "has no <!-- /generated -->"),
        ("<!-- generated: decision-hints, please -->\n<!-- /generated -->\n", "is not written so"),
        ("<!-- generated: decision-hints -->\n\n<!-- generated: decision-rules -->\n<!-- /generated -->\n", "has no"),
    ],
)
def test_a_mark_that_is_wrong_is_an_error(text: str, why: str) -> None:
    """It would hold nothing to the code."""
    with pytest.raises(ValueError, match=why):
        filled(text, "page.md")


def test_drift_is_shown_line_by_line(tmp_path: Path) -> None:
    """What the page says, and what it should."""
    page = tmp_path / "page.md"
    page.write_text("# P\n\n<!-- generated: decision-actions -->\nold\n<!-- /generated -->\n", encoding="utf-8")
    lines = list(drift(page))
    assert "-old" in lines
    assert "+| `poll` | the task exists: ask how it stands, do not create it again |" in lines
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    assert list(drift(page)) == []


def test_it_exits_as_a_check_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """1 for a page that has drifted or is wrong, 0 when all are written."""
    page = tmp_path / "README.md"
    page.write_text("<!-- generated: decision-actions -->\n<!-- /generated -->\n", encoding="utf-8")
    monkeypatch.setattr("tools.site.tables.pages", lambda: [page])
    assert (main(), main(["--write"]), main()) == (1, 0, 0)
    page.write_text("<!-- generated: nothing -->\n<!-- /generated -->\n", encoding="utf-8")
    assert (main(), main(["--write"])) == (1, 1)
