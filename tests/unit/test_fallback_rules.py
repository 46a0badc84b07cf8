"""Fallback rows: what may stand in one, what they may not be together, and what is a reason to take one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anyint_resilience import Cause, Certainty, Fallback, Policy, Resilience
from anyint_resilience.contract.words import Operation
from anyint_resilience.policy.fallback import GUIDE, chain_problems, rows_by_model, trigger
from anyint_resilience.policy.model import Decision, Fault, FaultKind
from anyint_resilience.policy.rules import DEFAULT_TABLE

CHAT = "/openai/v1/chat/completions"
MESSAGES = "/anthropic/v1/messages"
VIDEOS = "/openai/v1/videos"
KEY = "sk-of-the-fallback"


def row(**more: Any) -> Fallback:
    return Fallback(**{"workload": "chat", "route": CHAT, "model": "a", "to": "b", **more})


# --- one row


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"workload": ""}, "workload must be a text"),
        ({"workload": "x" * 201}, "workload must be a text"),
        ({"model": " a"}, "model must be a text"),
        ({"model": "a\n"}, "model must be a text"),
        ({"model": None}, "model must be a text"),
        ({"route": 3}, "route must be a text"),
        ({"to": "b\r\nx-evil: 1"}, "to must be a text"),
        ({"to": None}, "to or base_url must say where"),
        ({"to": "a"}, "to is the primary itself"),
        ({"base_url": ""}, "base_url must be a text"),
        ({"to_route": ""}, "to_route must be a text"),
        ({"on_rate": 1}, "on_rate must be True or False"),
        ({"silent_ok": "no"}, "silent_ok must be True or False"),
        ({"features": "tools"}, "features must be names of members"),
        ({"features": 3}, "features must be names of members"),
        ({"features": ["tools", ""]}, "features must be a text"),
    ],
)
def test_what_makes_no_sense_is_named(more: dict[str, Any], words: str) -> None:
    """At once, where it is written."""
    with pytest.raises(ValueError, match=f"^Fallback: .*{words}"):
        row(**more)


def test_every_problem_is_named_at_once() -> None:
    """Nobody wants to hear of them one by one."""
    with pytest.raises(ValueError, match=r"workload.*model.*on_rate"):
        row(workload="", model="", on_rate=None)


def test_a_key_is_never_shown() -> None:
    """Not in a log of the configuration either."""
    made = row(api_key=KEY)
    assert KEY not in repr(made)
    assert KEY not in repr(Resilience(fallbacks=[made]))


@pytest.mark.parametrize(
    ("more", "target"), [({}, "b"), ({"to": None, "base_url": "https://gateway.api.anyint.ai"}, "a")]
)
def test_the_model_that_serves(more: dict[str, Any], target: str) -> None:
    """The same one where only the host is another."""
    assert row(**more).target == target


def test_features_may_be_any_names() -> None:
    """An iterator is read once and kept."""
    assert row(features=iter(["tools", "seed"])).features == ("tools", "seed")


# --- rows together


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(to_route=MESSAGES)], f"from openai to anthropic: {GUIDE}"),
        ([row(to_route="/openai/v1/responses")], f"from {CHAT} to /openai/v1/responses: {GUIDE}"),
        ([row(to_route="/nowhere")], f"from openai to no family: {GUIDE}"),
        ([row(route="/nowhere")], "/nowhere is no route that a model serves"),
        ([row(route="/v1/chat/completions")], "serves: did you mean /openai/v1/chat/completions?"),
        ([row(route="/openai/v1/models")], "/openai/v1/models is no route that a model serves"),
        ([row(), row(to="c")], f"'a' on {CHAT} has one already; {GUIDE}"),
        ([row(), row(model="b", to="a")], "comes back to 'a': a loop"),
        ([row(), row(model="b", to="c"), row(model="c", to="a")], "comes back to 'b': a loop"),
        ([row(), row(model="b", to="c"), row(model="c", to="b")], "comes back to 'a': a loop"),
    ],
)
def test_rows_that_do_not_fit_are_a_configuration_error(rows: list[Fallback], words: str) -> None:
    """Which names the rule."""
    with pytest.raises(ValueError, match="invalid Resilience configuration") as caught:
        Resilience(api_key="sk-test", fallbacks=rows)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "rows",
    [
        [row()],
        [row(to_route=CHAT)],
        [row(), row(model="b", to="c"), row(model="c", to="d")],
        [row(), row(route="/openai/v1/responses")],
        [row(), row(route="/openai/v1/responses", model="b", to="a")],
        [row(model="c", to="b"), row(to="b")],
        [row(route=VIDEOS)],
        [row(route=MESSAGES)],
    ],
)
def test_rows_that_fit(rows: list[Fallback]) -> None:
    """A chain, the same model on two routes, two models with one fallback."""
    assert chain_problems(tuple(rows), DEFAULT_TABLE) == []
    assert len(rows_by_model(rows, DEFAULT_TABLE)) == len(rows)


@pytest.mark.parametrize(
    ("more", "config", "words"),
    [
        ({"base_url": "https://evil.example"}, {}, "base_url is no host of this configuration: hosts="),
        ({"base_url": "http://gateway.api.anyint.ai"}, {}, "base_url must be https"),
        ({"base_url": "gateway.api.anyint.ai"}, {}, "base_url must begin with https://"),
        ({"base_url": "https://u:p@gateway.api.anyint.ai"}, {}, "base_url must not hold a user name"),
        ({"base_url": "https://gateway.api.anyint.ai"}, {"api_key": None}, "another host without a credential"),
        ({"api_key": "with space"}, {}, "api_key "),
        ({"api_key": "line\nbreak"}, {}, "api_key "),
    ],
)
def test_an_unknown_host_or_no_credential_is_a_configuration_error(
    more: dict[str, Any], config: dict[str, Any], words: str
) -> None:
    """No request ever goes where the configuration has no host or no key."""
    with pytest.raises(ValueError, match="invalid Resilience configuration") as caught:
        Resilience(**{"api_key": "sk-test", **config}, fallbacks=[row(**more)])
    assert words in str(caught.value)
    assert "with space" not in str(caught.value), "a key is never shown"


@pytest.mark.parametrize(
    ("more", "config"),
    [
        ({"base_url": "https://gateway.api.anyint.ai"}, {}),
        ({"base_url": "https://gateway.api.anyint.ai/openai/v1"}, {}),
        ({"base_url": "https://other.example:8443/x"}, {"hosts": ["https://other.example:8443/x"]}),
        ({"base_url": "https://gateway.api.anyint.ai", "api_key": KEY}, {"api_key": None}),
        ({"base_url": "http://127.0.0.1:9"}, {"base_url": "http://127.0.0.1:9"}),
    ],
)
def test_hosts_that_are_known(more: dict[str, Any], config: dict[str, Any]) -> None:
    """AnyInt's own, and those of the configuration."""
    made = Resilience(**{"api_key": "sk-test", **config}, fallbacks=[row(**more)])
    assert len(made.guarding.fallbacks) == 1
    if "api_key" in more:
        assert made.guarding.key_of(row(**more)) is not None
        assert made.credentials.holds(f"it was {KEY}"), "the fallback's key is hidden as any other"


