"""What is remembered of each paid create, as pure steps over a store.

Must not know any client or clock. A create is entered before it is sent and settled when its fate is
known; while the fate of one is unknown, the same create is refused.
"""

from __future__ import annotations

from functools import partial

from ..contract.words import Certainty
from ..stores.protocol import State, Step, Store

__all__ = ["Ledger", "begin", "intent_of", "settle"]

_PREFIX = "create:"


def begin(state: State | None, now: float, *, window: float) -> tuple[State | None, float | None]:
    """Enter a create that is about to be sent.

    Verdict: None to go ahead, or how many seconds ago the same create ended with an unknown outcome.
    Creates in flight do not refuse each other: asking twice for the same prompt is legitimate.
    """
    state = {"in_flight": 0, "unknown_at": None} if state is None else dict(state)
    unknown_at = state["unknown_at"]
    if unknown_at is not None and now - unknown_at < window:
        return state, max(0.0, now - unknown_at)
    return {"in_flight": state["in_flight"] + 1, "unknown_at": None}, None


def settle(state: State | None, now: float, *, certainty: Certainty) -> tuple[State | None, None]:
    """Record the fate of a create that was entered. Only an unknown one is worth remembering."""
    in_flight = 0 if state is None else max(0, state["in_flight"] - 1)
    unknown_at = None if state is None else state["unknown_at"]
    if certainty is Certainty.UNKNOWN:
        unknown_at = now
    if not in_flight and unknown_at is None:
        return None, None
    return {"in_flight": in_flight, "unknown_at": unknown_at}, None


def intent_of(*parts: bytes) -> str:
    """Return the name of a create in the ledger: a hash of what makes it this create and no other."""
    from hashlib import blake2b  # late: most programs never need it, and it costs every one of them at import

    digest = blake2b(digest_size=16, person=b"anyint-intent")
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


class Ledger:
    """The ledger of one :class:`~anyint_resilience.Resilience`: where the steps above are kept.

    ``window`` is how long, in seconds, a create of unknown outcome is refused. ``spare`` is this process's memory:
    it serves while ``store`` fails.
    """

    def __init__(self, store: Store, *, spare: Store, window: float) -> None:
        self.store = store
        self.spare = spare
        self.window = window
        self.enter: Step = partial(begin, window=window)

    def key(self, intent: str) -> str:
        """Return the store's key of an intent."""
        return _PREFIX + intent

    def leave(self, certainty: Certainty) -> Step:
        """Return the step that settles a create."""
        return partial(settle, certainty=certainty)

    def forget(self, intent: str) -> bool:
        """Let a create of unknown outcome be sent again: the application has looked, and decided.

        ``intent`` is ``OutcomeUnknown.intent``. Returns whether it was known here; one that is not is no error, but
        may be another configuration's, which goes on holding it back.
        """
        known = [store.update(self.key(intent), _nothing, self.window) for store in (self.store, self.spare)]
        return any(known)

    def unknown(self) -> tuple[str, ...]:
        """Return the intents whose outcome is unknown now."""
        return tuple(k[len(_PREFIX) :] for k, s in self.store.scan(_PREFIX) if s["unknown_at"] is not None)


def _nothing(state: State | None, now: float) -> tuple[None, bool]:
    return None, state is not None
