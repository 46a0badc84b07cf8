"""Print what becomes of a stream in the openai and anthropic SDKs: ``python -m tests.real.stream_table``.

Plays each row of ``stream_rows.py`` in each way that the SDKs can read it, sync and async, on a plain client of httpx2
and on one that is wrapped, and shows both as Markdown. Must not know what should come of a row.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from anyint_resilience import Event, Policy, Resilience, StreamInterrupted, report
from anyint_resilience.emulator import Emulator
from tests.alone import ALONE
from tests.conformance.surfaces import Caller, Surface, Waits, calling
from tests.real.stream_rows import ASKED, READ, ROWS, TEXT, Row, Whole

__all__ = ["SURFACES", "WAYS", "Clients", "Played", "Way", "without_waits"]

KEY = "test-key"
PATIENT = 5.0
SURFACES = [Surface("httpx2"), Surface("httpx2", "asyncio")]
SDKS: dict[str, Any] = {"openai": openai, "anthropic": anthropic}
NOT_SEEN = "**short answer, no error**"


@dataclass(frozen=True)
class Way:
    """One way to read a stream with an SDK: ``path`` of what is called, what is iterated, what is asked for in the end.

    A helper is a context manager. ``items``: its attribute to iterate, or itself; ``final``: its method for the whole.
    """

    sdk: str
    dialect: str
    path: str
    items: str = ""
    final: str = ""
    helper: bool = True

    def __str__(self) -> str:
        name = self.path.rpartition(".")[2]
        return f"{self.dialect} {self.items or self.final or name}" if self.helper else f"{self.dialect} {name}"


WAYS = [
    Way("openai", "chat", "chat.completions.create", helper=False),
    Way("openai", "chat", "chat.completions.stream", final="get_final_completion"),
    Way("openai", "responses", "responses.create", helper=False),
    Way("openai", "responses", "responses.stream", final="get_final_response"),
    Way("anthropic", "messages", "messages.create", helper=False),
    Way("anthropic", "messages", "messages.stream", items="text_stream"),
    Way("anthropic", "messages", "messages.stream", final="get_final_message"),
]


@dataclass
class Played:
    """What an application saw of a stream: the text, the events that told of a failure, and what was raised.

    ``warned``: whether a warning said that it lacks an end, and was handed over as whole.
    """

    text: str = ""
    told: list[str] = field(default_factory=list)
    error: Exception | None = None
    requests: int = 0
    warned: bool = False

    def take(self, item: Any) -> None:
        """Take what the SDK yields: a text, a chunk, or an event."""
        self.text += item if isinstance(item, str) else _text(item)
        kind = getattr(item, "type", None)
        if kind in ("error", "response.failed"):
            self.told.append(kind)

    @cached_property
    def interrupted(self) -> StreamInterrupted | None:
        """The StreamInterrupted that was raised, or lies behind what was."""
        error: BaseException | None = self.error
        while error is not None and not isinstance(error, StreamInterrupted):
            error = error.__cause__
        return error

    def words(self, *, ours: bool) -> str:
        """Say it in the words of the table."""
        error, more = self.error, f", {self.requests} requests" if self.requests > 1 else ""
        if error is None:
            found = NOT_SEEN if self.text != TEXT else "whole, and a warning" if self.warned else "whole"
            return found + (f" (events: {', '.join(self.told)})" if self.told else "") + more
        name = f"{type(error).__module__.partition('.')[0]}.{type(error).__name__}".removeprefix("builtins.")
        if not ours:
            return name + more
        behind = self.interrupted
        said = "" if behind is None else f" from StreamInterrupted({behind.why})"
        if behind is error:
            said = f" ({behind.why})"
        return name + said + ("" if report(error) is not None else ", no report") + more


def _text(item: Any) -> str:
    if getattr(item, "choices", None):  # a chunk of a chat
        return item.choices[0].delta.content or ""
    kind, delta = getattr(item, "type", None), getattr(item, "delta", None)
    if kind in ("content.delta", "response.output_text.delta"):
        return str(delta)
    return str(delta.text) if kind == "content_block_delta" else ""


class Clients:
    """The SDKs on clients that stay open: plain ones, and ones of ours."""

    def __init__(self, emu: Emulator, stack: ExitStack) -> None:
        self._emu = emu
        self._stack = stack
        self._made: dict[Any, tuple[Caller, Any]] = {}
        self._wholes: dict[str, Whole] = {}
        self._heard: list[Event] = []

    def whole(self, dialect: str) -> Whole:
        """Return a dialect's whole stream, as the gateway sends it."""
        if dialect not in self._wholes:
            path, ask = ASKED[dialect]
            self._emu.reset()
            headers = {"authorization": f"Bearer {KEY}", "x-api-key": KEY, "anthropic-version": "2023-06-01"}
            body = httpx2.post(self._emu.url + path, json={**ask, "stream": True}, headers=headers).content
            events = [it + b"\n\n" for it in body.split(b"\n\n") if it]
            first = next(place for place, it in enumerate(events) if b"Hello" in it)
            self._wholes[dialect] = Whole(events, first)
        return self._wholes[dialect]

    def get(self, surface: Surface, sdk: str, policy: Policy | None, *, ours: bool) -> tuple[Caller, Any]:
        """Return an SDK's client and what calls it."""
        key = surface, sdk, policy, ours
        if key not in self._made:
            more: dict[str, Any] = {} if policy is None else {"policy": policy}
            url, runtime = self._emu.url, Waits().runtime()
            more = {**more, "runtime": runtime, "guards": ALONE, "listeners": [self._heard.append]}
            config = Resilience(api_key=KEY, base_url=url, **more)
            caller = self._stack.enter_context(calling(surface, config if ours else None, wrap=True))
            name = {"openai": "OpenAI", "anthropic": "Anthropic"}[sdk]
            kind = getattr(SDKS[sdk], name if surface.backend is None else f"Async{name}")
            base = f"{url}/openai/v1" if sdk == "openai" else f"{url}/anthropic"
            headers = {"anthropic-version": "2023-06-01", "x-api-key": KEY} if sdk == "anthropic" else None
            made = kind(api_key=KEY, base_url=base, http_client=caller.client, default_headers=headers)
            self._made[key] = caller, made
        return self._made[key]

    def play(self, row: Row, way: Way, surface: Surface, *, ours: bool) -> Played:
        """Play a row in one way; what is raised is kept."""
        whole = self.whole(way.dialect)
        caller, client = self.get(surface, way.sdk, row.policy, ours=ours)
        client = client.with_options(timeout=READ if row.silent else PATIENT)
        self._heard.clear()
        self._emu.reset()
        self._emu.script(*row.faults(whole))
        played = Played()
        try:
            caller.call(_read if surface.backend is None else _aread, way, client, played)
        except Exception as error:
            played.error = error
        played.requests = len(self._emu.seen)
        played.warned = any(it.name == "stream unterminated" for it in self._heard)
        return played


