"""The client of the world's control port. Must not know what is asked."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

__all__ = ["Control"]

_LONGEST = 60.0


class Control:
    """Asks one thing after the other, from any thread; when it is closed the world ends."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), _LONGEST)
        self._file = self._socket.makefile("rwb")
        self._lock = threading.Lock()

    def ask(self, do: str, **more: Any) -> Any:
        """Ask for one thing."""
        with self._lock:
            self._file.write(json.dumps({"do": do, **more}).encode() + b"\n")
            self._file.flush()
            told = self._file.readline()
        if not told:
            raise ChildProcessError("the world is gone")
        return json.loads(told)

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()
