"""The decision explorer in a real browser: what it shows is what ``Policy()`` decides, and everybody can use it."""

from __future__ import annotations

import json
import random
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Browser, Page

from anyint_resilience.cli import main
from anyint_resilience.contract.words import Family
from anyint_resilience.policy.model import FaultKind
from tests.site.explorer_kit import clicked, decided, followed, only, opened, parsed, shown
from tools.site.explorer import ATTEMPTS, EXAMPLES, HINTS

FAMILIES = [it.value for it in Family]
CHAT, VIDEO = "POST /openai/v1/chat/completions", "POST /openai/v1/videos"
SONG = "POST /suno/generate"
SAMPLE = 40  # outcomes of each family


def address(**state: object) -> str:
    """Write the address of an outcome."""
    return "#" + "&".join(f"{key}={quote_plus(str(it), safe='/:')}" for key, it in state.items() if it is not None)


@pytest.fixture(scope="module")
def data(site: Path) -> Any:
    return json.loads((site / "assets" / "explorer-data.json").read_text(encoding="utf-8"))


def outcomes(family: dict[str, Any], some: random.Random) -> Iterator[dict[str, Any]]:
    """Draw answers with every kind of body, and exceptions, for the requests of a family in turn."""
    for place in range(SAMPLE):
        request = family["requests"][place % len(family["requests"])]
        state = {"family": family["family"], "request": request["name"], "attempt": some.choice(ATTEMPTS)}
        if place % 5 == 4:
            broke = some.choice([None, *family["statuses"]])
            kind = FaultKind.BODY_ERROR if place % 2 else some.choice(list(FaultKind))
            yield {**state, "exception": kind.value, "status": broke if kind is FaultKind.BODY_ERROR else None}
            continue
        state["retry_after"] = some.choice(HINTS)
        if place % 5 == 3:
            yield {**state, "status": 200, "body": some.choice(request["goods"])["key"]}
            continue
        status = some.choice(list(family["statuses"]))
        code = some.choice([int(it) for it in family["answers"][status]])
        named = {"code": family["codes"][code - 1]["name"]} if code else {"body": "none"}
        yield {**state, "status": status, **named}


# --- it shows what is decided


@pytest.mark.parametrize("name", FAMILIES)
def test_it_shows_what_the_policy_decides(shared_page: Page, url: str, data: Any, name: str) -> None:
    """Of a sample of all outcomes of a family: each field, word for word, and the link is kept as it came."""
    family = next(it for it in data["families"] if it["family"] == name)
    opened(shared_page, url)
    for state in outcomes(family, random.Random(name)):
        found = followed(shared_page, address(**state))
        assert only(found) == decided(found["command"]), state
        asked = parsed(found["command"])
        assert (asked.exception, asked.attempt) == (state.get("exception"), state["attempt"])
        assert str(asked.status) == str(state.get("status"))
        assert found["route"].split(" ")[0] in ("*", asked.method)


@pytest.mark.parametrize("request_", [CHAT, VIDEO])
def test_each_exception_at_each_attempt(shared_page: Page, url: str, request_: str) -> None:
    """Of a chat and of a paid create."""
    opened(shared_page, url)
    for kind, attempt in product(FaultKind, ATTEMPTS):
        state = {"family": "openai", "request": request_, "exception": kind.value, "attempt": attempt}
        found = followed(shared_page, address(**state))
        assert only(found) == decided(found["command"])
        assert (parsed(found["command"]).exception, parsed(found["command"]).attempt) == (kind.value, attempt)


