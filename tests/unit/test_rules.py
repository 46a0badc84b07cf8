"""The table of rules and every bound on it, with observations made by hand."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest

from anyint_resilience.contract.routes import Route
from anyint_resilience.contract.words import Cause, Certainty, Family, Operation
from anyint_resilience.policy.model import Action, Decision, Fault, FaultKind, Hint, Observation
from anyint_resilience.policy.rules import DEFAULT_TABLE, IDEMPOTENT, NEVER_REPEATED, RULES, Policy, is_unsafe

NOW = 1_792_584_000.0
CHAT = DEFAULT_TABLE.match("POST", "/openai/v1/chat/completions")
VIDEO = DEFAULT_TABLE.match("POST", "/openai/v1/videos")
VIDEO_QUERY = DEFAULT_TABLE.match("GET", "/openai/v1/videos/v1")
MESSAGES = DEFAULT_TABLE.match("POST", "/anthropic/v1/messages")
SONG = DEFAULT_TABLE.match("POST", "/suno/generate")
KLING = DEFAULT_TABLE.match("POST", "/transtreams/kling/v1/videos/text2video")
MODELS = DEFAULT_TABLE.match("GET", "/openai/v1/models")
FOREIGN = DEFAULT_TABLE.match("GET", "/elsewhere")
UNLISTED = DEFAULT_TABLE.match("POST", "/openai/v1/fine_tuning/jobs")


def seen(cause: Cause | None, certainty: Certainty = Certainty.REJECTED, **more: Any) -> Observation:
    return Observation(cause=cause, certainty=certainty, source="AnyInt", **more)


def decide(observation: Observation, route: Route = CHAT, policy: Policy | None = None, **more: Any) -> Decision:
    operation = more.pop("operation", route.operation)
    when: dict[str, Any] = {"method": "POST", "attempt": 1, "elapsed": 0.0, "now": NOW, "u": 1.0, **more}
    return (Policy() if policy is None else policy).on_response(route, operation, observation, **when)


# --- the table


def test_the_table_is_whole() -> None:
    """Every cause, safe and unsafe, has a rule for every certainty."""
    assert set(RULES) == set(product(Cause, (False, True), Certainty))
    assert set(RULES.values()) == {Action.BACKOFF, Action.NO_RETRY}


@pytest.mark.parametrize(("cause", "unsafe", "certainty"), list(RULES))
def test_the_table_keeps_the_never_rules(cause: Cause, unsafe: bool, certainty: Certainty) -> None:
    """Unsafe work is repeated only if it surely was not done; hopeless causes and finished work never are."""
    may = RULES[cause, unsafe, certainty] is Action.BACKOFF
    if cause in sorted(NEVER_REPEATED) or certainty is Certainty.COMMITTED:
        assert not may
    if unsafe and certainty is Certainty.UNKNOWN:
        assert not may
    if may and unsafe:
        assert RULES[cause, False, certainty] is Action.BACKOFF


@pytest.mark.parametrize(
    ("route", "certainty", "cause", "action"),
    [
        (CHAT, Certainty.NOT_SENT, Cause.TRANSIENT, Action.BACKOFF),
        (CHAT, Certainty.REJECTED, Cause.RATE, Action.BACKOFF),
        (CHAT, Certainty.UNKNOWN, Cause.TRANSIENT, Action.BACKOFF),
        (CHAT, Certainty.UNKNOWN, Cause.SERVER, Action.BACKOFF),
        (CHAT, Certainty.UNKNOWN, Cause.UNKNOWN, Action.BACKOFF),
        (CHAT, Certainty.REJECTED, Cause.UNKNOWN, Action.NO_RETRY),
        (CHAT, Certainty.COMMITTED, Cause.SERVER, Action.NO_RETRY),
        (VIDEO, Certainty.NOT_SENT, Cause.TRANSIENT, Action.BACKOFF),
        (VIDEO, Certainty.REJECTED, Cause.TRANSIENT, Action.BACKOFF),
        (VIDEO, Certainty.REJECTED, Cause.RATE, Action.BACKOFF),
        (VIDEO, Certainty.UNKNOWN, Cause.TRANSIENT, Action.NO_RETRY),
        (VIDEO, Certainty.UNKNOWN, Cause.SERVER, Action.NO_RETRY),
        (VIDEO, Certainty.NOT_SENT, Cause.UNKNOWN, Action.NO_RETRY),
        (VIDEO_QUERY, Certainty.UNKNOWN, Cause.TRANSIENT, Action.BACKOFF),
        (UNLISTED, Certainty.UNKNOWN, Cause.TRANSIENT, Action.NO_RETRY),
        (UNLISTED, Certainty.REJECTED, Cause.TRANSIENT, Action.BACKOFF),
        (FOREIGN, Certainty.NOT_SENT, Cause.TRANSIENT, Action.NO_RETRY),
        *((CHAT, certainty, cause, Action.NO_RETRY) for cause in sorted(NEVER_REPEATED) for certainty in Certainty),
    ],
)
def test_verdicts(route: Route, certainty: Certainty, cause: Cause, action: Action) -> None:
    """The table, read through the public function."""
    decision = decide(seen(cause, certainty), route)
    assert decision.action is action
    assert (decision.delay is None) == (action is Action.NO_RETRY)


@pytest.mark.parametrize("method", ["GET", "get", "DELETE", "PUT", "HEAD", "OPTIONS", "POST", "PATCH", "", "BREW"])
def test_the_method_decides_for_unlisted_routes(method: str) -> None:
    """Operation ``other`` is unsafe unless its method is idempotent."""
    decision = decide(seen(Cause.TRANSIENT, Certainty.UNKNOWN), UNLISTED, method=method)
    assert (decision.action is Action.BACKOFF) == (method.upper() in IDEMPOTENT)


@pytest.mark.parametrize("operation", [Operation.GENERATE, Operation.STREAM])
def test_generation_after_an_unknown_outcome_is_a_switch(operation: Operation) -> None:
    """With repeat_generation off a generation is as careful as a paid create, and the text says why."""
    observation = seen(Cause.TRANSIENT, Certainty.UNKNOWN)
    careful = Policy(repeat_generation=False)
    assert decide(observation, operation=operation).action is Action.BACKOFF
    decision = decide(observation, operation=operation, policy=careful)
    assert decision.action is Action.NO_RETRY
    assert "billed" in decision.guidance
    assert decide(seen(Cause.TRANSIENT), operation=operation, policy=careful).action is Action.BACKOFF


def test_a_body_that_makes_a_task_makes_the_call_unsafe() -> None:
    """The operation given wins over the route's: a background response is a create."""
    responses = DEFAULT_TABLE.match("POST", "/openai/v1/responses")
    observation = seen(Cause.TRANSIENT, Certainty.UNKNOWN)
    assert decide(observation, responses).action is Action.BACKOFF
    decision = decide(observation, responses, operation=Operation.CREATE)
    assert (decision.action, decision.operation) == (Action.NO_RETRY, Operation.CREATE)


