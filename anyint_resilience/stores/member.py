"""One process's part in a shared store: its updates go there in batches, what others did comes back as news.

Must not know what the states mean, nor what the store is: a backend speaks to that, on the companion's event loop.
While the store does not answer within ``wait`` seconds it counts as down: who asks is told at once, and it is tried
again by and by, until it answers in time.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any
from weakref import WeakMethod, WeakSet, WeakValueDictionary, finalize

from ..runtime import Runtime
from .companion import Companion
from .flows import Flow, Pending, awaited
from .protocol import Step, StoreError
from .roles import Ask, Backend, Ears, Nobody, Op, View

__all__ = ["Member", "joined"]

_CONNECT = 2.0  # seconds for a connection, and for what is asked first
_PAUSE, _LONGEST_PAUSE = 0.1, 1.0  # seconds between tries
_BEAT = 5.0  # seconds from one sign of life to the next
_BEATS = 60  # of them from one look at everything to the next: news may have been lost
_FOR_EVER = 1e9  # seconds
_MOST_WAITING = 10_000
_MOST = 128  # updates in one batch,
_MOST_POSTS = 16  # and of those that nobody waits for
_SLACK = 5.0  # times ``wait`` after which what was sent counts as lost: this process may have been busy itself


class Member:
    """This process's part in the store behind a backend. Safe to use from many threads, and after a fork."""

    def __init__(self, backend: Backend, runtime: Runtime, *, wait: float) -> None:
        self.backend = backend
        self.wait = wait
        self.up = False
        self.down = ""
        """Why it does not answer; empty while it does, and before that is known."""
        self.ears: Ears = _NOBODY
        self.peers = 1
        self.losses = 0
        """How often the store has lost what it held."""
        self.users = 0
        self._runtime = runtime
        self._ops: deque[Op | Ask] = deque()
        self._posts: deque[Op | Ask] = deque()  # what nobody waits for: it goes when nothing else does
        self.new = True
        """Whether it is not known yet if the store answers."""
        self._waiting: list[Pending] = []
        self._sent: float | None = None  # when what is out now went out
        self._slow = False  # somebody has waited in vain for what is out still
        self._bell: asyncio.Event | None = None
        self._regulars: list[WeakMethod[Callable[[], object]]] = []
        self._carried: set[asyncio.Future[Any]] = set()
        self.company: Any = None
        """What its user keeps with it."""
        self._companion = Companion("anyint-store", self._main, self._barred)
        _ALL.add(self)

    def start(self) -> None:
        """Begin to speak to the store, if that has not begun."""
        if not self._companion.runs:
            try:
                self._companion.start()
            except RuntimeError:  # no thread is to be had: nobody answers, and nobody is to wait for that
                self._known()

    def updating(
        self, key: str, step: Step, ttl: float, patience: float | None = None, *, again: bool = False
    ) -> Pending:
        """Have an update made; return what its verdict will be told to."""
        pending = Pending(self.backend.where, self.wait if patience is None else patience)
        return self._put(Op(key, step, ttl, pending, again=again))

    def posting(
        self,
        key: str,
        step: Step,
        ttl: float,
        *,
        again: bool = False,
        late: Callable[[Any], object] | None = None,
    ) -> Pending:
        """Have an update made by and by, as soon as the store answers; nobody waits for its verdict, but ``late``."""
        pending = Pending(self.backend.where, _FOR_EVER)
        pending.unwanted, pending.late = True, late
        if len(self._posts) >= _MOST_WAITING:  # it was down for long: leases end by themselves
            pending.tell(error=StoreError(f"{self.backend.where}: too much waits to be told"))
            return pending
        return self._put(Op(key, step, ttl, pending, again=again))

    def joining(self, patience: float) -> Pending:
        """Return what is told when it is known for the first time whether the store answers."""
        pending = Pending(self.backend.where, patience)
        if not self.new:
            pending.tell()
            return pending
        self._waiting.append(pending)
        self.start()
        if not self.new:  # meanwhile
            self._known()
        return pending

    def _known(self) -> None:
        self.new = False
        while self._waiting:
            self._waiting.pop().tell()

    def asking(self, what: Callable[[], Awaitable[Any]], patience: float) -> Pending:
        """Have something asked of the backend; return what the answer will be told to."""
        pending = Pending(self.backend.where, patience)
        return self._put(Ask(what, pending))

    def _put(self, op: Op | Ask) -> Pending:
        pending = op.pending
        if self.why and pending.patience <= self.wait:
            pending.tell(error=StoreError(f"{self.backend.where} is down: {self.why}", why=self.why))
            return pending
        pending.lapsed, pending.why = self._lapsed, self._away
        (self._posts if pending.unwanted else self._ops).append(op)
        self.start()
        if not self._companion.call(self._wake):
            pending.tell(error=StoreError(f"{self.backend.where}: nothing can be sent, the program is ending"))
        return pending

    @property
    def started(self) -> bool:
        """Whether it has begun to speak to the store, in this process."""
        return self._companion.runs

    @property
    def serves(self) -> bool:
        """Whether the store answers, and in time."""
        return self.up and not self._slow

    def spawn(self, flow: Flow) -> None:
        """Carry a flow out beside the calls; what it comes to nobody hears."""
        self.start()
        if not self._companion.call(partial(self._carry, flow)):
            flow.close()

    def now_and_then(self, what: Callable[[], object]) -> None:
        """Have a method called while the store answers: when it does again, and every few seconds; held weakly."""
        self._regulars.append(WeakMethod(what))

    def _regularly(self) -> None:
        for it in list(self._regulars):
            call = it()
            if call is not None:
                call()
            else:
                self._regulars.remove(it)

    def inside(self) -> bool:
        """Whether the caller runs on the companion's own thread, which must not wait for itself."""
        return self._companion.inside()

    def close(self, *, wait: bool = True) -> None:
        """Let go of the connections; the next use opens others."""
        self._companion.stop(wait=wait)

    # what a backend hears

    def told(self, key: str, brief: Mapping[str, Any] | None, at: float) -> None:
        """Hand on what a state is now."""
        self.ears.told(key, brief, at)

    def rung(self, key: str, ticket: str) -> None:
        """Hand on whose turn it is."""
        self.ears.rung(key, ticket)

    def seen(self, view: View) -> None:
        """Hand on all there is to know."""
        self.peered(view.peers)
        self.ears.viewed(view)

    def peered(self, peers: int) -> None:
        """Note how many processes share the store."""
        self.peers = max(1, peers)

    def reborn(self) -> None:
        """Note that the store has lost what it held."""
        self.losses += 1
        self._regularly()

    def forked(self) -> None:
        """Begin anew in a child."""
        self._companion.forked()
        self._ops, self._posts, self._carried = deque(), deque(), set()
        self._bell, self.up, self.down, self.new, self._waiting = None, False, "", True, []
        self._slow, self._sent = False, None
        self.backend.forked()

    @property
    def why(self) -> str:
        """Why it does not serve; empty while it does, or while that is not known."""
        return self.down if self.down else "others wait for it in vain" if self._slow else ""

    def _away(self) -> str:
        return self.down

    def _lapsed(self) -> None:
        """Somebody has waited in vain for the store: until what is out has come back, nobody else does.

        Where nothing has been out for as long it was this process that is busy.
        """
        sent = self._sent
        if sent is None or self._runtime.monotonic() - sent < self.wait / 2:
            return
        if self.up and not self._slow:
            self._slow = True
            self.ears.turned(up=False)

    # on the companion's loop

    def _carry(self, flow: Flow) -> None:
        self._beside(awaited(flow))

    def _beside(self, what: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.ensure_future(what)
        self._carried.add(task)
        task.add_done_callback(self._carried_out)

    def _carried_out(self, task: asyncio.Future[Any]) -> None:
        self._carried.discard(task)
        if not task.cancelled():
            task.exception()  # nobody hears of it

    def _wake(self) -> None:
        if self._bell is not None:
            self._bell.set()

    def _barred(self) -> None:
        """Say that nothing can be asked or told: this process's memory serves, and nobody waits."""
        self.down = "another event loop runs in its thread: under gevent a process has one shared store, or none"
        self._fail(StoreError(f"{self.backend.where} is down: {self.down}", why=self.down), all_of_them=True)
        self.ears.turned(up=False)
        self._known()

    async def _main(self) -> None:
        bell, pause = asyncio.Event(), _PAUSE
        self._bell = bell
        try:
            while True:
                try:
                    await self._opened()
                    pause = _PAUSE
                    await self._served()
                except Exception as error:
                    self._turned_down(error)
                finally:
                    with suppress(Exception):
                        await self.backend.close()
                await asyncio.sleep(pause * (0.5 + self._runtime.random() / 2))
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            if self._bell is bell:
                self.up, self.down, self._bell, self._slow = False, "", None, False
            for task in list(self._carried):
                task.cancel()
            self._fail(StoreError(f"{self.backend.where} was closed"), all_of_them=True)

    async def _opened(self) -> None:
        await asyncio.wait_for(self.backend.open(self), _CONNECT)
        view = await asyncio.wait_for(self.backend.look(self), self.wait)
        self.seen(view._replace(anew=True))
        self.up, self.down, self._slow = True, "", False
        self.ears.turned(up=True)
        self._known()
        self._regularly()

    async def _served(self) -> None:
        """Serve until anything fails; raise that."""
        assert self._bell is not None
        self._bell.set()
        tasks = [asyncio.ensure_future(it) for it in (self._pump(), self.backend.listen(self), self._beats())]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for it in ended:
                it.result()
            raise StoreError(f"{self.backend.where} hung up")
        finally:
            for it in tasks:
                it.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self) -> None:
        assert self._bell is not None
        while True:
            await self._bell.wait()
            self._bell.clear()
            while self._ops or self._posts:
                batch = [self._ops.popleft() for _ in range(min(_MOST, len(self._ops)))]
                batch += [self._posts.popleft() for _ in range(min(_MOST_POSTS, len(self._posts)))]
                batch = [it for it in batch if not it.pending.given_up]
                ops = [it for it in batch if isinstance(it, Op)]
                try:
                    if ops:
                        self._sent = self._runtime.monotonic()
                        await asyncio.wait_for(self.backend.run(ops, self), self.wait * _SLACK)
                    if self._slow:
                        self._slow = False
                        self.ears.turned(up=True)
                        self._regularly()
                finally:
                    self._sent = None
                    self._lost([it for it in ops if not it.pending.done])
                for it in batch:
                    if isinstance(it, Ask):  # it may take long: others do not wait for it
                        self._beside(self._asked(it))

    def _lost(self, ops: list[Op]) -> None:
        """Say of updates that nobody knows whether they were made; make those again that may be."""
        error = StoreError(
            f"{self.backend.where} did not answer in time, or broke off", why="no answer in time, or broke off"
        )
        again = [it for it in ops if it.again]
        self._ops.extendleft(it for it in reversed(again) if not it.pending.unwanted)
        self._posts.extendleft(it for it in reversed(again) if it.pending.unwanted)
        for it in ops:
            if not it.again:
                it.pending.tell(error=error)

    async def _asked(self, it: Ask) -> None:
        """Ask something; what goes wrong with it is the asker's alone."""
        try:
            it.pending.tell(await asyncio.wait_for(it.what(), it.pending.patience))
        except StoreError as error:
            it.pending.tell(error=error)
        except Exception as error:
            it.pending.tell(error=StoreError(f"{self.backend.where}: {type(error).__name__}", why=type(error).__name__))
        finally:
            it.pending.tell(error=StoreError(f"{self.backend.where} was closed"))

    async def _beats(self) -> None:
        beats = 0
        while True:
            await asyncio.sleep(_BEAT)
            beats += 1
            self.ears.beat()
            self._regularly()
            await asyncio.wait_for(self.backend.beat(), self.wait * _SLACK)
            if beats % _BEATS == 0:
                self.seen(await asyncio.wait_for(self.backend.look(self), self.wait * _SLACK))

    def _turned_down(self, error: Exception) -> None:
        was = (self.up and not self._slow) or not (self.up or self.down)
        self.up = self._slow = False
        said = str(error) if isinstance(error, StoreError) else type(error).__name__  # others' words hold URLs
        self.down = said if said else "it does not answer"
        self._fail(StoreError(f"{self.backend.where} is down: {self.down}", why=self.down), all_of_them=False)
        if was:
            self.ears.turned(up=False)
        self._known()

    def _fail(self, error: StoreError, *, all_of_them: bool) -> None:
        """Tell those who wait that it is in vain; but for the patient, for whom it may be up again in time."""
        left = []
        while self._ops:
            it = self._ops.popleft()
            if all_of_them or it.pending.patience <= self.wait:
                it.pending.tell(error=error)
            elif not it.pending.given_up:
                left.append(it)
        self._ops.extendleft(reversed(left))
        while all_of_them and self._posts:
            self._posts.popleft().pending.tell(error=error)


_sharing = Lock()
_MEMBERS: WeakValueDictionary[tuple[Any, ...], Member] = WeakValueDictionary()


def joined(user: object, key: tuple[Any, ...], make: Callable[[], Member]) -> Member:
    """Return the member that all stores of this process with this ``key`` share, until the last ``user`` is gone."""
    with _sharing:
        member = _MEMBERS.get(key)
        if member is None:
            member = _MEMBERS[key] = make()
        member.users += 1
    finalize(user, _left, key, member)
    return member


def _left(key: tuple[Any, ...], member: Member) -> None:
    """Let a member go with its last user. Whoever comes next has another one."""
    member.users -= 1  # by the garbage collector, perhaps while this thread holds the lock: none is taken here
    if member.users == 0:
        if _MEMBERS.get(key) is member:
            _MEMBERS.pop(key, None)
        member.close(wait=False)


_NOBODY = Nobody()
_ALL: WeakSet[Member] = WeakSet()


def _forked() -> None:
    global _sharing  # noqa: PLW0603 - a thread of the parent may have held it
    _sharing = Lock()
    for it in list(_ALL):
        it.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
