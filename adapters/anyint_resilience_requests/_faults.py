"""The exceptions of requests, told apart by their class and by what lies behind them.

Must not read an exception's text, nor decide anything.
"""

from __future__ import annotations

import http.client
from typing import Final

import requests
import urllib3.exceptions as below
from requests import exceptions as above

from anyint_resilience.faults import KindTable, causes, first_fit, tls_or
from anyint_resilience.policy.model import Fault, FaultKind

__all__ = ["as_requests", "fault_of"]

KINDS: Final[KindTable] = (
    (above.InvalidHeader, FaultKind.PROTOCOL_ERROR),  # the answer's: the request's were looked at before
    # Nothing went out: requests could not make a request of it.
    (
        (above.UnrewindableBodyError, above.InvalidURL, above.InvalidSchema, above.MissingSchema),
        FaultKind.LOCAL_ERROR,
    ),
    (requests.ConnectTimeout, FaultKind.CONNECT_TIMEOUT),
    (requests.Timeout, FaultKind.READ_TIMEOUT),
    (above.ProxyError, FaultKind.PROXY_ERROR),
    # urllib3 raises the same class for a failed handshake and for TLS that breaks when the request is out.
    ((above.SSLError, above.ChunkedEncodingError, above.ContentDecodingError), FaultKind.READ_ERROR),
)
BEHIND: Final[KindTable] = (
    ((below.NewConnectionError, below.ConnectTimeoutError, below.LocationValueError), FaultKind.CONNECT_ERROR),
    ((below.EmptyPoolError, below.ClosedPoolError), FaultKind.POOL_TIMEOUT),
    (below.ReadTimeoutError, FaultKind.READ_TIMEOUT),
    (http.client.HTTPException, FaultKind.PROTOCOL_ERROR),
    ((OSError, below.HTTPError), FaultKind.READ_ERROR),
)
"""What a ``requests.ConnectionError`` was made of."""

IN_BODY: Final = (
    (below.ProtocolError, above.ChunkedEncodingError),
    (below.DecodeError, above.ContentDecodingError),
    (below.ReadTimeoutError, requests.ConnectionError),
    (below.SSLError, above.SSLError),
)
"""What requests makes of urllib3's exceptions in the middle of a body (``Response.iter_content``)."""


def fault_of(error: Exception) -> Fault:
    """Return what kind of fault an exception is; one that is not the client's is unknown."""
    kind = first_fit(KINDS, error)
    if kind is FaultKind.PROXY_ERROR and not _unconnected(error):
        kind = FaultKind.READ_ERROR
    if isinstance(error, above.SSLError) and tls_or(FaultKind.UNKNOWN, error) is FaultKind.TLS_CERTIFICATE:
        kind = FaultKind.TLS_CERTIFICATE
    if kind is None and isinstance(error, (requests.ConnectionError, below.HTTPError)):
        kind = first_fit(BEHIND, *(it for it in causes(error) if not isinstance(it, requests.RequestException)))
    if kind is None:
        # A CA bundle or certificate that is not there, or an impossible time-out: raised before anything is sent.
        bare = type(error) is ValueError or (type(error) is OSError and error.errno is None)
        kind = FaultKind.LOCAL_ERROR if bare else FaultKind.UNKNOWN
    return Fault(kind, type(error).__name__)


def _unconnected(error: Exception) -> bool:
    """Whether a proxy was never got through.

    urllib3 also calls it a proxy's error when the connection is lost after the request went out: http.client closes it,
    and a closed connection has forgotten that it was connected. An ``OSError`` without a number is a refused CONNECT.
    """
    return any(
        isinstance(cause, (below.NewConnectionError, below.ConnectTimeoutError))
        or (type(cause) is OSError and cause.errno is None)
        for cause in causes(error)
    )


def as_requests(error: Exception) -> Exception:
    """Return what requests itself would raise for an error in the middle of a body."""
    for theirs, ours in IN_BODY:
        if isinstance(error, theirs):
            made = ours(error)
            made.__cause__ = error
            return made
    return error
