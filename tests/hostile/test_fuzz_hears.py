"""A target that could not fail would prove nothing: each hears a fault that is planted in the library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hostile.fuzz.targets import TARGETS, inputs_of, target
from tests.brief import once

pytest.importorskip("redis", reason="redis-py is not here: pip install redis")  # whose wire forms are read, too

pytestmark = once

PLANTED: dict[str, tuple[str, Callable[..., Any]]] = {
    # what is never repeated is
    "reading": ("anyint_resilience.policy.rules.refusal", lambda seen, cause, unsafe: None),
    # any number of seconds is believed
    "hints": ("anyint_resilience.policy.hints.bounded", lambda seconds: seconds),
    # lines that end with CR are not told apart
    "streams": ("anyint_resilience.streams.watcher.plain", lambda block, first: (block, b"")),
    # a key goes to whoever it is sent to
    "routes": ("anyint_resilience.credentials.Credentials.strip", lambda self, headers: None),
    # whatever stands in the place of a URL is one
    "callbacks": ("anyint_resilience.tasks.callbacks.is_web", lambda url: True),
    # a name that may be the secret itself is quoted
    "config": ("anyint_resilience.configuring.building._unset", lambda named: f"names {named}, which is not set"),
    # any state is taken for a guard's
    "stores": ("anyint_resilience.stores.machine.is_whole", lambda key, state: True),
}


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_hears_a_planted_fault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of its seeds and of its corpus break a property that holds without the fault."""
    made = target(name)
    inputs = [*made.seeds(), *(data for _, data in inputs_of(name))]
    where, fault = PLANTED[name]
    monkeypatch.setattr(where, fault)
    heard = 0
    for data in inputs:
        try:
            made.check(data)
        except Exception:
            heard += 1
    assert 0 < heard < len(inputs)
