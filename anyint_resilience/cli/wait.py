"""``wait``: follow a paid task from its handle to its end, and print where its results are.

Must not decide anything: ``wait_for_task`` says when to ask and what an answer means. It asks and never creates.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ..config import Resilience
from ..contract.words import Family
from ..exceptions import QueryRefused, TaskError, TaskFailed, TaskTimeout
from ..runtime import Runtime
from ..stores.protocol import StoreError
from ..tasks.handle import TaskHandle
from ..tasks.updates import TaskUpdate
from .showing import Lines, Show, bar
from .terminal import Problem

__all__ = ["register"]

_RUNTIME: Final = Runtime()
_CLIENTS: Final = ("httpx2", "httpx", "requests")
"""What may be installed, best first."""

_READ: Final = 8193  # bytes: a handle has at most 8 KiB
_QUERY_SECONDS: Final = 30.0
_FAILED, _LATER, _INTERRUPTED = 1, 3, 130
_EXAMPLE: Final = """\
examples:
  anyint-resilience wait handle.json
  anyint-resilience wait - < handle.json | xargs -n 1 curl -O

A handle is what report(response).task.to_json() gave after a create. The key is ANYINT_API_KEY's, the gateway the
handle's own; if that is none of AnyInt's, ANYINT_BASE_URL must name it. Results go to stdout, all else to stderr.