def test_is_unsafe() -> None:
    """Creates and uploads are unsafe whatever the method; reads never are."""
    assert is_unsafe(Operation.CREATE, "GET")
    assert is_unsafe(Operation.UPLOAD, "PUT")
    assert not is_unsafe(Operation.COUNT, "POST")
    assert not is_unsafe(Operation.QUERY, "POST")


# --- what the server says about repeating


def test_the_server_may_forbid_but_hardly_ask() -> None:
    """x-should-retry false stops a retry; true helps only an undocumented rejection, never a hopeless cause."""
    assert decide(seen(Cause.TRANSIENT, may_repeat=False)).action is Action.NO_RETRY
    assert decide(seen(Cause.UNKNOWN, may_repeat=True)).action is Action.BACKOFF
    assert decide(seen(Cause.UNKNOWN, Certainty.UNKNOWN, may_repeat=True), VIDEO).action is Action.NO_RETRY
    assert decide(seen(Cause.SERVER, Certainty.COMMITTED, may_repeat=True)).action is Action.NO_RETRY
    for cause in sorted(NEVER_REPEATED):
        assert decide(seen(cause, may_repeat=True)).action is Action.NO_RETRY


# --- attempts


@pytest.mark.parametrize(
    ("attempts", "observation", "sent"),
    [
        (3, seen(Cause.TRANSIENT), 3),
        (1, seen(Cause.TRANSIENT), 1),
        (10, seen(Cause.RATE), 10),
        (10, seen(Cause.SERVER), 3),
        (10, seen(Cause.UNKNOWN, Certainty.UNKNOWN), 2),
        (10, seen(Cause.TRANSIENT, few=True), 2),
        (1, seen(Cause.TRANSIENT, few=True), 1),
    ],
)
def test_attempts_are_bounded(attempts: int, observation: Observation, sent: int) -> None:
    """Attempts count all; a provider's fault gets three, a doubtful row two."""
    policy = Policy(attempts=attempts, retry_window=math.inf)
    made = 1
    while made < 50 and decide(observation, policy=policy, attempt=made).action is Action.BACKOFF:
        made += 1
    assert made == sent
    assert f"attempt {sent} of {sent}" in decide(observation, policy=policy, attempt=made).reason


