"""What the checks of one run share: the configuration, the way to the gateway, what is known of it, and the time left.

Must not know any check but by the id of the one that blocks others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ...config import Resilience
from ...configuring import Loaded, load
from ...contract.routes import HOSTS
from ...guards.settings import Guards
from ...keys import key_problem
from ...policy.rules import Policy
from ...router import gateway_url, host_problem
from ...runtime import Runtime
from ..bounded import Late, within
from ..masking import Mask
from ..terminal import Problem, tell
from .finding import Blocked
from .sending import Ask, Reply, Sender, sender_for

if TYPE_CHECKING:
    from .listing import Listing
    from .shapes import Anatomy

__all__ = ["NO_PATHS", "PAID_TIMEOUT", "TIMEOUT", "Context", "Options"]

TIMEOUT: Final = 60.0
PAID_TIMEOUT: Final = 900.0
"""Seconds for a whole run without ``--timeout``."""

NO_PATHS: Final = frozenset(("v1", "v1beta", "api"))
"""What users put behind the host of a base URL and AnyInt has not: left out, so that the other checks see more."""

_REQUEST: Final = 10.0  # seconds for a request that makes nothing
_LEAST: Final = 0.05
_GRACE: Final = 0.25  # seconds that a check keeps to say what became of its request
_CLOSING: Final = 3.0  # seconds for each thing that is closed
_EVERY_REQUEST: Final = (
    "Every request needs it: look at the variables of proxies and certificates, and install the client anew."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asked for."""

    base_url: str | None = None
    config: str | None = None
    models: tuple[str, ...] = ()
    client: str | None = None
    callback_url: str | None = None
    allow_paid: bool = False
    timeout: float = 60.0

    @property
    def patience(self) -> float:
        """How many times as long as usual a check may take: ``--timeout`` against what it is without."""
        return max(1.0, self.timeout / (PAID_TIMEOUT if self.allow_paid else TIMEOUT))


@dataclass(slots=True)
class Context:
    """One run. ``until``: when the present check must have ended; ``met``: the statuses seen, and by which check."""

    options: Options
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    runtime: Runtime = field(default_factory=Runtime)
    until: float = 0.0
    running: str = ""
    met: dict[int, str] = field(default_factory=dict)
    mask: Mask = field(init=False)
    loaded: Loaded = field(init=False)
    listing: Listing | None = None
    anatomy: Anatomy | None = None
    cleanups: list[Callable[[], object]] = field(default_factory=list)
    _sender: Sender | None = None
    _foreign: Sender | None = None

    def __post_init__(self) -> None:
        keywords = {} if self.options.base_url is None else {"base_url": self.options.base_url}
        self.loaded = load(self.options.config, environ=self.environ, search=True, keywords=keywords)
        secret = self.loaded.arguments.get("api_key")
        self.mask = Mask.of(self.environ)
        self.mask.add(secret)

    # what is configured

    @property
    def key(self) -> str:
        """The key, usable or not; an empty text where there is none."""
        found = self.loaded.arguments.get("api_key")
        return found if isinstance(found, str) else ""

    @property
    def policy(self) -> Policy:
        """The configured policy."""
        found = self.loaded.arguments.get("policy")
        return found if isinstance(found, Policy) else Policy()

    @property
    def base_url(self) -> str:
        """The base URL as it was given, or AnyInt's own."""
        found = self.loaded.arguments.get("base_url")
        return found if isinstance(found, str) else f"https://{HOSTS[0]}"

    @property
    def url(self) -> str:
        """Where the gateway is, without the contract's own path. Raises Blocked where that can't be known."""
        problem = host_problem(self.base_url)
        if problem is not None:
            raise Blocked("base-url", f"the base URL {problem}")
        gateway = gateway_url(self.base_url)
        head, _, last = gateway.rpartition("/")
        return head if last in NO_PATHS and head.count("/") == 2 else gateway

    def problems(self, about: Iterable[str] = (), *, but: Iterable[str] = ()) -> list[str]:
        """Return the configuration's problems: those ``about`` these settings, or all ``but`` those about these."""
        if about:
            return [it for it in self.loaded.problems if it.startswith(tuple(about))]
        return [it for it in self.loaded.problems if not it.startswith(tuple(but))]

    # the way to the gateway

    @property
    def sender(self) -> Sender:
        """A client with our layer, which shares nothing with the application: no store, no guards.

        Raises Blocked where there can be none.
        """
        if self._sender is None:
            from .address import hold_back
            from .key import refused

            blocked = refused(self) or hold_back(self)
            if blocked is not None:
                raise blocked
            assert key_problem(self.key) is None
            anyint = Resilience(
                api_key=self.key, base_url=self.url, guards=Guards.off(), spans="off", runtime=self.runtime
            )
            self._sender = self._made(anyint)
        return self._sender

    @property
    def foreign_sender(self) -> Sender:
        """A client for other hosts, which knows no key. Raises Blocked where there can be none."""
        if self._foreign is None:
            anyint = Resilience(guards=Guards.off(), spans="off", runtime=self.runtime)
            self._foreign = self._made(anyint)
        return self._foreign

    def _made(self, anyint: Resilience) -> Sender:
        try:
            made = sender_for(anyint, self.environ)
        except Problem as problem:
            raise Blocked(self._culprit(), self.mask.foreign(problem), _EVERY_REQUEST) from None
        self.cleanups.append(made.close)
        return made

    def _culprit(self) -> str:
        """Return which check should tell why no client can be made."""
        from .proxies import named_proxies, unusable

        if unusable(self.environ):
            return "certificates"
        return "proxies" if named_proxies(self.environ) else "versions"

    def left(self, most: float = _REQUEST) -> float:
        """Seconds that a request of the present check may take."""
        most *= self.options.patience
        return max(_LEAST, min(most, self.until - self.runtime.monotonic() - _GRACE))

    def send(self, method: str, path: str, body: object = None, *, seconds: float = _REQUEST, **more: Any) -> Reply:
        """Ask the gateway for something by its path. Raises Blocked where nothing may be sent."""
        sender = self.sender
        reply = sender.send(Ask(method=method, url=self.url + path, body=body, seconds=self.left(seconds), **more))
        if reply.status:
            self.met.setdefault(reply.status, self.running)
        return reply

    def close(self) -> None:
        """Close what was opened. Nothing that fails in it matters any more, and what hangs is left behind."""
        while self.cleanups:
            _leave(self.cleanups.pop())


def _leave(close: Callable[[], object]) -> None:
    try:
        within(_CLOSING, close, name="closing")
    except Late:
        tell("what was opened can't be closed: it hangs, and was left as it is")
    except Exception:
        return
