"""What the pages of the clients say of exceptions is so. Must not know how either works."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience import ResilienceError
from anyint_resilience.exceptions import HELD_BACK

PAGES = Path(__file__).resolve().parents[2] / "docs" / "clients"
CLIENTS = ("httpx", "httpx2", "requests", "aiohttp")
every_client = pytest.mark.parametrize("client", CLIENTS)


def read(name: str) -> str:
    path = PAGES / f"{name}.md"
    if not path.exists():
        pytest.skip("the documents are not part of the wheel")
    return path.read_text(encoding="utf-8")


def table(text: str, head: str) -> list[list[str]]:
    """Return the cells of the one table whose first line begins so, without its two first lines."""
    found = re.findall(rf"(?m)^{re.escape(head)}.*\n\|[-: |]+\|\n((?:\|.*\n)+)", text)
    assert len(found) == 1, f"{len(found)} tables with the head {head}"
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in found[0].splitlines()]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([\w.]+)`", cell)


def adapter_of(client: str) -> Any:
    pytest.importorskip(client)
    return importlib.import_module(f"anyint_resilience_{client}")


def exceptions_of(adapter: Any) -> dict[str, type]:
    found = {name: getattr(adapter, name) for name in adapter.__all__}
    return {name: it for name, it in found.items() if inspect.isclass(it) and issubclass(it, ResilienceError)}


def named(client: str, text: str) -> type:
    """Return a class by the name that the page has for it: of the client, or of the standard library."""
    module, _, rest = text.partition(".")
    assert module in (client, "asyncio"), text
    found: Any = importlib.import_module(module)
    for name in rest.split("."):
        found = getattr(found, name)
    assert isinstance(found, type)
    return found


@every_client
def test_each_exception_of_an_adapter_is_on_its_page(client: str) -> None:
    """Every class once, and no other name."""
    adapter = adapter_of(client)
    rows = table(read(client), f"| ours, from `anyint_resilience_{client}` |")
    assert sorted(name for row in rows for name in codes(row[0])) == sorted(exceptions_of(adapter))


@every_client
def test_an_exception_is_also_what_its_page_says(client: str) -> None:
    """Of the client's classes each that is named, and those are the nearest ones."""
    ours = exceptions_of(adapter_of(client))
    for first, also, *_ in table(read(client), f"| ours, from `anyint_resilience_{client}` |"):
        wanted = {named(client, text) for text in codes(also)}
        for name in codes(first):
            theirs = [it for it in ours[name].__mro__ if it.__module__.split(".")[0] == client]
            assert all(issubclass(ours[name], it) for it in wanted), (name, also)
            assert theirs[0] in wanted, (name, theirs)


def test_each_reason_of_an_unknown_outcome_is_on_the_page() -> None:
    """All that ``OutcomeUnknown.why`` may be."""
    rows = table(read("index"), "| `OutcomeUnknown.why` |")
    assert {name for row in rows for name in codes(row[0])} == {"unknown", *HELD_BACK.values()}
