"""The thread beside the calls leaves nothing behind when it ends. Must not know any store."""

from __future__ import annotations

import asyncio
import threading

import pytest

from anyint_resilience.emulator import Emulator
from anyint_resilience.stores.companion import Companion


@pytest.mark.parametrize("where", ["its main", "a task it left behind"])
def test_a_connection_that_is_told_to_close_at_the_end_is_closed(where: str, emu: Emulator) -> None:
    """To close one takes a turn of the loop, and a task that nobody waits for is ended first."""
    opened = threading.Event()
    sockets: list[asyncio.StreamWriter] = []

    async def holding() -> None:
        host, port = emu.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        sockets.append(writer)
        opened.set()
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    async def main() -> None:
        if where == "its main":
            await holding()
        else:
            kept = asyncio.ensure_future(holding())
            await asyncio.Event().wait()
            del kept

    companion = Companion("beside", main)
    companion.start()
    assert opened.wait(10)
    companion.stop()
    (writer,) = sockets
    assert writer.transport.get_extra_info("socket").fileno() == -1
