"""What clients' exceptions have in common below their own classes: the causes they were raised from.

Must not import any client, nor read an exception's text.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import TypeAlias

from .policy.model import FaultKind

__all__ = ["KindTable", "causes", "first_fit", "tls_or"]

KindTable: TypeAlias = "tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], FaultKind], ...]"
"""A client's exception classes and what each says; the first that fits counts."""

_DEPTH = 8


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what lies behind it: its causes, and the exceptions in its arguments.

    urllib3 and requests keep the real one in ``args`` or ``reason``. Never its context: that is whatever the
    application was handling when it made the call.
    """
    seen: BaseException | None = error
    for _ in range(_DEPTH):
        if seen is None:
            return
        yield seen
        inner = [it for it in (getattr(seen, "reason", None), *seen.args) if isinstance(it, BaseException)]
        seen = inner[0] if inner else seen.__cause__


def tls_or(kind: FaultKind, error: BaseException) -> FaultKind:
    """Return which TLS failure is behind a connect error, or the kind given where there is none."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return FaultKind.TLS_CERTIFICATE
        if isinstance(cause, ssl.SSLError):
            return FaultKind.TLS_ERROR
    return kind


def first_fit(table: KindTable, *errors: BaseException) -> FaultKind | None:
    """Return the kind of the first row that any of the exceptions belongs to."""
    return next((kind for kinds, kind in table if any(isinstance(error, kinds) for error in errors)), None)
