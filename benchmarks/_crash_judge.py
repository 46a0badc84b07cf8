"""What crash.py holds to be wrong: what the ledger says after the restart, against the gateway's own log.

Must not know how anything was run: it is given the notes of the process that died, of the one that lived beside it, of
the one that looked, and the gateway's log.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from _crash_gateway import FAULTS
from _crash_worker import Create, Story

__all__ = ["Judge"]

Words: TypeAlias = "list[list[Any]]"
"""Notes, in order: a word and what belongs to it."""


class Judge:
    """Compares what the ledger says after the restart with the gateway's own log, create by create."""

    def __init__(self, story: Story, words: Words, found: Words, twin: Words, log: dict[str, Any], exact: bool) -> None:
        self.exact = exact  # no note is missing: it died of its own hand, or the gateway's
        self.story, self.words, self.found, self.twin, self.log = story, words, found, twin, log
        self.intents = {it[1]: it[2] for it in (*words, *found, *twin) if it[0] == "intent" and it[1] >= 0}
        self.twins = {it[1]: (it[2], it[3]) for it in twin if it[0] == "told"}
        self.entries = {it[1]: (it[2], it[3]) for it in found if it[0] == "entry"}
        self.repeated = {it[1]: (it[2], it[3]) for it in found if it[0] == "repeated"}
        self.told = {it[1]: (it[2], it[3]) for it in words if it[0] == "told"}
        self.tried = {it[1] for it in words if it[0] == "tried" and it[2] == "unknown"}
        begun = [it[1] for it in words if it[0] == "begin"]
        self.out = begun[-1] if begun and words[-1][0] != "told" and not self._over(begun[-1]) else None
        self.problems: list[str] = []

    def _over(self, serial: int) -> bool:
        last = max(at for at, it in enumerate(self.words) if it[:2] == ["begin", serial])
        return any(it[0] == "told" for it in self.words[last:])

    def result(self) -> dict[str, Any]:
        """Return the fates and everything that is wrong."""
        fates = {it.serial: self._judge(it) for it in self.story.creates}
        known = set(self.intents.values())
        self.problems += [f"entry {name} is of no create that was begun" for name in self.entries if name not in known]
        for name, entry in self.entries.items():
            if entry[0] not in ("unknown", "rejected", "committed"):
                self.problems.append(f"{name} is {entry[0]} after its process has died")
        ended = [it[2] for it in self.found if it[0] == "waited"]
        wanted = sum(len(tasks) for _, tasks in self.entries.values())
        if ended != ["success"] * wanted:
            self.problems.append(f"{wanted} tasks were waited for, and ended: {ended}")
        self.problems += [f"a fresh key: {it[2]}" for it in self.found if it[0] == "anew" and it[2] != "ok"]
        self.problems += [f"the gateway failed: {error}" for error in self.log["errors"]]
        at_death = "none" if self.out is None else fates[self.out]
        return {"fates": [*fates.values()], "at_death": at_death, "problems": self.problems}

    def _judge(self, it: Create) -> str:
        seen = self.log["creates"].get(str(it.serial), {"arrivals": 0, "later": 0, "made": [], "made_later": []})
        fate, tasks = self.entries.get(self.intents.get(it.serial, ""), ("absent", []))
        wrong: list[str] = []
        if len(seen["made"]) > 1:
            wrong.append("it was made more than once before the restart")
        if fate == "absent" and (seen["arrivals"] or self._noted(it, "enter")):
            wrong.append("it is lost: the ledger does not know it")
        if fate == "committed" and tasks != seen["made"]:
            wrong.append(f"it is committed with {tasks}")
        if fate == "rejected" and seen["made"]:
            wrong.append("it is rejected, and was made")
        wrong += self._against_told(it, fate, tasks)
        wrong += self._against_repeat(it, fate, seen)
        self.problems += [f"create {it.serial} ({it.family}, {it.fault}): {what}; {fate}, {seen}" for what in wrong]
        return fate

    def _against_told(self, it: Create, fate: str, tasks: list[str]) -> list[str]:
        """Compare with what the application was told, and with what was on the disk before the end."""
        word, ident = self.told.get(it.serial, ("", None))
        twin, twins = self.twins.get(it.serial, ("", None))
        open_ended = FAULTS[it.fault].open or twin == "unknown" or it.serial in self.tried
        if twin == "ok" and (fate != "committed" or twins not in tasks):
            return [f"another process was told that it made {twins}"]
        if word == "ok" and (fate != "committed" or ident not in tasks):
            return [f"the application was told that it made {ident}"]
        if word == "unknown" and fate != "unknown" and not (twin and fate == "committed"):
            return ["the application was told that it is of unknown outcome"]
        if word.startswith("HTTP") and not open_ended and not twin and fate != "rejected":
            return [f"the application was told {word}"]
        if fate == "unknown" and self.out != it.serial and not open_ended and word != "unknown":
            return ["it is unknown without a reason"]
        settled = self._noted(it, "settle") == self._noted(it, "enter")
        if fate == "unknown" and settled and self.exact and not open_ended and word != "unknown":
            return ["it was settled, and is unknown without a reason"]
        return []

    def _noted(self, it: Create, change: str) -> int:
        """Count the times that a change was on the disk before the process died."""
        current, count = None, 0
        for word in self.words:
            current = word[1] if word[0] == "begin" else current
            count += word[0] == change and current == it.serial
        return count

    def _against_repeat(self, it: Create, fate: str, seen: dict[str, Any]) -> list[str]:
        """Compare with what came of the very same create after the restart, and of one with a fresh key."""
        word, ident = self.repeated.get(it.serial, ("not repeated", None))
        made, anew = len(seen["made_later"]) - 1, seen["later"] - 1  # but for the one with a fresh key
        wrong: list[str] = []
        if fate == "unknown" and (made or anew or word not in ("unknown", *["ok"] * self._findable(it))):
            wrong.append(f"unknown, but repeating it gave {word} after {anew} requests")
        elif fate == "unknown" and word == "ok" and ident not in seen["made"]:
            wrong.append(f"unknown, and found to be {ident}")
        elif fate == "committed" and it.keyed and (made or anew or word != "ok" or ident not in seen["made"]):
            wrong.append(f"committed with a key, but repeating it gave {word} {ident} after {anew} requests")
        elif fate == "committed" and self.story.dedupes and made and not set(seen["made"]) <= set(self.log["done"]):
            wrong.append("its task is not over, and it was made again")
        elif fate in ("rejected", "absent") and (word != "ok" or made != 1 or anew != 1):
            wrong.append(f"repeating it gave {word} after {anew} requests")
        return wrong

    def _findable(self, it: Create) -> bool:
        """Whether a create of unknown outcome is looked for by its mark."""
        return bool(self.story.settings.get("reconcile")) and it.family == "kling"
