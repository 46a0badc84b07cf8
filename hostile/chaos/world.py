"""The other end: the emulator, the proxy before it, single calls' ports, and a control port; in one event loop.

Must not know clients. What went on is told as JSON, batch by batch.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from anyint_resilience.emulator import Emulator, Fault, Seen

from .plan import Fault as Planned
from .plan import Plan
from .ports import FIRST, Port
from .proxy import MARK, TRY, Front, Record
from .sides import Side

__all__ = ["World"]

_QUIET: Final = 1500  # hundredths of a second: longer than a silence of ours
_LINE: Final = 64 * 1024 * 1024
_IN_BODY: Final = {
    "/suno/": Fault.error(200, family="suno", code=430),
    "/transtreams/": Fault.error(200, family="kling", code=1303),
    "/dashscope/": Fault.error(200, family="dashscope", code="Throttling"),
}
FAULTS: Final[dict[str, Fault]] = {
    "429": Fault(status=429, headers={"retry-after-ms": "5"}),
    "503": Fault(status=503),
    "500": Fault(status=500),
    "500_done": Fault(status=500, body="Internal Server Error", process=True),
    "502_done": Fault(status=502, body="Bad Gateway", process=True),
    "504": Fault(status=504),
    "529": Fault(status=529),
    "400": Fault(status=400),
    "reset": Fault(reset="before_headers"),
    "reset_done": Fault(reset="before_headers", process=True),
    "reset_after_headers": Fault(reset="after_headers"),
    "reset_mid_body": Fault(reset="mid_body"),
    "half_close": Fault(half_close=True),
    "truncate": Fault(truncate=10),
    "cut_stream": Fault(cut_stream_after=4),
    "cut_opening": Fault(cut_stream_after=1),
    "no_terminator": Fault(drop_terminator=True),
    "error_event": Fault(error_event=True, cut_stream_after=4),
    "error_first": Fault(error_event=True),
    "malformed": Fault(malformed_event=True),
    "stall": Fault(stall="before_headers", process=True),
    "stall_mid": Fault(stall="mid_body"),
    "garbage": Fault(garbage="json", process=True),
    "not_http": Fault(garbage="not_http"),
    "early_hints": Fault(status=103),
    "gzip": Fault(gzip=True),
    "slow": Fault(delay_headers=0.02),
}
"""What the names of the plan mean. Work is done where no code of a family's says that it surely was not.
``429_long`` (by chats alone) and ``in_body`` depend on the path."""


class World:
    """All that a surface talks to. ``planned`` gives a call's plan; so many calls of a batch can have a port."""

    def __init__(self, planned: Callable[[int], Plan], *, ports: int = 0, first: int = FIRST, tls: bool = True) -> None:
        self.planned = planned
        self.emulator = Emulator()
        self.emulator_port = self.active = 0
        self.odd: list[str] = []
        """What went wrong here: never a part of a run."""
        self.records: list[Record] = []
        self.control_port = self.port = self.tls_port = 0
        self.authority = ""
        self.ports: list[Port] = []
        self._wanted, self._first, self._with_tls = ports, first, tls
        self._given: dict[int, Port] = {}
        self._tries: Counter[str] = Counter()
        self._connections = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sides: set[Side] = set()
        self._stopping = asyncio.Event()

    # what a connection asks

    def connected(self) -> int:
        """Number a connection."""
        self._connections += 1
        return self._connections

    def begin(self, mark: str, connection: int) -> tuple[Record, Planned | None]:
        """Note a try, and say which fault it meets."""
        number = self._tries[mark]
        self._tries[mark] += 1
        record = Record(mark=mark, number=number, connection=connection, order=len(self.records))
        self.records.append(record)
        call, _, again = mark.partition("+")
        if not call.isdigit():
            return record, None
        return record, self.planned(int(call)).fault(number + 3 * int(again or 0))

    def emulator_fault(self, kind: str, path: str) -> str | None:
        """Return what the emulator is asked to do."""
        fault = FAULTS.get(kind)
        if kind == "in_body":
            fault = next((it for start, it in _IN_BODY.items() if path.startswith(start)), FAULTS["429"])
        elif kind == "429_long" and path.endswith("/chat/completions"):
            fault = Fault(status=429, headers={"retry-after": "300"})
        return None if fault is None else json.dumps(fault.to_json())

    # running

    async def run(self, ready: Callable[[], object]) -> None:
        """Serve until :meth:`stop`."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._wrong)
        up = asyncio.Event()
        emulating = asyncio.create_task(self.emulator.run(up.set))
        await up.wait()
        self.emulator_port = int(self.emulator.url.rpartition(":")[2])
        context = self._tls() if self._with_tls else None
        plain = await loop.create_server(lambda: Side(made=self._arrived), "127.0.0.1", 0, backlog=512)
        shut: dict[str, Any] = {"ssl": context}
        if context is not None and sys.version_info >= (3, 11):
            shut["ssl_shutdown_timeout"] = 0.1
        secure = await loop.create_server(lambda: Side(made=self._arrived), "127.0.0.1", 0, backlog=512, **shut)
        control = await asyncio.start_server(self._controlled, "127.0.0.1", 0, limit=_LINE)
        self.port, self.tls_port, self.control_port = (
            it.sockets[0].getsockname()[1] for it in (plain, secure, control)
        )
        self.ports = [Port(self._arrived, self.spawn, self.tls_port, self._first) for _ in range(self._wanted)]
        ready()
        try:
            await self._stopping.wait()
        finally:
            for server in (plain, secure, control):
                server.close()
            for port in self.ports:
                await port.end()
                port.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            emulating.cancel()
            await asyncio.gather(emulating, return_exceptions=True)
            for side in self._sides:  # one that still has something to send would outlive the loop
                side.transport.abort()
            await asyncio.sleep(0)

    def stop(self) -> None:
        """End; from the loop's own thread."""
        self._stopping.set()

    def _tls(self) -> ssl.SSLContext:
        import trustme  # late: most of what pytest looks at here needs none

        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self.authority = authority.cert_pem.bytes().decode()
        return context

    def _wrong(self, loop: object, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), (ssl.SSLError, ConnectionError)):
            self.odd.append(f"{context.get('message')}: {context.get('exception')!r}")

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run something beside."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.odd.append(repr(task.exception()))

    def _arrived(self, side: Side) -> None:
        self._sides = {it for it in self._sides if not it.transport.is_closing()} | {side}
        self.spawn(Front(self, side).serve())

    # what is asked over the control port

    async def _controlled(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                wish = json.loads(line)
                told = await getattr(self, f"do_{wish.pop('do')}")(**wish)
                writer.write(json.dumps(told).encode() + b"\n")
                await writer.drain()
        except Exception as error:
            self.odd.append(repr(error))
            raise
        finally:  # who asked is gone: so is the run
            writer.close()
            self.stop()

    async def do_where(self) -> dict[str, Any]:
        """Tell the addresses."""
        ports = [port.number for port in self.ports]
        found = {"port": self.port, "tls_port": self.tls_port, "ports": ports, "authority": self.authority}
        return {**found, "emulator_port": self.emulator_port}

    async def do_batch(self, first: int, last: int) -> dict[str, int]:
        """Begin with the calls from ``first`` on, before ``last``; tell which have a port, and which."""
        for port in self._given.values():
            await port.end()
        wanted = [number for number in range(first, last) if self.planned(number).has_port]
        self._given = dict(zip(wanted, self.ports, strict=False))
        for number, port in self._given.items():
            await port.begin(self.planned(number))
        return {str(number): port.number for number, port in self._given.items()}

    async def do_open(self, call: int) -> bool:
        """Let a call's port take connections from now on."""
        if call in self._given:
            await self._given[call].open()
        return True

    async def do_log(self) -> dict[str, Any]:
        """Tell what went on since the last time, when nothing is under way any more, and forget it."""
        for _ in range(_QUIET):
            if not self.active:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.03)  # what a client left behind may be on its way to the emulator
        told = {
            "records": [it.told() for it in self.records],
            "seen": [_seen(it) for it in self.emulator.seen],
            "tasks": [{"id": it.id, "said": json.dumps(it.body, default=repr)} for it in self.emulator.tasks],
            "met": {str(number): port.met for number, port in self._given.items()},
            "odd": [*self.odd, *map(repr, self.emulator.internal_errors)],
        }
        self.records.clear()
        self._tries.clear()
        self.emulator.reset()
        return told

    async def do_open_now(self) -> dict[str, int]:
        """Tell how many connections are open: of clients here, and of the proxy at the emulator."""
        clients = sum(not it.gone for it in self._sides)
        return {"clients": clients, "emulator": self.emulator.connections_open, "busy": len(self._tasks)}


def _seen(seen: Seen) -> dict[str, Any]:
    return {
        "mark": seen.headers.get(MARK, ""),
        "try": int(seen.headers.get(TRY, "-1")),
        "complete": seen.complete,
        "answered": seen.answered,
        "fault": seen.fault,
        "path": seen.path,
    }
