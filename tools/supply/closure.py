"""What is installed because of this package: its dependencies and theirs, as the metadata here has them.

Must not know a registry: what is not installed is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .bounds import OWN, applies

__all__ = ["EXTRAS", "closure", "version"]

EXTRAS = ("all", "pytest")
"""Together every extra there is."""


def closure(name: str = OWN, extras: tuple[str, ...] = EXTRAS) -> dict[str, tuple[str, ...]]:
    """Return every distribution that the package brings, and which of them ask for it."""
    found: dict[str, list[str]] = {}
    seen, todo = set(), [(canonicalize_name(name), extra) for extra in ("", *extras)]
    while todo:
        asker, extra = todo.pop()
        if (asker, extra) in seen:
            continue
        seen.add((asker, extra))
        for requirement in _asked(asker, extra):
            wanted = canonicalize_name(requirement.name)
            todo += [(wanted, it) for it in ("", *sorted(requirement.extras))]
            if wanted != canonicalize_name(name) and asker not in found.setdefault(wanted, []):
                found[wanted].append(asker)
    return {wanted: tuple(sorted(askers)) for wanted, askers in sorted(found.items())}


def _asked(name: str, extra: str) -> Iterator[Requirement]:
    requirements = (Requirement(line) for line in metadata.requires(name) or ())
    return (it for it in requirements if applies(it, (extra,)) and (extra == "" or not applies(it)))


def version(name: str) -> str:
    """Return which version is installed."""
    return metadata.version(name)