# --- time


@pytest.mark.parametrize(
    ("cause", "attempt", "u", "delay"),
    [
        (Cause.TRANSIENT, 1, 1.0, 0.05),
        (Cause.TRANSIENT, 2, 1.0, 0.1),
        (Cause.SERVER, 2, 0.5, 0.05),
        (Cause.RATE, 1, 1.0, 1.0),
        (Cause.RATE, 2, 0.25, 0.5),
        (Cause.RATE, 1, 0.0, 0.0),
    ],
)
def test_the_schedule(cause: Cause, attempt: int, u: float, delay: float) -> None:
    """Without a hint: full jitter, from 50 ms for a failure and from a second for a limit."""
    decision = decide(seen(cause), attempt=attempt, u=u)
    assert decision.delay == pytest.approx(delay)
    assert decision.retry_at == pytest.approx(NOW + delay)


def test_a_hint_wins_over_the_schedule_and_its_cap() -> None:
    """A server's hint is never undercut and hardly exceeded, even where it is longer than max_delay."""
    observation = seen(Cause.RATE, hint=Hint(seconds=30.0, source="retry-after"))
    assert decide(observation, u=0.0).delay == 30.0
    assert decide(observation, u=1.0).delay == 31.0
    assert "retry-after says 30 s" in decide(observation).reason


@pytest.mark.parametrize(
    ("policy", "elapsed", "limit"),
    [
        (Policy(), 31.0, "retry_window"),
        (Policy(retry_window=29.9), 0.0, "retry_window"),
        (Policy(deadline=30.0), 0.0, "deadline"),
        (Policy(deadline=100.0, retry_window=math.inf), 70.0, "deadline"),
    ],
)
def test_a_hint_that_does_not_fit_fails_at_once(policy: Policy, elapsed: float, limit: str) -> None:
    """Nobody sleeps towards a wait that cannot be finished: the answer comes back now, with retry_at."""
    observation = seen(Cause.RATE, hint=Hint(seconds=30.0, source="retry-after"))
    decision = decide(observation, policy=policy, elapsed=elapsed)
    assert (decision.action, decision.delay, decision.retry_at) == (Action.NO_RETRY, None, NOW + 30.0)
    assert limit in decision.reason
    assert limit in decision.guidance
    assert decide(observation, policy=policy, elapsed=elapsed, now=None).retry_at is None


