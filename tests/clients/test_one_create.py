"""The same create made through different clients is the same create.

Must not know how it is named.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

import pytest

from anyint_resilience import Resilience
from tests.conformance.surfaces import tls

BODY = b'{"model":"kling-3.0","prompt":"a fox"}'
HEADERS = {"Authorization": "Bearer k", "Content-Type": "application/json"}
URLS = [
    "https://gateway.api.anyint.ai/openai/v1/videos",
    "https://gw.example/openai/v1/videos",
    "https://gw.example:443/openai/v1/videos",
    "https://gw.example:8443/openai/v1/videos",
    "http://127.0.0.1:80/openai/v1/videos",
]


def intent(library: str, url: str) -> str | None:
    """Return what the ledger would call this create on a client."""
    anyint = Resilience(hosts=["https://gw.example", "https://gw.example:8443", "http://127.0.0.1"])
    module, adapter = importlib.import_module(library), importlib.import_module(f"anyint_resilience_{library}")
    surface: Any
    if library == "requests":
        made = requests_parcel(module, url)
        surface = adapter.ResilientAdapter(anyint).surface
    elif library == "aiohttp":
        return asyncio.run(aiohttp_intent(module, adapter.ResilientMiddleware(anyint).surface, url))
    else:
        made = module.Request("POST", url, content=BODY, headers=HEADERS)
        surface = adapter.ResilientTransport(anyint, verify=tls())
    return named(surface, made)


def named(surface: Any, request: Any) -> str | None:
    plan = surface.plan_of(request)
    assert plan is not None
    found: str | None = surface.open_call(request, plan, 0.0).intent
    return found


def requests_parcel(module: Any, url: str) -> Any:
    from anyint_resilience_requests._surface import Parcel

    return Parcel(None, module.Request("POST", url, data=BODY, headers=HEADERS).prepare(), {})  # type: ignore[arg-type]


async def aiohttp_intent(module: Any, surface: Any, url: str) -> str | None:
    from yarl import URL

    from anyint_resilience_aiohttp._surface import Hop

    loop = asyncio.get_running_loop()
    async with module.ClientSession() as session:
        request = module.ClientRequest("POST", URL(url), data=BODY, headers=HEADERS, loop=loop, session=session)
        return named(surface, Hop(request, None))  # type: ignore[arg-type]


@pytest.mark.parametrize("library", ["aiohttp", "httpx2", "requests"])
@pytest.mark.parametrize("url", URLS)
def test_a_lost_create_is_known_again_on_another_client(library: str, url: str) -> None:
    """Its name in the ledger is the same on every client, whether or not the port is written out."""
    pytest.importorskip(library, reason="httpx2 needs Python 3.11")
    first = intent("httpx", url)
    assert first is not None
    assert intent(library, url) == first
    same = url.replace(":443/", "/")
    assert intent(library, same) == first
