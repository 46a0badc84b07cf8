"""Music callbacks, from a gateway that posts them to a web application, while somebody in its process waits.

Must not know which web framework or client it is. Nothing here sleeps: after each look the gateway asks to be left
alone for two minutes, so whoever comes sooner was woken. Real time is a limit only.
"""

from __future__ import annotations

import http.client
import inspect
import json
import queue
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import anyint_resilience_httpx
from anyint_resilience import OutcomeUnknown, Resilience, TaskHandle, report
from anyint_resilience.emulator import Emulator, Fault
from anyint_resilience.tasks.updates import TaskUpdate

__all__ = ["LESSONS", "LIMIT", "Follow", "Serve", "Stage", "assert_shown", "staged"]

Serve = Callable[[Resilience, Callable[[str], object]], AbstractContextManager[str]]
"""Serve the application on a port of its own: takes the configuration and what handles a phase; gives its address."""

Follow = Callable[[Resilience, TaskHandle, Callable[[TaskUpdate], object]], None]
"""Follow a task to its end, and hand each update on."""

SONG = {"model": "V5", "prompt": "x"}
LIMIT = 20.0  # seconds until a test gives up
ALONE = Fault(headers={"retry-after": "120"})


@dataclass
class Stage:
    """A gateway, an application that it posts to, and what that has handled."""

    gateway: Emulator
    anyint: Resilience
    client: httpx.Client
    url: str
    handled: queue.Queue[str]
    follow: Follow

    def create(self, **more: Any) -> TaskHandle:
        """Ask for a song; its handle says that it is old enough to be looked at."""
        answer = self.client.post("/suno/generate", json={**SONG, "callBackUrl": self.url}, **more)
        found = report(answer)
        assert found is not None
        assert found.task is not None
        return replace(found.task, created_at=found.task.created_at - 30)

    @contextmanager
    def waiting(self, handle: TaskHandle) -> Iterator[Callable[[], TaskUpdate]]:
        """Wait for a task meanwhile; yields what gives the next update as soon as there is one."""
        updates: queue.Queue[TaskUpdate | Exception] = queue.Queue()
        self.gateway.script(*[ALONE] * 20, match="GET /suno/")

        def run() -> None:
            try:
                self.follow(self.anyint, handle, updates.put)
            except Exception as error:
                updates.put(error)

        def update() -> TaskUpdate:
            found = updates.get(timeout=LIMIT)
            if isinstance(found, Exception):
                raise found
            return found

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield update
        thread.join(LIMIT)
        assert not thread.is_alive()

    def post(self, body: object, *, url: str | None = None) -> int:
        """Post something to the application; return the status it answers."""
        parts = urlsplit(self.url if url is None else url)
        assert parts.hostname is not None
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=LIMIT)
        try:
            data = body if isinstance(body, bytes) else json.dumps(body)
            connection.request("POST", parts.path, data, {"content-type": "application/json"})
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def staged(serve: Serve, follow: Follow, form: Any) -> Iterator[Stage]:
    """Set the stage: ``form`` is that of the gateway's callbacks."""
    with ExitStack() as stack:
        gateway = stack.enter_context(Emulator(keys=("k1",), callbacks=True, callback_form=form))
        anyint, handled = Resilience(api_key="k1", base_url=gateway.url, reconcile=True), queue.Queue[str]()
        with serve(anyint, handled.put) as address:
            with anyint_resilience_httpx.wrap(httpx.Client(base_url=gateway.url), anyint) as client:
                yield Stage(gateway, anyint, client, f"{address}/hooks/suno?of=mine", handled, follow)
            stack.close()  # the gateway first: one that still posts would leave a connection of the application open
        assert gateway.internal_errors == []


def a_waiter_is_woken(stage: Stage) -> None:
    """Whoever waits looks as soon as a callback comes, and has the results when the task is done."""
    handle = stage.create()
    with stage.waiting(handle) as update:
        assert update().phase == "pending"
        stage.gateway.clock.advance(5)
        assert update().phase in ("running", "partial")
        stage.gateway.clock.advance(10)
        while not (last := update()).done:
            pass
    assert last.phase == "success"
    assert last.results
    assert {letter.status for letter in stage.gateway.callbacks} == {200}


def each_phase_is_handled_once(stage: Stage) -> None:
    """A phase that comes again, or after a later one, is answered like the first and handled once."""
    handle = stage.create()
    for phase in ("complete", "text", "complete", "first", "text"):
        assert stage.post(stage.gateway.callback(handle.task_id, phase)) == 200
    handled = [stage.handled.get_nowait() for _ in range(stage.handled.qsize())]
    assert handled == [f"{handle.task_id} {phase}" for phase in ("complete", "text", "first")]


def a_claim_is_not_believed(stage: Stage) -> None:
    """A callback that says "complete" before the gateway does makes whoever waits look, and wait on."""
    handle = stage.create()
    with stage.waiting(handle) as update:
        assert update().phase == "pending"
        assert stage.post(stage.gateway.callback(handle.task_id, "complete")) == 200
        claimed = update()
        assert (claimed.phase, claimed.polls) == ("pending", 2)
        stage.gateway.clock.advance(15)
        while not (last := update()).done:
            pass
    assert last.phase == "success"


def a_lost_create_is_found(stage: Stage) -> None:
    """The URL that is called back says which create it belongs to: one whose answer was lost has its task."""
    stage.gateway.script(Fault(reset="before_headers", process=True))
    with pytest.raises(OutcomeUnknown) as lost:
        stage.create()
    (entry,) = stage.anyint.ledger.entries()
    assert (entry.intent, entry.fate, entry.tasks) == (lost.value.intent, "unknown", ())
    (task,) = stage.gateway.tasks
    assert "anyint_create=" in task.body["callBackUrl"]
    stage.gateway.clock.advance(10)
    assert stage.handled.get(timeout=LIMIT) == f"{task.id} text"
    (entry,) = stage.anyint.ledger.entries()
    assert (entry.fate, [it.task_id for it in entry.tasks]) == ("committed", [task.id])
    with stage.waiting(entry.tasks[-1]) as update:
        while not update().done:
            pass


def what_is_no_callback_is_refused(stage: Stage) -> None:
    """Anything else gets a 400, or a 413 where it is too long to be read, and is not handled."""
    for body in (b"", b"{", b"[]", {"data": {}}, {"callbackType": "text"}, b"\xff"):
        assert stage.post(body) == 400
    assert stage.post(b'{"callbackType": "text", "task_id": "t", "x": "' + b"a" * 1_100_000 + b'"}') in (400, 413)
    assert stage.handled.empty()


def assert_shown(application: Callable[..., object]) -> None:
    """Hold the handler of an application against the docs."""
    page = Path(__file__).resolve().parents[2] / "docs" / "tasks.md"
    if not page.exists():
        pytest.skip("the documents are not part of the wheel")
    source = textwrap.dedent(inspect.getsource(application).partition("\n")[2])
    handler = source[: source.index("\n\n")]
    assert "async def called_back" in handler
    assert handler in page.read_text(encoding="utf-8")


LESSONS = [
    a_waiter_is_woken,
    each_phase_is_handled_once,
    a_claim_is_not_believed,
    a_lost_create_is_found,
    what_is_no_callback_is_refused,
]
