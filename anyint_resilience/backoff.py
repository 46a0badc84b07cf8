"""For functions decorated with the ``backoff`` package: when to give up, and how long to wait.

Must not send anything. ``backoff`` calls your function anew; these say whether that is safe, by what the exception of
your client or SDK carries::

    import backoff
    from anyint_resilience.backoff import giveup, wait

    @backoff.on_exception(wait, Exception, giveup=giveup, max_tries=3, jitter=None)
    def answer() -> str: ...

``jitter=None``: the waits have theirs, and ``backoff``'s own would come back earlier than a server asks.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from .policy.rules import Policy
from .repeating import delay_before, repeat_of, safe_to_repeat
from .runtime import Runtime

__all__ = ["giveup", "safe_to_repeat", "wait"]


def giveup(error: BaseException) -> bool:
    """Do the opposite of :func:`safe_to_repeat`, as ``backoff`` wants it: True to raise the exception."""
    return not safe_to_repeat(error)


def wait(policy: Policy | None = None, runtime: Runtime | None = None) -> Generator[float, Any, None]:
    """Yield the seconds to wait before each further try, told the exception before it: ``backoff``'s ``wait_gen``.

    As long as the server said, where it did; else growing waits with full jitter, as ``policy`` has them (by default
    those of ``Policy()``). ``runtime``: clocks and chance, for tests.
    """
    rules, around = Policy() if policy is None else policy, Runtime() if runtime is None else runtime
    number, seconds = 0, 0.0
    while True:
        error = yield seconds
        number += 1
        repeat = repeat_of(error, rules)
        seconds = delay_before(repeat, number=number, now=around.wall(), policy=rules, u=around.random())
        del error, repeat
