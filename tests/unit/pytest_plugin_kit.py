"""A service and tests of it, as its author writes them, and a run of pytest on them.

Must not know what the plugin is made of.
"""

from __future__ import annotations

import textwrap
from typing import Any

# A run within this process forgets what it was the first to import, and would import it once more: an exception of one
# httpcore is none of another's.
import httpcore  # noqa: F401
import pytest

import anyint_resilience.testing.marks
import anyint_resilience.testing.stage  # noqa: F401
import anyint_resilience_httpx  # noqa: F401

__all__ = ["KEY", "PROMPT", "run", "section"]

KEY = "sk-very-secret-0123456789"
PROMPT = "the-prompt-nobody-may-see"

SERVICE = f'''
from functools import lru_cache

import httpx
from anyint_resilience import Resilience, TaskFailed
from anyint_resilience_httpx import wait_for_task, wrap


@lru_cache
def client():
    """One for the process, as a service has it; made when it is first needed."""
    anyint = Resilience.from_env()
    return wrap(httpx.Client(base_url=anyint.url, timeout=5), anyint)


def close():
    if client.cache_info().currsize:
        client().close()
        client.cache_clear()


def ask(**more):
    body = {{"model": "gpt-5", "messages": [{{"role": "user", "content": "{PROMPT}"}}]}}
    return client().post("/openai/v1/chat/completions", json=body, **more)


def film(**more):
    return client().post("/openai/v1/videos", json={{"model": "kling-3.0", "prompt": "{PROMPT}"}}, **more)


def watch(**more):
    return wait_for_task(client(), film(**more))
'''


HEAD = """
import pytest
import service


@pytest.fixture(scope="session", autouse=True)
def closed():
    yield
    getattr(service, "close", int)()
"""


def run(
    pytester: pytest.Pytester,
    tests: str,
    *options: str,
    files: dict[str, str] | None = None,
    alone: bool = False,
    service: str = SERVICE,
) -> Any:
    """Run these tests of a service; ``alone``: in a process of its own."""
    pytester.makepyfile(service=service, test_service=HEAD + textwrap.dedent(tests))
    for name, text in (files or {}).items():
        pytester.path.joinpath(name).write_text(textwrap.dedent(text))
    start = pytester.runpytest_subprocess if alone else pytester.runpytest_inprocess
    # The outer run looks for what was not closed, for all of them at once: it takes a third of a second each time.
    common = ("-p", "anyint_resilience_pytest", "-p", "no:cacheprovider", "-p", "no:unraisableexception")
    here = "ignore::pytest.PytestAssertRewriteWarning"  # of pytest 8: "-p" names what this process has imported already
    return start(*common, "--strict-markers", "--strict-config", "-W", "error", "-W", here, *options)


def section(result: Any) -> list[str]:
    """Return the lines of the first section about calls."""
    lines = [str(line) for line in result.outlines]
    start = next(number for number, line in enumerate(lines) if "AnyInt calls" in line)
    end = next((at for at in range(start + 1, len(lines)) if lines[at][:3] in ("---", "===", "___")), len(lines))
    return lines[start + 1 : end]