def test_a_schedule_that_does_not_fit_knows_no_time() -> None:
    """Our own schedule is no knowledge of the server's: retry_at stays None."""
    decision = decide(seen(Cause.RATE), elapsed=59.5)
    assert (decision.action, decision.retry_at) == (Action.NO_RETRY, None)


def test_jitter_gives_way_to_the_window() -> None:
    """A hint that just fits is used bare when its jitter would pass the limit."""
    observation = seen(Cause.RATE, hint=Hint(seconds=60.0, source="retry-after"))
    assert decide(observation, u=1.0).delay == 60.0


def test_a_month_long_hint_is_told_and_not_slept() -> None:
    """A Retry-After of a day ends the call at once and says when to come back."""
    decision = decide(seen(Cause.RATE, hint=Hint(seconds=86_400.0, source="retry-after")))
    assert (decision.action, decision.retry_at) == (Action.NO_RETRY, NOW + 86_400.0)


def test_a_quota_with_a_hint_is_not_retried_but_dated() -> None:
    """A used-up quota is final for the call; the server's date is passed on."""
    decision = decide(seen(Cause.QUOTA, hint=Hint(seconds=5.0, source="retry-after")))
    assert (decision.action, decision.retry_at) == (Action.NO_RETRY, NOW + 5.0)


def test_the_last_attempt_passes_the_hint_on() -> None:
    """When attempts are used up, retry_at tells what the server said last."""
    decision = decide(seen(Cause.RATE, hint=Hint(seconds=5.0, source="retry-after")), attempt=3)
    assert (decision.action, decision.retry_at) == (Action.NO_RETRY, NOW + 5.0)


# --- good answers and tasks


@pytest.mark.parametrize("status", [200, 204, 101, 302, 304])
def test_what_is_no_error_is_handed_over(status: int) -> None:
    """Good answers, redirects and informational answers are delivered as they are."""
    decision = decide(seen(None, Certainty.COMMITTED, status=status))
    assert (decision.action, decision.cause, decision.delay, decision.retry_at) == (Action.DELIVER, None, None, None)
    assert ("base URL" in decision.guidance) == (status not in (200, 204))


@pytest.mark.parametrize(
    ("route", "hint", "delay"),
    [
        (VIDEO, None, 5.0),
        (SONG, None, 2.0),
        (KLING, None, 5.0),
        (VIDEO_QUERY, None, 7.5),
        (VIDEO, Hint(seconds=1.5, source="openai-poll-after-ms"), 1.5),
        (DEFAULT_TABLE.match("GET", "/openai/v1/files/f"), None, 7.5),
    ],
)
def test_a_pending_task_is_polled(route: Route, hint: Hint | None, delay: float) -> None:
    """A task under way is polled, never made again; the server's own pace wins over the family's."""
    observation = seen(None, Certainty.COMMITTED, pending=True, task_id="v 1/2", task_state="queued", hint=hint)
    decision = decide(observation, route, method=route.method)
    assert (decision.action, decision.delay, decision.retry_at) == (Action.POLL, delay, None)
    assert "queued" in decision.reason
    assert "Poll" in decision.guidance
    assert "do not create it again" in decision.guidance


def test_the_poll_guidance_names_the_route_and_quotes_the_id() -> None:
    """The developer can copy the query; an id from a server cannot smuggle a path, a line or an odd character in."""
    for task_id, shown in (("v1", "v1"), ("a/../b\n", "a%2F..%2Fb%0A"), ("\ud800", "%3F"), (None, "{id}")):
        decision = decide(seen(None, Certainty.COMMITTED, pending=True, task_id=task_id), VIDEO)
        assert f"GET /openai/v1/videos/{shown};" in decision.guidance
    assert "webhook" in decide(seen(None, Certainty.COMMITTED, pending=True, task_id="t"), SONG).guidance


