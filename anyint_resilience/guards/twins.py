"""The guards' steps as they run within a Redis server: their names, arguments and verdicts, and their text in Lua.

Must not know any store. A store on which Python runs tells other processes by the same :func:`brief`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from importlib.resources import files
from math import inf
from typing import Any, Final, NamedTuple

from ..stores.protocol import State, Step
from . import breaker, budget, gate

__all__ = ["FAR", "Twin", "brief", "is_news", "source", "twin_of", "verdict_of"]

FAR: Final = 1e300
"""What stands for infinity where JSON is read that can't have it; so does all that is nearly as large."""

_NEARLY: Final = 1e299

_NOTICED: Final = 0.001
"""Seconds by which a time must have moved for others to be told."""

_FILES: Final = ("common", "opening", "gate", "breaker", "budget")  # each may use what those before it define

_NAMES: Final[dict[Callable[..., Any], str]] = {
    gate.ask: "gate.ask",
    gate.told: "gate.told",
    gate.leave: "gate.leave",
    gate.settle: "gate.settle",
    gate.renew: "gate.renew",
    breaker.ask: "breaker.ask",
    breaker.told: "breaker.told",
    breaker.leave: "breaker.leave",
    breaker.settle: "breaker.settle",
    budget.earn: "budget.earn",
    budget.spend: "budget.spend",
}


class Twin(NamedTuple):
    """What to run in Lua: a step's ``name``, and its ``args``, which JSON can have."""

    name: str
    args: dict[str, Any]


def twin_of(step: Step) -> Twin | None:
    """Return what to run in Lua for a step of the guards with all its arguments by name; None for any other step."""
    if step in (gate.settle, breaker.settle):  # these take no arguments, so nobody binds any
        return Twin(_NAMES[step], {})
    if not isinstance(step, partial) or step.args:
        return None
    name = _NAMES.get(step.func)
    return None if name is None else Twin(name, {key: _sent(it) for key, it in step.keywords.items()})


def verdict_of(name: str, raw: Any) -> Any:
    """Return the verdict that a step of this name gave in Lua, from JSON, as the step in Python gives it."""
    if name == "gate.ask":
        return gate.Passage(raw["kind"], float(_got(raw["at"])), raw["why"], tuple(map(str, raw["ring"])))
    if name in ("gate.told", "gate.leave", "gate.settle"):
        return gate.Told(raw["shut"], raw["opened"], tuple(map(str, raw["ring"])))
    if name == "breaker.ask":
        return breaker.Passage(raw["go"], float(_got(raw["at"])), raw["probe"])
    return _got(raw)


@lru_cache(maxsize=1)
def source() -> str:
    """Return the steps in Lua, to which a store appends what runs one. It may use these locals.

    ``steps[name](state or nil, now, args)`` returns a new state or nil, and a verdict for ``cjson``; ``encoded(state)``
    returns its JSON; ``brief(name, state)`` and ``is_news(before, after)`` do what those of this module do, but that
    the former takes the name of a step.
    """
    there = files(str(__package__)) / "lua"
    return "\n".join((there / f"{name}.lua").read_text("utf-8") for name in _FILES)


def brief(key: str, state: State | None) -> dict[str, Any] | None:
    """Return what other processes are told of the state under a key, or None: nothing is there, or to be told."""
    if state is None:
        return None
    if key.startswith("gate:"):
        told = {name: state[name] for name in ("cause", "until", "shut", "probe", "named")}
        return {**told, "limited": state["limit"] is not None, "limit": state["limit"]}
    return {"open": state["open"]} if key.startswith("breaker:") else None


def is_news(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Whether others must know at once what changed from one brief to the next."""
    if before is None or after is None:
        return before is not after
    if any(before.get(name) != after.get(name) for name in ("cause", "limited", "open")):
        return True
    return any(abs(after.get(name, 0.0) - before.get(name, 0.0)) > _NOTICED for name in ("until", "probe"))


def _sent(it: Any) -> Any:
    """Return an argument as JSON has it."""
    if isinstance(it, float):
        return max(-FAR, min(FAR, it))
    return [_sent(one) for one in it] if isinstance(it, (tuple, list)) else it


def _got(it: Any) -> Any:
    """Return a value of JSON as Python has it."""
    if isinstance(it, list):
        return tuple(_got(one) for one in it)
    return inf if isinstance(it, float) and it >= _NEARLY else it
