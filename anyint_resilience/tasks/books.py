"""How the ledger keeps its books: steps run on the store, and what happens where that fails, is slow, or forgets.

Must not know any client or clock, nor what an entry says.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from ..contract.words import Certainty
from ..stores.flows import Flow, Pending, waited
from ..stores.protocol import Spell, State, Step, Store, StoreError
from .arrears import MOST, Arrears
from .entries import Verdict, aged, restore, settle, withdraw

__all__ = ["CREATES", "Books", "Change", "never"]

CREATES = "create:"
"""What the keys of creates begin with."""

_PATIENT = 2.0  # seconds that a create waits to be entered, where it must not be sent without
_LONGEST_FLIGHT = 86_400.0  # seconds for which a create may be on its way


class Change(Protocol):
    """A step to run on the store; ``enters``: a create must not go out without it."""

    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def step(self) -> Step: ...  # noqa: D102
    @property
    def ttl(self) -> float: ...  # noqa: D102
    @property
    def enters(self) -> bool: ...  # noqa: D102


class Books:
    """Where a ledger's entries are, and how they get there.

    ``window`` is for how long, in seconds, a create of unknown outcome is refused and one that was made is remembered.
    ``spare`` is this process's memory: it serves while ``store`` fails, unless the ledger is ``strict``. Of a store
    that lives elsewhere, and may be away or lose what it held, it remembers all that this process entered there.
    """

    def __init__(self, store: Store, *, spare: Store, window: float, strict: bool = False) -> None:
        self.store = store
        self.spare = spare
        self.window = window
        self.strict = strict
        self._spared = False
        # Keys of which the memory knows what the store may not, and whether that was sent there.
        self._apart: dict[str, bool] = {}
        self._losses = getattr(store, "losses", 0)
        self._leased = bool(getattr(store, "leased", False))
        self._arrears = Arrears()
        self._member = getattr(store, "member", None) if self._leased else None
        if self._member is not None:
            self._member.now_and_then(self._tidied)

    @property
    def longest(self) -> Spell:
        """Seconds for which an entry with a create on its way is kept, whatever the window is; any other for that."""
        return Spell(max(self.window, _LONGEST_FLIGHT), idle=self.window)

    def leave(self, certainty: Certainty, *, ident: str, **known: Any) -> Step:
        """Return the step that settles a create; see :func:`~anyint_resilience.tasks.entries.settle`."""
        return partial(settle, ident=ident, certainty=certainty, owner=self._owner(), **known)

    def changing(self, change: Change, failed: Callable[[Exception], object]) -> Flow:
        """Run a step on the store; one that fails must not be a new way for calls to fail, nor to pay twice.

        While it fails this process's memory serves; what was entered there counts for as long as it is remembered. Of a
        store that lives elsewhere, and may lose what it held, this process remembers its own creates as well. Returns
        the verdict; yields what is to be waited for.

        Raises:
            Exception: what the store raised, where a strict ledger could not enter a create.
        """
        key, step, ttl = change.key, change.step, change.ttl
        must = change.enters and self.strict
        if not change.enters and self._remembers(key):
            self.spare.update(key, _here(step), ttl)  # before the store, which may lose it as soon as it has it
        try:
            try:
                yield from self._catching_up(key)
            except StoreError:
                if not must:  # else it is tried, for longer
                    raise
            behind, apart, losses = self._arrears.of(key), key in self._apart, self._losses
            verdict = yield from self._updating(key, step, ttl, patience=_PATIENT if must else None)
        except Exception as error:
            return self._alone(change, error, failed)
        known = self._known_here(key, step, behind) if behind else None  # the store may have let it in before them
        with suppress(Exception):  # of others: it may be an entry that can't be read, and is their affair
            yield from self._catching_up()
        self._look_for_losses()
        if not change.enters:
            yield from self._agreeing(key)
        elif not _holds_back(verdict):
            held = self._held_back(change, apart=apart, losses=losses) if known is None else known
            if held is not None:
                yield from self._undoing(key, step, failed)
                return held
        return verdict

    def _alone(self, change: Change, error: Exception, failed: Callable[[Exception], object]) -> Any:
        """Return what this process says of a change while the store fails; raise what that raised where it may not."""
        key, must = change.key, change.enters and self.strict
        known = self._known_here(key, change.step, self._arrears.of(key))
        if must and known is not None:
            return known
        failed(error)
        if must:
            raise error
        if known is not None:  # nothing of it is new to the store, unless that entered it and the answer was lost
            self._post(key, partial(withdraw, ident=_ident_of(change.step)))
            return known
        self._spared, self._apart[key] = True, False
        if not change.enters:
            self.later(key, change.step)  # what is known now must get to the store as soon as it is there again
        held = self.spare.update(key, _here(change.step), change.ttl)
        self._forget_some()
        self._enter_again(key)  # it is told as soon as it answers: others may want the same meanwhile
        return held

    def _held_back(self, change: Change, *, apart: bool, losses: int) -> Verdict | None:
        """Return what holds a create back that the store has let in; None: nothing does, and it is remembered here.

        ``apart``: when the store was asked, it may not have known what this process's memory did. ``losses``: those
        noted by then; where there are more now, one came before it let this in, or after.
        """
        key = change.key
        if self.strict and self._leased and self.store.young(key):  # type: ignore[attr-defined]
            return Verdict("wait")
        if self._remembers(key):
            step = _here(change.step)
            held: Verdict = self.spare.update(key, step, change.ttl)
            lost = self._losses != losses
            if _holds_back(held) and (apart or lost or key in self._apart):
                return held
            if _holds_back(held):  # the store knows better, and may be away when somebody asks next
                self.spare.update(key, partial(_entered, step=step), change.ttl)
            if lost:
                self._enter_again(key)
        return None

    def noting(self, key: str, step: Step, ttl: float) -> Any:
        """Run a step on the store, or on this process's memory while a store that lives elsewhere is away."""
        try:
            return waited(self._updating(key, step, ttl, again=False))
        except StoreError:
            if not self._leased:
                raise
        return self.spare.update(key, step, ttl)

    def _updating(self, key: str, step: Step, ttl: float, *, patience: float | None = None, again: bool = True) -> Flow:
        """Run a step on the store, whichever way that has; ``again``: it may be made twice."""
        updating = getattr(self.store, "updating", None)
        if updating is None:
            return self.store.update(key, step, ttl)
        pending: Pending = updating(key, step, ttl, patience, again=again)
        try:
            return (yield pending)
        except StoreError:
            if patience is not None:  # it is not sent, but may have been entered
                self._post(key, partial(withdraw, ident=_ident_of(step)))
            raise

    def _post(self, key: str, step: Step) -> None:
        if self._member is not None:
            self._member.posting(key, step, self.longest, again=True)

    def _look_for_losses(self) -> None:
        """Where the store has lost what it held, let it know again what this process knows."""
        losses = getattr(self.store, "losses", 0)
        if losses != self._losses:
            self._losses = losses
            # They stay apart though they are entered again: what the store let in before that is not to count.
            self._apart.update(dict.fromkeys((key for key, _ in self.spare.scan(CREATES)), False))
            self._enter_again()

    def _forget_some(self) -> None:
        """Let the store's word count of what this process's memory has forgotten, in a long outage."""
        if len(self._apart) > 2 * MOST:
            known = {key for key, _ in self.spare.scan(CREATES)}
            for key in [it for it in list(self._apart) if it not in known]:
                self._apart.pop(key, None)

    def _enter_again(self, only: str | None = None) -> None:
        """Enter there what only this process's memory knows, as far as the store lives elsewhere."""
        if self._member is None:
            return
        for key in [key for key, sent in list(self._apart.items()) if not sent] if only is None else [only]:
            self._apart[key] = True  # before it is read: what comes meanwhile is to be sent anew
            look = partial(self.spare.update, key, _as_it_is, self.longest)
            if aged(*look())[0]:
                self._post(key, partial(_restored, look=look))

    def _undoing(self, key: str, step: Step, failed: Callable[[Exception], object]) -> Flow:
        """Take a create back that the store let in and this process's memory held back."""
        back = partial(withdraw, ident=_ident_of(step))
        try:
            yield from self._updating(key, back, self.longest)
        except Exception as error:
            self.later(key, back)  # nobody would ever settle it, and every repetition would wait for it
            failed(error)

    def later(self, key: str, step: Step) -> None:
        """Run a step before the next look at the ledger: its store failed, or this is within the garbage collector.

        That runs anywhere, in the middle of a store's own work too.
        """
        self._arrears.add(key, step)

    def _catching_up(self, only: str | None = None) -> Flow:
        """Run the steps that are still to be run, or those on one key.

        Raises what the store raises: then they stay, behind those on other keys, since those may be no trouble.
        """
        for key, due in self._arrears.due(only).items():
            steps = self._arrears.taken(key, due)
            if not steps:
                continue
            try:
                while steps:
                    yield from self._updating(key, steps[0], self.longest)
                    if self._remembers(key):
                        self.spare.update(key, _here(steps[0]), self.longest)
                    self._arrears.told(key, steps.popleft())
            except BaseException:
                self._arrears.back(key, steps)
                raise
            yield from self._agreeing(key)

    def _agreeing(self, key: str) -> Flow:
        """Let the store's word count again of a key, where it knows all creates that this process's memory does."""
        if key in self._apart:
            known = self.spare.update(key, _known, self.longest)
            with suppress(Exception):  # what it raises says no more than that it can't be asked
                if not known or known <= (yield from self._updating(key, _known, self.longest)):
                    self._apart.pop(key, None)

    def _known_here(self, key: str, step: Step, waits: list[Step]) -> Verdict | None:
        """Return what this process knows of a create that it holds back; None: it would let it out.

        It knows what its memory does, and ``waits``: what its store is still to be told.
        """

        def look(state: State | None, now: float) -> tuple[State | None, Any]:
            verdict, held = _here(step)(state, now)[1], state
            if not _holds_back(verdict):
                for it in waits:
                    held, _ = _here(it)(held, now)
                verdict = _here(step)(held, now)[1]
            return state, verdict

        seen = self.spare.update(key, look, self.longest)
        return seen if _holds_back(seen) else None

    def _remembers(self, key: str) -> bool:
        """Whether this process's memory is to know of a change: it knows of all, or has served for this key."""
        if self._leased or not self._spared:
            return self._leased
        return self.spare.update(key, _as_it_is, self.longest)[0] is not None

    def _tidied(self) -> None:
        """Have what is still to be run be run, beside all calls: others wait for what this process has on its way."""
        self._look_for_losses()
        self._enter_again()
        if self._arrears and self._member is not None:
            self._member.spawn(self._catching_up())

    def _owner(self) -> str:
        try:
            return self.store.owner
        except Exception:  # the step will fail too, and then this process's memory serves
            return ""

    def _gone(self, owner: str) -> bool:
        return self.store.gone(owner)


