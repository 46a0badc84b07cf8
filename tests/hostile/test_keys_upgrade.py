"""Web sockets of aiohttp, which pass through untouched: whom their key reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.surfaces import Surface, surfaces
from tests.hostile.keys_kit import GATEWAY, KEY, Net, configured, opened

PATH = "/openai/v1/realtime"
upgrading = surfaces(lambda surface: surface.library == "aiohttp")


def connect(caller: Any, url: str, header: str) -> None:
    """Ask for a web socket; nobody here gives one."""
    value = f"Bearer {KEY}" if header == "Authorization" else KEY

    async def asked() -> None:
        with pytest.raises(caller.surface.module.WSServerHandshakeError):
            await caller.client.ws_connect(url, headers={header: value})

    caller.call(asked)


@upgrading
@pytest.mark.parametrize("header", ["Authorization", "x-api-key"])
def test_a_web_socket_without_tls_carries_no_key(surface: Surface, net: Net, tmp_path: Path, header: str) -> None:
    """As no other request does, whoever gave it."""
    with opened(surface, configured(), tmp_path) as caller:
        connect(caller, f"http://gateway.api.anyint.ai{PATH}", header)
    assert [seen.all("upgrade") for seen in net.plain.seen] == [["websocket"]]
    assert net.spilled() == {}


@upgrading
def test_a_web_sockets_key_follows_no_redirect(surface: Surface, net: Net, tmp_path: Path) -> None:
    """A key that nobody but the web socket ever brought."""
    net.moves({PATH: (307, "https://evil.test/x")})
    with opened(surface, configured(api_key=None), tmp_path) as caller:
        connect(caller, f"{GATEWAY}{PATH}", "x-api-key")
    assert [seen.all("x-api-key") for seen in net.gateway.seen] == [[KEY]]
    assert len(net.other.seen) == 1
    assert net.spilled() == {}


@pytest.mark.filterwarnings("ignore:a request to")
@upgrading
def test_a_web_socket_of_a_foreign_host_header_carries_no_key(surface: Surface, net: Net, tmp_path: Path) -> None:
    """It is none of ours then."""
    with opened(surface, configured(), tmp_path) as caller:

        async def asked() -> None:
            headers = {"Authorization": f"Bearer {KEY}", "Host": "evil.test"}
            with pytest.raises(surface.module.WSServerHandshakeError):
                await caller.client.ws_connect(f"{GATEWAY}{PATH}", headers=headers)

        caller.call(asked)
    assert [seen.all("authorization") for seen in net.gateway.seen] == [[]]