def _asked(way: Way, client: Any) -> Any:
    function = client
    for name in way.path.split("."):
        function = getattr(function, name)
    ask = ASKED[way.dialect][1]
    return function(**ask) if way.helper else function(**ask, stream=True)


def _read(way: Way, client: Any, played: Played) -> None:
    if not way.helper:
        for item in _asked(way, client):
            played.take(item)
        return
    with _asked(way, client) as stream:
        for item in getattr(stream, way.items) if way.items else stream:
            played.take(item)
        if way.final:
            getattr(stream, way.final)()


async def _aread(way: Way, client: Any, played: Played) -> None:
    if not way.helper:
        async for item in await _asked(way, client):
            played.take(item)
        return
    async with _asked(way, client) as stream:
        async for item in getattr(stream, way.items) if way.items else stream:
            played.take(item)
        if way.final:
            await getattr(stream, way.final)()


@contextmanager
def without_waits() -> Iterator[None]:
    """Keep the SDKs' own retries and take only their waits away."""
    with pytest.MonkeyPatch.context() as patch:
        for sdk in SDKS.values():
            base = sdk._base_client.BaseClient
            assert callable(base._calculate_retry_timeout), "the SDK has moved it: these would wait for real"
            patch.setattr(base, "_calculate_retry_timeout", lambda *args, **kwargs: 0.0)
        yield


def cell(clients: Clients, row: Row, sdk: str, *, ours: bool) -> str:
    """Return what stands in a cell: in each way the same, or what in which."""
    found: dict[str, list[str]] = {}
    ways = [way for way in WAYS if way.sdk == sdk and way.dialect in row.dialects]
    for way in ways:
        both = [clients.play(row, way, surface, ours=ours).words(ours=ours) for surface in SURFACES]
        if both[0] == both[1]:
            found.setdefault(both[0], []).append(str(way))
        else:
            for words, how in zip(both, ("sync", "async"), strict=True):
                found.setdefault(words, []).append(f"{way}, {how}")
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{', '.join(names)}: {words}" for words, names in found.items())


def lines() -> Iterator[str]:
    """Play all, and yield the lines of the table."""
    with Emulator(keys=(KEY,)) as emu, ExitStack() as stack, without_waits():
        clients = Clients(emu, stack)
        for sdk, module in SDKS.items():
            yield f"| {sdk} {module.__version__}: what happens | SDK alone | SDK through us |"
            yield "|---|---|---|"
            for row in ROWS:
                if any(way.dialect in row.dialects for way in WAYS if way.sdk == sdk):
                    alone, ours = (cell(clients, row, sdk, ours=it) for it in (False, True))
                    yield f"| {row.name} | {alone} | {ours} |"
            yield ""


if __name__ == "__main__":
    logging.getLogger("anyint_resilience").setLevel(logging.CRITICAL)  # the table says it
    for line in lines():
        print(line, flush=True)
