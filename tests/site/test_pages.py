"""The pages of the built site, on a desk and on a telephone. Must not know what any of them says."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, Page

# Those with the widest tables, drawings and code, and with a script of their own; each takes a while to load.
PAGES = "./ architecture/ benchmarks/ clients/ configuration/ decisions/ explorer/ figures/ load/ reference/".split()
LOOK = """() => ({
    sticks_out: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    broken: [...document.images].filter((it) => it.complete && !it.naturalWidth).map((it) => it.src),
})"""


HIDDEN = """() => [...document.querySelectorAll(".md-typeset table:not([class])")].filter((table) => {
    const frame = (table.closest(".md-typeset__scrollwrap") || table.parentElement).getBoundingClientRect();
    return table.querySelector("tr").lastElementChild.getBoundingClientRect().left > frame.right - 40;
}).map((table) => table.querySelector("tr").innerText)"""
"""Tables whose last column is out of sight, but for a word of it."""


def looked_at(page: Page, url: str) -> Any:
    page.goto(url)
    return page.evaluate(LOOK)


def test_pages_fit_a_telephone(browser: Browser, url: str) -> None:
    """Nothing sticks out, every picture is there, nothing is missing or comes from another host."""
    with browser.new_context(viewport={"width": 375, "height": 800}) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("response", lambda it: asked.append(f"{it.status} {it.url}"))
        seen = {name: looked_at(page, url + name) for name in PAGES}
    assert {name: it for name, it in seen.items() if it != {"sticks_out": 0, "broken": []}} == {}
    assert asked
    assert [it for it in asked if it[:1] not in "23" or url not in it] == []


def test_on_a_desk_every_column_of_a_table_is_in_sight(browser: Browser, url: str) -> None:
    """Who does not see that a table goes on does not scroll it. Tables of eight or more columns are for who looks."""
    hidden = {}
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        for name in [*PAGES, "migrating/", "observability/", "sdks/", "streams/", "tasks/", "testing/"]:
            page.goto(url + name)
            hidden[name] = [it for it in page.evaluate(HIDDEN) if it.count("\t") < 7 and not it.startswith("\there\t")]
    assert {name: it for name, it in hidden.items() if it} == {}


def test_the_search_finds_a_page(page: Page, url: str) -> None:
    """Its index was made with the site, and is asked in the browser."""
    page.goto(url)
    page.locator("[data-md-component=search-query]").fill("OutcomeUnknown")
    first = page.locator(".md-search-result__link").first
    first.wait_for()
    assert page.evaluate("(link) => new URL(link.href).pathname", first.element_handle()).startswith(
        "/some/sub/folder/"
    )


def test_light_and_dark_follow_the_system(page: Page, url: str) -> None:
    """As long as the reader has not chosen."""
    schemes = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(url)
        schemes.append(page.evaluate("() => document.body.getAttribute('data-md-color-scheme')"))
    assert schemes == ["default", "slate"]