# --- what is a reason


FALLS = {Cause.TRANSIENT, Cause.SERVER, Cause.UNKNOWN}


def decided(cause: Cause | None, certainty: Certainty, operation: Operation = Operation.GENERATE) -> Decision:
    bare = Policy().decide_response("POST", CHAT, 503)
    return replace(bare, cause=cause, certainty=certainty, operation=operation)


@pytest.mark.parametrize("certainty", Certainty)
@pytest.mark.parametrize("on_rate", [True, False])
@pytest.mark.parametrize("cause", [None, *Cause])
def test_the_causes_that_trigger(cause: Cause | None, on_rate: bool, certainty: Certainty) -> None:
    """Never auth, permission, invalid, model, quota or policy; never for what was done."""
    falls = (cause in FALLS or (cause is Cause.RATE and on_rate)) and certainty is not Certainty.COMMITTED
    assert trigger(row(on_rate=on_rate), decided(cause, certainty), None, method="POST") is falls


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPLOAD, Operation.GENERATE, Operation.STREAM])
@pytest.mark.parametrize("certainty", [Certainty.NOT_SENT, Certainty.REJECTED, Certainty.UNKNOWN])
@pytest.mark.parametrize("repeats", [True, False])
def test_paid_work_falls_back_only_where_it_surely_was_not_done(
    operation: Operation, certainty: Certainty, repeats: bool
) -> None:
    """A generation too, where it may not be repeated."""
    unsafe = operation in (Operation.CREATE, Operation.UPLOAD) or not repeats
    falls = trigger(
        row(), decided(Cause.TRANSIENT, certainty, operation), None, method="POST", repeat_generation=repeats
    )
    assert falls is not (unsafe and certainty is Certainty.UNKNOWN)


@pytest.mark.parametrize("kind", FaultKind)
def test_faults_of_this_process_trigger_nothing(kind: FaultKind) -> None:
    """Another model does not mend a full pool."""
    ours = kind in (FaultKind.POOL_TIMEOUT, FaultKind.LOCAL_ERROR, FaultKind.TLS_CERTIFICATE)
    made = decided(Cause.TRANSIENT, Certainty.NOT_SENT)
    assert trigger(row(), made, Fault(kind), method="POST") is not ours


def test_a_route_may_be_written_as_logs_have_it() -> None:
    """With its method; it is the same route."""
    assert row(route="POST /openai/v1/chat/completions").route == "/openai/v1/chat/completions"
