"""The exceptions of aiohttp, told apart by their class.

Must not read an exception's text, nor decide anything.
"""

from __future__ import annotations

from asyncio import TimeoutError as AsyncTimeout  # another class than the builtin one before Python 3.11
from typing import Final

import aiohttp

from anyint_resilience.faults import KindTable, first_fit, tls_or
from anyint_resilience.policy.model import Fault, FaultKind

__all__ = ["AsyncTimeout", "fault_of"]

KINDS: Final[KindTable] = (
    (aiohttp.ConnectionTimeoutError, FaultKind.CONNECT_TIMEOUT),
    ((aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch), FaultKind.TLS_CERTIFICATE),
    (aiohttp.ClientConnectorSSLError, FaultKind.TLS_ERROR),
    ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), FaultKind.PROXY_ERROR),
    (aiohttp.ClientConnectorError, FaultKind.CONNECT_ERROR),
    ((AsyncTimeout, TimeoutError), FaultKind.READ_TIMEOUT),
    ((aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError), FaultKind.PROTOCOL_ERROR),
    (aiohttp.ClientConnectionResetError, FaultKind.WRITE_ERROR),
    ((aiohttp.ClientOSError, aiohttp.ClientPayloadError), FaultKind.READ_ERROR),
    (aiohttp.InvalidURL, FaultKind.LOCAL_ERROR),
)


def fault_of(error: Exception) -> Fault:
    """Return what kind of fault an exception is; one that is not the client's is unknown."""
    kind = first_fit(KINDS, error)
    if kind is FaultKind.CONNECT_ERROR:
        kind = tls_or(kind, error)
    return Fault(FaultKind.UNKNOWN if kind is None else kind, type(error).__name__)
