"""What is looked up on a page without running anything: commands, configuration, links. Must not know our own pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.brief import once
from tests.unit.check_docs_kit import written
from tools.check_docs import blocks, links, looking

pytestmark = once

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a page, and return its path."""
    return partial(written, tmp_path)


@pytest.mark.parametrize(
    ("language", "text", "problem"),
    [
        ("python", "x =\n", "does not compile"),
        ("bash", "ls 2>&1 | no-such-command-anywhere --help\n", "no command no-such-command-anywhere"),
        ("bash", "python -m nox -s nothing\n", "nox has no session nothing"),
        ("bash", "python -m pip install 'anyint-resilience[httpx,nope]'\n", "no extra nope"),
        ("bash", "anyint-resilience nothing\n", "is no command"),
        ("bash", "anyint-resilience config nothing\n", "is no command"),
        ("bash", "anyint-resilience emulator --port 8080 --no-such=1\n", "emulator` has no option --no-such"),
        ("bash", "python -m anyint_resilience.cli nothing\n", "is no command"),
        ("bash", "python -m anyint_resilience.nothing\n", "cannot import anyint_resilience.nothing"),
        ("json", "{'a': 1}\n", "not JSON"),
        ("toml", "a = \n", "not TOML"),
        ('toml title="anyint-resilience.toml"', "[policy]\nattemps = 3\n", "attemps"),
        ("toml", "[tool.anyint-resilience]\nnothing_like_it = 3\n", "nothing_like_it"),
        ("toml", "[policy]\nattemps = 3\n", "attemps"),
    ],
)
def test_what_is_looked_up(write: Write, language: str, text: str, problem: str) -> None:
    """Syntax, names, commands, and our configuration as our loader reads it."""
    (block,) = blocks.read(write(f"~~~{language}\n{text}~~~\n")).blocks
    said = list(looking.CHECKS[block.language](block))
    assert len(said) == 1
    assert problem in said[0]
    assert said[0].startswith(f"{block.path}:")


def test_commands_in_sentences_are_looked_up_too(write: Write) -> None:
    """With their line; not a pattern with a COMMAND in it, nor what goes on with three dots."""
    good = "`anyint-resilience COMMAND: words`, `anyint-resilience what ...`, `python -m nox -s\ndocs` and `a | b`.\n"
    page = write(
        f"{good}So is `anyint-resilience\nroutes --famly`.\n~~~text\n`nox -s nothing`\n~~~\n`nox -s nothing`\n"
    )
    assert list(looking.spans(page)) == [
        f"{page}:3: `anyint-resilience routes` has no option --famly",
        f"{page}:8: nox has no session nothing",
    ]


def test_toml_of_others_is_only_parsed(write: Write) -> None:
    """Its keys are not ours."""
    (block,) = blocks.read(write("~~~toml\n[project]\nname = 'shop'\n~~~\n")).blocks
    assert list(looking.CHECKS["toml"](block)) == []


PAGE = """\
# A heading, with `code` & more

[one](#a-heading-with-code--more) [two](other.md#there) ![three](other.md) <a href="other.md">four</a>
[five][reference] `[six](nowhere.md)` [seven](https://example.com/a?b#c)

[reference]: other.md

~~~text
[eight](nowhere.md)
~~~
"""


def test_links_that_lead_somewhere_are_no_problem(write: Write) -> None:
    """In all their forms; what stands in code is no link."""
    write("# There\n", "other.md")
    assert list(links.check(write(PAGE))) == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("[one](nowhere.md)", "broken link nowhere.md"),
        ("[one](#nowhere)", "no heading for #nowhere"),
        ("[one](other.md#nowhere)", "no heading for other.md#nowhere"),
        ('<img src="nowhere.png">', "broken link nowhere.png"),
        ("[one](/other.md)", "begins with a slash"),
        ("[one](https:/example.com)", "is no address"),
        ("[one][it]\n\n[it]: nowhere.md", "broken link nowhere.md"),
    ],
)
def test_a_link_that_leads_nowhere_is_named_with_its_line(write: Write, link: str, problem: str) -> None:
    """Files, headings, forms."""
    write("# There\n", "other.md")
    path = write(f"# A heading\n\nWords, `code`\nand {link}\n")
    (said,) = links.check(path)
    assert problem in said
    assert said.startswith(f"{path}:{6 if 'it]:' in link else 4}: ")
