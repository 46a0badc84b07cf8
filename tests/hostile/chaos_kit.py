"""The other end of the chaos in a thread, and calls on it, for tests. Must not know any test."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hostile.chaos.calls import Calls, Told
from hostile.chaos.control import Control
from hostile.chaos.judge import Case, cases_of, judged
from hostile.chaos.plan import Fault, Plan
from hostile.chaos.world import World

__all__ = ["Raw", "fault", "made", "plan", "world"]


def fault(phase: str, kind: str, at: float = 0.5, **more: Any) -> Fault:
    """Return a fault."""
    return Fault(phase=phase, kind=kind, at=at, **more)


def plan(operation: str, *tries: Fault | None, number: int = 1, **more: Any) -> Plan:
    """Return the plan of a call."""
    usual = {"way": "plain", "opening": None, "openings": 0, "deadline": None, "paced": False, "again": False}
    return Plan(**{"number": number, "operation": operation, "tries": tries, **usual, **more})


@contextmanager
def world(planned: Plan, *, ports: int = 0, tls: bool = False) -> Iterator[tuple[World, Control]]:
    """Run the other end; every call has the same plan."""
    made, up = World(lambda number: planned, ports=ports, tls=tls), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(made.run(up.set)), daemon=True)
    thread.start()
    assert up.wait(20)
    control = Control(made.control_port)
    try:
        yield made, control
    finally:
        control.close()
        thread.join(20)
        assert not thread.is_alive()
        assert made.odd == []


class Raw:
    """A socket that says how a connection ended: ``fin``, ``rst``, or ``open`` when nothing came for a while."""

    def __init__(self, port: int) -> None:
        self.came = b""
        self.ended = "open"
        try:
            self.socket = socket.create_connection(("127.0.0.1", port), 10)
        except ConnectionResetError:  # before connect() had looked: with a time-out it asks only then how it went
            self.socket, self.ended = socket.socket(), "rst"

    def ask(self, method: str = "GET", path: str = "/openai/v1/models", body: bytes = b"") -> Raw:
        """Send a request with a mark."""
        head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\nx-chaos: 1\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if body else ""
        self.socket.sendall(head.encode() + b"\r\n" + body)
        return self

    def read(self, until: bytes | None = None, *, ends: bool = True) -> Raw:
        """Read to these bytes, or to the end; one that does not end is read until nothing has come for a moment."""
        if self.ended == "rst":
            return self
        self.socket.settimeout(10 if until is not None or ends else 0.2)
        while until is None or until not in self.came:
            try:
                data = self.socket.recv(65_536)
            except ConnectionResetError:
                self.ended = "rst"
                break
            except TimeoutError:
                break
            if not data:
                self.ended = "fin"
                break
            self.came += data
        return self

    def close(self) -> None:
        """Leave at once."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def made(planned: Plan, caller: Any, where: World, control: Control) -> tuple[Case, list[str]]:
    """Make one call, and judge it."""
    calls = Calls(caller, control, control.ask("where"), lambda number: planned)
    calls.ids = dict.fromkeys(("video", "kling", "suno", "dashscope", "upload"), "none")
    told: list[Told] = calls.batch(planned.number, planned.number + 1)
    (case,) = cases_of([planned], told, control.ask("log"), [])
    return case, judged(case)
