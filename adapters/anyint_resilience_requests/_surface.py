"""The surface of requests that the driver works on: sending, peeking, closing, handing back.

Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.utils import rewind_body
from urllib3 import Retry, Timeout

from anyint_resilience import Resilience
from anyint_resilience.calls import Call
from anyint_resilience.credentials import HeaderEdit
from anyint_resilience.drive import Keyed
from anyint_resilience.effects import Peek, Peeked, Result, Send
from anyint_resilience.policy.model import Fault
from anyint_resilience.reports import attach
from anyint_resilience.router import MAX_CACHED, Plan
from anyint_resilience.surface import Body, Errors, Place, SurfaceBase, tells_off

from ._bodies import Tail, body_of, peek, replayed
from ._faults import fault_of

if TYPE_CHECKING:
    from . import ResilientAdapter

__all__ = ["Parcel", "Surface"]


class Parcel:
    """A request with what its session wants done with it, and the adapter that shall send it."""

    __slots__ = ("adapter", "cert", "original", "proxies", "request", "stream", "timeout", "verify")

    def __init__(
        self,
        adapter: BaseAdapter,
        request: requests.PreparedRequest,
        stream: bool,
        timeout: Any,
        verify: Any,
        cert: Any,
        proxies: Any,
    ) -> None:
        self.adapter = adapter
        self.request = request
        self.original = request  # what the caller gave: the response must not show our key
        self.stream = stream
        self.timeout = timeout
        self.verify = verify
        self.cert = cert
        self.proxies = proxies


class Surface(SurfaceBase[Parcel, requests.Response]):
    """What the driver needs of requests, around one adapter."""

    def __init__(self, anyint: Resilience | None, inner: BaseAdapter, owner: ResilientAdapter, errors: Errors) -> None:
        super().__init__(anyint)
        self.inner = inner
        self.owner = owner
        self.errors = errors
        self._plans: dict[tuple[str, str], Plan | None] = {}

    def ticket(self, parcel: Parcel) -> Plan | Keyed[Parcel] | Call | None:
        """Look the request up; the fast lane is for requests with nothing special about them."""
        request = parcel.request
        try:
            plan = self._plans[request.method, request.url]  # type: ignore[index]
        except (KeyError, TypeError):
            plan = self._look_up(parcel)
        if plan is None:
            return None
        if second_layer(self.inner) is not None:
            parcel.adapter = alone(self.inner)
        if not self.quick(parcel, plan):
            return self.open_call(parcel, plan, self.monotonic())
        return plan if self._in_order(request, plan) else self.keyed(parcel, plan)

    def _in_order(self, request: requests.PreparedRequest, plan: Plan) -> bool:
        held: Any = getattr(request.headers, "_store", None)  # by lower-case name: (name, value)
        if not isinstance(held, dict):
            return False
        bearer, key = held.get("authorization"), held.get("x-api-key")
        version, retries = held.get("anthropic-version"), held.get("x-stainless-retry-count")
        return self.anyint.credentials.in_order_by_name(
            plan.style,
            bearer=None if bearer is None else bearer[1],
            key=None if key is None else key[1],
            others=(held.get("x-goog-api-key"), None if retries is None else retries[1]),
            version=None if version is None else version[1],
        )

    def _look_up(self, parcel: Parcel) -> Plan | None:
        """Look up by the URL's parts, and remember under the URL where it holds no query."""
        url, method = parcel.request.url, parcel.request.method
        if not isinstance(url, str) or not isinstance(method, str):
            return None  # prepared by hand, and not wholly: requests will say so
        try:
            plan = self.anyint.router.plan(*self.place_of(parcel)[:3], method, self.place_of(parcel)[3])
        except ValueError:  # no URL that anybody could ask
            return None
        if "?" not in url and "@" not in url:
            if len(self._plans) >= MAX_CACHED:
                self._plans.clear()
            self._plans[method, url] = plan
        return plan

    def method_of(self, parcel: Parcel) -> str:
        """Return the method."""
        return parcel.request.method or ""

    def place_of(self, parcel: Parcel) -> Place:
        """Return where it goes. Raises ValueError for a URL that can't be read."""
        parts = urlsplit(parcel.request.url or "")
        target = parts.path or "/"
        target = f"{target}?{parts.query}" if parts.query else target
        return parts.scheme, parts.hostname or "", parts.port, target.encode("utf-8", "replace")

    def raw_of(self, parcel: Parcel) -> list[tuple[bytes, bytes]]:
        """Return its headers."""
        return [(_bytes(name), _bytes(value)) for name, value in (parcel.request.headers or {}).items()]

    def body_of(self, parcel: Parcel) -> Body:
        """Return its body."""
        return body_of(parcel.request)

    def remarks(self, parcel: Parcel) -> Iterable[str]:
        """Tell of urllib3's own retries below us."""
        retry = second_layer(self.inner)
        if retry is None:
            return ()
        said = f"a second retry layer: the adapter below has urllib3's Retry(total={retry.total}); "
        return (said + "it was left out of this call, so that attempts do not multiply",)

    def send(self, parcel: Parcel) -> requests.Response:
        """Put a request on the wire."""
        response = parcel.adapter.send(
            parcel.request,
            stream=parcel.stream,
            timeout=parcel.timeout,
            verify=parcel.verify,
            cert=parcel.cert,
            proxies=parcel.proxies,
        )
        if parcel.request is not parcel.original:
            response.request = parcel.original
        return response

    def status(self, response: requests.Response) -> int:
        """Return the HTTP status."""
        return response.status_code

    def headers(self, response: requests.Response) -> list[tuple[str, str]]:
        """Return the headers as pairs."""
        return list(response.headers.items())

    def fault(self, error: Exception) -> Fault:
        """Tell an exception of the client apart by its class; its text is never kept."""
        return fault_of(error)

    def rewrite(self, parcel: Parcel, effect: Send) -> Parcel:
        """Return the request for one attempt: a copy with its own headers, time-outs and a rewound file."""
        if effect.number > 1 and not isinstance(parcel.request.body, (str, bytes, type(None))):
            rewind_body(parcel.request)
        if effect.edit is None and effect.remaining is None:
            return parcel
        request = parcel.request
        if effect.edit is not None:
            request = _edited(request, effect.edit)
        timeout = parcel.timeout
        if effect.remaining is not None:
            timeout = _bounded(timeout, max(0.001, effect.remaining))
        made = Parcel(parcel.adapter, request, parcel.stream, timeout, parcel.verify, parcel.cert, parcel.proxies)
        made.original = parcel.original
        return made

    def clean(self, response: requests.Response, plan: Plan) -> bool:
        """Hand over a good first answer, with just enough on it to make a report of."""
        if response.status_code >= 400:
            return False
        self._mark(response, plan)
        return True

    def deliver(self, response: requests.Response, call: Call, result: Result[requests.Response]) -> requests.Response:
        """Hand over the last real response."""
        self._mark(response, result.report)
        if tells_off(result):
            response.headers["x-should-retry"] = "false"
        tail = _tail(response)
        if tail is not None and response.status_code >= 400:
            tail.lenient = True
        if call.deadline is not None and hasattr(response.raw, "release_conn"):
            tail = replayed(response, Tail(b"", response.raw)) if tail is None else tail
            tail.check = self.checker(call)
        return response

    def _mark(self, response: requests.Response, what: Any) -> None:
        attach(response, what)
        response.connection = self.owner  # auth handlers send their second request by it

    def peek(self, response: requests.Response, effect: Peek[requests.Response]) -> Peeked:
        """Read the start of the body and put it back."""
        return peek(response, effect, self.monotonic)

    def discard(self, response: requests.Response) -> None:
        """Close a response that nobody will see."""
        response.close()


