"""The client of ``--client module:attr``: imported, made if it is a factory, and closed again if it was made here.

Must not know what a client is. Whatever the user's code does or raises ends in words.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, Final

__all__ = ["NoClient", "Taken", "take"]

_NO_LOOP: Final = "event loop"


class NoClient(Exception):
    """There is no client to look at; the text says why, and ``advice`` what to do."""

    def __init__(self, text: object, advice: str) -> None:
        super().__init__(text)
        self.advice = advice


class Taken:
    """What was found, and what must be done at the end."""

    def __init__(self) -> None:
        self.client: Any = None
        self.made = False
        self._loop = asyncio.new_event_loop()
        self._exits: list[Callable[[], object]] = []
        asyncio.set_event_loop(self._loop)

    def run(self, awaitable: Any) -> Any:
        """Await something on a loop of our own, which stays for what was made on it."""

        async def awaited() -> Any:
            return await awaitable

        return self._loop.run_until_complete(awaited())

    def call(self, factory: Callable[[], Any]) -> Any:
        """Call a factory inside a running loop: some clients can't be made outside of one."""

        async def called() -> Any:
            return factory()

        return self.run(called())

    def at_end(self, leave: Callable[[], object]) -> None:
        """Have something called at the end."""
        self._exits.append(leave)

    def close(self) -> None:
        """Close what was made here, and its loop."""
        if self.made:
            self._exits.append(self._close_client)
        try:
            for leave in self._exits:
                with contextlib.suppress(Exception):
                    ended = leave()
                    if inspect.isawaitable(ended):
                        self.run(ended)
        finally:
            self._loop.close()

    def _close_client(self) -> object:
        close = getattr(self.client, "aclose", None) or getattr(self.client, "close", None)
        return close() if callable(close) else None


def take(spec: str, known: Callable[[Any], bool]) -> Taken:
    """Return the client that ``module:attr`` names; ``known`` tells a client from a factory. Raises NoClient.

    The module runs in the present thread, which gets an event loop as the main thread of a program has one.
    """
    taken = Taken()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # of the user's own code: told, not raised
            found = _found(spec)
            taken.client = found if known(found) else _made(taken, spec, found, known)
    except BaseException:
        taken.close()
        raise
    return taken


def _found(spec: str) -> Any:
    name, _, attribute = spec.partition(":")
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise NoClient(f"there is no module {name}", "Run it where the module can be imported from.") from None
        raise NoClient(
            f"importing {name} ended in {_of(error)}", "Install what it needs in this environment."
        ) from None
    except BaseException as error:  # a module may even exit; Ctrl-C comes to the main thread
        raise NoClient(
            f"importing {name} ended in {_of(error)}", "Mend it, or name a module that only makes the client."
        ) from None
    found: Any = module
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
    except BaseException as error:
        raise NoClient(f"{name} has no {attribute}: {_of(error)}", "Look at the name behind the colon.") from None
    return found


def _made(taken: Taken, spec: str, found: Any, known: Callable[[Any], bool]) -> Any:
    """Return what a factory makes: called, awaited, entered."""
    if not callable(found):
        raise NoClient(f"{spec} is a {_name(found)}: no client that is known here, and no factory", _KNOWN)
    try:
        made = _called(taken, found)
        taken.made = True
        if inspect.isawaitable(made):
            made = taken.run(made)
        if not known(made):
            made = _entered(taken, made)
    except BaseException as error:  # a factory may exit, too
        raise NoClient(
            f"{spec}() ended in {_of(error)}", "Give a function without arguments that returns the client."
        ) from None
    if not known(made):
        raise NoClient(f"{spec}() returned a {_name(made)}: no client that is known here", _KNOWN)
    return made


def _called(taken: Taken, factory: Callable[[], Any]) -> Any:
    try:
        return factory()
    except RuntimeError as error:
        if _NO_LOOP not in str(error):
            raise
    return taken.call(factory)


def _entered(taken: Taken, made: Any) -> Any:
    """Enter what is a context manager around the client, or yields it as a dependency of a web framework does."""
    if inspect.isgenerator(made):
        taken.at_end(made.close)
        return next(made)
    if inspect.isasyncgen(made):
        taken.at_end(made.aclose)
        return taken.run(made.__anext__())
    if hasattr(type(made), "__enter__"):
        taken.at_end(lambda: made.__exit__(None, None, None))
        return made.__enter__()
    if hasattr(type(made), "__aenter__"):
        taken.at_end(lambda: made.__aexit__(None, None, None))
        return taken.run(made.__aenter__())
    return made


_KNOWN: Final = (
    "Give a client of httpx, httpx2, requests, aiohttp, openai, anthropic or google-genai, or a function without "
    "arguments that returns one."
)


def _name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
