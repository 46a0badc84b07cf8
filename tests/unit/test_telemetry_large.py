"""Large bodies, of which whoever only looks on reads no more than the two ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.words import Operation
from anyint_resilience.policy.request import glance, operation_of
from anyint_resilience.telemetry.safety import model_of

CHAT = RouteTable().match("POST", "/openai/v1/chat/completions")
LARGE = "x" * 200_000
PROMPT = {"messages": [{"role": "user", "content": LARGE}]}
NAMED: dict[str, Any] = {"model": "gpt-5", "stream": True}

AT = {
    "head": {**NAMED, **PROMPT},
    "tail": {**PROMPT, **NAMED},
    "middle": {**PROMPT, **NAMED, "tools": [LARGE]},
}
"""A request's body by where what is looked for stands in it."""
written = pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spread out"])


def body(document: Any, separators: tuple[str, str] = (",", ":")) -> bytes:
    return json.dumps(document, separators=separators).encode()


@written
@pytest.mark.parametrize(
    ("where", "operation", "model"),
    [
        ("head", Operation.STREAM, "gpt-5"),
        ("tail", Operation.STREAM, "gpt-5"),
        ("middle", Operation.GENERATE, None),
    ],
)
def test_only_the_ends_of_a_large_body_are_looked_at(
    where: str, operation: Operation, model: str | None, separators: tuple[str, str]
) -> None:
    """A switch or a model at the head or the tail is seen, what stands in the middle is not: nobody reads that far."""
    large = body(AT[where], separators)
    assert glance(CHAT, large) is operation
    assert model_of(CHAT, b"/", large) == model


@written
@pytest.mark.parametrize("where", AT)
def test_a_small_body_is_looked_at_as_a_whole(where: str, separators: tuple[str, str]) -> None:
    """Then it does not matter where anything stands."""
    small = body(AT[where], separators).replace(LARGE.encode(), b"x")
    assert glance(CHAT, small) is operation_of(CHAT, small) is Operation.STREAM
    assert model_of(CHAT, b"/", small) == "gpt-5"


@pytest.mark.parametrize("stream", [False, None, "true", 1])
def test_a_switch_that_is_off_is_off_at_either_end(stream: Any) -> None:
    """Only ``true`` is a switch, however large the body."""
    for large in (body({"stream": stream, **PROMPT}), body({**PROMPT, "stream": stream})):
        assert glance(CHAT, large) is operation_of(CHAT, large) is Operation.GENERATE


def test_a_text_at_an_end_is_no_switch() -> None:
    """In a prompt's own words its quotes are escaped."""
    said = body({"messages": [{"content": LARGE + '{"stream": true, "model": "secret"}'}]})
    assert glance(CHAT, said) is Operation.GENERATE
    assert model_of(CHAT, b"/", said) is None


def test_a_large_body_of_a_route_without_switches_or_none_in_memory() -> None:
    """The route says it all."""
    images = RouteTable().match("POST", "/openai/v1/embeddings")
    assert glance(images, body(AT["head"])) is images.operation
    assert glance(CHAT, None) is CHAT.operation
