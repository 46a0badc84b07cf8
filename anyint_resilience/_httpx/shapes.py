"""The shapes of httpx and httpx2 objects that we touch, as Protocols, and the kit that binds a client.

Must not import either client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from ..exceptions import DeadlineExceeded, OutcomeUnknown
from ..policy.model import FaultKind

__all__ = ["FAULT_NAMES", "Kit", "Q", "R", "RequestLike", "ResponseLike"]


class UrlLike(Protocol):
    """A client's URL."""

    @property
    def scheme(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int | None: ...
    @property
    def raw_path(self) -> bytes: ...


class HeadersLike(Protocol):
    """A client's headers."""

    @property
    def raw(self) -> list[tuple[bytes, bytes]]: ...
    def __setitem__(self, key: str, value: str, /) -> None: ...


class RequestLike(Protocol):
    """A client's request, as its transport is handed it."""

    method: str

    @property
    def url(self) -> UrlLike: ...
    @property
    def headers(self) -> HeadersLike: ...
    @property
    def stream(self) -> Any: ...
    @property
    def content(self) -> bytes: ...
    @property
    def extensions(self) -> Mapping[str, Any]: ...


class ResponseLike(Protocol):
    """A client's response, as its transport returns it."""

    status_code: int
    stream: Any
    extensions: Any

    @property
    def headers(self) -> HeadersLike: ...


Q = TypeVar("Q", bound=RequestLike)
R = TypeVar("R", bound=ResponseLike)

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


@dataclass(frozen=True, kw_only=True)
class Kit:
    """One client library: the classes we need of it, and ours that derive from its own."""

    module: Any
    replay_sync: Callable[..., Any]
    replay_async: Callable[..., Any]
    unknown: type[OutcomeUnknown]
    unknown_timeout: type[OutcomeUnknown]
    late: type[DeadlineExceeded]
    faults: dict[type, FaultKind] = field(init=False)
    multipart: type = field(init=False)

    def __post_init__(self) -> None:
        faults = {getattr(self.module, name): kind for name, kind in FAULT_NAMES.items()}
        object.__setattr__(self, "faults", faults)
        # The one stream class besides ByteStream that can be read twice has no public name.
        sample = self.module.Request("POST", "https://localhost", files={"file": b""})
        object.__setattr__(self, "multipart", type(sample.stream))
