"""What the tests of the Lua twins share: a redis-server that runs them, and what it means that two results are alike.

Must not know any of our stores: a step's state, clock and arguments go in as text, and all that it gives comes out.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from anyint_resilience.guards import breaker, budget, gate, twins
from tests.waiting import until

SERVERS = ("redis-server", "valkey-server")
START = 1_764_000_000.0 - 1_700_000_000.0
"""The clock of a store on Redis counts seconds since 1 700 000 000: cjson writes 14 digits."""

MAIN = """
local name, state = ARGV[1], nil
if ARGV[2] ~= "" then
    state = cjson.decode(ARGV[2])
end
local given, before = cjson.encode(state), brief(name, state)
local new, verdict = steps[name](state, tonumber(ARGV[3]), cjson.decode(ARGV[4]))
local after = brief(name, new)
return {
    new and encoded(new) or "", cjson.encode(verdict), after and cjson.encode(after) or "",
    is_news(before, after) and 1 or 0, cjson.encode(state) == given and 1 or 0,
}
"""


class Result(NamedTuple):
    """What a step gives, and what a store makes of it. ``pure``: it left the state that it was given as it was."""

    state: dict[str, Any] | None
    verdict: Any
    brief: dict[str, Any] | None
    news: bool
    pure: bool = True


def sent(step: Any, state: dict[str, Any] | None, now: float) -> list[str]:
    """Return the arguments with which the main chunk runs a step's twin."""
    twin = twins.twin_of(step)
    assert twin is not None
    return [twin.name, "" if state is None else json.dumps(state), repr(now), json.dumps(twin.args, allow_nan=False)]


def key_of(name: str) -> str:
    """Return the key under which a store has the states of a step."""
    return name.split(".")[0] + ":k"


def in_python(step: Any, state: dict[str, Any] | None, now: float) -> Result:
    """Run the step itself."""
    twin = twins.twin_of(step)
    assert twin is not None
    key = key_of(twin.name)
    before = twins.brief(key, state)
    new, verdict = step(state, now)
    after = twins.brief(key, new)
    return Result(new, verdict, after, twins.is_news(before, after))


class Twins:
    """A server that has the twins loaded."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.sha = client.script_load(twins.source() + MAIN)

    def run(self, step: Any, state: dict[str, Any] | None, now: float) -> Result:
        """Run a step's twin on a state."""
        arguments = sent(step, state, now)
        return self.read(arguments[0], self.client.evalsha(self.sha, 0, *arguments))

    def run_all(self, many: list[tuple[Any, dict[str, Any] | None, float]]) -> list[Result]:
        """Run many in one round trip, each on a state of its own."""
        arguments = [sent(*one) for one in many]
        pipe = self.client.pipeline(transaction=False)
        for it in arguments:
            pipe.evalsha(self.sha, 0, *it)
        return [self.read(it[0], raw) for it, raw in zip(arguments, pipe.execute(), strict=True)]

    def follow(self, story: list[tuple[float, Any]]) -> None:
        """Assert that steps, so many seconds after the start, give what Python gives, on the state that Python left."""
        state = None
        for after, step in story:
            mine = in_python(step, state, START + after)
            compare(step, state, START + after, mine, self.run(step, state, START + after))
            state = mine.state

    def evaluate(self, chunk: str, *arguments: Any) -> Any:
        """Run a chunk of Lua after the twins' text."""
        return self.client.eval(twins.source() + chunk, 0, *arguments)

    @staticmethod
    def read(name: str, raw: list[Any]) -> Result:
        state, verdict, brief = (json.loads(it) if it else None for it in raw[:3])
        return Result(state, twins.verdict_of(name, verdict), brief, raw[3] == 1, raw[4] == 1)


