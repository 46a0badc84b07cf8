"""What docs/fleet.md says in numbers and names is what the code does. Must not know how a store works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anyint_resilience import Resilience
from anyint_resilience.guards import fleet_circuits, fleet_gates, sharing
from anyint_resilience.stores import machine, member
from anyint_resilience.tasks import books

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fleet.md"

NUMBERS = {
    "`store_wait` seconds at most, **{} s**": Resilience().store_wait,
    "comes back after {} s": sharing.LEASE,
    "when that was said three times": 3 if fleet_gates._SAY_SO == 3 else None,
    "good ones four times a second": 4 if fleet_circuits._GOODS == 0.25 else None,
    "tried again every {} s": member._PAUSE,
    "looks for changes every {} ms": machine._LOOK * 1000,
    "and every {} ms while": machine._SOON * 1000,
    "be recorded within {} s": books._PATIENT,
}


def page() -> str:
    if not PAGE.exists():
        pytest.skip("the documents are not part of the wheel")
    return " ".join(PAGE.read_text(encoding="utf-8").split())


@pytest.mark.parametrize("words", list(NUMBERS))
def test_a_number_on_the_page_is_the_code_s(words: str) -> None:
    """Where the code changes, the page has to."""
    number = NUMBERS[words]
    assert number is not None
    assert words.format(f"{number:g}") in page()


def test_what_redis_needs_is_said() -> None:
    """The lease of a process's name, the beginning of all keys, and the channels."""
    pytest.importorskip("redis", reason="redis-py is not installed")
    from anyint_resilience.stores.redis import backend, names

    text = page()
    assert f"for up to **{backend._ALIVE:g} s**" in text
    for name in (names.place_of("tag").replace("{tag}", "{tag}"), names.NEWS, names.RING):
        assert f"`{name}" in text
    scripts = "".join(path.read_text("utf-8") for path in Path(backend.__file__).parent.glob("*.lua"))
    used = {word.lower() for word in re.findall(r"redis\.p?call\('(\w+)'", scripts)}
    told = set(re.findall(r" \+([a-z]+)", text))
    assert {word for word in used if not word.startswith("z")} <= told
