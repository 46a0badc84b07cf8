"""Sends callbacks from a thread of its own, one after the other, when the clock has passed their time.

Must not know what they say, nor how the gateway answers.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from .callbacks import body, moments, receiver
from .tasks_state import Clock, Task

__all__ = ["Letter", "Postman"]

_RECEIVER_SECONDS: Final = 15.0
"""What upstream gives a receiver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One callback that was tried. ``status`` is what the receiver answered; None when it did not."""

    task_id: str
    phase: str
    url: str
    body: dict[str, Any]
    status: int | None


class Postman:
    """Calls back for tasks. Each phase of a task is sent once, whatever the receiver says."""

    def __init__(self, *, tasks: Callable[[], list[Task]], clock: Clock, form: str) -> None:
        self._tasks = tasks
        self._clock = clock
        self._form = form
        self._told: set[tuple[str, str]] = set()
        self._sent: list[Letter] = []
        self._news = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._connection: http.client.HTTPConnection | None = None
        clock.watch(self.nudge)

    @property
    def sent(self) -> list[Letter]:
        """The callbacks so far, in order."""
        return list(self._sent)

    def start(self) -> None:
        """Begin to deliver."""
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="anyint-emulator-callbacks", daemon=True)
        self._thread.start()

    def nudge(self) -> None:
        """Look again: time went on, or tasks changed."""
        self._news.set()

    def forget(self) -> None:
        """Forget what was sent."""
        self._told.clear()
        self._sent.clear()

    def stop(self) -> None:
        """End, even in the middle of a delivery; a second call does nothing."""
        if self._thread is None:
            return
        self._stopping = True
        self._news.set()
        connection = self._connection
        sock = None if connection is None else connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        while not self._stopping:
            self._news.clear()
            due, wait = self._due()
            for task, phase, url in due:
                if self._stopping:
                    return
                document = body(task, phase, self._form)
                status = self._deliver(url, document)
                self._sent.append(Letter(task_id=task.id, phase=phase, url=url, body=document, status=status))
            self._news.wait(wait)

    def _due(self) -> tuple[list[tuple[Task, str, str]], float | None]:
        """Return what is to be sent now, and the seconds until more is (None: when someone moves the clock)."""
        due: list[tuple[Task, str, str]] = []
        later: list[float] = []
        for task in self._tasks():
            url = receiver(task)
            for age, phase in moments(task) if url is not None else ():
                left = age - task.age
                if left > 0:
                    later.append(left)
                elif url is not None and (task.id, phase) not in self._told:
                    self._told.add((task.id, phase))
                    due.append((task, phase, url))
        return due, None if self._clock.virtual or not later else min(later)

    def _deliver(self, url: str, document: dict[str, Any]) -> int | None:
        """Send one callback; return the receiver's status, or None when there was none."""
        parts = urlsplit(url)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_RECEIVER_SECONDS)
        try:
            connection.connect()
            self._connection = connection
            if self._stopping:  # stop() may have looked before there was a connection to shut
                return None
            connection.request("POST", target, json.dumps(document), {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            self._connection = None
            connection.close()
