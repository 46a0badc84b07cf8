"""One side of duplicates.py in a process of its own: it makes creates when told to, and says what it was told of each.

Must not know the client it runs on, nor the gateway's side of the story. A line on stdin holds the first serial number
and how many; the line printed is JSON: by serial number a word, and the task's id where the word is ``ok``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from _dup_gateway import prompt_of
from _dup_sides import USERS, is_async, side_of, told_of

__all__ = ["name_of", "work"]

Told = dict[int, tuple[str, str]]


def name_of(side: str) -> str:
    """Name a side as the gateway hears of it."""
    return side.replace(":", "-")


def _answer(told: Told) -> None:
    print(json.dumps(told), flush=True)


def _serials(line: str) -> range:
    first, number = map(int, line.split())
    return range(first, first + number)


def _work_sync(side: str, url: str) -> None:
    """Create from threads, until stdin ends."""
    create, close = side_of(side, url)

    def one(serial: int) -> tuple[str, str]:
        try:
            return told_of(create(prompt_of(name_of(side), serial)))
        except Exception as error:
            return told_of(error)

    with ThreadPoolExecutor(USERS) as pool:
        for line in sys.stdin:
            serials = _serials(line)
            _answer(dict(zip(serials, pool.map(one, serials), strict=True)))
    close()


async def _one(create: Callable[[str], Any], name: str, serial: int) -> tuple[str, str]:
    try:
        return told_of(await create(prompt_of(name, serial)))
    except Exception as error:
        return told_of(error)


async def _use(create: Callable[[str], Any], name: str, left: Iterable[int], told: Told) -> None:
    """Be one of the tasks that share the serial numbers that are left."""
    for serial in left:
        told[serial] = await _one(create, name, serial)


async def _work_async(side: str, url: str) -> None:
    """Create from tasks, until stdin ends."""
    create, close = side_of(side, url)
    while line := await asyncio.to_thread(sys.stdin.readline):
        told: Told = {}
        left = iter(_serials(line))
        await asyncio.gather(*(_use(create, name_of(side), left, told) for _ in range(USERS)))
        _answer(told)
    await close()


def work(side: str, url: str) -> None:
    """Serve one side until stdin ends."""
    logging.disable()  # every layer here has much to say of each fault
    warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's, of its videos
    _answer({})  # ready
    if is_async(side):
        asyncio.run(_work_async(side, url))
    else:
        _work_sync(side, url)