def second_layer(adapter: BaseAdapter) -> Retry | None:
    """Return the urllib3 ``Retry`` of an adapter that would send again by itself, None if it would not."""
    retry = getattr(adapter, "max_retries", None)
    if not isinstance(retry, Retry) or retry.total is False or retry.total == 0:
        return None
    return retry


def alone(adapter: BaseAdapter) -> BaseAdapter:
    """Return the same adapter, with the same pools, whose urllib3 sends once only."""
    twin: BaseAdapter = object.__new__(type(adapter))
    twin.__dict__.update(adapter.__dict__)
    twin.max_retries = Retry(0, read=False)  # type: ignore[attr-defined]  # requests' own default
    return twin


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("latin-1", "replace")


def _edited(request: requests.PreparedRequest, edit: HeaderEdit) -> requests.PreparedRequest:
    made = request.copy()
    for name in edit.remove:
        made.headers.pop(name.decode("ascii"), None)
    for name, value in edit.add:
        made.headers[name.decode("ascii")] = value.decode("latin-1")
    return made


def _bounded(timeout: Any, left: float) -> Any:
    """Return a time-out of requests that is no longer than ``left``; what is none stays, for requests to say."""
    if timeout is None:
        return left
    if isinstance(timeout, Timeout):
        made = timeout.clone()
        made.total = left if not isinstance(made.total, (int, float)) else min(left, made.total)
        return made
    if isinstance(timeout, tuple):
        return tuple(_bounded(part, left) for part in timeout)
    return min(left, timeout) if isinstance(timeout, (int, float)) else timeout


def _tail(response: requests.Response) -> Tail | None:
    held = getattr(response.raw, "_fp", None)
    return held if isinstance(held, Tail) else None
