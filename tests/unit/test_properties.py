"""What holds for every input: the policy is total, and its bounds cannot be broken."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.routes import ROUTES, SEEDANCE_ROUTES, Route
from anyint_resilience.contract.words import Cause, Certainty, Operation
from anyint_resilience.policy.given import bytes_of, path_of
from anyint_resilience.policy.hints import MAX_HINT, normal_headers, poll_hint, read_hint, should_retry
from anyint_resilience.policy.model import Action, Decision, Fault, FaultKind, Hint, Observation
from anyint_resilience.policy.rules import NEVER_REPEATED, Policy, is_unsafe
from hostile.fuzz.sound import sound_decision

# The contract's ambiguous rows: one retry is reasonable although the cause says no (3.5, 3.6).
ONE_RETRY = ("BadRequest.InputDownloadFailed", "1000", "1001", "1002", "1003", "1004")

TABLE = RouteTable(seedance=True)
URLS = [
    "https://gateway.api.anyint.ai" + route.template.replace("{model}", "m").replace("{", "x").replace("}", "")
    for route in (*ROUTES, *SEEDANCE_ROUTES)
]

anything: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**5000), st.floats(), st.text(), st.binary(), st.lists(st.text())
)
methods = st.one_of(st.sampled_from(["GET", "POST", "post", b"POST", "DELETE", "PATCH", "*"]), anything)
urls = st.one_of(
    st.sampled_from(URLS), st.sampled_from(["//[", "http://[::1", "https://", "?", "#", "://", "/\ud800"]), anything
)
statuses = st.one_of(
    st.sampled_from([200, 201, 302, 400, 401, 403, 404, 407, 408, 429, 499, 500, 502, 503, 529]), anything
)
hinted = st.sampled_from(
    ["Retry-After", "retry-after-ms", "x-should-retry", "RateLimit", "RateLimit-Policy", "x-ratelimit-reset-tokens",
     "x-ratelimit-remaining-tokens", "anthropic-ratelimit-tokens-reset", "Date", "content-encoding", "content-type",
     "openai-poll-after-ms", "x-request-id"]
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        ["0", "1", "-1", "nan", "inf", "1e309", "99999999999", "true", "gzip", "br", "1h2m", '"a";r=0;t=3']
    ),
    st.from_regex(r"[0-9.]{1,9}(ms|s|m|h)?", fullmatch=True),
    st.datetimes().map(lambda when: when.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    anything,
)
headers = st.one_of(
    st.lists(st.tuples(st.one_of(hinted, anything), values), max_size=6),
    st.dictionaries(st.one_of(hinted, st.text(), st.binary()), values, max_size=6),
    anything,
)
words = st.sampled_from(
    ["error", "code", "msg", "message", "type", "status", "details", "data", "output", "task_id", "taskId",
     "task_status", "@type", "retryDelay", "request_id", "id", "headers", "title", "successFlag", "response",
     "errorCode"]
)  # fmt: skip
telling = st.sampled_from(
    ["insufficient_quota", "rate_limit_exceeded", "overloaded_error", "RESOURCE_EXHAUSTED", "Throttling",
     "PENDING", "SUCCESS", "failed", "succeed", "queued", "google.rpc.RetryInfo", "Please retry in 3s", "\ud800",
     "0", "200",
     "1303"]
)  # fmt: skip
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(-10, 6000), st.just(10**400), st.floats(), st.text(max_size=8), telling
)
documents = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(words, st.text()), inner, max_size=5)
    ),
    max_leaves=12,
)
bodies = st.one_of(documents.map(json.dumps), documents.map(lambda found: json.dumps(found).encode()), anything)
spans = st.floats(min_value=0, max_value=1e7)
hints = st.one_of(
    st.none(),
    st.builds(
        Hint, seconds=st.floats(min_value=0, max_value=MAX_HINT, exclude_min=True), source=st.just("retry-after")
    ),
)
policies = st.builds(
    Policy,
    attempts=st.integers(1, 12),
    retry_window=st.one_of(spans, st.just(math.inf), st.just(60.0)),
    deadline=st.one_of(st.none(), st.floats(min_value=0, max_value=1e7, exclude_min=True)),
    transient_base=st.floats(0, 10),
    rate_base=st.floats(0, 10),
    factor=st.floats(1, 1e300),
    max_delay=st.floats(0, 1e6),
    repeat_generation=st.booleans(),
    enabled=st.booleans(),
)
observations = st.builds(
    Observation,
    cause=st.one_of(st.none(), st.sampled_from(Cause)),
    certainty=st.sampled_from(Certainty),
    source=st.just("AnyInt"),
    status=st.one_of(st.none(), st.integers(100, 599)),
    code=st.one_of(st.none(), st.text()),
    hint=hints,
    request_id=st.one_of(st.none(), st.text()),
    task_id=st.one_of(st.none(), st.text()),
    task_state=st.one_of(st.none(), st.text()),
    pending=st.booleans(),
    may_repeat=st.one_of(st.none(), st.booleans()),
    few=st.booleans(),
)
routes = st.sampled_from([*TABLE.routes, TABLE.match("POST", "/openai/v1/x"), TABLE.match("POST", "/x")])


def check(decision: Decision) -> None:
    """What every Decision keeps, whatever it came from."""
    assert isinstance(decision, Decision)
    sound_decision(decision)
    if decision.cause in NEVER_REPEATED and not any(code in decision.reason for code in ONE_RETRY):
        assert decision.action is not Action.BACKOFF


@given(methods, urls, statuses, headers, bodies, anything, anything, anything, anything)
def test_decide_response_is_total(
    method: Any, url: Any, status: Any, fields: Any, body: Any, attempt: Any, elapsed: Any, now: Any, u: Any
) -> None:
    """Any method, URL, status, headers, body and numbers give a sound Decision and no exception."""
    check(Policy().decide_response(method, url, status, fields, body, attempt=attempt, elapsed=elapsed, now=now, u=u))


@given(st.sampled_from(URLS), st.sampled_from(["GET", "POST"]), st.integers(100, 599), headers, bodies)
def test_decide_response_is_total_on_known_routes(url: str, method: str, status: int, fields: Any, body: Any) -> None:
    """The same where every route's own reading is used."""
    check(Policy(attempts=9).decide_response(method, url, status, fields, body, now=1.8e9, table=TABLE))


