"""The exceptions of requests, told apart by their class and by what lies behind them.

Must not read an exception's text, nor decide anything.
"""

from __future__ import annotations

import http.client
from typing import Final

import requests
import urllib3.exceptions as below

from anyint_resilience.faults import causes, tls_or
from anyint_resilience.policy.model import Fault, FaultKind

__all__ = ["as_requests", "fault_of"]

LOCAL: Final = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
    requests.exceptions.UnrewindableBodyError,
    ValueError,
)
"""Nothing went out: requests could not make a request of it."""

KINDS: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], FaultKind], ...]] = (
    (LOCAL, FaultKind.LOCAL_ERROR),
    (requests.ConnectTimeout, FaultKind.CONNECT_TIMEOUT),
    (requests.Timeout, FaultKind.READ_TIMEOUT),
    (requests.exceptions.ProxyError, FaultKind.PROXY_ERROR),
    # urllib3 raises the same class for a failed handshake and for TLS that breaks when the request is out.
    (requests.exceptions.SSLError, FaultKind.READ_ERROR),
    (requests.exceptions.ChunkedEncodingError, FaultKind.READ_ERROR),
    (requests.exceptions.ContentDecodingError, FaultKind.READ_ERROR),
)
"""The client's exception classes and what each says; the first that fits."""

BEHIND: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], FaultKind], ...]] = (
    ((below.NewConnectionError, below.ConnectTimeoutError, below.LocationValueError), FaultKind.CONNECT_ERROR),
    ((below.EmptyPoolError, below.ClosedPoolError), FaultKind.POOL_TIMEOUT),
    (below.ReadTimeoutError, FaultKind.READ_TIMEOUT),
    (http.client.HTTPException, FaultKind.PROTOCOL_ERROR),
    ((OSError, below.HTTPError), FaultKind.READ_ERROR),
)
"""What a ``requests.ConnectionError`` was made of, innermost last."""


def fault_of(error: Exception) -> Fault:
    """Return what kind of fault an exception is; one that is not the client's is unknown."""
    name = type(error).__name__
    for kinds, kind in KINDS:
        if isinstance(error, kinds):
            certificate = isinstance(error, requests.exceptions.SSLError) and tls_or(kind, error)
            return Fault(FaultKind.TLS_CERTIFICATE if certificate is FaultKind.TLS_CERTIFICATE else kind, name)
    if isinstance(error, (requests.ConnectionError, below.HTTPError)):
        chain = [cause for cause in causes(error) if not isinstance(cause, requests.RequestException)]
        for kinds, kind in BEHIND:
            if any(isinstance(cause, kinds) for cause in chain):
                return Fault(kind, name)
    # A CA bundle or a client certificate that is not there is a bare OSError, raised before anything is sent.
    return Fault(FaultKind.LOCAL_ERROR if type(error) is OSError else FaultKind.UNKNOWN, name)


def as_requests(error: Exception) -> Exception:
    """Return what requests raises for an error in the middle of a body (``Response.iter_content``)."""
    if isinstance(error, below.ProtocolError):
        made: Exception = requests.exceptions.ChunkedEncodingError(error)
    elif isinstance(error, below.DecodeError):
        made = requests.exceptions.ContentDecodingError(error)
    elif isinstance(error, below.ReadTimeoutError):
        made = requests.ConnectionError(error)
    elif isinstance(error, below.SSLError):
        made = requests.exceptions.SSLError(error)
    else:
        return error
    made.__cause__ = error
    return made
