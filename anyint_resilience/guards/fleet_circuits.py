"""The circuit breakers of a fleet, as one process passes them. Must not know any call, nor which store is shared.

While a circuit counts failures good outcomes are told in bulk, now and then; an open one is known from the view, and
only the probes of a half-open one are asked for.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from ..stores.flows import Flow
from ..stores.protocol import StoreError
from . import breaker
from .sharing import Failed, Sharing

__all__ = ["Circuits"]

_MOST: Final = 4096  # circuits
_GOODS: Final = 0.25  # seconds from one telling of good outcomes to the next


class Circuits:
    """Probes of this process are among ``outs``."""

    def __init__(self, sharing: Sharing) -> None:
        self._goods: dict[str, tuple[int, float]] = {}  # told of yet to nobody, and since when
        self._sharing = sharing

    def ask(self, key: str, step: Any, failed: Failed) -> Flow:
        """Ask whether an attempt may go out."""
        sharing, ticket = self._sharing, step.keywords["ticket"]
        if not sharing.serves:
            return sharing.local(key, step)
        known = sharing.view.circuit(key, sharing.now())
        if known is not None:
            return self._here(known)
        try:
            passage: breaker.Passage = yield from sharing.update(key, step)
        except BaseException as error:
            self._give_back(key, ticket)
            if not isinstance(error, StoreError):
                raise
            failed(error)
            return sharing.local(key, step)
        if passage.probe:
            sharing.outs[ticket] = key
        return self._here(passage)

    def told(self, key: str, step: Any, failed: Failed) -> Flow:
        """Say how an attempt went."""
        sharing, words = self._sharing, step.keywords
        held = sharing.outs.pop(words["ticket"], None) is not None
        if not sharing.serves:
            if held:
                self._give_back(key, words["ticket"])
            return sharing.local(key, step)
        if words["good"] and not held and not sharing.view.knows(key):
            self._goods.pop(key, None)
            return ""
        now = sharing.clock()
        count, since = self._goods.get(key, (0, now))
        if now - since > words["window"]:
            count, since = 0, now
        closed = sharing.view.circuit(key, sharing.now())
        if words["good"] and not held and closed is not None and closed.go and now - since < _GOODS:
            self._goods[key] = (count + 1, since)
            return ""
        if len(self._goods) >= _MOST:
            self._goods.clear()  # of good outcomes that were told of to nobody: an estimate
        self._goods[key] = (0, now)
        try:
            return (yield from sharing.update(key, step, more=count))
        except BaseException as error:
            if held:
                self._give_back(key, words["ticket"])
            if not isinstance(error, StoreError):
                raise
            failed(error)
        return sharing.local(key, step)

    def leave(self, key: str, step: Any, failed: Failed) -> Flow:
        """Give a probe back."""
        ticket = step.keywords["ticket"]
        if self._sharing.outs.pop(ticket, None) is not None:
            self._give_back(key, ticket)
        yield from ()
        return self._sharing.local(key, step)

    def clear(self) -> None:
        """Forget everything."""
        self._goods.clear()

    def _here(self, passage: breaker.Passage) -> breaker.Passage:
        return passage._replace(at=passage.at - self._sharing.ahead()) if passage.at else passage

    def _give_back(self, key: str, ticket: str) -> None:
        self._sharing.give_back(key, partial(breaker.leave, ticket=ticket), ticket)
