"""The table of docs/tasks.md says what the contract's rows say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anyint_resilience.contract.tasks import NOT_YET, POLL_DEADLINE, POLL_GROWTH, QUERY_RATE, TASKS, TaskStates

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"
NAMES = {
    "openai_video": "videos",
    "openai_batch": "batches",
    "openai_response": "background responses",
    "kling": "Kling",
    "dashscope": "DashScope",
    "suno_song": "songs",
    "suno_lyrics": "lyrics",
    "suno_wav": "WAV",
    "suno_mp4": "MP4",
    "suno_stems": "stems",
    "suno_cover": "cover art",
    "seedance_anyint": "Seedance",
}


def line(name: str, row: TaskStates) -> str:
    """Write a row as the page has it."""
    sets = (row.pending | row.running, row.partial, row.success | row.doubtful, row.failed, row.expired)
    words = [", ".join(f"`{it}`" for it in sorted(states)) or "-" for states in sets]
    return f"| {NAMES[name]} | {row.first_poll:g} | {row.cap:g} | " + " | ".join(words) + " |"


def page() -> str:
    if not PAGE.exists():
        pytest.skip("the documents are not part of the wheel")
    return PAGE.read_text(encoding="utf-8")


def test_the_table_of_states_is_the_contracts() -> None:
    """A line for each vocabulary that a route uses, in the order of the names here, and no other."""
    found = re.search(r"<!-- polls:begin -->\n.*\n.*\n((?:.*\n)*?)<!-- polls:end -->", page())
    assert found is not None
    assert found[1].splitlines() == [line(name, TASKS[name]) for name in NAMES]
    assert set(TASKS) - set(NAMES) == {"seedance_native"}, "no AnyInt route speaks it"


def test_numbers_in_the_text_are_the_contracts() -> None:
    """What the page says of growth, deadline, first minute and rate is so."""
    assert (POLL_GROWTH, POLL_DEADLINE, NOT_YET, QUERY_RATE) == (1.5, 1800, 60, 18)
    text = page()
    for said in (
        "1.5 times the one before",
        "30 minutes, or `deadline=`",
        "first minute",
        "at most 18 queries a second",
    ):
        assert said in text
