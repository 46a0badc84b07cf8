"""How a member speaks to Redis: its updates in one round trip, news as they are published. On the companion's loop.

Must not know what a state means: steps that have a twin in Lua run on the server, all others by compare and set. Time
is the server's.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from ...guards.twins import Twin, brief, twin_of, verdict_of
from ..protocol import StoreError
from ..roles import Hears, Op, View
from .names import RING, TAGS, named, news_of, place_of, read_name, tag_of
from .shots import Held, Shot
from .wire import Command, Wire, in_words

__all__ = ["RedisBackend"]

_ALIVE = 15.0  # seconds for which a process counts as alive after its last sign
_REMEMBERED = 1000  # entries of which it is known what stands there
_ROUNDS = 64
_WRONG = 0.1  # seconds by which the time that a step was run at may be wrong
_MOST_TAGS = 500
_MOST_OWN_TAGS = 10_000
_TAGS_TTL = 172_800  # seconds
_GUARDS = ("gate:", "breaker:")
_LIFE = "life:"


class RedisBackend:
    """One process's connections to a Redis, and what it remembers of what it wrote there."""

    def __init__(
        self, url: str, *, monotonic: Callable[[], float], clock: Callable[[], float] | None, max_entries: int
    ) -> None:
        self.where = "Redis"
        self.owner = os.urandom(8).hex()
        self.offset = 0.0  # from this process's monotonic clock to the server's
        self._trip = 0.0  # seconds there and back, the last time
        self.firing: Shot | None = None
        self._wire = Wire(url)
        self._news = news_of(self._wire.number)  # publishing knows no databases
        self._monotonic = monotonic
        self._clock = clock
        self._max_entries = max_entries
        self._peers: int | str = ""  # in a cluster: how many processes share it, as far as is known
        self._tags: dict[str, bytes | None] = {}  # with the life of the store, as far as that is known
        self.births: dict[str, float] = {}
        """When the store began to hold something of a tag, on its clock."""
        self._known: OrderedDict[str, Held] = OrderedDict()
        self._busy: set[str] = set()  # keys of which a state says that this process has work under way

    # what a member asks for

    async def open(self, hears: Hears) -> None:
        """Connect, load the scripts, subscribe, and learn what time it is there. Raises what redis-py does."""
        self._peers = ""
        await self._wire.open(self._news, RING + self.owner)
        began = self._monotonic()
        (reply,) = await self._wire.send([self._look("-", "guards", "", "+inf")])
        if isinstance(reply, list):
            self._timed(reply[0], began)

    async def look(self, hears: Hears) -> View:
        """Look at all states of guards of all accounts, and tell which accounts this process is of."""
        tags = self._tags if self._tags else {"-": None}
        await self._wire.client.zadd(TAGS, {tag: self.now() for tag in tags})  # whoever can't write is of no use
        await self._wire.client.zremrangebyscore(TAGS, "-inf", self.now() - _TAGS_TTL)
        await self._wire.client.expire(TAGS, _TAGS_TTL)
        found = await self._wire.client.zrange(TAGS, 0, _MOST_TAGS - 1, desc=True)
        briefs: dict[str, Any] = {}
        known = [it.decode(errors="replace") for it in found]
        began = self._monotonic()
        replies = await self._wire.send([self._look(tag, "guards", "", "-inf") for tag in known])  # all at once
        for reply in replies:
            if isinstance(reply, Exception):
                continue
            said: list[bytes] = reply
            pairs = said[2:]
            self._timed(said[0], began)
            for key, text in zip(map(read_name, pairs[::2]), pairs[1::2], strict=True):
                if key.startswith(_GUARDS):
                    with suppress(Exception):  # what others wrote there is not news
                        briefs[key] = brief(key, json.loads(text))
        await self._look_for_losses(hears)
        return View(briefs, self.now(), await self._count())

    async def run(self, ops: list[Op], hears: Hears) -> None:
        """Make updates, all in one round trip; again those that others were faster at."""
        new = {tag_of(it.key) for it in ops} - self._tags.keys()
        if new:
            self._tags.update(dict.fromkeys(new))
            self._forget_some()
            await self._wire.client.zadd(TAGS, {tag: self.now() for tag in new})
        twins, shots = self._sorted(ops)
        for _ in range(_ROUNDS):
            commands = [self._guard(op, twin) for op, twin in twins] + [self._entry(it) for it in shots]
            began = self._monotonic()
            replies = await self._wire.send(commands)
            if replies and not isinstance(replies[0], Exception):
                self._timed(replies[0][1 if shots and not twins else 0], began)
            for (op, twin), reply in zip(twins, replies, strict=False):
                self._ran(op, twin, reply, hears)
            shots = [
                it for it, reply in zip(shots, replies[len(twins) :], strict=True) if not self._hit(it, reply, hears)
            ]
            twins = []
            if not shots:
                return
        for it in shots:
            for op in it.ops:
                op.pending.tell(error=StoreError("Redis: others were faster, time and again; nothing was changed"))

    async def listen(self, hears: Hears) -> None:
        """Hand on what is published, until the connection is lost."""
        while True:
            try:
                news = await self._wire.heard()
            except (RedisError, OSError):  # this connection was lost, not the server, perhaps
                await self._wire.hear_again()
                hears.seen(await self.look(hears))
                continue
            with suppress(Exception):  # not ours
                channel, data = news or ("", b"")
                if channel == self._news:
                    key, at, said = json.loads(data)
                    if str(key).startswith(_LIFE):
                        self._born(str(key).removeprefix(_LIFE), str(said).encode(), hears)
                    else:
                        hears.told(str(key), said if isinstance(said, dict) else None, float(at))
                elif channel:
                    key, ticket = json.loads(data)
                    hears.rung(str(key), str(ticket))

    async def beat(self) -> None:
        """Say that this process lives, to all accounts of which it has creates under way."""
        if self._wire.cluster:
            await self._count()
        for tag in {tag_of(key) for key in tuple(self._busy)}:
            await self._wire.client.set(place_of(tag) + "alive:" + self.owner, b"1", px=int(_ALIVE * 1000))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._wire.close()

    def forked(self) -> None:
        """Begin anew in a child, whose parent goes on with the connections."""
        self._wire.forked()
        self.owner = os.urandom(8).hex()
        self._busy, self._known = set(), OrderedDict()

    # what an application asks for

    async def entries(self, prefix: str) -> list[tuple[str, bytes]]:
        """Return all live entries whose names begin so, of all accounts; those of one are as of one moment."""
        tags = {it.decode(errors="replace") for it in await self._wire.client.zrange(TAGS, 0, -1)} | self._tags.keys()
        found: dict[str, bytes] = {}
        for tag in sorted(tags):
            for index in ("guards", "passing", "kept"):
                found.update(await self._entries(tag, index, prefix))
        return list(found.items())

    async def alive(self, owner: str) -> bool:
        """Whether a process has given a sign of life of late."""
        tags = {it.decode(errors="replace") for it in await self._wire.client.zrange(TAGS, 0, -1)} | self._tags.keys()
        for tag in tags:
            if await self._wire.client.exists(place_of(tag) + "alive:" + owner):
                return True
        return False

    def now(self) -> float:
        """Return the time on the server's clock, as far as it is known."""
        return self._monotonic() + self.offset if self._clock is None else self._clock()

    # the parts

    async def _count(self) -> int:
        """Return how many processes share the store."""
        peers = max(1, await self._wire.subscribers(self._news))
        self._peers = peers if self._wire.cluster else ""  # else a script sees it, as it is just then
        return peers

    def _timed(self, at: bytes, began: float) -> None:
        """Learn what time it is there, from a reply to what was sent then."""
        ended = self._monotonic()
        self.offset, self._trip = float(at) - (began + ended) / 2, ended - began

    def _time(self) -> str:
        return "" if self._clock is None else repr(self._clock())

    def _sorted(self, ops: Iterable[Op]) -> tuple[list[tuple[Op, Twin]], list[Shot]]:
        twins: list[tuple[Op, Twin]] = []
        shots: dict[str, Shot] = {}
        for op in ops:
            twin = twin_of(op.step)
            if twin is not None:
                twins.append((op, twin))
            elif op.key in shots:
                shots[op.key].ops.append(op)
            else:
                shots[op.key] = Shot(op.key, [op], self._known.get(op.key, Held()))
        return twins, list(shots.values())

    def _guard(self, op: Op, twin: Twin) -> Command:
        place = place_of(tag_of(op.key))
        name = named(op.key)
        words = (self._time(), name, _ttl(op.ttl), twin.name, json.dumps(twin.args, separators=(",", ":")))
        return "guard", 2, (place.encode() + name, place + "guards", *words, self._news, RING, self.owner, self._peers)

    def _ran(self, op: Op, twin: Twin, reply: Any, hears: Hears) -> None:
        if isinstance(reply, Exception):
            op.pending.tell(error=in_words(reply))
            return
        at, verdict, said, peers = reply
        hears.peered(int(peers))
        if op.key.startswith(_GUARDS):
            hears.told(op.key, json.loads(said) if said else None, float(at))
        try:
            found = verdict_of(twin.name, json.loads(verdict))
        except (LookupError, TypeError, ValueError) as error:  # it comes of what others wrote there
            op.pending.tell(error=StoreError("Redis: a verdict that can't be read", why=type(error).__name__))
            return
        op.pending.tell(found)

    def _entry(self, it: Shot) -> Command:
        tag, now = tag_of(it.key), self.now()
        place = place_of(tag)
        self.firing = it
        try:
            fired = it.fire(now)
        finally:
            self.firing = None
        digest = it.held.digest if fired and it.held is not None else "?"
        own = self.owner if fired and self.owner in it.busy else ""
        keys = (place.encode() + named(it.key), place + "passing", place + "kept", place + "life")
        words = (self._time(), named(it.key), _ttl(it.ttl), digest, repr(now), it.text if fired else b"")
        wrong = max(_WRONG, 2 * self._trip)
        more = (
            int(it.keep),
            os.urandom(8).hex(),
            place,
            own,
            int(_ALIVE * 1000),
            self._max_entries,
            self._news,
            _LIFE + tag,
            wrong,
        )
        return "entry", 4, (*keys, *words, *more)

    def _hit(self, it: Shot, reply: Any, hears: Hears) -> bool:
        """Take in what the server said; whether that is the end of it."""
        if isinstance(reply, Exception):
            for op in it.ops:
                op.pending.tell(error=in_words(reply))
            return True
        hit, _, life, *rest = reply
        self._born(tag_of(it.key), life, hears)
        if not hit:
            text, dead = rest
            it.held = Held(text if text else None)
            it.dead = frozenset(name.decode(errors="replace") for name in dead)
            return False
        self._remember(it.key, Held(it.new))
        (self._busy.add if self.owner in it.busy else self._busy.discard)(it.key)
        it.settle()
        return True

    def _born(self, tag: str, life: bytes, hears: Hears) -> None:
        """Note the life of a tag's store; another one than was known is a loss of what it held before."""
        was = self._tags.get(tag)
        if tag in self._tags:
            self._tags[tag] = life
            with suppress(ValueError):  # what others wrote there
                self.births[tag] = float(life.partition(b" ")[2])
        if was is not None and was != life:  # it was emptied, or is another one
            hears.reborn()

    def _forget_some(self) -> None:
        """Forget the tags that were met first, where a program has a key for each of too many users."""
        while len(self._tags) > _MOST_OWN_TAGS:
            tag = next(iter(self._tags))
            del self._tags[tag]
            self.births.pop(tag, None)

    def _remember(self, key: str, held: Held) -> None:
        self._known.pop(key, None)
        if held.text is not None:
            self._known[key] = held
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    async def _look_for_losses(self, hears: Hears) -> None:
        """See whether the store still has what this process entered there."""
        known = {tag: life for tag, life in self._tags.items() if life is not None}
        stands = await self._wire.fetch([place_of(tag) + "life" for tag in known])
        lost = [tag for (tag, life), it in zip(known.items(), stands, strict=True) if it != life]
        self._tags.update(dict.fromkeys(lost))
        if lost:
            hears.reborn()

    def _look(self, tag: str, index: str, prefix: str, after: str) -> Command:
        place = place_of(tag)
        return "look", 1, (place + index, self._time(), prefix.encode(), after, place)

    async def _entries(self, tag: str, index: str, prefix: str) -> list[tuple[str, bytes]]:
        after, found = "-inf", list[tuple[str, bytes]]()
        while after:
            began = self._monotonic()
            (reply,) = await self._wire.send([self._look(tag, index, prefix, after)])
            if isinstance(reply, Exception):
                raise in_words(reply)
            at, last, *pairs = reply
            self._timed(at, began)
            after = last.decode()
            found += [(read_name(key), text) for key, text in zip(pairs[::2], pairs[1::2], strict=True)]
        return found


def _ttl(seconds: float) -> str:
    return repr(min(float(seconds), 1e300))
