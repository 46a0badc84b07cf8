"""What the site makes of links into the tree, and what it takes from other hosts. Must not know mkdocs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

if not (Path(__file__).resolve().parents[2] / "tools" / "site" / "hooks.py").exists():
    pytest.skip("the tools are not part of the wheel", allow_module_level=True)

from tools.site import hooks


@pytest.mark.parametrize(
    ("source", "place", "link", "turned"),
    [
        ("docs/load.md", "load.md", "[a](fleet.md#gate)", "[a](fleet.md#gate)"),
        ("docs/load.md", "load.md", "[a](../benchmarks/README.md#fleet)", "[a](figures.md#fleet)"),
        ("docs/load.md", "load.md", "![a](../benchmarks/results/gate.png)", "![a](pictures/gate.png)"),
        ("docs/clients/httpx.md", "clients/httpx.md", "[a](../../CHANGELOG.md)", "[a](../changelog.md)"),
        ("benchmarks/README.md", "figures.md", "![a](results/gate.png)", "![a](pictures/gate.png)"),
        ("observability/README.md", "dashboard.md", "![a](../docs/pictures/panels.png)", "![a](pictures/panels.png)"),
        ("CHANGELOG.md", "changelog.md", "[a](docs/load.md#gate) [b](#b)", "[a](load.md#gate) [b](#b)"),
        ("CONTRIBUTING.md", "contributing.md", '<a href="LICENSE">', '<a href="license.txt">'),
        (
            "docs/load.md",
            "load.md",
            "[a](https://example.com/docs/x) [b](#b)",
            "[a](https://example.com/docs/x) [b](#b)",
        ),
    ],
)
def test_a_link_into_the_tree_leads_to_where_the_site_has_it(source: str, place: str, link: str, turned: str) -> None:
    """And all others stay as they are."""
    assert hooks.turned(link, source=source, place=place) == turned


@pytest.mark.parametrize(
    ("html", "loads"),
    [
        ('<script src="https://unpkg.com/x.js"></script>', True),
        ("<img alt=a src=//example.com/a.png>", True),
        ('<link href="https://fonts.example.com/css" rel="stylesheet">', True),
        ('<link rel="canonical" href="https://example.com/">', False),
        ('<a href="https://example.com/">a link</a> <img src="a.png"> <script src="assets/a.js"></script>', False),
    ],
)
def test_what_a_page_would_load_from_another_host_is_seen(html: str, loads: bool) -> None:
    """A link that a reader may follow loads nothing by itself."""
    assert (hooks.LOADED.search(html) is not None) == loads


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<td><code>store_wait</code></td>", "<td><code>store_wait</code></td>"),
        (
            "<td>a <code>/transtreams/kling/v1/images/{id}</code></td>",
            "<td>a <code>/<wbr>transtreams/<wbr>kling/<wbr>v1/<wbr>images/<wbr>{id}</code></td>",
        ),
        ("<p><code>ANYINT_RESILIENCE_STORE_WAIT</code></p>", "<p><code>ANYINT_RESILIENCE_STORE_WAIT</code></p>"),
        ("<td style='a'><code>ANYINT_RESILIENCE_POLICY</code></td>", None),
        ("<td><code>ANYINT_RESILIENCE_STORES</code></td>", None),
        (
            "<td><code>ANYINT_RESILIENCE_BUDGETS</code></td>",
            "<td><code>ANYINT_<wbr>RESILIENCE_<wbr>BUDGETS</code></td>",
        ),
    ],
)
def test_long_code_in_a_table_may_be_broken_at_its_joints(html: str, shown: str | None) -> None:
    """From 25 characters on, and nowhere else."""
    assert hooks.on_page_content(html) == (html if shown is None else shown)


def test_a_page_of_the_tree_has_its_own_title_and_its_weight_in_the_search() -> None:
    """Two pages of one name, or figures before explanations, help nobody to find anything."""
    page = SimpleNamespace(file=SimpleNamespace(src_uri="figures.md"), meta={})
    assert hooks.on_page_markdown("# Benchmarks\n\nwords\n", page) == "# All figures\n\nwords\n"
    assert page.meta == {"search": {"boost": 0.2}}


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        (":class:<code>Entry</code>", "<code>Entry</code>"),
        ("of :class:<code>~anyint_resilience.Resilience</code>:", "of <code>Resilience</code>:"),
        ("<code>~/.config</code>", "<code>~/.config</code>"),
    ],
)
def test_roles_of_docstrings_are_left_away(html: str, shown: str) -> None:
    """And the path before a name, where a tilde says so."""
    assert hooks.on_page_content(html) == shown
