"""What the explorer's page shows, and what ``Policy()`` decides about the same: read off the command that it shows.

Must not know the page's data, nor how it was made: the command alone says what was asked.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Locator, Page

from anyint_resilience import Policy
from anyint_resilience.contract.matching import RouteTable

FIELDS = ("action", "cause", "certainty", "delay", "retry_at", "reason", "guidance", "user_message", "source", "route")
NUMBERS = ("delay", "retry_at")
TURNED = "const turned = new Promise((done) => addEventListener('hashchange', () => done(), {once: true}))"
READ = """() => {
    const shown = {action: document.querySelector(".ax-result").dataset.action};
    for (const it of document.querySelectorAll(".ax-result dd")) shown[it.dataset.field] = it.dataset.value ?? null;
    shown.command = document.querySelector("#ax-command").textContent;
    shown.address = location.hash;
    return shown;
}"""


def opened(page: Page, url: str, address: str = "") -> dict[str, Any]:
    """Open the explorer at an address, or follow it there if it is open already; return what it shows."""
    if page.url.startswith(f"{url}explorer/"):
        return followed(page, address)
    page.goto(f"{url}explorer/{address}")
    page.wait_for_selector(".ax-result")
    return shown(page)


def followed(page: Page, address: str) -> dict[str, Any]:
    """Follow a link within the page that is open, and return what it shows then."""
    page.evaluate(
        f"(to) => {{ {TURNED}; if (location.hash === to) return; location.hash = to; return turned }}", address
    )
    return shown(page)


def clicked(page: Page, link: Locator) -> dict[str, Any]:
    """Click on a link to another outcome, and return what it shows then."""
    page.evaluate(f"() => {{ {TURNED}; window.turned = turned }}")
    link.click()
    page.evaluate("window.turned")
    return shown(page)


def shown(page: Page) -> dict[str, Any]:
    """Return the fields of the decision as the page has them, with its command and its address."""
    found: dict[str, Any] = page.evaluate(READ)
    for name in NUMBERS:
        found[name] = None if found[name] is None else float(found[name])
    return found


def decided(command: str) -> dict[str, Any]:
    """Return what ``Policy()`` decides about the outcome that a command names; times are counted from the answer."""
    options = parsed(command)
    more: dict[str, Any] = {
        "attempt": options.attempt,
        "operation": options.operation,
        "table": RouteTable(seedance=options.seedance),
        "now": 0.0,
    }
    policy, request = Policy(), (options.method, options.url)
    if options.exception is not None:
        decision = policy.decide_exception(*request, options.exception, status=options.status, **more)
    else:
        headers = [tuple(it.split(": ", 1)) for it in options.header]
        decision = policy.decide_response(*request, options.status, headers, options.body.encode(), **more)
    found = decision.as_dict()
    for name in NUMBERS:
        found[name] = None if found[name] is None else round(found[name], 6)
    return {name: found[name] for name in FIELDS}


def parsed(command: str) -> argparse.Namespace:
    """Take a command apart, as a shell and then ``explain`` do."""
    words = shlex.split(command)
    assert words[:2] == ["anyint-resilience", "explain"]
    parser = argparse.ArgumentParser()
    for name in ("method", "url"):
        parser.add_argument(name)
    parser.add_argument("came", nargs="+")
    parser.add_argument("--operation")
    parser.add_argument("--body", default="")
    parser.add_argument("--attempt", type=int, default=1)
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--seedance", action="store_true")
    found = parser.parse_args(words[2:])
    found.status = next((int(it) for it in found.came if it.isdigit()), None)
    found.exception = next((it for it in found.came if not it.isdigit()), None)
    return found


def only(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the decision's fields alone."""
    return {name: found[name] for name in FIELDS}