def _as_it_is(state: State | None, now: float) -> tuple[State | None, tuple[State | None, float]]:
    return state, (state, now)


def _entered(state: State | None, now: float, *, step: Step) -> Any:
    """Enter a create whatever else is there."""
    creates, since = aged(step(None, now)[0], now)
    return restore(state, now, creates=creates, since=since)


def _restored(state: State | None, now: float, *, look: Callable[[], tuple[State | None, float]]) -> Any:
    """Enter again what this process's memory has by now: since this was posted it may be settled, or forgotten."""
    creates, since = aged(*look())
    return restore(state, now, creates=creates, since=since)


def _known(state: State | None, now: float) -> tuple[State | None, set[str]]:
    """Verdict: the names of the creates that did not come to nothing."""
    return state, {it["id"] for it in aged(state, now)[0]}


def _here(step: Step) -> Step:
    """Return a step as it is run on this process's own memory: whoever entered a create there lives."""
    held: Any = step
    return partial(held, gone=never) if "gone" in getattr(step, "keywords", ()) else step


def _ident_of(step: Step) -> str:
    return str(getattr(step, "keywords", {}).get("ident", ""))


def _holds_back(verdict: object) -> bool:
    return isinstance(verdict, Verdict) and verdict.kind != "go"


def never(owner: str) -> bool:
    """Nobody has ended."""
    return False
