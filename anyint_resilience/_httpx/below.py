"""What below our transport sends or connects again by itself. Must not import either client, nor change it."""

from __future__ import annotations

import warnings
from typing import Any

from ..eavesdropping import takes_any
from ..router import is_loopback

__all__ = ["Below"]


class Below:
    """One transport's inner one, looked at once.

    ``remarks``: what a call's report says of it; ``proxied``: it goes by a proxy that reads along; ``unchecked``: it
    takes any certificate.
    """

    __slots__ = ("_said", "_warning", "proxied", "remarks", "unchecked")

    def __init__(self, inner: Any) -> None:
        name = type(inner).__name__
        pool = getattr(inner, "_pool", None)
        connects = getattr(pool, "_retries", 0)
        self.proxied = _proxied(pool)
        self.unchecked = takes_any(getattr(pool, "_ssl_context", None))
        self.remarks: tuple[str, ...] = ()
        self._warning = ""
        self._said = False
        if "retry" in name.lower():
            self._warning = (
                f"a second retry layer: {name} below ours sends again by itself, paid creates too: take it off"
            )
            self.remarks = (self._warning,)
        elif isinstance(connects, int) and connects > 0:
            self.remarks = (f"a second retry layer: {name}(retries={connects}) below ours connects again by itself",)

    def told(self) -> tuple[str, ...]:
        """Return the remarks; the first time with a warning where a create may be paid for twice."""
        if self._warning and not self._said:
            self._said = True
            warnings.warn(self._warning, UserWarning, stacklevel=2)
        return self.remarks


def _proxied(pool: Any) -> bool:
    """Whether a pool's connections go by a proxy that reads along."""
    url = getattr(pool, "_proxy_url", None)
    return url is not None and not is_loopback(url.host.decode("latin-1"))
