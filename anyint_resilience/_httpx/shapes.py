"""The shapes of httpx and httpx2 objects that we touch, as Protocols, and the kit that binds a client.

Must not import either client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

__all__ = ["AsyncInner", "Kit", "Q", "R", "RequestLike", "ResponseLike", "SyncInner"]


class UrlLike(Protocol):
    """A client's URL."""

    @property
    def scheme(self) -> str: ...
    @property
    def raw_host(self) -> bytes: ...
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
_Q_contra = TypeVar("_Q_contra", contravariant=True)
_R_co = TypeVar("_R_co", covariant=True)


class SyncInner(Protocol[_Q_contra, _R_co]):
    """A client's transport."""

    def handle_request(self, request: _Q_contra) -> _R_co: ...


class AsyncInner(Protocol[_Q_contra, _R_co]):
    """A client's async transport."""

    async def handle_async_request(self, request: _Q_contra) -> _R_co: ...


@dataclass(frozen=True, kw_only=True)
class Kit:
    """One client library: its module, and our streams that derive from its own."""

    module: Any
    replay_sync: Callable[..., Any]
    replay_async: Callable[..., Any]
    multipart: type = field(init=False)

    def __post_init__(self) -> None:
        # The one stream class besides ByteStream that can be read twice has no public name.
        sample = self.module.Request("POST", "https://localhost", files={"file": b""})
        object.__setattr__(self, "multipart", type(sample.stream))
