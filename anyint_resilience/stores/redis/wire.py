"""The connections of one process to a Redis: one for updates, one on which news come. On the companion's loop.

Must not know what is sent: scripts go out all at once, and are loaded anew where the server has forgotten them.
"""

from __future__ import annotations

from asyncio import get_running_loop
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from redis.exceptions import NoScriptError, RedisError

from ...guards.twins import source
from ..protocol import StoreError
from . import links

__all__ = ["Command", "Wire", "in_words"]

_PIECE = 2.0  # seconds for which news are waited for at once
_SILENT = 30.0  # seconds without any, after which that connection is asked for a sign of life

Command: TypeAlias = "tuple[str, int, tuple[Any, ...]]"
"""A script's name, how many keys it has, and its keys and arguments."""


@cache
def _lua(name: str) -> bytes:
    here = Path(__file__).parent
    common = (here / "common.lua").read_text(encoding="utf-8")
    steps = source() if name == "guard" else ""
    return "\n".join((common, steps, (here / f"{name}.lua").read_text(encoding="utf-8"))).encode()


@cache
def _sha(name: str) -> str:
    from hashlib import sha1

    return sha1(_lua(name), usedforsecurity=False).hexdigest()


class Wire:
    """``client`` for updates, ``cluster`` says whether that is of many nodes."""

    def __init__(self, url: str) -> None:
        self.number = links.number_of(url)
        """The database's."""
        self.client: Any = None
        self.cluster = False
        self._url = url
        self._ways = [url]  # the URL, and the nodes of its cluster as far as they are known
        self._tried = 0
        self._ear: Any = None  # the client that subscribes
        self._seeds: list[Any] = []
        self._pubsub: Any = None
        self._channels: tuple[str, ...] = ()
        self._heard = self._asked = 0.0  # when anything came last, and when that was asked for

    async def open(self, *channels: str) -> None:
        """Connect, load the scripts and subscribe. Raises what redis-py does."""
        await self.close()
        url = self._ways[self._tried % len(self._ways)]
        self._tried += 1
        self.client, self.cluster, self._channels = links.client_of(url), False, channels
        if await self._info():
            await links.close(self.client)
            self.client, self.cluster = links.cluster_of(url), True
            self._seeds = list(self.client.nodes_manager.startup_nodes.values())  # it will have others soon
            await self.client.initialize()
            nodes = [(it.host, it.port) for it in self.client.get_primaries()]
            self._ways = [self._url, *(links.elsewhere(self._url, *it) for it in nodes)]
        await self._load()
        self._ear = links.node_of(url, self.client) if self.cluster else self.client
        await self._subscribe()
        self._tried -= 1  # that way again, the next time

    async def fetch(self, keys: list[str]) -> list[Any]:
        """Return what stands under some keys, all at once. Raises what redis-py does."""
        pipe = self.client.pipeline(transaction=False)
        for key in keys:
            pipe.get(key)
        return list(await pipe.execute(raise_on_error=False)) if keys else []

    async def heard(self) -> tuple[str, bytes] | None:
        """Wait a while for news: the channel and what was said there; None if there were none.

        Raises what redis-py does where that connection was lost, OSError where it is silent though it was asked for a
        sign of life; :meth:`hear_again` opens another.
        """
        message = await self._pubsub.get_message(timeout=_PIECE)
        now = get_running_loop().time()
        if message is not None:
            self._heard = now
            channel = message["channel"]
            return None if channel is None else (channel.decode(), message["data"])  # a pong has none
        if now - self._heard > 2 * _SILENT:
            raise OSError("silent")
        if now - max(self._heard, self._asked) > _SILENT:
            self._asked = now
            await self._pubsub.ping()
        return None

    async def hear_again(self) -> None:
        """Subscribe anew. Raises what redis-py does."""
        with suppress(RedisError, OSError):
            await self._pubsub.aclose()
        await self._subscribe()

    async def subscribers(self, channel: str) -> int:
        """Return how many have subscribed, at any node."""
        nodes = self.client.get_primaries() if self.cluster else [self.client]
        said = [await node.execute_command("PUBSUB", "NUMSUB", channel) for node in nodes]
        return sum(int(it[1]) for it in said)

    async def close(self) -> None:
        """Let go of the connections."""
        ear = None if self._ear is self.client else self._ear
        pubsub, client = self._pubsub, self.client
        self._pubsub = self._ear = self.client = None
        with suppress(RedisError, OSError):
            if pubsub is not None:
                await pubsub.aclose()
        seeds, self._seeds = self._seeds, []
        for seed in seeds:
            with suppress(Exception):  # one that can't be closed is gone
                await seed.disconnect()
        for it in (ear, client):
            with suppress(RedisError, OSError):
                if it is not None:
                    await links.close(it)

    def forked(self) -> None:
        """Leave the connections to the parent, which goes on with them."""
        _PARENTS.append((self.client, self._ear, self._pubsub))
        self.client = self._ear = self._pubsub = None

    async def _info(self) -> bool:
        """Whether the server is part of a cluster."""
        try:
            said = await self.client.info("cluster")
        except RedisError as error:
            if "NOPERM" not in str(error) and "no permissions" not in str(error):
                raise
            return False
        return bool(said.get("cluster_enabled"))

    async def _subscribe(self) -> None:
        self._heard = self._asked = get_running_loop().time()
        self._pubsub = self._ear.pubsub(ignore_subscribe_messages=True)
        await self._pubsub.subscribe(*self._channels)

    async def _load(self) -> None:
        for name in ("guard", "entry", "look"):
            if self.cluster:
                await self.client.script_load(_lua(name).decode())
            else:
                await self.client.script_load(_lua(name))

    async def send(self, commands: list[Command]) -> list[Any]:
        """Send scripts, all at once; return their replies or errors, in order. Raises if the connection is lost."""
        replies = await self._sent(commands)
        lost = [at for at, it in enumerate(replies) if isinstance(it, NoScriptError)]
        if lost:  # flushed, or a server that took over
            await self._load()
            again = await self._sent([commands[at] for at in lost])
            for at, it in zip(lost, again, strict=True):
                replies[at] = it
        return replies

    async def _sent(self, commands: list[Command]) -> list[Any]:
        if len(commands) == 1:
            name, keys, words = commands[0]
            try:
                return [await self.client.evalsha(_sha(name), keys, *words)]
            except RedisError as error:
                if _is_fatal(error):
                    raise
                return [error]
        pipe = self.client.pipeline(transaction=False)
        for name, keys, words in commands:
            pipe.execute_command("EVALSHA", _sha(name), keys, *words)  # evalsha() is barred from a cluster's pipelines
        replies = await pipe.execute(raise_on_error=False)
        for it in replies:
            if isinstance(it, Exception) and _is_fatal(it):
                raise it
        return list(replies)


_PARENTS: list[Any] = []  # clients that a parent goes on with: to collect them would close its connections


def _is_fatal(error: Exception) -> bool:
    """Whether it says that the server, or the way to it, is no good; else it is about one command."""
    from redis.exceptions import (
        BusyLoadingError,
        ClusterDownError,
        MasterDownError,
        OutOfMemoryError,
        ReadOnlyError,
        ResponseError,
    )

    return not isinstance(error, ResponseError) or isinstance(
        error, (BusyLoadingError, ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError)
    )


def in_words(error: Exception) -> StoreError:
    """Say what went wrong with one command, without its own words: they may hold what was sent."""
    return StoreError(f"Redis: {type(error).__name__}; nothing was changed", why=type(error).__name__)
