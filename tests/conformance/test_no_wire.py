"""What needs no wire, or thousands of calls: what sends stands still, and no other thread leaves garbage meanwhile."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from anyint_resilience import Resilience
from tests.conformance.kit import ASK, CHAT
from tests.conformance.surfaces import Caller, Surface, Waits, calling, every_surface, sends

HOST = "https://api.anyint.ai"


def settings() -> Resilience:
    """Return a configuration whose waits take no time."""
    return Resilience(api_key="test-key", runtime=Waits().runtime())


@contextlib.contextmanager
def standing(surface: Surface, answer: Any, anyint: Resilience | None = None) -> Iterator[Caller]:
    """Open a blocking client on a function that answers, or raises, in place of the wire."""
    inner = sends(surface, answer)
    with calling(
        surface, settings() if anyint is None else anyint, inner=inner, base_url=HOST, follow_redirects=True
    ) as caller:
        yield caller


@every_surface
def test_a_failed_call_leaves_nothing_for_the_cycle_collector(surface: Surface) -> None:
    """Errors handed over hold no reference cycle of ours (a prototype left 17 objects a call)."""
    if surface.is_async:
        pytest.skip("event loops keep their own references; the drivers are twins")

    def broken(request: Any) -> Any:
        raise surface.transport_error("reset")

    with standing(surface, broken) as caller:

        def fail() -> None:
            with contextlib.suppress(surface.error):
                caller.request("POST", CHAT, json=ASK)

        fail()
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                fail()
            assert gc.collect() == 0
        finally:
            gc.enable()


@every_surface
def test_no_callers_key_follows_a_redirect_however_many_keys_there_are(surface: Surface) -> None:
    """The memory of seen keys is bounded, and a key in use is always in it."""
    if surface.is_async:
        pytest.skip("thousands of calls need a wire that is not there; the memory is the sync clients' as well")
    leaked: list[str] = []

    def answer(request: Any) -> tuple[int, dict[str, str]]:
        if "foreign.example" in str(request.url):
            leaked.extend(value for value in request.headers.values() if "user-key" in value)
        elif str(request.url).endswith("/go"):
            return 307, {"location": "https://foreign.example/x"}
        return 200, {}

    with standing(surface, answer, Resilience()) as caller:
        for path in ("/anthropic/v1/models", "/anthropic/v1/models/go"):
            for number in range(1100):
                caller.request("GET", path, headers={"x-api-key": f"user-key-{number}", "anthropic-version": "1"})
    assert leaked == []
