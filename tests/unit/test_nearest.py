"""A model that the gateway does not know: names like it, from its own list, are told and never taken."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from anyint_resilience import Cause, Fallback, Guards, Policy, Resilience
from anyint_resilience.policy.model import FaultKind
from tests.unit.engine_kit import Answer, Script, World

CHAT, MESSAGES = "/openai/v1/chat/completions", "/anthropic/v1/messages"
ASKED = "send 2 /openai/v1/models"
NAMES = ("gpt-5-mini", "gpt-5", "gpt-4.1", "claude-sonnet-4-5", "kling-v2")
BODY = b'{"model":"gpt-5-mimi","messages":[]}'


def unknown(**more: Any) -> Answer:
    error = {"type": "invalid_request_error", "code": "model_not_found", "message": "no such model", **more}
    return Answer(404, json.dumps({"error": error}).encode())


def listed(*names: Any) -> Answer:
    return Answer(200, json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode())


class Place:
    """A world with one configuration, and calls in it."""

    def __init__(self, *rows: Fallback, key: str = "sk-test") -> None:
        self.world = World()
        self.anyint = Resilience(api_key=key, runtime=self.world.runtime, fallbacks=rows, guards=Guards())

    def play(self, *steps: Any, body: bytes = BODY, **call: Any) -> tuple[Script, Any]:
        script = Script(self.world, *steps, anyint=self.anyint, body=body, **call)
        return script, script.play()


def test_names_like_it_are_on_the_report_and_the_answer_stands() -> None:
    """Nothing is sent again with another model."""
    answer = unknown()
    script, result = Place().play(answer, listed(*NAMES))
    assert script.effects == ["send 1", ASKED, "discard"]
    assert result.response is answer
    assert result.decision.cause is Cause.MODEL
    assert result.report.nearest_models[0] == "gpt-5-mini"
    assert set(result.report.nearest_models) <= set(NAMES)
    assert len(result.report.nearest_models) <= 3
    assert "gpt-5-mini" in result.report.notes[-1]
    assert [it.asked for it in result.report.attempts] == [None, "GET /openai/v1/models"]


def test_the_list_is_asked_for_once_in_a_while() -> None:
    """And anew when it is old; one for each key."""
    place = Place()
    place.play(unknown(), listed(*NAMES))
    for _ in range(3):
        script, result = place.play(unknown())
        assert script.effects == ["send 1"]
        assert result.report.nearest_models[0] == "gpt-5-mini"
    assert ASKED in place.play(unknown(), listed(*NAMES), key="sk-other")[0].effects
    place.world.now += 3600
    script, result = place.play(unknown(), listed("gpt-5-mima"))
    assert ASKED in script.effects
    assert result.report.nearest_models == ("gpt-5-mima",)


@pytest.mark.parametrize(
    ("listing", "names"),
    [
        (listed(), ()),
        (listed("nothing-like-it"), ()),
        (listed("gpt-5-mimi"), ()),  # itself
        (listed("gpt-5-mini", "gpt-5-mini"), ("gpt-5-mini",)),
        (Answer(200, b'{"models": [{"name": "models/gpt-5-mini"}]}'), ("gpt-5-mini",)),
        (Answer(200, b"[]"), ()),
        (Answer(200, b"no json"), ()),
        (Answer(200, b'{"data": {"id": "gpt-5-mini"}}'), ()),
        (Answer(200, b'{"data": [3, null, {"id": 3}, {"id": "gpt-5-mini\\r\\nx: y"}]}'), ()),
        (Answer(200, b"[" * 10_000), ()),
        (Answer(500, b"{}"), ()),
        (Answer(401, b"{}"), ()),
        (Answer(200, ConnectionError()), ()),
        (FaultKind.READ_TIMEOUT, ()),
        (
            Answer(200, gzip.compress(listed("gpt-5-mini").body), (("Content-Encoding", "gzip"),)),  # type: ignore[arg-type]
            ("gpt-5-mini",),
        ),
    ],
)
def test_whatever_the_list_is_the_answer_stands(listing: Any, names: tuple[str, ...]) -> None:
    """What can't be read has no names; it is not asked for again and again."""
    place, answer = Place(), unknown()
    _, result = place.play(answer, listing)
    assert result.response is answer
    assert result.error is None
    assert result.decision.cause is Cause.MODEL
    assert result.report.nearest_models == names
    assert len(place.play(unknown())[0].sent) == 1


def test_a_name_with_a_key_in_it_is_not_told() -> None:
    """A gateway that echoes a key does not get it into a report."""
    _, result = Place(key="gpt-5-mini").play(unknown(), listed("gpt-5-mini", "gpt-5-mono"), key="gpt-5-mini")
    assert result.report.nearest_models == ("gpt-5-mono",)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        ({}, Answer(400, b'{"error":{"type":"invalid_request_error","code":"bad"}}')),
        ({}, Answer(403)),
        ({"body": b'{"messages":[]}'}, unknown()),  # it names none
        ({"policy": Policy(enabled=False)}, unknown()),
    ],
)
def test_nothing_is_asked_where_no_model_is_missing(call: dict[str, Any], answer: Answer) -> None:
    """Or where nothing may be."""
    assert Place().play(answer, **call)[0].effects == ["send 1"]


def test_another_family_has_a_list_of_its_own() -> None:
    """Or none: then nothing is asked."""
    body = b'{"type":"error","error":{"type":"not_found_error","message":"model: x"}}'
    script, result = Place().play(Answer(404, body), listed(*NAMES), path=MESSAGES)
    asked = [it for it in script.effects if it.startswith("send 2")]
    assert all("/anthropic/" in it for it in asked)
    assert result.response.status == 404


def test_an_unknown_model_never_falls_back() -> None:
    """Not by itself, and not by a fallback that is configured."""
    row = Fallback(workload="w", route=CHAT, model="gpt-5-mimi", to="gpt-5-mini")
    script, result = Place(row).play(unknown(), listed(*NAMES))
    assert result.report.fallback is None
    assert [it.body for it in script.sent] == [None, None]
    assert result.response.status == 404
