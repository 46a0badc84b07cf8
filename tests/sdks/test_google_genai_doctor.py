"""``doctor --client`` on the google-genai SDK, which has two clients in it: one for calls, one for async calls.

Must not know how the doctor looks at a client: it reads what was found.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("h11")
pytest.importorskip("google.genai", reason="google-genai is not installed")

from anyint_resilience.emulator import Emulator
from tests.real.doctor_kit import Place, place_of

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

HEAD = """\
import aiohttp, httpx2
import anyint_resilience_aiohttp, anyint_resilience_httpx2
from anyint_resilience import Resilience
from google import genai
from google.genai.types import HttpOptions, HttpRetryOptions

anyint = Resilience.from_env()
both = dict(
    httpx_client=anyint_resilience_httpx2.wrap(httpx2.Client(timeout=600), anyint),
    httpx_async_client=anyint_resilience_httpx2.wrap(httpx2.AsyncClient(timeout=600), anyint),
)
one = dict(httpx_client=both["httpx_client"])
def made(version="v1beta", **more):
    return genai.Client(api_key="test-key", http_options=HttpOptions(api_version=version, **more))
def here(**more):
    return made(base_url=f"{anyint.url}/gemini", **more)
"""
ROWS = {
    # name: the client, the check that tells, how, a word of its cause
    "good": ("here(**both)", None, "ok", ""),
    "good, async": ("here(**both).aio", None, "ok", ""),
    "async goes past": ("here(**one)", "layer", "warning", "async calls go past our layer"),
    "bare": ("here(timeout=600_000)", "layer", "failed", "go past our layer"),
    "google's own host": ("made(**both)", "target", "failed", "generativelanguage.googleapis.com"),
    "v1 as its version": ("here(version='v1', **both)", "target", "failed", "its api_version is v1"),
    "v1beta in its path": (
        "made(base_url=f'{anyint.url}/gemini/v1beta', **both)",
        "target",
        "failed",
        "ends in /gemini/v1beta",
    ),
    "its own retries": (
        "here(retry_options=HttpRetryOptions(), **both)",
        "retries",
        "warning",
        "5 attempts above ours: 15 requests",
    ),
    "ten seconds": ("here(timeout=10_000, **both)", "timeouts", "warning", "time-out of 10 s"),
}


@pytest.mark.parametrize("name", ROWS)
def test_what_is_planted_in_google_genai_is_named(
    emu: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    """Both clients of the SDK are looked at, and what is wrong is told by the check it belongs to."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    places: Iterator[Place] = place_of(emu, monkeypatch, tmp_path, capsys)
    place = next(places)
    text, check, status, cause = ROWS[name]
    module = f"genai_shop_{list(ROWS).index(name)}"
    place.write(f"{module}.py", f"{HEAD}client = {text}\n")
    only = ("client", "layer", "target", "retries", "timeouts", "ways-out", "instrumentation")
    argv = [it for option in only for it in ("--only", option)]
    _, found = place.found("--client", f"{module}:client", *argv)
    told = {it: row["found"] for it, row in found.items() if row["status"] != "ok"}
    assert set(told) == ({check} if check else set()), found
    if check is not None:
        assert found[check]["status"] == status
        assert cause in found[check]["found"]