def alike(one: Any, other: Any) -> bool:
    """Whether two values are the same, but for the digits that cjson does not write."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return min(one, other) >= twins.FAR / 10 or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-5)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(it, other[name]) for name, it in one.items())
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and bool(one == other)


def compare(step: Any, state: dict[str, Any] | None, now: float, python: Result, lua: Result) -> None:
    """Assert that a step and its twin gave the same."""
    for name in Result._fields:
        mine, its = getattr(python, name), getattr(lua, name)
        assert alike(mine, its), f"{step}\non {state}\nat {now!r}: {name}\nPython: {mine}\nLua:    {its}"


@lru_cache(maxsize=1)
def _missing() -> str:
    """Say what is not here that a real server needs."""
    if not any(map(shutil.which, SERVERS)):
        return "there is no " + " and no ".join(SERVERS)
    try:
        import redis  # noqa: F401
    except ImportError:
        return "there is no redis-py"
    return ""


@contextmanager
def serving(folder: Path) -> Iterator[Any]:
    """Start a server of one's own, and yield a client; the test is skipped where there is none to be had."""
    if _missing():
        pytest.skip(_missing())
    import redis

    path = next(filter(None, map(shutil.which, SERVERS)))
    socket = folder / "r.sock"
    how = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen([path, *how], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = redis.Redis(unix_socket_path=str(socket))

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:  # its socket is not there at once
            return False

    try:
        until(answers)
        yield client
    finally:
        client.close()
        process.kill()  # there is nothing to save
        process.wait(10)


# --- steps of a story


def ask(ticket: str, since: float = 0.0, within: float = 100.0, **how: Any) -> Any:
    return partial(gate.ask, ticket=ticket, since=START + since, bound=START + within, **how)


def tell(kind: str, began: float, ticket: str = "", **how: Any) -> Any:
    return partial(gate.told, ticket=ticket, kind=kind, began=START + began, **how)


def leave(ticket: str) -> Any:
    return partial(gate.leave, ticket=ticket)


def renew(*tickets: str, lease: float = 50.0) -> Any:
    return partial(gate.renew, tickets=tickets, lease=lease)


BREAKER = {"window": 10.0, "failure_rate": 0.5, "least": 2, "cooldown": 5.0, "u": 0.5}


def hit(good: bool, began: float, ticket: str = "", **how: Any) -> Any:
    return partial(breaker.told, ticket=ticket, good=good, began=START + began, **{**BREAKER, **how})


def probe(ticket: str, probes: int = 2) -> Any:
    return partial(breaker.ask, ticket=ticket, probes=probes)


# --- what others are told


def brief_of(**how: Any) -> dict[str, Any]:
    there = {
        "cause": "",
        "until": 5.0,
        "shut": 1.0,
        "probe": 0.0,
        "named": False,
        "limited": False,
        "limit": None,
    }
    return {**there, **how}


NEWS: list[tuple[Any, Any, bool]] = [
    (None, None, False),
    (None, brief_of(), True),
    (brief_of(), None, True),
    (brief_of(), brief_of(), False),
    (brief_of(), brief_of(shut=2.0, named=True, bad=3), False),
    (brief_of(), brief_of(cause="rate"), True),
    (brief_of(), brief_of(limited=True), True),
    (brief_of(), brief_of(until=5.0009), False),
    (brief_of(), brief_of(until=4.9991), False),
    (brief_of(), brief_of(until=5.0011), True),
    (brief_of(), brief_of(until=4.9989), True),
    (brief_of(), brief_of(probe=0.0009), False),
    (brief_of(), brief_of(probe=0.001), False),
    (brief_of(), brief_of(probe=0.0011), True),
    (None, {"open": 0.0}, True),
    ({"open": 0.0}, {"open": 0.0, "more": 2}, False),
    ({"open": 0.0}, {"open": 0.0001}, True),
]
"""A brief before and after, and whether others must know at once."""

BRIEFS: list[tuple[str, Any, Any]] = [
    (
        "gate:k",
        tell("rate", 0, hint=2.0, flying=10, u=0.5),
        brief_of(cause="rate", until=START + 2, shut=START, limited=True, limit=7.0),
    ),
    ("gate:k", ask("a", most=1), brief_of(until=0.0, shut=0.0)),
    ("gate:k", tell("down", 0, few=9), brief_of(until=0.0, shut=0.0)),
    (
        "gate:k",
        tell("quota", 0, hint=90.0),
        brief_of(cause="quota", until=START + 90, shut=START, probe=START + 60, named=True),
    ),
    ("gate:k", gate.settle, None),
    ("breaker:k", hit(False, 0), {"open": 0.0}),
    ("breaker:k", hit(False, 0, least=1), {"open": START + 5.25}),
    ("budget:k", partial(budget.earn, good=1, reserve=2, ratio=1), None),
]
"""A key, the first step on it, and what others are told of it."""
