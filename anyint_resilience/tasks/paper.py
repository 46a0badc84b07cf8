"""``Paper``: what is told to the ledger of a paid create. Must not know any client, store or rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["NO_PAPER", "Paper"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What the ledger is told of a paid create, and what the create itself carries for it.

    ``ident``: its own name there; ``content``: the body as the caller gave it, ``print``: its hash; ``again`` and
    ``before``: what a repetition gets (see ``entries.begin``); ``facts``: what its task's handle is made of; ``mount``:
    the path before the contract's own; ``mark``: what it carries to be found by, in ``body``, which is sent in its own
    one's place.
    """

    ident: str = ""
    content: bytes | None = field(default=None, repr=False)
    print: str = ""
    before: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    mount: bytes = b""
    again: str = ""
    mark: str = ""
    body: bytes | None = field(default=None, repr=False)


NO_PAPER = Paper()
