"""What chaos.py holds to be wrong: what the application was told, and what the server holds, against the gateway's log.

Must not know how anything was run: it is given the notes of the director, the journals of all processes and the log.

A create is *done twice* where one of its name comes to the gateway after one was made there, or its answer was lost:
the first time is paid for, or may be. Creates of one process are made again by it at any time; those that two processes
share are made with ``strict_ledger=True``, so that they may be refused (``NotRecorded``) but not done twice. Where the
server has lost what it held in between, nobody can know what another process did: those are counted apart.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import quantiles
from typing import Any, NamedTuple

from _chaos_gateway import LOST, MADE
from _chaos_run import LEASE
from _chaos_worker import STORE_WORDS

__all__ = ["Call", "Judge"]

SLACK = 1.0  # seconds that this machine may be busy with something else
BOUND = 0.25 + SLACK  # seconds that the store may cost a call: five waits of 50 ms
# A strict create waits 2 s for a store that does not answer, 2 s for one that lost what it held, and looks each second.
STRICT_BOUND = 5.2 + SLACK
LINE = 3.0 + SLACK  # seconds in line: freezes and the gateway's own trouble make up to 1 s of it
ALIVE = 16.0  # seconds after which a process that gives no sign of life counts as dead, and that is noticed
PLACE = 6.0 + SLACK  # seconds for which the place in line of a process that was killed is kept
REJOIN = 5.0  # seconds after which all processes must be back
HARMLESS = ("calm", "scripts flushed", "a process killed", "calm again")  # while the store serves
_GONE = ("ReadError", "RemoteProtocolError", "WriteError")


class Call(NamedTuple):
    """A line of a journal. ``own``: seconds that it took beside its attempts and what it waited for in line."""

    kind: str
    name: str
    began: float
    ended: float
    own: float
    waited: float
    told: str
    why: str
    chain: str
    ident: str

    @property
    def of_store(self) -> bool:
        """Whether a store is what it failed of."""
        return any(word in self.chain for word in STORE_WORDS)

    @property
    def refused(self) -> bool:
        """Whether it is a create that is not sent since it can't be recorded, as it may be."""
        return self.kind == "shared" and self.told == "NotRecorded"


