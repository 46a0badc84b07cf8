"""What the site is besides docs/: files from elsewhere in the tree, links to them, the explorer's data. For mkdocs.

Must not know what any page says. A link from a document into the tree works on a code host as it stands; here it is
turned to where the file is on the site.
"""

from __future__ import annotations

import logging
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOG = logging.getLogger("mkdocs.hooks.site")

PAGES = {
    "benchmarks/README.md": "figures.md",
    "observability/README.md": "dashboard.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "threats.md",
}
"""Documents of the tree that are pages of the site: where they are, and where they go."""

TITLES = {"figures.md": "All figures", "threats.md": "Threat model"}
"""What a page of the tree is called on the site, where another has its title."""

SEARCH = {
    **dict.fromkeys(("figures.md", "changelog.md", "contributing.md", "architecture.md", "dashboard.md"), 0.2),
    **dict.fromkeys(("reference.md", "migrating/index.md", "recipes.md"), 0.5),
    **dict.fromkeys(("clients/index.md", "decisions.md", "load.md", "tasks.md", "fleet.md", "streams.md"), 2),
}
"""How much a page counts in the search, where not 1: long tables would come before what explains them."""

FILES = {
    "LICENSE": "license.txt",
    "benchmarks/results/*.png": "pictures/",
    "benchmarks/results/*.svg": "pictures/",
    "hostile/results/*.png": "pictures/",
    "observability/*.json": "observability/",
    "observability/*.yml": "observability/",
}
"""Files of the tree that the site has; a place that ends in / takes them by their own names."""

SAME = {"CHANGELOG.md": "changelog.md"}
"""Documents of the tree that a page of docs/ takes in: where links to them lead."""

INCLUDE = re.compile(r"^<!-- include: (\S+) -->$", re.MULTILINE)
TARGET = re.compile(
    r"""(?P<head>\]\(<?|\b(?:href|src)=")(?P<path>[^\s"<>()#:]+)(?P<rest>(?:\#[^\s"<>()]*)?)(?=[\s">)])""", re.VERBOSE
)
PICTURE = re.compile(r"""(?P<link><a\b[^>]*>)?(?P<image><img\b[^>]*?\bsrc="(?P<src>[^"]+)"[^>]*>)""")
CELL = re.compile(r"<td\b.*?</td>", re.DOTALL)
LONG = re.compile(r"(?<=<code>)[^<>]{25,}(?=</code>)")
JOINT = re.compile(r"(?<=[/_.])(?=[\w{])")
"""Where a long path or name in a narrow column may go on in the next line."""

ROLE = re.compile(r":(?:attr|class|exc|func|meth|mod):(?=<)(?:<code>~[\w.]*\.(?=\w+</code>))?")
SIGNS = {
    sign: f'<span class="sign sign-{name}" role="img" aria-label="{words}" title="{words}"></span>'
    for sign, name, words in (("❌", "dont", "don't"), ("✅", "do", "do"))
}
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc=["']?(?:https?:)?//[^>]*>
      | <link\b(?![^>]*\brel=["']?(?:canonical|next|prev)\b)[^>]*?\bhref=["']?(?:https?:)?//[^>]*>""",
    re.VERBOSE,
)
"""What a browser would fetch from another host by itself. Links that a reader may follow are none."""


def _brought() -> dict[str, str]:
    """Every file of the tree that the site has besides docs/: its path in the tree -> its path on the site."""
    found = dict(PAGES)
    for pattern, place in FILES.items():
        for path in sorted(ROOT.glob(pattern)):
            found[path.relative_to(ROOT).as_posix()] = place + path.name if place.endswith("/") else place
    return found


def on_files(files: Any, config: Any) -> Any:
    """Add what stands elsewhere in the tree."""
    from mkdocs.structure.files import File  # late: the tests have no mkdocs

    for source, place in _brought().items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Take in what the page includes, and turn its links into the tree to where the site has it."""
    place: str = page.file.src_uri
    source = {there: here for here, there in PAGES.items()}.get(place, f"docs/{place}")
    if place in TITLES:
        markdown = re.sub(r"\A# .*", f"# {TITLES[place]}", markdown)
    if place in SEARCH:
        page.meta["search"] = {"boost": SEARCH[place]}
    text = turned(markdown, source=source, place=place)
    return INCLUDE.sub(lambda found: _included(found[1], place), text)


def _included(source: str, place: str) -> str:
    text = (ROOT / source).read_text(encoding="utf-8")
    return turned(re.sub(r"\A# .*\n+", "", text), source=source, place=place)


def turned(text: str, *, source: str, place: str) -> str:
    """The text of a document of the tree, with the links it has at ``place`` on the site."""
    on_site = {**_brought(), **SAME}

    def turn(found: re.Match[str]) -> str:
        meant = posixpath.normpath(posixpath.join(posixpath.dirname(source), found["path"]))
        there = on_site.get(meant, meant.removeprefix("docs/") if meant.startswith("docs/") else None)
        if there is None or (source.startswith("docs/") and meant.startswith("docs/")):
            return found[0]
        return found["head"] + posixpath.relpath(there, posixpath.dirname(place) or ".") + found["rest"]

    return TARGET.sub(turn, text)


def on_page_content(html: str, **_: Any) -> str:
    """Let a plot be opened in its own size, draw do and don't without a font, leave the roles of docstrings away.

    Long code in a table may be broken at its joints, so that the columns beside it have room.
    """
    for sign, drawn in SIGNS.items():
        html = html.replace(sign, drawn)
    html = CELL.sub(lambda cell: LONG.sub(lambda it: JOINT.sub("<wbr>", it[0]), cell[0]), html)
    return ROLE.sub(lambda it: "<code>" * it[0].endswith("."), PICTURE.sub(_to_open, html))


def _to_open(found: re.Match[str]) -> str:
    return found[0] if found["link"] else f'<a href="{found["src"]}">{found["image"]}</a>'


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Hold the site to loading nothing from another host."""
    found = LOADED.search(output)
    if found:
        LOG.warning("%s loads something from another host: %s", page.file.src_uri, found[0])
    return output


class _Explorer:
    """The explorer's data, made on another core while the pages are built: it takes as long as all of them."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="site-")
        words = [sys.executable, "-c", EXPLORER, self.folder]
        self.process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def take(self, site: Path) -> str:
        """Put it into the site; return what went wrong, or nothing."""
        said = self.process.communicate()[1]
        if self.process.returncode == 0:
            shutil.copytree(self.folder, site, dirs_exist_ok=True)
        shutil.rmtree(self.folder)
        return "" if self.process.returncode == 0 else said.strip() or f"exit {self.process.returncode}"


EXPLORER = "import sys; from tools.site import explorer; explorer.write(sys.argv[1])"
WORK: list[_Explorer] = []


def on_pre_build(**_: Any) -> None:
    """Begin to make the explorer's data."""
    WORK.append(_Explorer())


def on_build_error(**_: Any) -> None:
    """End what was begun."""
    while WORK:
        WORK[-1].process.kill()
        WORK.pop().take(Path())


def on_post_build(config: Any) -> None:
    """Put the explorer's data into the site."""
    problem = WORK.pop().take(Path(config.site_dir))
    if problem:
        LOG.warning("no data for the explorer: %s", problem)