@pytest.mark.parametrize("cause", [Cause.SERVER, Cause.POLICY, Cause.RATE])
def test_a_failed_task_is_final(cause: Cause) -> None:
    """A task that failed was done: a new one is a deliberate decision, which no message asks for."""
    decision = decide(seen(cause, Certainty.COMMITTED, status=200), VIDEO_QUERY, method="GET")
    assert (decision.action, decision.retry_at) == (Action.NO_RETRY, None)
    assert "deliberate decision" in decision.guidance
    assert "try again in" not in decision.user_message


@pytest.mark.parametrize("route", [VIDEO, SONG, KLING, UNLISTED, DEFAULT_TABLE.match("POST", "/openai/v1/files")])
@pytest.mark.parametrize("cause", [Cause.TRANSIENT, Cause.SERVER, Cause.RATE, Cause.UNKNOWN])
def test_a_lost_create_never_invites_another(route: Route, cause: Cause) -> None:
    """After an unknown outcome no field asks anyone to send the same paid work again, not even a hint."""
    hint = Hint(seconds=1.0, source="retry-after")
    decision = decide(seen(cause, Certainty.UNKNOWN, status=502, hint=hint), route)
    assert (decision.action, decision.delay, decision.retry_at) == (Action.NO_RETRY, None, None)
    assert "Do not send it again" in decision.guidance
    assert "before deciding anything" in decision.guidance
    assert "try again" not in decision.user_message
    assert "retry" not in decision.guidance.lower()


def test_a_failed_query_is_not_a_failed_task() -> None:
    """When a query fails, developer and user are told that the task may well go on."""
    decision = decide(seen(Cause.TRANSIENT, status=503), VIDEO_QUERY, method="GET", attempt=3)
    assert "do not create the task again" in decision.guidance
    assert "was not lost" in decision.user_message


# --- words


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("route", [CHAT, MESSAGES, VIDEO, FOREIGN])
def test_every_decision_has_words(cause: Cause, route: Route) -> None:
    """Reason, guidance and user message are there for every cause, in one line, without a gap."""
    decision = decide(seen(cause, status=400, code="x\ny", request_id="r\x1b[1m", message="sk-secret"), route)
    for text in (decision.reason, decision.guidance, decision.user_message):
        assert text
        assert text.isprintable()
        assert "sk-secret" not in text
        assert "{" not in text
    for word in ("HTTP", "status", "key", "Retry", "AnyInt", "route"):
        assert word not in decision.user_message


@pytest.mark.parametrize(
    ("route", "cause", "status", "words"),
    [
        (CHAT, Cause.AUTH, 401, ("Authorization: Bearer", "header", "key")),
        (SONG, Cause.AUTH, 401, ("Authorization: Bearer",)),
        (MESSAGES, Cause.AUTH, 401, ("x-api-key", "anthropic-version: 2023-06-01")),
        (MESSAGES, Cause.INVALID, 400, ("x-api-key", "anthropic-version", "required field")),
        (CHAT, Cause.INVALID, 400, ("valid JSON", "required field", "will not succeed")),
        (CHAT, Cause.PERMISSION, 403, ("entitlement", "model", "policy", "organisation")),
        (CHAT, Cause.MODEL, 404, ("GET /openai/v1/models", "exists", "enabled", "policy")),
        (MESSAGES, Cause.MODEL, 404, ("/anthropic/v1/models",)),
        (CHAT, Cause.MODEL, 403, ("GET /openai/v1/models", "entitlement", "organisation")),
        (CHAT, Cause.RATE, 429, ("Back off", "concurrency", "subscription", "key", "team", "upstream", "temporary")),
        (CHAT, Cause.QUOTA, 429, ("subscription", "key", "team", "upstream", "upgrade", "temporary")),
        (CHAT, Cause.TRANSIENT, 503, ("backoff", "maximum", "fallback route")),
        (CHAT, Cause.AUTH, 407, ("proxy",)),
        (FOREIGN, Cause.SERVER, 500, ("not an AnyInt route",)),
    ],
)
def test_guidance_says_what_to_check(route: Route, cause: Cause, status: int, words: tuple[str, ...]) -> None:
    """The developer reads the concrete thing to look at."""
    guidance = decide(seen(cause, status=status, note="mind the gap"), route).guidance
    for word in words:
        assert word in guidance
    assert guidance.endswith(" Note: mind the gap.")