@given(methods, urls, st.one_of(st.sampled_from(FaultKind), anything), statuses, anything, anything, anything)
def test_decide_exception_is_total(
    method: Any, url: Any, kind: Any, status: Any, attempt: Any, elapsed: Any, now: Any
) -> None:
    """Any word for a fault gives a sound Decision and no exception."""
    check(Policy().decide_exception(method, url, kind, status=status, attempt=attempt, elapsed=elapsed, now=now))


def bounds_hold(
    policy: Policy, route: Route, operation: Operation, seen: Observation, attempt: int, elapsed: float, u: float
) -> None:
    """A retry is never early, never late, never one too many, and never doubles unsafe work."""
    decision = policy.on_response(
        route, operation, seen, method="POST", attempt=attempt, elapsed=elapsed, now=1.8e9, u=u
    )
    check(decision)
    if decision.action is not Action.BACKOFF:
        return
    assert decision.delay is not None
    assert policy.enabled
    assert attempt < policy.attempts
    assert not (seen.few and attempt > 1)
    assert seen.may_repeat is not False
    assert elapsed + decision.delay <= policy.retry_window
    assert policy.deadline is None or elapsed + decision.delay < policy.deadline
    if seen.hint is not None:
        assert seen.hint.seconds <= decision.delay <= seen.hint.seconds + min(1.0, 0.1 * seen.hint.seconds) + 1e-9
    else:
        assert decision.delay <= policy.max_delay
    if is_unsafe(operation, "POST", repeat_generation=policy.repeat_generation):
        assert seen.certainty in (Certainty.NOT_SENT, Certainty.REJECTED)


@given(policies, routes, st.sampled_from(Operation), observations, st.integers(1, 20), spans, st.floats(0, 1))
def test_no_bound_is_ever_broken(
    policy: Policy, route: Route, operation: Operation, seen: Observation, attempt: int, elapsed: float, u: float
) -> None:
    """A retry is never early, never late, never one too many, and never doubles unsafe work."""
    bounds_hold(policy, route, operation, seen, attempt, elapsed, u)


@given(
    st.builds(
        Policy,
        attempts=st.integers(2, 5),
        retry_window=st.floats(10, 100),
        deadline=st.one_of(st.none(), st.floats(10, 100)),
        repeat_generation=st.booleans(),
    ),
    st.sampled_from(TABLE.routes),
    st.sampled_from(Operation),
    st.builds(
        Observation,
        cause=st.sampled_from([Cause.RATE, Cause.TRANSIENT, Cause.SERVER]),
        certainty=st.sampled_from([Certainty.NOT_SENT, Certainty.REJECTED, Certainty.UNKNOWN]),
        source=st.just("AnyInt"),
        hint=st.one_of(st.none(), st.builds(Hint, seconds=st.floats(0.001, 100), source=st.just("retry-after"))),
    ),
    st.integers(1, 3),
    st.floats(0, 50),
    st.floats(0, 1),
)
def test_no_bound_is_ever_broken_by_a_likely_retry(
    policy: Policy, route: Route, operation: Operation, seen: Observation, attempt: int, elapsed: float, u: float
) -> None:
    """The same where most examples are retried, near the edges of the window and the deadline."""
    bounds_hold(policy, route, operation, seen, attempt, elapsed, u)


@given(policies, routes, st.sampled_from(Operation), st.sampled_from(FaultKind), st.integers(1, 20), spans)
def test_faults_keep_the_bounds_too(
    policy: Policy, route: Route, operation: Operation, kind: FaultKind, attempt: int, elapsed: float
) -> None:
    """The same for exceptions."""
    decision = policy.on_fault(
        route, operation, Fault(kind, "E"), method="POST", attempt=attempt, elapsed=elapsed, now=None, u=1.0
    )
    check(decision)
    if decision.delay is not None:
        assert elapsed + decision.delay <= policy.retry_window
        assert attempt < policy.attempts


@given(st.integers(), headers, documents, st.one_of(st.none(), st.floats()))
def test_hints_are_total_and_believable(status: int, fields: Any, document: Any, now: float | None) -> None:
    """Whatever is sent, a hint is above zero, finite and at most a month."""
    normal = normal_headers(fields)
    for hint in (read_hint(status, normal, document=document, now=now), poll_hint(normal, now=now)):
        assert hint is None or 0 < hint.seconds <= MAX_HINT
    assert should_retry(normal) in (None, True, False)


@given(
    st.sampled_from(["https://h", "http://127.0.0.1:8080", "//h", ""]), st.sampled_from(["", "?a=/b", "#/x", "?a#b"])
)
def test_a_path_is_found_in_any_url(start: str, end: str) -> None:
    """Host, query and fragment do not change the path, for str and bytes."""
    path = "/openai/v1/models"
    assert path_of(start + path + end) == path
    assert path_of((start + path + end).encode()) == path


@given(anything)
def test_bodies_are_bounded(body: Any) -> None:
    """A body becomes at most 64 KiB of bytes, whatever it was."""
    for given_body in (body, memoryview(b"x" * 100_000), memoryview(b"x" * 100)[::2], "é" * 70_000, bytearray(b"y")):
        assert len(bytes_of(given_body)) <= 65_536