exit code: 0 it is done; 1 it failed, or is gone; 2 the options or the handle are wrong; 3 it goes on, or this key may
not ask for it; 130 after Ctrl-C. With 3 and 130 the command to wait again is printed."""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "wait",
        help="wait for a paid task by its handle, and print where its results are",
        description="Wait until a task is done and print the URLs of what it made. Nothing is ever created.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("handle", metavar="HANDLE", help="a handle's JSON, a file that holds it, or - for stdin")
    parser.add_argument("--deadline", type=_seconds, metavar="S", help="seconds to wait at most (default: 1800)")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end, and nothing before")
    parser.add_argument("--store", metavar="URL", help="of the ledger, as Resilience(store=...) takes it")
    parser.add_argument(
        "--seedance", action="store_true", help="also know the /doubao routes, which no AnyInt page names"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    handle = _handle(options.handle)
    if handle.family is Family.SEEDANCE and not options.seedance:
        raise Problem("this is a task of a /doubao route: give --seedance")
    show = Show() if options.json else _show(handle)
    runtime = replace(_RUNTIME, sleep=partial(_sleep, _RUNTIME.sleep, show))
    found = _client(_configured(options, runtime))
    try:
        with found as (client, wait_for_task), show:
            update: TaskUpdate = wait_for_task(client, handle, on_update=show.update, deadline=options.deadline)
    except TaskError as error:
        return _ended(options, handle, error)
    except KeyboardInterrupt:
        _say("stopped waiting; the task goes on", _again(options, handle))
        return _INTERRUPTED
    except ValueError as error:
        raise Problem(f"{error}; the handle has {handle.gateway}, which ANYINT_BASE_URL must name") from None
    except Exception as error:  # of the client, and not about the gateway
        _say(f"{type(error).__name__}: {error}", _again(options, handle))
        return _LATER
    return _done(options, update)


# --- what is given


def _handle(text: str) -> TaskHandle:
    if not text.lstrip().startswith("{"):
        text = _read(text)
    try:
        return TaskHandle.from_json(text.strip())
    except ValueError as error:
        raise Problem(str(error)) from None


def _read(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.buffer.read(_READ).decode()
        with Path(name).open("rb") as file:
            return file.read(_READ).decode()
    except UnicodeDecodeError:
        raise Problem("invalid TaskHandle: it is not JSON") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Problem(f"HANDLE is neither JSON nor a file that can be read: {why}") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"a number of seconds above 0 is needed, not {text!r}")
    return seconds


def _configured(options: argparse.Namespace, runtime: Runtime) -> Resilience:
    more: dict[str, Any] = {} if options.store is None else {"store": options.store}
    try:
        anyint = Resilience.from_env(seedance=options.seedance, runtime=runtime, **more)
    except (ValueError, StoreError) as error:
        raise Problem(str(error)) from None
    if anyint.api_key is None:
        raise Problem("ANYINT_API_KEY is not set")
    return anyint


def _client(anyint: Resilience) -> AbstractContextManager[tuple[Any, Callable[..., TaskUpdate]]]:
    """Return whichever client is installed, ready to be entered, and its ``wait_for_task``."""
    name = next((it for it in _CLIENTS if find_spec(it) is not None), None)
    if name is None:
        raise Problem(f"this command needs one of {', '.join(_CLIENTS)}: install 'anyint-resilience[httpx]'")
    try:
        return _Client(name, anyint)
    except Exception as error:  # what the environment says of proxies and certificates
        raise Problem(f"no {name} client can be made: {error}") from None


class _Client:
    """A wrapped client that is closed at the end."""

    def __init__(self, name: str, anyint: Resilience) -> None:
        from importlib import import_module

        module, adapter = import_module(name), import_module(f"anyint_resilience_{name}")
        made = module.Session() if name == "requests" else module.Client(timeout=_QUERY_SECONDS)
        self._client: Any = adapter.wrap(made, anyint)
        self._wait: Callable[..., TaskUpdate] = adapter.wait_for_task

    def __enter__(self) -> tuple[Any, Callable[..., TaskUpdate]]:
        return self._client, self._wait

    def __exit__(self, *_: object) -> None:
        self._client.close()


# --- what is shown


def _show(handle: TaskHandle) -> Show:
    """Return a bar where there is a terminal and rich to draw it, else plain lines."""
    if sys.stderr.isatty() and find_spec("rich") is not None:
        return bar(handle, _RUNTIME.monotonic)
    return Lines(handle)


def _sleep(sleep: Callable[[float], object], show: Show, seconds: float) -> None:
    show.next_look(seconds)
    sleep(seconds)


def _say(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _again(options: argparse.Namespace, handle: TaskHandle) -> str:
    more = [*(("--store", options.store) if options.store is not None else ()), *(["--seedance"] * options.seedance)]
    return "wait again with: " + shlex.join(["anyint-resilience", "wait", handle.to_json(), *more])


def _done(options: argparse.Namespace, update: TaskUpdate) -> int:
    if options.json:
        _print_json(update.handle, update)
        return 0
    if not update.results:
        _say(f"done, and its answer holds no URL: --json shows it, and so does GET {update.handle.url}")
    for url in update.results:
        print("".join(it if it.isprintable() else "?" for it in url))
    if any(url.startswith(f"{update.handle.gateway}/openai/") for url in update.results):
        _say("(at the gateway: it wants your key)")
    return 0


def _ended(options: argparse.Namespace, handle: TaskHandle, error: TaskError) -> int:
    """Say in words why a wait ended without a result."""
    failed = isinstance(error, TaskFailed)
    if options.json:
        _print_json(handle, error.update, error)
    else:
        _say(str(error), *(() if failed else (_again(options, handle),)))
    return _FAILED if failed else _LATER


_KINDS: Final[dict[type, str]] = {TaskFailed: "failed", TaskTimeout: "timeout", QueryRefused: "refused"}


def _print_json(handle: TaskHandle, update: TaskUpdate | None, error: TaskError | None = None) -> None:
    names = ("phase", "state", "progress", "results", "note", "polls", "elapsed", "document")
    shown: dict[str, Any] = {"ended": "done" if error is None else _KINDS.get(type(error), "failed")}
    shown["handle"] = handle.as_dict()
    shown.update({name: None if update is None else getattr(update, name) for name in names})
    shown["reason"] = None if error is None else str(error)
    print(json.dumps(shown))
