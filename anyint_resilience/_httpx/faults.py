"""The exceptions of httpx and httpx2, told apart by their class.

Must not import either client: classes are found by name in the client's own module, never by their text.
"""

from __future__ import annotations

from functools import lru_cache
from ssl import SSLError
from typing import Any

from ..faults import tls_or
from ..policy.model import Fault, FaultKind
from .shapes import Kit

__all__ = ["fault_of"]

FAULT_NAMES = {
    "ConnectError": FaultKind.CONNECT_ERROR,
    "ConnectTimeout": FaultKind.CONNECT_TIMEOUT,
    "PoolTimeout": FaultKind.POOL_TIMEOUT,
    "ProxyError": FaultKind.PROXY_ERROR,
    "WriteError": FaultKind.WRITE_ERROR,
    "WriteTimeout": FaultKind.WRITE_TIMEOUT,
    "ReadError": FaultKind.READ_ERROR,
    "CloseError": FaultKind.READ_ERROR,
    "NetworkError": FaultKind.READ_ERROR,
    "ReadTimeout": FaultKind.READ_TIMEOUT,
    "TimeoutException": FaultKind.READ_TIMEOUT,
    "RemoteProtocolError": FaultKind.PROTOCOL_ERROR,
    "LocalProtocolError": FaultKind.LOCAL_ERROR,
    "UnsupportedProtocol": FaultKind.LOCAL_ERROR,
    "InvalidURL": FaultKind.LOCAL_ERROR,
    "StreamError": FaultKind.LOCAL_ERROR,
}
"""The client's exception classes, by name in its module, and what each says."""


@lru_cache(maxsize=8)
def _kinds(module: Any) -> dict[type, FaultKind]:
    return {getattr(module, name): kind for name, kind in FAULT_NAMES.items()}


def fault_of(error: Exception, kit: Kit) -> Fault:
    """Return what kind of fault an exception is; one that is neither the client's nor our deadline's is unknown."""
    name, kinds = type(error).__name__, _kinds(kit.module)
    for parent in type(error).__mro__:
        kind = kinds.get(parent)
        if kind is FaultKind.CONNECT_ERROR:
            return Fault(tls_or(FaultKind.CONNECT_ERROR, error), name)
        if kind is not None:
            return Fault(kind, name)
    if isinstance(error, SSLError):  # not the client's own class: on an event loop TLS that broke comes up as it is
        return Fault(FaultKind.READ_ERROR, name)
    return Fault(FaultKind.READ_TIMEOUT if isinstance(error, TimeoutError) else FaultKind.UNKNOWN, name)
