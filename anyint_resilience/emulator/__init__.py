"""A stand-in AnyInt gateway on a real socket, with a catalogue of faults (extra: ``emulator``).

Must not know any HTTP client. Nothing in the core imports it.

    with Emulator(keys=("test-key",)) as emulator:
        emulator.script(Fault(status=503), match="POST /openai/v1/chat/completions")
        client = httpx2.Client(base_url=emulator.url)
"""

from __future__ import annotations

from .desk import FAULT_HEADER, Chaos
from .envelopes import envelope
from .faults import Fault
from .gateway import TASK_HEADER, VISIBLE_HEADER
from .messages import Seen
from .postman import Letter
from .server import Emulator
from .tasks_state import Clock, Task
from .turns import TURNS

__all__ = [
    "FAULT_HEADER",
    "TASK_HEADER",
    "TURNS",
    "VISIBLE_HEADER",
    "Chaos",
    "Clock",
    "Emulator",
    "Fault",
    "Letter",
    "Seen",
    "Task",
    "envelope",
]
