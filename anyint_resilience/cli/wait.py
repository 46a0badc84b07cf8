"""``wait``: follow a paid task from its handle to its end, and print where its results are.

Must not decide anything: ``wait_for_task`` says when to ask and what an answer means. It asks and never creates.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from shlex import quote
from typing import Any, Final
from urllib.parse import urlsplit

from ..config import Resilience
from ..configuring import load
from ..configuring.settings import CONFIG
from ..contract.routes import HOSTS
from ..contract.tasks import POLL_DEADLINE
from ..contract.words import Family
from ..exceptions import QueryRefused, TaskError, TaskFailed, TaskTimeout
from ..runtime import Runtime
from ..stores.protocol import StoreError
from ..tasks.handle import TaskHandle
from ..tasks.updates import TaskUpdate
from ..tasks.waiting import LAST_LOOK
from .bounded import Late, within
from .chosen import hide, hiding
from .given import read, seconds
from .masking import said_by_client
from .parsing import files, page
from .showing import Lines, Show, Turn, again, bar
from .terminal import Problem, clean, lively, print_json, say, tell
from .trusting import stranger

__all__ = ["register"]

_RUNTIME: Final = Runtime()
_CLIENTS: Final = ("httpx2", "httpx", "requests")
"""What may be installed, best first."""

_READ: Final = 8193  # bytes: a handle has at most 8 KiB
_QUERY_SECONDS: Final = 30.0
_GRACE: Final = 3.0  # seconds for a query that is under way at the deadline, beside those that the wait itself gives it
_FAILED, _LATER, _INTERRUPTED = 1, 3, 130
_ABOUT: Final = """\
Wait until a paid task is done and print the URLs of what it made, one a line, on stdout; all else goes to stderr. It
asks at the pace the task's family suggests, heeds what the server says about waiting, and never creates anything.

A handle is what report(response).task.to_json() gave after a create. It holds no key: that is ANYINT_API_KEY's. The
gateway is the handle's own; if that is none of AnyInt's, ANYINT_BASE_URL must name it."""
_FETCH: Final = """\
curl -H "Authorization: Bearer $ANYINT_API_KEY" -o fox.mp4 \\
     "$(anyint-resilience wait handle.json)\""""
