"""What became of every call: the journals held against the gateway's own log; pure, and must not know a process.

Paid twice: a create of which the gateway made more than one task. Lost: a call that never ended in a process that was
not killed, a good answer that came short without a word, a create that was answered well and nobody was told. Not
expected: an exception or an error answer that no fault explains.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

__all__ = ["Account", "account"]

GOOD: Final = frozenset({"200", "failed as told"})
AWAY: Final = frozenset({"cancelled"})
STATUSES: Final = frozenset({"429", "500", "502", "503"})
"""What the gateway's faults answer."""
GUARDED: Final = frozenset({"GateClosed", "CircuitOpen"})
"""Ends of calls that met no fault of their own: others' faults were enough."""
HELD: Final = frozenset({"held_back", "on_its_way", "made"})
"""Why a create that others make too may not be sent."""
BROKEN: Final = frozenset(
    {
        "OutcomeUnknown",
        "StreamInterrupted",
        *(
            f"{client}.{name}"
            for client in ("httpx", "httpx2")
            for name in ("ReadError", "RemoteProtocolError", "ConnectError", "WriteError", "ReadTimeout")
        ),
        "requests.ConnectionError",
        "requests.ChunkedEncodingError",
        "aiohttp.ServerDisconnectedError",
        "aiohttp.ClientOSError",
        "aiohttp.ClientConnectionResetError",
        "aiohttp.ClientPayloadError",
        "aiohttp.ClientResponseError",
    }
)
"""What a call may raise that met a fault."""
NEAR: Final = 30.0
"""Seconds after its beginning in which what befell its process befell a call."""
SHOWN: Final = 12
"""Problems of one sort that are told in full."""


@dataclass
class Account:
    """The figures, and all that must not be; ``calls`` and ``ends`` by kind of process, ``pids`` that made calls.

    ``longest``: seconds of the longest call that was no wait for a task, and which one it was.
    ``not_recorded``: creates that were not sent because the store did not answer in time, which was told.
    """

    calls: Counter[str] = field(default_factory=Counter)
    ends: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    pids: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    words: Counter[str] = field(default_factory=Counter)
    duplicates: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    longest: tuple[float, str] = (0.0, "")
    not_recorded: int = 0

    def problems(self) -> list[str]:
        """Return all that must not be, a few of each sort."""
        sorts = {
            "paid twice": self.duplicates,
            "lost": self.lost,
            "not expected": self.unexpected,
            "wrong": self.wrong,
        }
        told = [f"{sort}: {it}" for sort, all_of_it in sorts.items() for it in all_of_it[:SHOWN]]
        return told + [f"{sort}: {len(it) - SHOWN} more" for sort, it in sorts.items() if len(it) > SHOWN]


class _Book:
    """All calls of all processes, by name."""

    def __init__(self) -> None:
        self.begun: dict[str, tuple[float, int, str, str]] = {}  # name: when, pid, kind of call, create
        self.labels: dict[str, str] = {}  # name: kind of process
        self.ended: dict[str, tuple[str, str, str]] = {}  # name: told, why, note
        self.killed: dict[int, list[float]] = defaultdict(list)  # pid: when; a pid comes again
        self.failed: dict[str, list[float]] = defaultdict(list)  # kind of process: when its store failed

    def was_killed(self, pid: int, begun: float) -> bool:
        """Whether the process of a call was killed while that was on its way."""
        return any(0 <= at - begun <= NEAR for at in self.killed[pid])

    def store_failed(self, label: str, begun: float) -> bool:
        """Whether the store was told to have failed, in processes of this kind, while a call was on its way."""
        return any(0 <= at - begun <= NEAR for at in self.failed[label])


def account(journals: dict[str, Iterable[list[Any]]], log: dict[str, Any]) -> Account:
    """Hold the journals (kind of process: its lines) against the gateway's log."""
    found, book = Account(), _Book()
    for label, lines in journals.items():
        for line in lines:
            _take(label, line, found, book)
    harmed = set(log["harmed"])
    for name, begun in book.begun.items():
        _judge_call(name, begun, book, harmed, found)
    found.duplicates += [f"{what}: {count} tasks" for what, count in log["made"].items() if count > 1]
    found.lost += _unheard(book, log)
    found.wrong += [f"the gateway failed: {it}" for it in log["errors"]]
    found.wrong += _undone(found)
    return found


def _take(label: str, line: list[Any], found: Account, book: _Book) -> None:
    sort, pid, at, *words = line
    if sort == "b":
        name, kind, what = words
        book.begun[name], book.labels[name] = (at, pid, kind, what), label
        found.calls[label] += 1
        found.pids[label].add(pid)
    elif sort == "e":
        name = words[0]
        book.ended[name] = (words[1], words[2], words[3])
        took = at - book.begun[name][0]
        if book.begun[name][2] != "wait":
            found.longest = max(found.longest, (took, f"{name} ({book.begun[name][2]})"))
        found.ends[label][words[1]] += 1
    elif sort == "x":
        found.wrong.append(f"{label} {pid}: {words[0]}")
    else:
        found.words[words[0]] += 1
        if words[0].startswith("killed "):
            book.killed[int(words[0].split()[1])].append(at)
        if words[0].startswith("store failure"):
            book.failed[label].append(at)


def _judge_call(name: str, begun: tuple[float, int, str, str], book: _Book, harmed: set[str], found: Account) -> None:
    at, pid, kind, _ = begun
    end = book.ended.get(name)
    if end is None:
        if not book.was_killed(pid, at):
            found.lost.append(f"{name} ({kind}) never ended")
        return
    told, why, note = end
    if told == "short":
        found.lost.append(f"{name} ({kind}) came short: {note}")
    elif told == "NotRecorded" and book.store_failed(book.labels[name], at):
        found.not_recorded += 1
    elif not _expected(kind, told, why, name in harmed):
        found.unexpected.append(f"{name} ({kind}): {told} {why} {note}, {'met' if name in harmed else 'no'} fault")


def _expected(kind: str, told: str, why: str, harmed: bool) -> bool:
    """Whether a call of this kind may end so."""
    if told in GOOD or told in AWAY or told in GUARDED:
        return True
    if told == "OutcomeUnknown" and why in HELD and kind in ("again", "shared"):
        return True
    return harmed and (told in STATUSES or told in BROKEN)


def _unheard(book: _Book, log: dict[str, Any]) -> list[str]:
    """Return the creates that were answered well, with nobody told who was there to hear it."""
    calls: dict[str, list[str]] = defaultdict(list)
    for name, (_, _, _, what) in book.begun.items():
        if what:
            calls[what].append(name)
    lost = []
    for what, sends in log["sends"].items():
        if "" not in sends:
            continue
        names = calls.get(what, [])
        ends = [book.ended.get(name) for name in names]
        if any(end is None or end[0] in GOOD or end[0] in AWAY for end in ends):
            continue  # told, or whoever asked was killed or went away
        lost.append(f"the create {what} was answered, and told as {[end[:2] for end in ends if end]}")
    return lost


def _undone(found: Account) -> list[str]:
    """Return the tasks that were sent to the queue and never done."""
    sent = {word.split()[1] for word in found.words if word.startswith("sent ")}
    done = {word.split()[1] for word in found.words if word.startswith("task ")}
    return [f"task {number} of the queue was never done" for number in sorted(sent - done)[:SHOWN]]
