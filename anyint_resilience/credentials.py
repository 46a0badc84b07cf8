"""Keys: where they come from, which header they go in, and which hosts may see them.

Must not know any client: headers are pairs of bytes as they go on the wire. Keys go to AnyInt hosts
only, over https only (http to a loopback address), and never into a repr.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from .contract.routes import ANTHROPIC_VERSION
from .contract.words import AuthStyle, Family
from .exceptions import ResilienceError
from .forking import after_fork
from .headers import (
    AUTH_NAMES,
    HOST,
    NAMES,
    RETRIES,
    VERSION,
    HeaderEdit,
    LoweredHeaders,
    RawHeaders,
    caller_key,
    looked_at,
    outer_retries,
    token,
)
from .keys import MAX_SEEN, Seen, key_id, key_problem

if TYPE_CHECKING:
    from .router import Plan

__all__ = ["Credentials", "HeaderEdit", "KeySource", "LoweredHeaders", "RawHeaders", "outer_retries"]

KeySource: TypeAlias = "str | Callable[[], str | Awaitable[str]] | None"
"""A key, a callable that returns one (or, with async clients, an awaitable of one), or None: the caller's own."""

_BEARER = AuthStyle.BEARER  # an enum's member costs a look-up each time it is named by its class
_FRAMING = frozenset({HOST, b"content-length", b"transfer-encoding"})  # without which a request is another one
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Credentials:
    """The key of one configuration and the rules for where it goes.

    Shared between calls and threads: the only things that change are the keys got from a callable and
    the set of keys seen on AnyInt hosts, so that none of them is let out elsewhere.
    """

    def __init__(self, source: KeySource, knows: Callable[[bytes], bool] = lambda host: True) -> None:
        self._source = source
        self._knows = knows
        self._hosts: set[bytes | str] = set()
        self._key: bytes | None = source.encode() if isinstance(source, str) else None
        self._ours: set[bytes] = set()
        self._seen = Seen()
        self._bearers: set[bytes | str] = set()
        self._keys: set[bytes | str] = set()
        self.lane: dict[Any, Plan] = {}
        """Requests that were in order, by what makes them so (their key's header among it), with their plans."""
        if self._key is not None:
            self._remember(self._key)
        after_fork(self, Credentials._forked)

    def _forked(self) -> None:
        self.lane.clear()  # its plans are the parent's

    def __repr__(self) -> str:
        kind = "callable" if callable(self._source) else "none" if self._source is None else "fixed"
        return f"Credentials({kind})"

    @property
    def wants_key(self) -> bool:
        """Whether the callable has not been asked yet."""
        return self._key is None and self._source is not None

    def ask(self, used: bytes | None) -> Any:
        """Ask the callable for a key because ``used`` was refused (None: there is none yet).

        Returns what the callable returns (perhaps an awaitable), or None if there is nobody to ask or
        another call already brought a key that is not ``used``.
        """
        if not callable(self._source) or self._key != used:
            return None
        return self._source()

    def rotated(
        self, headers: RawHeaders, family: Family | None, style: AuthStyle, used: bytes | None
    ) -> HeaderEdit | None:
        """Return the edit that puts the new key where ``used`` was refused; None if there is no new one.

        A key that never came from our source is the caller's own, and left alone.
        """
        if self._key == used or used not in self._ours:
            return None
        return self.replacing(headers, family, style)

    def replacing(self, headers: RawHeaders, family: Family | None, style: AuthStyle) -> HeaderEdit | None:
        """Return the edit that puts this key on, whatever key the headers have; None: there is none to put on."""
        bare = [(name, value) for name, value in headers if name.lower() not in AUTH_NAMES]
        fresh = self.edit(bare, family, style, secure=True)
        taken = frozenset(name.lower() for name, _ in headers if name.lower() in AUTH_NAMES)
        return None if fresh is None else HeaderEdit(fresh.remove | taken, fresh.add)

    def accept(self, answer: object) -> None:
        """Take what :meth:`ask` gave, once awaited. Raises ResilienceError if it can't be a key."""
        if answer is None:
            return
        problem = key_problem(answer)
        if problem is not None:
            raise ResilienceError(f"the key source returned something that can't be a key: it {problem}")
        self._key = str(answer).encode()
        if len(self._ours) >= MAX_SEEN:
            self._ours.clear()
        self._ours.add(self._key)
        self._remember(self._key)

    def in_order(self, headers: LoweredHeaders, style: AuthStyle) -> bool:
        """Whether the headers can go to an AnyInt host as they are, and no layer above has retried.

        One pass, for the fast lane; where it says no, :meth:`edit` looks closer.
        """
        if style is _BEARER:
            right_name, good, version = b"authorization", self._bearers, True
        else:
            right_name, good, version = b"x-api-key", self._keys, False  # this family also wants a version
        right = False
        for _, name, value in headers:
            if name in NAMES:
                if name == right_name:
                    if right:
                        return False  # twice: a server may take either
                    if value not in good and not self._vet(value, style):
                        return False
                    right = True
                elif name == VERSION:
                    version = version or value != b""
                elif name == HOST:
                    if value not in self._hosts and not self.at_home(value):
                        return False
                elif name != RETRIES or value != b"0":
                    return False
        return right and version

    def in_order_by_name(
        self,
        style: AuthStyle,
        bearer: str | bytes | None,
        key: str | bytes | None,
        google: object,
        retries: object,
        version: object,
        host: str | bytes | None,
    ) -> bool:
        """Do as :meth:`in_order` for clients whose headers are a mapping; None: there is no such header.

        The values are those of ``Authorization``, ``x-api-key``, ``x-goog-api-key``, ``x-stainless-retry-count``,
        ``anthropic-version`` and ``Host``. Positional, since this is most of what a good call costs.
        """
        if host is not None and host not in self._hosts and not self.at_home(host):
            return False
        if google is not None or (retries is not None and retries != "0"):
            return False
        if style is _BEARER:
            return key is None and bearer is not None and (bearer in self._bearers or self._vet(bearer, style))
        right = bearer is None and key is not None and (key in self._keys or self._vet(key, style))
        return right and version is not None and version != ""

    def at_home(self, host: str | bytes) -> bool:
        """Whether a ``Host`` header leaves a request where its URL leads: a front server goes by the header alone."""
        if not self._knows(host.encode("latin-1", "replace") if isinstance(host, str) else host):
            return False
        if len(self._hosts) >= MAX_SEEN:
            self._hosts.clear()
        self._hosts.add(host)
        return True

    def stray(self, headers: RawHeaders) -> bytes | None:
        """Return the ``Host`` header by which a request to AnyInt is for somebody else, None without one."""
        for name, value in headers:
            if name.lower() == HOST and value not in self._hosts and not self.at_home(value):
                return value
        return None

    def _vet(self, value: str | bytes, style: AuthStyle) -> bool:
        """Look closely at a header value not met before; a good one is known from then on."""
        raw = value.encode("latin-1", "replace") if isinstance(value, str) else value
        key, good = (token(raw), self._bearers) if style is _BEARER else (raw.strip(), self._keys)
        if not key or raw != raw.strip() or _CONTROL.search(raw):  # which a client would refuse, and show
            return False
        self._remember(key)
        if len(good) >= MAX_SEEN:
            good.clear()  # one key may come in many a spelling
        good.add(value)
        return True

    def edit(self, headers: RawHeaders, family: Family | None, style: AuthStyle, *, secure: bool) -> HeaderEdit | None:
        """Return what must change so that the right header, and no other, carries the key; None: nothing.

        A right header the caller set is left alone; without a configured key, the caller's own key is
        moved to the right header. Not ``secure`` (plain http to another machine): every key comes off.

        Raises:
            ResilienceError: if a key of the caller's has a line break or another control character in it.
        """
        found, there, version = looked_at(headers)
        if found:
            self._meet(headers)
        if not secure:
            within = self.strip(headers)
            taken = frozenset(found) | (frozenset() if within is None else within.remove)
            return HeaderEdit(taken) if taken else None
        right = b"authorization" if style is _BEARER else b"x-api-key"
        own = token(found.get(right, b"")) if style is _BEARER else found.get(right, b"")
        remove: set[bytes] = set()
        add: list[tuple[bytes, bytes]] = []
        key = own
        if own:
            remove = set(found) - {right}
            given = [value for name, value in headers if name.lower() == right]
            if len(given) > 1 or given[0] != given[0].strip():  # the line break of a file, at its end
                remove.add(right)
                add.append((b"Authorization", b"Bearer " + own) if style is _BEARER else (b"x-api-key", own))
        else:
            key = self._key if self._key is not None else caller_key(found)
            if key:
                # An empty or malformed header of the right name goes too: two of them would be refused.
                remove = set(found) | ({right} & there)
                add.append((b"Authorization", b"Bearer " + key) if style is _BEARER else (b"x-api-key", key))
        if key and key not in self._seen:
            self._remember(key)
        if family is Family.ANTHROPIC and not version:
            remove |= {VERSION} & there
            add.append((VERSION, ANTHROPIC_VERSION.encode()))
        return HeaderEdit(frozenset(remove), tuple(add)) if remove or add else None

    def strip(self, headers: RawHeaders) -> HeaderEdit | None:
        """Return what must come off a request to a foreign host: any header that holds a key of AnyInt's."""
        leaking = {name.lower() for name, value in headers if self._leaks(name.lower(), value)}
        return HeaderEdit(frozenset(leaking)) if leaking else None

    def _leaks(self, name: bytes, value: bytes) -> bool:
        """Whether a key of AnyInt's is in a header: in one for keys as its value, in any other somewhere within it."""
        if name in AUTH_NAMES:
            return any(it == self._key or it in self._seen for it in (value.strip(), token(value)))
        return name not in _FRAMING and self.holds(value.decode("latin-1"))

    def is_own(self, headers: RawHeaders, edit: HeaderEdit | None) -> bool:
        """Whether a request goes out with the key of this configuration, and not with one that it brought."""
        return self._key is not None and self.used(headers, edit) == self._key

    def knows(self, key: str) -> None:
        """Remember a key that goes out beside the configuration's own, so that it is let out nowhere else."""
        self._remember(key.encode())

    def holds(self, text: str) -> bool:
        """Whether a key that went out stands in a text: a server may write back what it was sent."""
        return self._seen.stand_in(text, self._key)

    def key_id(self) -> str | None:
        """Return what stands for the key of this configuration; None where each request brings its own."""
        return None if self._key is None else key_id(self._key).hex()

    def known(self, headers: RawHeaders, family: Family | None, style: AuthStyle, *, secure: bool) -> bytes | None:
        """Return the key that a request will go out with, as far as that stands before it is sent.

        What a callable gives is its own affair, and may be another one next time: None.
        """
        if callable(self._source):
            return self.used(headers, None)
        return self.used(headers, self.edit(headers, family, style, secure=secure))

    def used(self, headers: RawHeaders, edit: HeaderEdit | None) -> bytes | None:
        """Return the key a request goes out with."""
        final = headers if edit is None else edit.apply(headers)
        found = {name.lower(): value for name, value in final if name.lower() in AUTH_NAMES}
        return token(found.get(b"authorization", b"")) or found.get(b"x-api-key")

    def _meet(self, headers: RawHeaders) -> None:
        """Remember each key of a request to AnyInt, also one that comes off: its client may follow a redirect."""
        for name, value in headers:
            low = name.lower()
            if low in AUTH_NAMES:
                if _CONTROL.search(value.strip()):
                    raise ResilienceError(
                        f"what stands in the header {low.decode()} can't be a key: it holds a line break, or another "
                        "control character"
                    )
                key = token(value) or (b"" if low == b"authorization" else value.strip())
                if key:
                    self._remember(key)  # again, or it would be forgotten with those met long ago

    def _remember(self, key: bytes) -> None:
        if self._seen.add(key):  # it begins anew: what was found good then must be met again
            self._bearers.clear()
            self._keys.clear()
            self.lane.clear()