_EXAMPLES: Final = (
    ("a handle that your program wrote into a file", "anyint-resilience wait handle.json"),
    ("keep where it all is", "anyint-resilience wait handle.json > urls.txt"),
    ("fetch a video that is at the gateway: that wants your key", _FETCH),
    ("ten minutes at most, the outcome for a program", "anyint-resilience wait - --deadline 600 --json < handle.json"),
)
_EXITS: Final = (
    (0, "the task is done"),
    (_FAILED, "it failed, or is gone"),
    (_LATER, "it goes on, or this key may not ask; how to wait again is printed"),
)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = page(
        commands,
        "wait",
        summary="follow a paid task to its end, and print where its results are",
        about=_ABOUT,
        usage="HANDLE [options]",
        examples=_EXAMPLES,
        exits=_EXITS,
        needs="httpx2, httpx or requests: pip install 'anyint-resilience[httpx]'. With rich there is a moving bar",
        touches="it asks the handle's gateway how the task is. A query costs nothing",
    )
    files(parser.add_argument("handle", metavar="HANDLE", help="a handle's JSON, a file that holds it, or - for stdin"))
    parser.add_argument("--deadline", type=seconds, metavar="S", help="seconds to wait at most (default: 1800)")
    parser.add_argument("--store", metavar="URL", help="of the ledger, as Resilience(store=...) takes it")
    parser.add_argument(
        "--seedance", action="store_true", help="also know the /doubao routes, which no AnyInt page names"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end, and nothing before")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    handle = _handle(options.handle)
    if handle.family is Family.SEEDANCE and not options.seedance:
        raise Problem("this is a task of a /doubao route: give --seedance")
    turn = Turn(Show() if options.json else _show(handle), _RUNTIME.sleep)
    client = _client(_configured(options, handle, replace(_RUNTIME, sleep=turn.sleep)))
    deadline = POLL_DEADLINE if options.deadline is None else options.deadline
    try:
        with turn:
            most = deadline + min(LAST_LOOK, deadline) + _GRACE
            update = within(most, partial(client.follow, handle, turn.noted, deadline), name="wait")
    except TaskError as error:
        return _ended(options, handle, error)
    except Late:
        why = f"{handle}: a query was not answered to its end, nor given up, by the deadline; the task goes on"
        _left(options, handle, turn.seen, "timeout", why)
        return _LATER
    except KeyboardInterrupt:
        _left(options, handle, turn.seen, "interrupted", "stopped waiting; the task goes on")
        return _INTERRUPTED
    except ValueError as error:
        raise Problem(f"{error}; {_elsewhere(handle)}") from None
    except Exception as error:  # of the client, and not about the gateway
        _left(options, handle, turn.seen, "error", f"{type(error).__name__}: {error}")
        return _LATER
    return _done(options, update)


def _elsewhere(handle: TaskHandle) -> str:
    """Say what to do about a handle's gateway that is none of ours: whoever wrote the handle wrote that too."""
    host, scheme = urlsplit(handle.gateway).hostname or "", urlsplit(handle.gateway).scheme
    if host in HOSTS:
        return f"the handle has {handle.gateway}" + (", where https:// should be" if scheme == "http" else "")
    return f"the handle has {handle.gateway}: if that is a gateway or proxy of your own, ANYINT_BASE_URL must name it"


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
        return read(name, _READ, "HANDLE is neither JSON nor a file that can be read").decode()
    except UnicodeDecodeError:
        raise Problem("invalid TaskHandle: it is not JSON") from None


def _configured(options: argparse.Namespace, handle: TaskHandle, runtime: Runtime) -> Resilience:
    given: dict[str, Any] = {"runtime": runtime}
    given.update({"store": options.store} if options.store is not None else {})
    given.update({"seedance": True} if options.seedance else {})
    found = load(search=True, keywords=given)
    if found.problems:
        raise Problem("; ".join(found.problems))
    try:
        anyint = Resilience(**found.arguments)
    except (ValueError, StoreError) as error:
        raise Problem(str(error)) from None
    if anyint.api_key is None:
        raise Problem("ANYINT_API_KEY is not set")
    hide(anyint.api_key)
    file = stranger(found, handle.gateway)
    if file is not None:
        raise Problem(
            f"only {file.name}, which was found and not named, says that your key may go to {handle.gateway}: if you "
            f"trust it, set {CONFIG}={quote(str(file))}, or ANYINT_BASE_URL"
        )
    return anyint


def _client(anyint: Resilience) -> _Client:
    """Return whichever client is installed."""
    name = next((it for it in _CLIENTS if find_spec(it) is not None), None)
    if name is None:
        raise Problem(f"this command needs one of {', '.join(_CLIENTS)}: install 'anyint-resilience[httpx]'")
    try:
        return _Client(name, anyint)
    except Exception as error:  # what the environment says of proxies and certificates
        raise Problem(f"no {name} client can be made: {said_by_client(error, os.environ)}") from None


class _Client:
    """A wrapped client."""

    def __init__(self, name: str, anyint: Resilience) -> None:
        from importlib import import_module

        module, adapter = import_module(name), import_module(f"anyint_resilience_{name}")
        made = module.Session() if name == "requests" else module.Client(timeout=_QUERY_SECONDS)
        self._client: Any = adapter.wrap(made, anyint)
        self._wait: Callable[..., TaskUpdate] = adapter.wait_for_task

    def follow(self, handle: TaskHandle, noted: Callable[[TaskUpdate], object], deadline: float) -> TaskUpdate:
        """Follow a task to its end, and close the client."""
        with closing(self._client):
            return self._wait(self._client, handle, on_update=noted, deadline=deadline)


# --- what is shown


def _show(handle: TaskHandle) -> Show:
    """Return a bar where there is a terminal for it and rich to draw it, else plain lines."""
    if lively() and find_spec("rich") is not None:
        return bar(handle, _RUNTIME.monotonic)
    return Lines(handle)


def _again(options: argparse.Namespace, handle: TaskHandle) -> str:
    store = [] if options.store is None else ["--store", "URL" if "@" in options.store else options.store]
    return again(handle, *store, *(["--seedance"] * options.seedance))  # before an @ stands a password


def _done(options: argparse.Namespace, update: TaskUpdate) -> int:
    if options.json:
        _document(update.handle, update, "done", None)
        return 0
    if not update.results:
        tell(f"done, and its answer holds no URL: --json shows it, and so does GET {update.handle.url}")
    mask = hiding()
    for url in update.results:
        say(mask.ours("".join(it if it.isprintable() else "?" for it in url)))
    if any(url.startswith(f"{update.handle.gateway}/openai/") for url in update.results):
        tell("(at the gateway: it wants your key; 'anyint-resilience wait --help' has the command)")
    return 0


_ENDED: Final[dict[type, str]] = {TaskFailed: "failed", TaskTimeout: "timeout", QueryRefused: "refused"}


def _ended(options: argparse.Namespace, handle: TaskHandle, error: TaskError) -> int:
    """Say in words why a wait ended without a result."""
    failed = isinstance(error, TaskFailed)
    if options.json:
        _document(handle, error.update, _ENDED.get(type(error), "failed"), str(error))
    else:
        tell(clean(error), *(() if failed else (_again(options, handle),)))
    return _FAILED if failed else _LATER


def _left(options: argparse.Namespace, handle: TaskHandle, seen: TaskUpdate | None, ended: str, why: str) -> None:
    """Say that the wait ended and the task did not, and how to wait again."""
    if options.json:
        _document(handle, seen, ended, why)
    else:
        tell(clean(why), _again(options, handle))


def _document(handle: TaskHandle, update: TaskUpdate | None, ended: str, reason: str | None) -> None:
    names = ("phase", "state", "progress", "results", "note", "polls", "elapsed", "document")
    shown: dict[str, Any] = {name: None if update is None else getattr(update, name) for name in names}
    said = hiding().document({**shown, "reason": reason})  # a server may write back what it was sent
    print_json({"ended": ended, "handle": handle.as_dict(), **said}, one_line=True)
