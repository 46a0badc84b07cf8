"""What docs/load.md says of settings, presets and numbers is what the code says. Must not know how a guard works."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from anyint_resilience import Guards, Policy
from anyint_resilience.admission import WHY
from anyint_resilience.guards import breaker, budget, gate, opening
from anyint_resilience.judging import PEEK_BYTES
from anyint_resilience.policy import backoff, times

PAGE = Path(__file__).resolve().parents[2] / "docs" / "load.md"
PRESETS = ("default", "interactive", "batch", "strict")
SECONDS = {"deadline", "hold", "window", "cooldown", "retry_window", "transient_base", "rate_base", "max_delay"} | {
    *("first_byte_timeout", "stream_hold", "stream_idle_timeout", "content_idle_timeout")
}


def page() -> str:
    if not PAGE.exists():
        pytest.skip("the documents are not part of the wheel")
    return PAGE.read_text(encoding="utf-8")


def rows(name: str) -> dict[str, list[str]]:
    """Return a marked table of the page: the other cells of each line, by the first one's code."""
    found = re.search(rf"<!-- {name}:begin -->\n.*\n.*\n((?:.*\n)*?)<!-- {name}:end -->", page())
    assert found is not None, f"no table {name}"
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[1].splitlines()]
    return {first.strip("`"): rest for first, *rest in cells}


def shown(name: str, value: object) -> str:
    """Write a setting as the page has it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == ():
        return "none"
    assert isinstance(value, (int, float))
    return f"{value:g} s" if name in SECONDS else f"{value:g}"


def test_each_preset_is_on_the_page_with_every_field() -> None:
    """A line for each field of a policy, a column for each preset."""
    policies = [getattr(Policy, name)() for name in PRESETS]
    wanted = {it.name: [shown(it.name, getattr(each, it.name)) for each in policies] for it in fields(Policy)}
    assert rows("presets") == wanted
    heads = " | ".join(f"`{name}()`" for name in PRESETS)
    assert f"| `Policy` field | {heads} |" in page()


def test_each_reason_of_a_refusal_is_on_the_page() -> None:
    """Every word that ``error.why`` may be."""
    assert list(rows("whys")) == list(WHY)


def probes(out: int) -> list[str]:
    """Write when the first and the later probes go, after so many requests were out."""
    first = opening.probing(out)
    spans = [(first.at(streak, 0.0), first.at(streak, 1.0)) for streak in (0, 1)]
    assert spans[1] == (first.at(9, 0.0), first.at(9, 1.0)), "they grow no further"
    return [f"{int(low * 100) / 100:g} to {high:g} s" for low, high in spans]


@pytest.mark.parametrize(("said", "out"), [("1", 1), ("2", 2), ("5 and more", 5), ("5 and more", 400)])
def test_when_probes_go(said: str, out: int) -> None:
    """The table of probes is the arithmetic's."""
    assert f"| {said} | {' | '.join(probes(out))} |" in page()


def spoken(seconds: float) -> str:
    return {60.0: "a minute"}.get(seconds, f"{seconds:g} s")


def words() -> str:
    """Return the page's text without its line breaks."""
    return " ".join(page().split())


@pytest.mark.parametrize(
    "said",
    [
        f"reserve of **{Guards().budget_reserve:g}**, and on top **{100 * Guards().budget_ratio:g} %** of",
        f"fades to a third within {budget.RECENT:g} s",
        f"(a read or write time-out) | {budget.SLOW:g} |",
        f"An empty reserve is full again after {spoken(budget.REFILL)}",
        f"leaves **{opening.CUT:g}** of those that were",
        f"calm for {opening.CALM:g} s",
        f"up to {opening.MORE:g} times what was",
        f"for {gate.USED_UP.at(0, 0.0):g} to {gate.USED_UP.at(0, 1.0):g} s, and then twice that, up to "
        + spoken(gate.USED_UP.at(99, 1.0)),
        f"**{Guards().failures}** failures in a row",
        f"of at least {Guards().min_volume} outcomes within {Guards().window:g} s",
        f"opens for {Guards().cooldown:g} s and up to a tenth more. Then {Guards().probes} calls at a time",
        f"a hint of over {times.MAX_HINT / 86_400:g} days",
        f"over {PEEK_BYTES // 1024} KiB",
        f"up to {gate.RATES.at(0, 1.0):g} s, then up to {gate.RATES.at(1, 1.0):g} s",
    ],
)
def test_numbers_in_the_text(said: str) -> None:
    """What the page says of amounts and times is so."""
    assert said in words()


def test_numbers_that_the_page_has_in_words() -> None:
    """A tenth of a pause and at most a second; half of what was; a cooldown a tenth longer at the most."""
    assert (backoff.HINT_SPREAD, backoff.HINT_SPREAD_MAX, opening.RESUME) == (0.1, 1.0, 0.5)
    assert "spread over a tenth of the pause and at most one second" in words()
    assert "half as many as before may be out" in words()
    guards = Guards()
    state, _ = breaker.told(
        None,
        0.0,
        ticket="",
        good=False,
        began=0.0,
        window=guards.window,
        failure_rate=guards.failure_rate,
        least=1,
        cooldown=guards.cooldown,
        u=1.0,
    )
    assert state is not None
    assert state["open"] == guards.cooldown * 1.1
    assert guards.failure_rate == 0.5
    assert "Half of at least" in words()
