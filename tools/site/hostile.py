"""The tables of SECURITY.md, from hostile/results. Must not know how anything is run; holds no number of its own."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from .layout import code, table

__all__ = ["TABLES"]

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "hostile" / "results"


@cache
def result(name: str) -> Any:
    """What a run has written."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _count(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) or value != int(value) else f"{int(value):,}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds >= 90 else f"{seconds:,.0f} s"


def _row(name: str, what: str, tried: str, broke: str) -> tuple[str, ...]:
    told = result(name)
    seconds = "-" if told["seconds"] is None else _minutes(told["seconds"])
    seed = "-" if told.get("seed") is None else str(told["seed"])
    session = f"nox -s {_SESSIONS.get(name, name)}"
    command = told["command"].replace(" --write", "").removesuffix(" --")
    return what, tried, broke, seconds, seed, code(command if command.startswith(f"{session} -- ") else session)


_SESSIONS = {"mutation": "mutate", "supply": "lowest audit", "interpreters": "tests"}


def figures() -> str:
    """One line for each kind of run: what was tried, what broke, with which seed."""
    fuzz, chaos, soak, mutation = (result(name)["figures"] for name in ("fuzz", "chaos", "soak", "mutation"))
    rows = [
        _row(
            "fuzz",
            "fuzzing (atheris)",
            f"{_count(fuzz['inputs'])} inputs to {fuzz['targets']} targets",
            f"crashes {fuzz['crashes']}",
        ),
        _row(
            "chaos",
            "chaos on the wire",
            f"{_count(chaos['calls'])} calls, {_count(chaos['faults'])} faults, {_count(chaos['creates'])} creates",
            f"duplicates {chaos['duplicates']}, broken invariants {chaos['violations']}",
        ),
        _row(
            "soak",
            "soak",
            f"{_count(soak['calls'])} calls, {_count(soak['faults met'])} faults, {_count(soak['paid creates'])} paid"
            f" creates, {_count(soak['processes that made calls'])} processes",
            f"duplicates {soak['creates paid twice']}, lost answers {soak['lost answers']}, series not flat"
            f" {soak['series not flat']} of {soak['series judged']}",
        ),
        _row(
            "mutation",
            "mutation testing (mutmut)",
            f"{_count(mutation['mutants'])} mutants",
            f"{mutation['percent killed']} % killed",
        ),
    ]
    return table(("what", "tried", "broke", "took", "seed", "run it"), rows)


def targets() -> str:
    """What each target of the fuzzer was fed."""
    rows = [
        (row["target"], _count(row["inputs"]), _count(row["edges"]), _count(row["features"]), str(row["crashes"]))
        for row in result("fuzz")["rows"]
    ]
    return table(("target", "inputs", "edges", "features", "crashes"), rows)


def surfaces() -> str:
    """What chaos did to each client, and what came of it."""
    names = ("calls", "faults", "attempts", "survived", "exceptions", "creates", "duplicates", "violations")
    rows = [(row["surface"], *(_count(row[name]) for name in names)) for row in result("chaos")["rows"]]
    return table(("client", *names), rows)


def rooms() -> str:
    """How many mutants of each room a test noticed."""
    rows = [
        (
            code(row["name"]),
            _count(row["mutants"]),
            _count(row["killed"] + row["timed_out"]),
            f"{row['percent']} %",
            str(row["explained"]),
            str(row["unexplained"]),
        )
        for row in result("mutation")["rows"]
    ]
    return table(("room", "mutants", "killed", "", "others, explained", "not explained"), rows)


TABLES = {
    "hostile-figures": figures,
    "hostile-fuzz": targets,
    "hostile-chaos": surfaces,
    "hostile-mutation": rooms,
}