class Judge:
    """Finds what is wrong, phase by phase and on the whole; ``timed``: also what took too long."""

    def __init__(self, notes: dict[str, Any], most: int, *, timed: bool = True) -> None:
        self.notes, self.most, self.timed = notes, most, timed
        self.phases: list[dict[str, Any]] = notes["phases"]
        self.log = [tuple(it) for it in notes["log"]]  # when, kind, name, what, how many were there
        self.calls = sorted(
            (Call(*it[1:]) for journal in notes["journals"] for it in journal if it[0] == "call"),
            key=lambda it: it.began,
        )
        self.named: defaultdict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            self.named[call.name].append(call)
        self.events = [[it[1:] for it in journal if it[0] == "event"] for journal in notes["journals"]]
        self.failures = [it[1] for events in self.events for it in events if it[0] == "store failure"]
        self.wrong: list[str] = []
        self.came: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
        for at, _, name, what, _ in self.log:
            self.came[name].append((at, what))

    def result(self) -> dict[str, Any]:
        """Return the rows of all phases, the totals, and everything that is wrong."""
        rows = [self._row(it) for it in self.phases]
        self.wrong += [f"a process broke down: {it}" for it in self.notes["broken"]]
        for call in self.calls:
            self._judge(call)
        totals = {**self._duplicates(), **self._left(), "calls": len(self.calls), "requests": len(self.log)}
        totals["failed"] = sum(it.of_store and not it.refused for it in self.calls)
        totals["tasks made"] = sum(what in (MADE, LOST) for _, kind, _, what, _ in self.log if kind == "create")
        return {"phases": rows, "totals": totals, "wrong": self.wrong}

    def cost(self, call: Call) -> float:
        """Return the seconds that a call took beside its attempts, the line, and the same create of another process."""
        others = [it for it in self.named[call.name] if it is not call] if call.kind == "shared" else []
        both = (min(it.ended, call.ended) - max(it.began, call.began) for it in others)
        behind = ALIVE if self._of_the_dead(call) else 0.0
        return max(0.0, call.own - max((*both, behind)))

    # one call

    def _judge(self, call: Call) -> None:
        about = f"{call.kind} {call.name}: {call.told} {call.why} ({call.chain})"
        if call.refused:
            if self.timed and not any(
                it["name"] not in HARMLESS and it["began"] <= call.ended and call.began <= it["over"] + REJOIN
                for it in self.phases
            ):
                self.wrong.append(f"refused while the store was there: {about}")
        elif call.of_store:
            self.wrong.append(f"failed for the store's sake: {about}")
        elif not self._may_fail(call):
            self.wrong.append(f"failed, and the gateway did not do it: {about}")
        bound = STRICT_BOUND if call.kind == "shared" else BOUND
        if self.timed and self.cost(call) > bound:
            self.wrong.append(f"took {self.cost(call):.2f} s more than its attempts and its waits: {about}")

        if self.timed and call.waited > LINE and not self._behind_the_dead(call):
            self.wrong.append(f"stood in line for {call.waited:.2f} s: {about}")

    def _of_the_dead(self, call: Call) -> bool:
        """Whether the process that was killed may have had the same create on its way."""
        victim = self.notes["victim"]
        return bool(victim) and call.name.startswith(f"shared:{victim['number'] // 2}:") and call.ended > victim["at"]

    def _behind_the_dead(self, call: Call) -> bool:
        """Whether it stood behind the process that was killed."""
        at = self.notes["victim"].get("at")
        return at is not None and call.began < at + PLACE and at < call.ended and call.waited < PLACE + SLACK

    def _may_fail(self, call: Call) -> bool:
        """Whether it went well, or what it was told is what the gateway did to it or to the same create before."""
        if call.told == "200":
            return True
        fates = [what for at, what in self.came[call.name] if at <= call.ended + 0.1]
        if call.told == "OutcomeUnknown":
            return call.why != "on_its_way" and (LOST in fates or self._of_the_dead(call))
        if call.told in ("429", "503"):
            return call.told in fates
        return call.told in _GONE and LOST in fates

    # all creates

    def _duplicates(self) -> dict[str, int]:
        """Count the requests that came after one that was paid for, or may be."""
        losses = [(it["began"], it["over"]) for it in self.phases if it["losses"]]
        found = {"done twice": 0, "done twice across a loss": 0, "made again": 0}
        names = {it.name for it in self.calls if it.kind in ("again", "shared")}
        found["made again"] = sum(it.kind in ("again", "shared") for it in self.calls)
        for name, came in self.came.items():
            paid = next((at for at, what in came if what in (MADE, LOST)), None)
            if paid is None or name.startswith("chat:"):
                continue
            made = [it.began for it in self.named[name] if it.began <= paid <= it.ended]
            first = min(made, default=paid)  # when the call began that was the first to be paid for, at the earliest
            for at, what in came:
                if at <= paid:
                    continue
                across = name.startswith("shared:") and any(first <= over and began <= at for began, over in losses)
                found["done twice across a loss" if across else "done twice"] += 1
                if not across:
                    self.wrong.append(f"{name} came {at - paid:.2f} s after it was paid for ({what}), {self._when(at)}")
        idents: defaultdict[str, set[str]] = defaultdict(set)
        for it in self.calls:
            if it.kind != "chat" and it.told == "200":
                idents[it.name].add(it.ident)
        for name in names:
            if len(idents[name]) > len([it for it in self.came[name] if it[1] == MADE]):
                self.wrong.append(f"{name} was answered with tasks that are not its own: {idents[name]}")
        return found

    def _when(self, at: float) -> str:
        phase = next((it for it in self.phases if it["began"] <= at < it["ended"]), None)
        return "outside of the phases" if phase is None else f"{at - phase['began']:.1f} s into {phase['name']!r}"

    # one phase

    def _row(self, phase: dict[str, Any]) -> dict[str, Any]:
        """What is told of a phase."""
        calls = [it for it in self.calls if phase["began"] <= it.ended < phase["ended"]]
        flying = {
            kind: max(
                (n for at, k, _, _, n in self.log if k == kind and phase["began"] <= at < phase["ended"]), default=0
            )
            for kind in ("chat", "create")
        }
        said = [[it for it in events if phase["began"] <= it[1] < phase["ended"]] for events in self.events]
        back = sorted(it[1] - phase["over"] for events in said for it in events if it[0] == "store back")
        self._judge_phase(phase, flying, said)
        return {
            "name": phase["name"],
            "seconds": phase["ended"] - phase["began"],
            "calls": len(calls),
            "failed": sum(it.told not in ("200", "NotRecorded") for it in calls),
            "for the store's sake": sum(it.of_store and not it.refused for it in calls),
            "refused": sum(it.refused for it in calls),
            "own": _spread([it.own for it in calls if it.kind != "shared"]),
            "own strict": _spread([self.cost(it) for it in calls if it.kind == "shared"]),
            "waited": _spread([it.waited for it in calls]),
            "flying": flying,
            "out": phase["out"],
            "dead": phase["dead"],
            "failures": sorted(sum(it[0] == "store failure" for it in events) for events in said),
            "backs": sorted(sum(it[0] == "store back" for it in events) for events in said),
            "rejoined": [back[len(back) // 2], back[-1]] if back else [],
        }

    def _judge_phase(self, phase: dict[str, Any], flying: dict[str, int], said: list[Any]) -> None:
        name, clean = phase["name"], self._clean(phase)
        for kind, count in flying.items():
            if clean and count > self.most:
                self.wrong.append(f"{name}: {count} requests ({kind}) were out, of {self.most} that may be")
        for kind, (out, here) in phase["out"].items():
            alone = any(phase["frozen"] - 2.0 < at < phase["ended"] for at in self.failures)
            if (out < here and not alone) or (clean and out - phase["dead"] != here):
                self.wrong.append(f"{name}: {out} permits ({kind}) were out, and {here} requests")
        if not phase["lasts"]:
            return
        if not any(events for events in said):
            self.wrong.append(f"{name}: nobody noticed")
        for process, events in enumerate(said if self.timed else []):
            if not any(it[0] == "store failure" for it in events):
                self.wrong.append(f"{name}: process {process} did not say that the store failed")
            if not any(it[0] == "store back" and it[1] < phase["over"] + REJOIN for it in events):
                self.wrong.append(f"{name}: process {process} did not say that the store is back")

    def _clean(self, phase: dict[str, Any]) -> bool:
        """Whether the store served all processes during a phase, and for a lease before, or since the first phase."""
        since = max(phase["began"] - LEASE, self.phases[0]["began"])
        faults = [it for it in self.phases if it["name"] not in HARMLESS and since < it["over"] <= phase["ended"]]
        return not faults and not any(since < at <= phase["ended"] for at in self.failures)

    # the end

    def _left(self) -> dict[str, Any]:
        """Judge what is left on the server when all have ended."""
        left, victim = self.notes["left"], self.notes["victim"]
        if any(left["out"].values()):
            self.wrong.append(f"permits are out though nobody is there: {left['out']}")
        if left["on their way"]:
            self.wrong.append(f"creates are on their way though nobody is there: {left['on their way']}")
        self.wrong += [f"tokens: {it[0]} of {it[1]}, and not {it[2]}" for it in left["tokens"] if not it[3]]
        if self.timed and not left["tokens"]:  # of the few calls of a quick run none may have been retried since
            self.wrong.append("there is no retry budget on the server")
        if victim and self.timed and (victim["back"] is None or not victim["back"] <= LEASE + SLACK):
            self.wrong.append(f"the permits of the process that was killed came back after {victim['back']} s")
        return {"left": left, "victim": victim}


def _spread(values: list[float]) -> list[float]:
    """Return the median, the 99th percentile and the highest."""
    if len(values) < 2:
        return [*values, *values, *values] or [0.0, 0.0, 0.0]
    cuts = quantiles(values, n=100, method="inclusive")
    return [cuts[49], cuts[98], max(values)]