def test_the_anthropic_words_stay_on_anthropic_routes() -> None:
    """Nobody else is told about x-api-key."""
    assert "x-api-key" not in decide(seen(Cause.AUTH, status=401)).guidance
    assert "x-api-key" not in decide(seen(Cause.INVALID, status=400)).guidance
    assert "x-api-key" not in decide(seen(Cause.POLICY, status=400), MESSAGES).guidance


@pytest.mark.parametrize(("cause", "word"), [(Cause.RATE, "temporarily at capacity"), (Cause.QUOTA, "usage quota")])
def test_users_get_a_capacity_or_quota_message(cause: Cause, word: str) -> None:
    """A limit is told to people as what it is: a capacity or quota matter that passes."""
    assert word in decide(seen(cause)).user_message


def test_the_reason_is_one_short_line() -> None:
    """Status, code, meaning, hint, request id and what follows, with a server's words made harmless."""
    observation = seen(
        Cause.RATE,
        status=429,
        code="rate_limit_exceeded\n" + "x" * 500,
        request_id="req_1",
        hint=Hint(seconds=2.0, source="retry-after"),
    )
    reason = decide(observation).reason
    assert reason.startswith("HTTP 429 (a code not shaped like one): ")
    assert "rate, rejected, retry-after says 2 s, request id req_1; attempt 1 of 3; the next in 2.20 s" in reason
    assert len(reason) < 250


def test_a_decision_names_its_route() -> None:
    """Route, family, operation and source are passed on; a foreign URL has no route and no family."""
    decision = decide(seen(Cause.RATE), VIDEO)
    assert decision.route == "POST /openai/v1/videos"
    assert (decision.family, decision.operation, decision.source) == (Family.OPENAI, Operation.CREATE, "AnyInt")
    foreign = decide(seen(Cause.RATE), FOREIGN)
    assert (foreign.route, foreign.family) == (None, None)


# --- faults


def fault_decision(kind: FaultKind, route: Route = CHAT, **more: Any) -> Decision:
    when: dict[str, Any] = {"method": "POST", "attempt": 1, "elapsed": 0.0, "now": NOW, "u": 1.0, **more}
    return Policy().on_fault(route, route.operation, Fault(kind, "ReadTimeout"), **when)


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_paid_create_is_sent_again_only_if_it_never_left(kind: FaultKind) -> None:
    """Of all faults only those before the request went out let a create be repeated."""
    decision = fault_decision(kind, VIDEO)
    if decision.action is Action.BACKOFF:
        assert decision.certainty is Certainty.NOT_SENT
    assert fault_decision(kind, VIDEO_QUERY, method="GET").delay == (
        None if decision.cause is Cause.INVALID else pytest.approx(0.05)
    )


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (FaultKind.TLS_CERTIFICATE, "certificate"),
        (FaultKind.LOCAL_ERROR, "on the wire"),
        (FaultKind.POOL_TIMEOUT, "pool"),
        (FaultKind.PROXY_ERROR, "proxy"),
        (FaultKind.CONNECT_ERROR, "base URL"),
        (FaultKind.READ_TIMEOUT, "time-out"),
    ],
)
def test_faults_have_their_own_guidance(kind: FaultKind, word: str) -> None:
    """A fault's kind says more than its cause."""
    decision = fault_decision(kind)
    assert word in decision.guidance
    assert decision.reason.startswith(f"{kind.value} (ReadTimeout): ")


# --- from bytes to a decision

