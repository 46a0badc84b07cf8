"""The emulator: a gateway on a loopback socket, in a thread of its own or in a running event loop.

Must not know any client of ours; to whoever calls it, it is a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, cast

from .callbacks import FORMS, Form
from .callbacks import body as callback_body
from .connection import Connection
from .control import PREFIX, control
from .desk import Chaos, Desk
from .envelopes import envelope
from .faults import Fault
from .gateway import Gateway
from .messages import Answer, Seen, json_answer
from .postman import Letter, Postman
from .tasks_state import Clock, Task, TaskStore
from .wire import Step, steps_for

__all__ = ["Emulator"]

_KEPT: Final = 10_000
_BACKLOG: Final = 1024
_START_SECONDS: Final = 10.0


class Emulator:
    """A stand-in AnyInt gateway on a real socket. Safe to use from any thread.

    ``keys`` are those it takes; None: every key that is not empty. The clock of tasks is virtual unless
    ``virtual_clock`` is False. ``internal_errors`` holds the emulator's own mistakes; a test may hold it against being
    empty.

    Two headers of a create decide on its task: ``x-emulator-task`` names its outcome (a row of ``turns.TURNS``),
    ``x-emulator-visible-after`` the age in seconds until which queries do not find it. With ``query_limit`` DashScope's
    task queries beyond so many in one second of the clock are 429. With ``callbacks`` music tasks POST to their
    ``callBackUrl``, if it is on this machine, as the clock passes their phases; ``callback_form`` is AnyInt's ``flat``
    body or upstream's ``wrapped`` one. Raises ValueError for another form, a limit below 1, or keys that are no list.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        keys: Iterable[str] | None = None,
        seed: int = 0,
        chaos: Chaos | Mapping[str, object] | None = None,
        virtual_clock: bool = True,
        query_limit: int | None = None,
        callbacks: bool = False,
        callback_form: Form = "flat",
    ) -> None:
        if callback_form not in FORMS or (query_limit is not None and query_limit < 1):
            raise ValueError(f"callback_form is one of {', '.join(FORMS)} and query_limit at least 1, or None")
        self.clock: Clock = Clock(virtual=virtual_clock)
        self.internal_errors: list[Exception] = []
        self._host = host
        self._asked_port = port
        self._port: int | None = None
        self._lock = threading.RLock()
        self._gateway = Gateway(keys=_listed(keys), seed=seed, clock=self.clock, query_limit=query_limit)
        self._desk = Desk(chaos if chaos is None or isinstance(chaos, Chaos) else Chaos.from_json(chaos, seed=seed))
        self._seen: deque[Seen] = deque(maxlen=_KEPT)
        self._connections: set[Connection] = set()
        self._clients: set[Connection] = set()
        self._numbers = 0
        self._form: str = callback_form
        self._postman: Postman | None = None
        if callbacks:
            self._postman = Postman(tasks=lambda: self.tasks, clock=self.clock, form=callback_form)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    # what tests look at

    @property
    def url(self) -> str:
        """Where it listens: ``http://127.0.0.1:PORT``; raises RuntimeError when it is not running."""
        if self._port is None:
            raise RuntimeError("the emulator is not running")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def seen(self) -> list[Seen]:
        """Every request so far (the last 10,000), in order; control requests are not among them."""
        with self._lock:
            return list(self._seen)

    def requests(self, method: str | None = None, prefix: str | None = None) -> list[Seen]:
        """Return the requests with this method whose path starts with ``prefix``."""
        return [
            seen
            for seen in self.seen
            if (method is None or seen.method == method) and (prefix is None or seen.path.startswith(prefix))
        ]

    @property
    def tasks(self) -> list[Task]:
        """Every task that was created, in order."""
        with self._lock:
            return self._gateway.tasks.all()

    @property
    def callbacks(self) -> list[Letter]:
        """Every callback that was sent, in order; none without ``callbacks=True``."""
        return [] if self._postman is None else self._postman.sent

    def callback(self, task_id: str, phase: str, *, form: Form | None = None) -> dict[str, Any]:
        """Return the body of a callback, sent or not: ``text``, ``first``, ``complete`` or ``error``.

        ``form`` is the emulator's own unless given. Raises ValueError for an unknown task or a phase it has not.
        """
        found = [task for task in self.tasks if task.id == task_id]
        if not found:
            raise ValueError(f"no task {task_id!r}")
        return callback_body(found[0], phase, self._form if form is None else form)

    def queries_per_second(self, prefix: str = "/dashscope/v1/tasks/") -> int:
        """Return the most GETs under this path that any one second of the clock saw."""
        times = [seen.clock for seen in self.requests("GET", prefix)]
        return max((bisect_left(times, at + 1.0) - place for place, at in enumerate(times)), default=0)

    @property
    def connections_open(self) -> int:
        """How many clients hold a connection open now."""
        with self._lock:
            return len(self._clients)

    # what tests say

    def script(self, *faults: Fault, match: str | None = None) -> None:
        """Let the next requests whose ``METHOD path`` or path starts with ``match`` (None: any) meet these, in order.

        Raises ValueError for a match that no request can have.
        """
        for fault in cast("tuple[object, ...]", faults):
            if not isinstance(fault, Fault):
                raise TypeError(f"a Fault is needed, not {fault!r}")
        with self._lock:
            self._desk.script(faults, match)

    def unscript(self) -> None:
        """Forget the scripted faults that are still to come; chance and what was seen stay."""
        with self._lock:
            self._desk.clear()

    def set_chaos(self, chaos: Chaos | None) -> None:
        """Begin with these probabilities, or stop."""
        with self._lock:
            self._desk.set_chaos(chaos)

    def settle(self, task_id: str, outcome: str) -> None:
        """Decide what becomes of a task, with an outcome of ``turns.TURNS``; raises ValueError."""
        with self._lock:
            found = [task for task in self._gateway.tasks.all() if task.id == task_id]
            if not found or outcome not in TaskStore.OUTCOMES:
                raise ValueError(f"no task {task_id!r}, or {outcome!r} is none of {', '.join(TaskStore.OUTCOMES)}")
            found[0].settle(outcome)
        self._nudge()

    def _nudge(self) -> None:
        if self._postman is not None:
            self._postman.nudge()

    def reset(self) -> None:
        """Forget requests, tasks, stored things and scripts; the clock and chance go on."""
        with self._lock:
            self._seen.clear()
            self._gateway.reset()
            self._desk.clear()
            if self._postman is not None:
                self._postman.forget()

    # running

    def start(self) -> Emulator:
        """Listen, in a thread of its own; raises OSError when the address cannot be had."""
        if self._thread is not None:
            raise RuntimeError("the emulator is running")
        ready = threading.Event()
        failed: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self.run(ready.set))
            except BaseException as error:
                failed.append(error)
            finally:
                ready.set()

        self._thread = threading.Thread(target=run, name="anyint-emulator", daemon=True)
        self._thread.start()
        ready.wait(_START_SECONDS)
        if failed:
            self._thread.join()
            self._thread = None
            raise failed[0]
        return self

    def stop(self) -> None:
        """End every connection and the thread; a second call does nothing."""
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None:
            return
        if loop is not None and stopping is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stopping.set)
        thread.join()
        self._thread = None

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def run(self, ready: Callable[[], object] | None = None) -> None:
        """Listen in the running loop until ``stop`` or cancellation; ``ready`` is called once it does."""
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        server = await self._loop.create_server(
            lambda: Connection(self), self._host, self._asked_port, backlog=_BACKLOG
        )
        try:
            self._port = server.sockets[0].getsockname()[1]
            if self._postman is not None:
                self._postman.start()
            if ready is not None:
                ready()
            await self._stopping.wait()
        finally:
            server.close()
            await self._end_connections()
            if self._postman is not None:
                self._postman.stop()
            self._port = self._loop = self._stopping = None

    async def _end_connections(self) -> None:
        tasks = [connection.task for connection in self._connections]
        for connection in list(self._connections):
            connection.task.cancel()
            connection.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(100):  # sockets are closed in the loop's next rounds
            if not self._connections:
                break
            await asyncio.sleep(0)

    # what a connection asks

    def opened(self, connection: Connection) -> int:
        """Note a new connection and return its number."""
        with self._lock:
            self._connections.add(connection)
            self._clients.add(connection)
            self._numbers += 1
            return self._numbers

    def gone(self, connection: Connection) -> None:
        """Note that the client has left."""
        with self._lock:
            self._clients.discard(connection)

    def closed(self, connection: Connection) -> None:
        """Note that nothing is left of a connection."""
        with self._lock:
            self._connections.discard(connection)
            self._clients.discard(connection)

    def receive(self, seen: Seen) -> list[Step]:
        """Take a request and return what to do about it."""
        with self._lock:
            if seen.path.startswith(PREFIX):
                return steps_for(control(self, seen), None)
            seen.clock = self.clock.now()
            self._seen.append(seen)
            if not seen.complete:
                return []
            try:
                fault = self._desk.take(seen)
            except ValueError as error:
                refusal = envelope(None, 400, code="bad_emulator_fault", message=str(error))
                return steps_for(json_answer(refusal, status=400), None)
            seen.fault = None if fault is None else fault.name
            try:
                answer = self._gateway.respond(seen, fault)
            except Exception as error:
                self.wronged(error)
                answer = _own_mistake(error)
            self._nudge()
            return steps_for(answer, fault)

    def wronged(self, error: Exception) -> None:
        """Note an error of the emulator's own."""
        self.internal_errors.append(error)


def _listed(keys: Iterable[str] | None) -> frozenset[str] | None:
    if keys is None:
        return None
    listed = [""] if isinstance(keys, (str, bytes)) or not isinstance(keys, Iterable) else list(keys)
    if not all(isinstance(key, str) and key for key in listed):  # without a word of what was given
        raise ValueError("keys must be a list of keys, such as ['test-key'], or None")
    return frozenset(listed)


def _own_mistake(error: Exception) -> Answer:
    message = f"the emulator itself failed: {type(error).__name__}: {error}"
    return json_answer(envelope(None, 500, code="emulator_error", message=message), status=500)