def test_the_command_says_the_same(shared_page: Page, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is shown to copy is what ``explain`` takes, and its JSON has the same words. It counts from now."""
    opened(shared_page, url)
    for link in shared_page.locator(".ax-examples a").all():
        found = clicked(shared_page, link)
        assert main([*shlex.split(found["command"])[1:], "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["retry_at"] is None) == (found["retry_at"] is None)
        assert {**only(found), "retry_at": 0} == {name: told[name] for name in only(found)} | {"retry_at": 0}


def test_every_example_is_what_it_says(shared_page: Page, url: str) -> None:
    """No link of the page names what is not there."""
    opened(shared_page, url)
    links = shared_page.locator(".ax-examples a")
    assert links.all_inner_texts() == list(EXAMPLES)
    for link, state in zip(links.all(), EXAMPLES.values(), strict=True):
        found = clicked(shared_page, link)
        assert shared_page.locator(".ax-note").first.inner_text() == ""
        assert only(found) == decided(found["command"])
        asked = parsed(found["command"])
        assert (asked.status, asked.exception) == (state.get("status"), state.get("exception"))


@pytest.mark.parametrize(
    ("request_", "other", "says"),
    [(CHAT, VIDEO, "If this were a paid create"), (VIDEO, CHAT, "If this were safe to repeat")],
)
def test_what_another_request_would_do(shared_page: Page, url: str, request_: str, other: str, says: str) -> None:
    """Beside each outcome stands the same one of a paid create, and beside that of one that may be repeated."""
    found = opened(shared_page, url, address(family="openai", request=request_, exception="read_timeout"))
    beside = shared_page.locator(".ax-other")
    assert beside.inner_text().startswith(f"{says}, {other}: ")
    action = beside.locator("strong").inner_text()
    there = clicked(shared_page, beside.locator("a"))
    assert there["action"] == action != found["action"]
    assert parsed(there["command"]).url == other.split(" ")[1]


def test_a_family_without_a_paid_create_has_nothing_beside(shared_page: Page, url: str) -> None:
    """Anthropic has none."""
    opened(shared_page, url, address(family="anthropic", exception="read_timeout"))
    assert shared_page.locator(".ax-other").is_hidden()


# --- links


def test_a_choice_is_in_the_address_and_the_address_makes_the_choice(page: Page, browser: Browser, url: str) -> None:
    """What is chosen field by field is shown anew where its address is opened."""
    opened(page, url)
    page.get_by_label("Family").select_option("suno")
    page.get_by_label("Request").select_option("POST /suno/generate")
    page.get_by_label("HTTP status").select_option("200")
    page.get_by_label("Body").select_option("code:430")
    page.get_by_label("Retry-After").select_option("2")
    page.get_by_label("Attempt").select_option("2")
    found = shown(page)
    assert only(found) == decided(found["command"])
    assert found["reason"].startswith("HTTP 200 code 430: rate, rejected, retry-after says 2 s; attempt 2 of 3")
    with browser.new_context() as context:
        assert opened(context.new_page(), url, found["address"]) == found


def test_the_theme_leaves_the_address_alone(shared_page: Page, url: str) -> None:
    """A page with headings below its title has a list of them, and scrolling writes the one in sight there."""
    opened(shared_page, url)
    assert shared_page.locator("[data-md-component=toc]").count() == 0


@pytest.mark.parametrize("name", FAMILIES)
def test_a_status_comes_with_a_body_of_its_own(shared_page: Page, url: str, data: Any, name: str) -> None:
    """With the first code that is documented there, or the number that it is; with none of another status or of any."""
    opened(shared_page, url)
    family = next(it for it in data["families"] if it["family"] == name)
    for status in family["statuses"]:
        if status == "200":
            continue
        followed(shared_page, address(family=name, status=status))
        own = (it["name"] for it in family["codes"] if int(status) in it["at"] or it["name"] == status)
        code = next(own, None)
        expected = "body:none" if code is None else f"code:{code}"
        assert (status, shared_page.get_by_label("Body").input_value()) == (status, expected)


@pytest.mark.parametrize(
    ("request_", "status", "action", "cause"),
    [
        (CHAT, "504", "backoff", "transient"),
        (VIDEO, "504", "no_retry", "transient"),
        (CHAT, "409", "backoff", "transient"),
        (SONG, "503", "backoff", "transient"),
        (SONG, "429", "no_retry", "quota"),
        (SONG, "401", "no_retry", "auth"),
    ],
)
def test_a_status_alone_is_answered(
    shared_page: Page, url: str, request_: str, status: str, action: str, cause: str
) -> None:
    """As who wonders about it means it, whichever was chosen before."""
    opened(shared_page, url, address(family="suno" if request_ == SONG else "openai", request=request_))
    shared_page.get_by_label("HTTP status").select_option(status)
    found = shown(shared_page)
    assert (found["action"], found["cause"]) == (action, cause)


def test_another_status_comes_with_a_code_of_its_own(shared_page: Page, url: str) -> None:
    """A code stays where it is documented, or the same body says nothing known; else the usual one is taken."""
    opened(shared_page, url, address(family="openai", request=CHAT, status=429, code="insufficient_quota"))
    shared_page.get_by_label("HTTP status").select_option("503")
    assert shared_page.get_by_label("Body").input_value() == "code:server_is_overloaded"
    shared_page.get_by_label("Body").select_option("code:insufficient_quota")
    assert (shown(shared_page)["cause"], parsed(shown(shared_page)["command"]).status) == ("quota", 503)
    shared_page.get_by_label("HTTP status").select_option("200")
    assert shared_page.get_by_label("Body").input_value() == "body:good"
    shared_page.get_by_label("an exception").check()
    shared_page.get_by_label("Exception", exact=True).select_option("body_error")
    shared_page.get_by_label("HTTP status").select_option("500")
    assert shown(shared_page)["reason"].startswith("body_error in the body of an HTTP 500: server, outcome unknown")
    shared_page.get_by_label("an answer").check()
    assert parsed(shown(shared_page)["command"]).status == 429


def test_a_link_to_what_is_not_there_says_so(shared_page: Page, url: str) -> None:
    """It shows what there is, and nothing of the address gets into the page but as text."""
    opened(shared_page, url, address(family="nobody", status="999", code="<img src=x onerror=alert(1)>"))
    note = shared_page.locator(".ax-note").first.inner_text()
    assert note == "The link names what is not here: nobody, 999, <img src=x onerror=alert(1)>."
    assert shared_page.locator("#anyint-explorer img").count() == 0
    shared_page.get_by_label("Attempt").select_option("3")
    assert shared_page.locator(".ax-note").first.inner_text() == ""


# --- everybody can use it


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(page: Page, url: str, data: Any, width: int, scheme: str) -> None:
    """Nothing is wider than the screen, and all text has a contrast of 4.5 to 1 (WCAG AA) or more."""
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    opened(page, url)
    for state in EXAMPLES.values():
        followed(page, address(**{"family": "openai", **state}))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []
    assert page.evaluate(DARK) is (scheme == "dark")


DARK = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).every((it) => it < 99)"
CONTRAST = """() => {
    const parts = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
    const over = ([r, g, b, a = 1], under) => [r, g, b].map((it, at) => it * a + under[at] * (1 - a));
    const light = (rgb) => rgb.map((it) => it / 255)
        .map((it) => it <= 0.03928 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4)
        .reduce((sum, it, at) => sum + it * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (node) => {
        const under = node.parentElement ? behind(node.parentElement) : [255, 255, 255];
        return over(parts(getComputedStyle(node).backgroundColor), under);
    };
    const faint = [];
    for (const node of document.querySelectorAll("#anyint-explorer *")) {
        const text = [...node.childNodes].some((it) => it.nodeType === 3 && it.data.trim());
        if (!text || node.tagName === "OPTION" || !node.checkVisibility()) continue;
        const under = behind(node);
        const pair = [light(over(parts(getComputedStyle(node).color), under)), light(under)];
        const [dim, bright] = pair.sort((a, b) => a - b);
        if ((bright + 0.05) / (dim + 0.05) < 4.5) faint.push(node.outerHTML);
    }
    return faint;
}"""


def test_the_keyboard_is_enough(page: Page, url: str) -> None:
    """Each field is reached with Tab in the order in which it stands, is changed with arrows, and keeps the focus."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(page, url)
    page.locator(".ax-examples a").last.focus()
    where = "document.activeElement.name || document.activeElement.textContent"
    page.keyboard.press("Tab")
    assert page.evaluate(where) == "family"
    page.keyboard.press("ArrowDown")
    assert page.get_by_label("Family").input_value() == "anthropic"
    assert page.evaluate(where) == "family"
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(where))
    assert reached == ["attempt", "request", "outcome", "status", "retry_after", "body"]
    page.keyboard.type("over")  # of the codes of 429: overloaded_error
    assert page.get_by_label("Body").input_value() == "code:overloaded_error"
    page.keyboard.press("Tab")
    assert page.evaluate(where) == "Copy"
    page.keyboard.press("Enter")
    page.get_by_text("copied.").wait_for()
    found = shown(page)
    assert page.evaluate("navigator.clipboard.readText()") == found["command"]
    assert only(found) == decided(found["command"])


def test_it_speaks(shared_page: Page, url: str) -> None:
    """The decision is told when it changes; every field has a name."""
    opened(shared_page, url)
    live = shared_page.locator('[aria-live="polite"]', has=shared_page.locator("strong"))
    assert live.inner_text() == "backoff: wait, then send the same request again"
    shared_page.get_by_label("HTTP status").select_option("401")
    assert live.inner_text() == "no_retry: hand it over as it is; do not send the request again"
    names = shared_page.locator("#anyint-explorer select").evaluate_all("(all) => all.map((it) => it.labels.length)")
    assert set(names) == {1}


# --- where there is less


def test_without_javascript_it_says_what_to_do(browser: Browser, url: str) -> None:
    """The command is there."""
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{url}explorer/")
        assert page.locator("#anyint-explorer").inner_text().startswith("This part of the page needs JavaScript.")
        assert "anyint-resilience explain POST" in page.locator("article pre").first.inner_text()


def test_it_works_as_a_file(browser: Browser, site: Path) -> None:
    """A folder on a disk is enough, where nothing may be fetched."""
    with browser.new_context() as context:
        page = context.new_page()
        found = opened(page, f"{site.as_uri()}/", "index.html" + address(family="kling", exception="connect_error"))
        assert only(found) == decided(found["command"])


def test_it_says_that_its_data_is_missing(browser: Browser, url: str) -> None:
    """Not an empty page."""
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/explorer-data.json", lambda route: route.fulfill(status=404))
        page.goto(f"{url}explorer/")
        assert "could not be loaded: HTTP 404" in page.get_by_role("alert").inner_text()