GATEWAY = "https://gateway.api.anyint.ai"
BAD_KEY = '{"error": {"message": "bad key", "type": "authentication_error", "code": "invalid_api_key"}}'
LIMIT = '{"error": {"message": "limit hit", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}'
NO_FIELD = '{"error": {"message": "missing field", "type": "invalid_request_error", "param": "model"}}'
SPENT = '{"error": {"message": "spent", "type": "insufficient_quota", "code": "insufficient_quota"}}'


@pytest.mark.parametrize(
    ("path", "status", "headers", "body", "action", "cause", "delay"),
    [
        ("/openai/v1/chat/completions", 401, {}, BAD_KEY, Action.NO_RETRY, Cause.AUTH, None),
        ("/openai/v1/chat/completions", 429, {"Retry-After": "2"}, LIMIT, Action.BACKOFF, Cause.RATE, 2.2),
        ("/openai/v1/chat/completions", 429, {}, LIMIT, Action.BACKOFF, Cause.RATE, 1.0),
        ("/openai/v1/chat/completions", 400, {}, NO_FIELD, Action.NO_RETRY, Cause.INVALID, None),
        ("/openai/v1/chat/completions", 429, {"Retry-After": "2"}, SPENT, Action.NO_RETRY, Cause.QUOTA, None),
        ("/openai/v1/chat/completions", 403, {"x-should-retry": "true"}, "", Action.NO_RETRY, Cause.PERMISSION, None),
        ("/openai/v1/chat/completions", 503, {"x-should-retry": "false"}, "", Action.NO_RETRY, Cause.TRANSIENT, None),
        ("/openai/v1/chat/completions", 503, {}, "<html>" * 99_999, Action.BACKOFF, Cause.TRANSIENT, 0.05),
        ("/openai/v1/chat/completions", 200, {}, '{"id": "c", "choices": []}', Action.DELIVER, None, None),
        ("/openai/v1/videos", 503, {}, "", Action.BACKOFF, Cause.TRANSIENT, 0.05),
        ("/openai/v1/videos", 502, {}, "", Action.NO_RETRY, Cause.TRANSIENT, None),
        ("/openai/v1/videos", 504, {}, "", Action.NO_RETRY, Cause.TRANSIENT, None),
        ("/openai/v1/videos", 200, {}, '{"id": "v1", "status": "queued"}', Action.POLL, None, 5.0),
        ("/openai/v1/videos", 200, {}, '{"id": "v', Action.NO_RETRY, Cause.UNKNOWN, None),
        ("/suno/generate", 200, {}, '{"code": 430, "msg": "fast", "data": null}', Action.BACKOFF, Cause.RATE, 1.0),
        ("/suno/generate", 200, {}, '{"code": 429, "msg": "spent", "data": null}', Action.NO_RETRY, Cause.QUOTA, None),
    ],
)
def test_from_bytes_to_a_decision(
    path: str,
    status: int,
    headers: dict[str, str],
    body: str,
    action: Action,
    cause: Cause | None,
    delay: float | None,
) -> None:
    """Reading and rules together: the rows of the seed page, in-body codes, and certainty for paid creates."""
    decision = Policy().decide_response("POST", GATEWAY + path, status, headers, body.encode(), now=NOW)
    assert (decision.action, decision.cause) == (action, cause)
    assert decision.delay == (None if delay is None else pytest.approx(delay))
    loose: Any = (b"post", f"http://127.0.0.1:8{path}?x=/y#z", status, list(headers.items()), body)
    assert Policy().decide_response(*loose, now=NOW) == decision


