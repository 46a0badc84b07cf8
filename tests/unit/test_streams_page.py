"""The tables and numbers of docs/streams.md are the code's. Must not know how a stream is watched."""

from __future__ import annotations

import re
from dataclasses import fields
from inspect import get_annotations
from pathlib import Path

import pytest

from anyint_resilience import Policy, Restarted, StreamInterrupted
from anyint_resilience.backoff import __all__ as for_backoff
from anyint_resilience.contract.streams import STREAMS, StreamEnds
from anyint_resilience.contract.tasks import Path as Keys
from anyint_resilience.interrupting import _WORDS
from anyint_resilience.listening import OPENING_BYTES
from anyint_resilience.streams.marks import MAX_TEXT
from anyint_resilience.streams.watcher import MAX_EVENT, MAX_HELD
from anyint_resilience.telemetry.words import EVENTS, METRICS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "streams.md"
NAMES = {
    "openai_chat": "OpenAI chat",
    "openai_responses": "OpenAI Responses",
    "anthropic_messages": "Anthropic messages",
    "gemini_generate": "Gemini",
    "dashscope_native": "DashScope",
}
FIELDS = ("first_byte_timeout", "stream_hold", "stream_idle_timeout", "content_idle_timeout")
"""Those of a ``Policy`` that are about streams."""


def read(path: Path = PAGE) -> str:
    if not path.exists():
        pytest.skip("the documents are not part of the wheel")
    return path.read_text(encoding="utf-8")


def rows(name: str) -> list[str]:
    """Return the lines of a marked table, without its head."""
    found = re.search(rf"<!-- {name}:begin -->\n.*\n.*\n((?:.*\n)*?)<!-- {name}:end -->", read())
    assert found is not None, f"no table {name}"
    return found[1].splitlines()


def firsts(name: str) -> list[str]:
    """Return the words in code that begin the lines of a marked table."""
    return [line.split("`")[1] for line in rows(name)]


# --- what a stream is


def codes(words: frozenset[str]) -> str:
    return ", ".join(f"`{it}`" for it in sorted(words))


def path(keys: Keys) -> str:
    return "`" + ".".join(keys).replace(".[]", "[]") + "`"


def ends(row: StreamEnds) -> str:
    """Say what a whole stream of this dialect has."""
    if row.done_data is not None:
        return f"`data: {row.done_data}`"
    if row.done_events:
        return f"event {codes(row.done_events - row.failed_events)}"
    return " or ".join(path(it) for it in row.done_paths) + ", then the end"


def line(row: StreamEnds) -> str:
    """Write a dialect as the page has it."""
    soft = ", ".join(path(it) for it in row.soft_paths)
    failed = [f"event {codes(row.failed_events)}"] if row.failed_events else []
    failed.append("data with " + ", ".join(path(it) for it in row.error_paths))
    cells = (NAMES[row.name], ends(row), f"{soft}, then the end" if soft else "-", "; ".join(failed), row.cut)
    return f"| {' | '.join(cells)} |"


def test_each_dialect_is_on_the_page_as_the_contract_has_it() -> None:
    """A line for each row of the contract, in its order, and no other."""
    assert rows("ends") == [line(row) for row in STREAMS]


def test_what_the_text_says_of_dialects_is_the_contracts() -> None:
    """Keep-alives, the word that is no end, and the comment that carries the status."""
    (anthropic,) = (it for it in STREAMS if it.name == "anthropic_messages")
    (dashscope,) = (it for it in STREAMS if it.name == "dashscope_native")
    text = read()
    for said in (codes(anthropic.ignored_events), f"{dashscope.comment_status}429", *dashscope.not_done):
        assert said in text
    assert sum(bool(it.ignored_events) for it in STREAMS) == sum(it.comment_status is not None for it in STREAMS) == 1


# --- what is raised, and told


def attributes(kind: type) -> set[str]:
    """Return the names of what an exception of ours carries, but for the report."""
    own = {name for it in kind.__mro__ if it.__module__.startswith("anyint_resilience") for name in vars(it)}
    annotated = {name for it in kind.__mro__ for name in get_annotations(it)}
    return {name for name in own | annotated if not name.startswith("_")} - {"anyint_report"}


def test_all_that_an_interrupted_stream_carries_is_on_the_page() -> None:
    """Each attribute of the exception has a line, and nothing else."""
    assert sorted(firsts("interrupted")) == sorted(attributes(StreamInterrupted))


def test_each_reason_of_an_interruption_is_on_the_page() -> None:
    """Every word that ``error.why`` may be, here and in the line of ``why``."""
    assert firsts("whys") == list(_WORDS)
    said = rows("interrupted")[firsts("interrupted").index("why")]
    assert set(re.findall(r"`(\w+)`", said)) == {"why", *_WORDS}


def test_a_restart_is_on_the_page_with_all_it_says() -> None:
    """In the order of the class, and no other."""
    assert firsts("restarted") == [it.name for it in fields(Restarted)]


def test_what_is_told_of_streams_is_on_the_page() -> None:
    """Every outcome of the metric, and every event that is about a stream."""
    text = read()
    outcomes = METRICS["anyint.streams"].meaning.partition(": ")[2].rstrip(".").split(", ")
    for name in (*outcomes, *(it for it in EVENTS if it.startswith("stream "))):
        assert f"| `{name}` | " in text, name


# --- settings and numbers


@pytest.mark.parametrize("name", FIELDS)
def test_each_setting_of_a_policy_is_on_the_page(name: str) -> None:
    """A setting that is missing there is not found."""
    assert name in {it.name for it in fields(Policy)}
    assert re.search(rf"`Policy\({name}=\d+\)`", read())


def test_no_setting_of_streams_is_missing_here() -> None:
    """Those of a policy whose name says that they are about streams or silence."""
    about = {it.name for it in fields(Policy) if re.search("stream|idle|byte", it.name)}
    assert about == set(FIELDS)


def test_numbers_in_the_text_are_the_codes() -> None:
    """What the page says of seconds held back and bytes looked at is so."""
    text = " ".join(read().split())
    assert f"at most `Policy(stream_hold={Policy().stream_hold:g})` seconds" in text
    assert (Policy().first_byte_timeout, Policy().stream_idle_timeout, Policy().content_idle_timeout) == (None,) * 3
    assert "All but the last are off by default" in text
    assert OPENING_BYTES == MAX_HELD == 64 * 1024 < MAX_TEXT
    assert "and 64 KiB" in text
    assert "kept of streams of up to 64 KiB" in text
    assert MAX_EVENT == 16 * 1024 * 1024
    assert "over 16 MiB" in text


def test_what_there_is_for_the_backoff_package_is_on_the_page() -> None:
    """Each public name, and the jitter that must be off."""
    text = read()
    for name in (*for_backoff, "jitter=None"):
        assert name in text
