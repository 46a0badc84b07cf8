"""The targets by name, and their corpora. Must not load a target, nor atheris, before it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol, cast

__all__ = ["CORPUS", "LONGEST", "TARGETS", "Target", "corpus_of", "inputs_of", "target"]

CORPUS: Final = Path(__file__).parent / "corpus"

TARGETS: Final[tuple[str, ...]] = ("reading", "hints", "streams", "routes", "callbacks", "config", "stores")
"""In the order in which they are run."""

LONGEST: Final = 4096
"""Bytes of an input. What is only long is for tests of the bounds."""


class Target(Protocol):
    """A module with these functions."""

    check: Callable[[bytes], None]
    """Raises where a property does not hold."""
    words: Callable[[], Iterable[str]]
    """What the fuzzer's dictionary has in it."""
    seeds: Callable[[], Iterable[bytes]]
    """Where the fuzzer begins: the tables of the contract, and what tests have in them."""


def target(name: str) -> Target:
    """Return a target's module."""
    if name not in TARGETS:
        raise ValueError(f"no target {name!r}: there are {', '.join(TARGETS)}")
    return cast("Target", import_module(f"hostile.fuzz.target_{name}"))


def corpus_of(name: str) -> Path:
    """Return the folder that holds a target's corpus."""
    return CORPUS / name


def inputs_of(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the inputs of a target's corpus, by the names of their files."""
    for path in sorted(corpus_of(name).glob("*")):
        yield path.name, path.read_bytes()