def test_an_exception_to_a_decision() -> None:
    """Words for faults are those of ``explain --exception``; an unknown word is an unknown fault."""
    lost = Policy().decide_exception("POST", GATEWAY + "/openai/v1/videos", "read_timeout")
    assert (lost.action, lost.certainty) == (Action.NO_RETRY, Certainty.UNKNOWN)
    unsent = Policy().decide_exception("POST", GATEWAY + "/openai/v1/videos", FaultKind.CONNECT_ERROR)
    assert (unsent.action, unsent.certainty) == (Action.BACKOFF, Certainty.NOT_SENT)
    odd = Policy().decide_exception("GET", GATEWAY + "/openai/v1/models", "gremlins")
    assert (odd.cause, odd.certainty) == (Cause.UNKNOWN, Certainty.UNKNOWN)


# --- configuration


def test_a_policy_names_every_problem_at_once() -> None:
    """One ValueError lists all that is wrong."""
    wrong: Any = {
        "attempts": True,
        "retry_window": math.nan,
        "deadline": 0,
        "transient_base": -1,
        "rate_base": "1",
        "factor": 0.5,
        "max_delay": math.inf,
        "repeat_generation": 1,
        "enabled": None,
    }
    with pytest.raises(ValueError) as caught:
        Policy(**wrong)
    for name in wrong:
        assert f"{name} must be" in str(caught.value)
    assert str(caught.value).count(";") == len(wrong) - 1


@pytest.mark.parametrize("value", [0, -1, 1.5, "3", None, pytest.param(10**5000, id="endless"), False])
def test_attempts_are_a_whole_number(value: Any) -> None:
    """Nothing but a whole number of 1 or more is taken, and even an endless one gives an ordinary error."""
    with pytest.raises(ValueError, match="attempts must be a whole number"):
        Policy(attempts=value)


@pytest.mark.parametrize("name", ["retry_window", "deadline", "transient_base", "max_delay"])
@pytest.mark.parametrize("value", [-1.0, math.nan, -math.inf, "1", True, pytest.param(10**5000, id="endless"), [1]])
def test_times_are_numbers(name: str, value: Any) -> None:
    """A time is a number that is not negative."""
    given: Any = {name: value}
    with pytest.raises(ValueError, match=f"{name} must be"):
        Policy(**given)


def test_endless_windows_are_allowed() -> None:
    """``inf`` means no bound for the window and the deadline; ints are numbers too."""
    policy = Policy(retry_window=math.inf, deadline=math.inf, rate_base=2, max_delay=0)
    observation = seen(Cause.RATE, hint=Hint(seconds=1e6, source="retry-after"))
    assert decide(observation, policy=policy, elapsed=1e9).action is Action.BACKOFF


def test_a_policy_that_is_switched_off_retries_nothing() -> None:
    """Disabled means one attempt, whatever came; what it was is still told."""
    decision = decide(seen(Cause.TRANSIENT), policy=Policy(enabled=False))
    assert (decision.action, decision.cause) == (Action.NO_RETRY, Cause.TRANSIENT)
    assert "switched off" in decision.reason


KLING = "https://api.anyint.ai/transtreams/kling/v1/videos/text2video"


@pytest.mark.parametrize(("attempt", "action"), [(1, Action.BACKOFF), (2, Action.NO_RETRY)])
def test_an_ambiguous_row_is_retried_once_though_its_cause_says_no(attempt: int, action: Action) -> None:
    """Kling 1000-1004 behind AnyInt is the gateway's own token (contract 3.6): one retry, and no more."""
    body = b'{"code":1004,"message":"expired","request_id":"r"}'
    decision = Policy().decide_response("POST", KLING, 401, (), body, attempt=attempt)
    assert (decision.cause, decision.action) == (Cause.AUTH, action)


@pytest.mark.parametrize("u", [0.0, 0.5, 1.0])
def test_a_full_kling_queue_is_waited_for_at_least_a_second(u: float) -> None:
    """Contract 3.6: code 1303 wants a first delay of 1 s or more; jitter stands above that, never below."""
    body = b'{"code":1303,"message":"parallel task over limit","request_id":"r"}'
    decision = Policy().decide_response("POST", KLING, 429, (), body, u=u)
    assert decision.delay == 1.0 + u
