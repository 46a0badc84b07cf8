"""The built site in a real Chromium: a server that has it in a sub-folder, one browser for all, pages that are watched.

``SITE_DIR`` says where the site was built (default: ``site/``), ``CHROMIUM`` which browser (default: Debian's
``chromium-headless-shell``, or any Chromium on the path). Must not know what a page does.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FOLDER = "some/sub/folder"
PATIENCE = 10_000  # milliseconds for one step of a browser


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    folder = Path(os.environ.get("SITE_DIR", ROOT / "site")).resolve()
    if not (folder / "404.html").exists():
        pytest.fail(f"no site in {folder}: python -m mkdocs build, or name its folder with SITE_DIR", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def url(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served, below a folder as on many a host."""
    root = tmp_path_factory.mktemp("host")
    (root / FOLDER).parent.mkdir(parents=True)
    (root / FOLDER).symlink_to(site, target_is_directory=True)
    handler = functools.partial(_Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{FOLDER}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no Chromium: install {NAMES[0]}", pytrace=False)
        pytest.skip(f"no Chromium: install {NAMES[0]}, or name one with CHROMIUM")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def watched(browser: Browser, url: str) -> Iterator[Page]:
    """Open a page of a desktop's width that may complain of nothing, and ask nobody but our server."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        said: list[str] = []
        page.on("console", lambda it: said.append(f"{it.type}: {it.text}"))
        page.on("pageerror", lambda it: said.append(f"error: {it}"))
        page.on("request", lambda it: None if it.url.startswith(url) else said.append(f"it asks {it.url}"))
        page.on("response", lambda it: None if it.ok else said.append(f"{it.status} for {it.url}"))
        yield page
    assert said == []


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page for one test."""
    with watched(browser, url) as page:
        yield page


@pytest.fixture(scope="module")
def shared_page(browser: Browser, url: str) -> Iterator[Page]:
    """A page for those tests of a module that only follow links on it."""
    with watched(browser, url) as page:
        yield page
