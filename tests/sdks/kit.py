"""What the tests of SDKs and frameworks share: our layer under their client, and the figures they measure.

Must not know any SDK. Each module runs in an environment of its own, with the newest version of its SDK, and prints
with ``pytest -s`` its lines of the table: attempts on the wire for a 503 that lasts, with the SDK's default retries and
with none, and the tasks too many that a lost answer to a paid create made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import pytest

pytest.importorskip("h11")

from anyint_resilience import Policy, Resilience
from anyint_resilience.emulator import Emulator, Fault
from tests.alone import ALONE
from tests.conformance.surfaces import Caller, Surface, Waits, calling

__all__ = [
    "ATTEMPTS",
    "HI",
    "KEY",
    "LOST",
    "TEXT",
    "Caller",
    "Figures",
    "Sdk",
    "Surface",
    "Waits",
    "chat_answer",
    "events",
    "figures",
    "layered",
    "listed",
    "named",
    "native",
    "on",
    "resilience",
    "retried_or_not",
    "retry_counts",
    "sdk_retried",
    "tool_call",
    "unavailable",
    "without_waits",
]

KEY = "test-key"
TEXT = "Hello from the AnyInt emulator."
HI: list[Any] = [{"role": "user", "content": "hi"}]
ATTEMPTS = Policy().attempts
LOST = Fault(reset="before_headers", process=True)
COLUMNS = ("default retries", "no retries", "duplicates")
ENOUGH = 60  # more faults than any of them makes requests


# --- the gateway


def unavailable(emu: Emulator, *, family: str | None = None, status: int = 503) -> None:
    """Let every request from now on meet this status."""
    emu.script(*[Fault.error(status, family=family)] * ENOUGH)


def retry_counts(emu: Emulator) -> list[str | None]:
    """Return what each request on the wire says of the SDK's own retries."""
    return [seen.headers.get("x-stainless-retry-count") for seen in emu.seen]


def sdk_retried(emu: Emulator) -> bool:
    """Tell whether any request on the wire is a retry of the SDK's own, as its header says."""
    return any(count not in (None, "0") for count in retry_counts(emu))


def named(caplog: pytest.LogCaptureFixture) -> bool:
    """Tell whether a warning of ours said, once, that a layer above multiplies our attempts."""
    return [it.name for it in caplog.records if "attempts multiply" in it.getMessage()] == ["anyint_resilience"]


# --- the SDKs that are made by one generator, openai and anthropic

retried_or_not = pytest.mark.parametrize("retries", [{}, {"max_retries": 0}], ids=["default retries", "no retries"])


def without_waits(monkeypatch: pytest.MonkeyPatch, *sdks: Any) -> None:
    """Keep an SDK's own retries and take only its 0.5-8 s of backoff away."""
    for sdk in sdks:
        base = sdk._base_client.BaseClient
        assert callable(base._calculate_retry_timeout), "the SDK has moved it: these tests would wait for real"
        monkeypatch.setattr(base, "_calculate_retry_timeout", lambda *args, **kwargs: 0.0)


def native(sdk: Any) -> str:
    """Return the client library that an SDK makes its own clients of."""
    made = next(kind for kind in sdk.DefaultHttpxClient.__mro__ if kind.__name__ == "Client")
    return str(made.__module__).partition(".")[0]


# --- our layer, under a client


def on(*libraries: str, backends: Iterable[str | None] = (None, "asyncio")) -> pytest.MarkDecorator:
    """Run a test on these client libraries, blocking (None) and on these event loops."""
    surfaces = [Surface(library, backend) for library in libraries for backend in backends]
    return pytest.mark.parametrize("surface", surfaces, ids=str)


def resilience(emu: Emulator, *, waits: Waits | None = None, **more: Any) -> Resilience:
    """Return a configuration for this gateway, whose waits take no time."""
    return Resilience(
        **{"api_key": KEY, "base_url": emu.url, "runtime": (waits or Waits()).runtime(), "guards": ALONE, **more}
    )


@contextmanager
def layered(surface: Surface, emu: Emulator, *, waits: Waits | None = None, **more: Any) -> Iterator[Caller]:
    """Open a client that has our layer on."""
    with calling(surface, resilience(emu, waits=waits, **more)) as caller:
        yield caller


class Sdk:
    """An SDK's client on one of ours, called and awaited alike."""

    def __init__(self, caller: Caller, client: Any, errors: type[Exception]) -> None:
        self.caller = caller
        self.client = client
        self.errors = errors

    def call(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """Call ``client.<path>``."""
        function = self.client
        for name in path.split("."):
            function = getattr(function, name)
        return self.caller.call(function, *args, **kwargs)

    def error(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """Call what must raise one of the SDK's own exceptions, and return that."""
        with pytest.raises(self.errors) as caught:
            self.call(path, *args, **kwargs)
        return caught.value

    def listed(self, stream: Any) -> list[Any]:
        """Read a stream to its end."""
        return listed(self.caller, stream)


def listed(caller: Caller, stream: Any) -> list[Any]:
    """Read a stream, sync or async, to its end."""

    def read() -> list[Any]:
        return list(stream)

    async def aread() -> list[Any]:
        return [item async for item in stream]

    return caller.call(read if caller.surface.backend is None else aread)  # type: ignore[no-any-return]


# --- answers that the gateway does not give by itself


def tool_call(name: str, arguments: str) -> dict[str, Any]:
    """Return a message of the model that calls one tool."""
    called = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [called]}


def chat_answer(message: dict[str, Any]) -> Fault:
    """Make a good chat completion that holds this message."""
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5"}
    return Fault(status=200, body={**head, "choices": [choice], "usage": usage})


def events(*documents: dict[str, Any]) -> Fault:
    """Make a good stream of OpenAI's kind out of these events."""
    body = "".join(f"data: {json.dumps(document)}\n\n" for document in documents) + "data: [DONE]\n\n"
    return Fault(status=200, body=body, headers={"content-type": "text/event-stream"})


# --- the figures


class Figures:
    """What a module measured, by client library and column; each test also asserts what it notes."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.rows: dict[str, dict[str, dict[str, int | str]]] = {}

    def note(self, column: str, surface: Surface, value: int) -> int:
        """Write a figure down and return it, to be asserted."""
        assert column in COLUMNS, column
        self.row(surface.library)[column][surface.backend or "sync"] = value
        return value

    def without(self, column: str, *libraries: str, why: str) -> None:
        """Say why there is no such figure."""
        for library in libraries:
            self.row(library)[column][""] = why

    def row(self, library: str) -> dict[str, dict[str, int | str]]:
        """Return the row of a client library."""
        return self.rows.setdefault(library, {column: {} for column in COLUMNS})

    def lines(self) -> list[str]:
        """Return the lines of the table; figures that differ between sync and async are told apart."""
        return [
            f"| {self.package} on {library} | {version(self.package)} | {' | '.join(map(shown, row.values()))} |"
            for library, row in self.rows.items()
        ]


def shown(found: dict[str, int | str]) -> str:
    if len(set(found.values())) == 1:
        return str(next(iter(found.values())))
    return ", ".join(f"{value} ({backend})" for backend, value in found.items()) or "not measured"


@pytest.fixture(scope="module")
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """The figures of a module, whose ``PACKAGE`` names the distribution; printed when its tests are through."""
    found = Figures(request.module.PACKAGE)
    yield found
    print("", *found.lines(), sep="\n")
