"""What the processes of crash.py do: make creates and wait for their tasks; after a restart, look what is known.

Must not know where a process dies, nor judge what is found. Which client, which creates and which faults is drawn from
the run's number.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import ssl
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import _crash_points
from _crash_gateway import FAULTS, KILL_HEADER, LATER_HEADER, prompt_of

from anyint_resilience import Guards, OutcomeUnknown, Resilience, report
from anyint_resilience.runtime import Runtime

__all__ = ["CLIENTS", "Create", "Note", "Story", "journal", "look", "noting", "story_of", "work"]

CLIENTS = tuple(
    name
    for name in ("httpx", "httpx-async", "httpx2", "httpx2-async", "requests", "aiohttp")
    if importlib.util.find_spec(name.partition("-")[0]) is not None  # there is no httpx2 for Python 3.10
)
LAYERS = 3  # attempts of the retry layer around every create
PATIENCE = 0.3  # seconds an answer is waited for, where one may never come
_FRESH = "fresh"
_TLS = ssl.create_default_context()  # loaded once for all processes: each client would load its own

Note = Callable[..., None]


def _suno(prompt: str) -> dict[str, Any]:
    return {"model": "V5", "prompt": prompt, "callBackUrl": "https://app.example/heard?by=suno"}


FAMILIES: dict[str, tuple[str, Callable[[str], dict[str, Any]]]] = {
    "videos": ("/openai/v1/videos", lambda it: {"model": "kling-3.0", "prompt": it}),
    "responses": ("/openai/v1/responses", lambda it: {"model": "gpt-5", "input": it, "background": True}),
    "suno": ("/suno/generate", _suno),
    "kling": ("/transtreams/kling/v1/videos/text2video", lambda it: {"model_name": "kling-v2", "prompt": it}),
    "dashscope": (
        "/dashscope/v1/services/aigc/video-generation/video-synthesis",
        lambda it: {"model": "wan2.2", "input": {"prompt": it}},
    ),
}
"""Family -> the path of its create, and the body with a prompt in it."""


@dataclass(frozen=True, kw_only=True)
class Create:
    """One create of a story. ``again``: the application makes the very same one again, while all is well."""

    serial: int
    family: str
    fault: str
    keyed: bool
    again: bool = False


@dataclass(frozen=True, kw_only=True)
class Story:
    """What one run does, in which settings."""

    run: str
    client: str
    settings: dict[str, Any] = field(default_factory=dict)
    creates: tuple[Create, ...] = ()

    @property
    def dedupes(self) -> bool:
        """Whether the same body counts as the same create."""
        return bool(self.settings.get("dedupe"))


def story_of(seed: int, number: int, run: str) -> Story:
    """Draw a run: always one create that is repeated with its key, one that is tried again, and one left open."""
    chance = Random(f"{seed} {number}")
    settings: tuple[dict[str, Any], ...] = ({}, {"dedupe": "fingerprint"}, {"reconcile": True}, {"strict_ledger": True})
    passing = [name for name, it in FAULTS.items() if name != "good" and not it.open]
    still_open = [name for name, it in FAULTS.items() if it.open]
    faults = ["good", "good", chance.choice(passing), chance.choice(passing), chance.choice(still_open)]
    families = [*FAMILIES]
    chance.shuffle(families)
    keys = [True, *(chance.random() < 0.5 for _ in faults[1:])]
    creates = [
        Create(serial=at, family=family, fault=fault, keyed=keyed, again=at == 0)
        for at, (family, fault, keyed) in enumerate(zip(families, faults, keys, strict=True))
    ]
    chance.shuffle(creates)
    return Story(
        run=run,
        client=CLIENTS[number % len(CLIENTS)],
        settings=settings[(number // len(CLIENTS)) % len(settings)],
        creates=tuple(creates),
    )


class Side:
    """A wrapped client of one library: creates and waits, whether blocking or on a loop."""

    def __init__(
        self, story: Story, url: str, store: str, patience: float = 20.0, note: Note = lambda *words: None
    ) -> None:
        self.patience = patience
        self.note = note
        self.library, _, mode = story.client.partition("-")
        self.awaits = bool(mode) or self.library == "aiohttp"
        self.url, self.story = url, story
        self.slept = 0.0
        runtime = Runtime(monotonic=self._now, sleep=self._sleep, asleep=self._asleep)
        self.anyint = Resilience(  # no guards: this is about the ledger, and they would keep the limits of one life
            api_key="k",
            base_url=url,
            store=f"sqlite:///{store}",
            guards=Guards.off(),
            runtime=runtime,
            **story.settings,
        )
        self.ours: Any = importlib.import_module(f"anyint_resilience_{self.library}")
        self.client: Any = None

    def _now(self) -> float:
        return time.monotonic() + self.slept

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds
        time.sleep(min(seconds, 0.001))

    async def _asleep(self, seconds: float) -> None:
        self.slept += seconds
        await asyncio.sleep(min(seconds, 0.001))

    def run(self, work: Callable[[Side], Coroutine[Any, Any, None]]) -> None:
        """Run a coroutine that uses this side."""
        asyncio.run(self._run(work))

    async def _run(self, work: Callable[[Side], Coroutine[Any, Any, None]]) -> None:
        library = importlib.import_module(self.library)
        if self.library == "aiohttp":
            times = library.ClientTimeout(total=None, sock_read=self.patience)
            self.client = library.ClientSession(timeout=times)
        elif self.library == "requests":
            self.client = library.Session()
            self.client.trust_env = False
        else:
            kind = library.AsyncClient if self.awaits else library.Client
            self.client = kind(timeout=library.Timeout(20.0, read=self.patience), trust_env=False, verify=_TLS)
        self.ours.wrap(self.client, self.anyint)
        await work(self)

    async def post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
        """Send one request; return its status and its handle, if it has one."""
        url = self.url + path
        if self.library == "aiohttp":
            async with self.client.post(url, json=body, headers=headers) as answer:
                await answer.read()
                return answer.status, report(answer)
        if self.library == "requests":
            answer = self.client.post(url, json=body, headers=headers, timeout=(20.0, self.patience))
        elif self.awaits:
            answer = await self.client.post(url, json=body, headers=headers)
        else:
            answer = self.client.post(url, json=body, headers=headers)
        return answer.status_code, report(answer)

    async def wait(self, handle: Any) -> str:
        """Wait for a task; return how it ended."""
        ended = self.ours.wait_for_task(self.client, handle)
        return str((await ended if self.awaits else ended).phase)

    async def create(self, it: Create, extra: dict[str, str]) -> tuple[str, Any]:
        """Make a create, within the retry layer; return what the application is told, and the handle."""
        path, body = FAMILIES[it.family]
        headers = {**({"idempotency-key": f"{self.story.run}-{it.serial}"} if it.keyed else {}), **extra}
        told: tuple[str, Any] = ("", None)
        for _ in range(LAYERS):
            try:
                status, known = await self.post(path, body(prompt_of(self.story.run, it.serial, it.fault)), headers)
            except Exception as error:
                known = report(error)
                told = type(error).__name__ if not isinstance(error, OutcomeUnknown) else "unknown", None
                self.note("tried", it.serial, told[0])  # a machine may be too slow for the client's patience
                continue
            if status < 300:
                return "ok", None if known is None else known.task
            told = f"HTTP {status}", None
        return told


def _listener(note: Note, serial: Callable[[], int]) -> Callable[[Any], None]:
    return lambda call: note("intent", serial(), call.intent)


def work(story: Story, url: str, store: str, note: Note, points: _crash_points.Points, at_gateway: str) -> None:
    """Make all creates of a story, then wait for what they made; ``at_gateway``: the kill that the first one orders."""
    now = [-1]
    points.install(_listener(note, lambda: now[0]))
    side = Side(story, url, store, PATIENCE, note)
    handles: list[Any] = []

    async def all_of_it(side: Side) -> None:
        for it in story.creates:
            extra = {KILL_HEADER: at_gateway} if at_gateway and it.serial == story.creates[-1].serial else {}
            for _ in range(2 if it.again else 1):
                now[0] = it.serial
                note("begin", it.serial)
                word, handle = await side.create(it, extra)
                note("told", it.serial, word, None if handle is None else handle.task_id)
                if handle is not None and handle not in handles:
                    handles.append(handle)
        for handle in handles:
            note("waited", handle.task_id, await side.wait(handle))

    side.run(all_of_it)


def look(story: Story, url: str, store: str, note: Note) -> None:
    """After a restart: tell what is known, repeat every create, and wait for every task that is known of."""
    now = [-1]
    _crash_points.Points().install(_listener(note, lambda: now[0]))
    side = Side(story, url, store)
    entries = side.anyint.ledger.entries()
    for entry in entries:
        note("entry", entry.intent, entry.fate, [task.task_id for task in entry.tasks])
    note("looked")

    async def all_of_it(side: Side) -> None:
        for it in story.creates:
            now[0] = it.serial
            word, handle = await side.create(it, {LATER_HEADER: "1"})
            note("repeated", it.serial, word, None if handle is None else handle.task_id)
        for entry in entries:
            for handle in entry.tasks:
                note("waited", handle.task_id, await side.wait(handle))
        for it in story.creates:
            now[0] = -1
            word, _ = await side.create(it, {LATER_HEADER: _FRESH, "idempotency-key": f"{story.run}-{it.serial}-anew"})
            note("anew", it.serial, word)

    side.run(all_of_it)


def journal(path: Path) -> list[list[Any]]:
    """Read what a process noted before it ended, also by SIGKILL: each note was written at once."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def noting(fd: int) -> Note:
    """Return what notes something in a file, at once."""
    return lambda *words: os.write(fd, json.dumps(words).encode() + b"\n")
