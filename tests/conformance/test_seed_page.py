"""AnyInt's errors-and-limits page, row by row, over a real socket, on every client.

Must not know how a decision is reached: only what the page says, what went over the wire and what the caller was told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from anyint_resilience import Action, Cause, Policy, Resilience, report
from anyint_resilience.emulator import Emulator, Fault
from tests.alone import ALONE
from tests.conformance.surfaces import Caller, Surface, Waits, calling, every_surface

NOW = 1_800_000_000.0
HOUR = 3600

# The page's three samples, to the letter.
AUTH_FAILURE = (
    b'{\n  "error": {\n    "message": "Invalid or missing API key",\n    "type": "authentication_error",\n'
    b'    "code": "invalid_api_key"\n  }\n}'
)
LIMIT = (
    b'{\n  "error": {\n    "message": "Rate limit exceeded",\n    "type": "rate_limit_error",\n'
    b'    "code": "rate_limit_exceeded"\n  }\n}'
)
INVALID = (
    b'{\n  "error": {\n    "message": "Missing required field: model",\n    "type": "invalid_request_error",\n'
    b'    "param": "model"\n  }\n}'
)

MESSAGES = [{"role": "user", "content": "hi"}]
SOURCES = ("subscription", "key", "team", "upstream provider")  # of limits, on the page


@dataclass(frozen=True)
class Ask:
    """A request: a path, a JSON body or raw bytes, headers."""

    path: str
    body: Any = None
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)

    def of(self, caller: Caller) -> Any:
        """Make it on a client and return the answer."""
        content = self.body if self.body is None or isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"content-type": "application/json", **self.headers}
        return caller.request(self.method, self.path, content=content, headers=headers)


def chat(**more: Any) -> Ask:
    return Ask("/openai/v1/chat/completions", {"model": "gpt-5", "messages": MESSAGES, **more})


def messages(model: str = "claude-sonnet-4-5", **headers: str) -> Ask:
    body = {"model": model, "max_tokens": 9, "messages": MESSAGES}
    return Ask("/anthropic/v1/messages", body, headers={name.replace("_", "-"): text for name, text in headers.items()})


VIDEO = Ask("/openai/v1/videos", {"model": "kling-3.0", "prompt": "a cat"})
MUSIC = Ask("/suno/generate", {"model": "V5", "prompt": "a song", "callBackUrl": "https://app.example/hook"})
MODELS = Ask("/openai/v1/models", method="GET")
NO_MODEL = Ask("/openai/v1/chat/completions", {"messages": MESSAGES})
NO_JSON = Ask("/openai/v1/chat/completions", b'{"model": "gpt-5", ')
WRONG_KEY = {"Authorization": "Bearer not-a-key"}


@dataclass(frozen=True)
class Row:
    """One row of the page. ``first`` is the decision about the first answer, ``then`` how the call ended."""

    name: str
    ask: Ask
    faults: tuple[Fault, ...] = ()
    answers: tuple[int | None, ...] = ()  # on the wire, attempt by attempt; None: no status line was sent
    waits: tuple[float, ...] = ()
    first: tuple[Action, Cause | None] = (Action.NO_RETRY, Cause.INVALID)
    guidance: tuple[str, ...] = ()
    user: str = ""
    retry_at: float | None = None
    then: tuple[Action, Cause | None] | None = None
    body: bytes | None = None  # what the caller must be handed, to the letter
    listed: bool = False  # the family's list of models is asked for then: the report has the names like the missing one


def once(name: str, ask: Ask, status: int, cause: Cause, *faults: Fault, **more: Any) -> Row:
    """A row whose request is never sent again."""
    return Row(name, ask, faults, (status,), first=(Action.NO_RETRY, cause), **{"listed": cause is Cause.MODEL, **more})


def healed(name: str, ask: Ask, fault: Fault, cause: Cause, *, wait: float, **more: Any) -> Row:
    """A row whose second attempt goes through."""
    end = (Action.POLL, None) if ask in (VIDEO, MUSIC) else (Action.DELIVER, None)
    return Row(
        name, ask, (fault,), (fault.status, 200), (wait,), first=(Action.BACKOFF, cause), **{"then": end, **more}
    )


LATER = ("Back off", "lower the concurrency", "temporary capacity or quota message")
CHOOSE = ("Do not retry at once", "GET /openai/v1/models", "data[].id")
CONFIRM = ("model ID exists", "enabled for this account", "subscription or key policy allows")
FIX = ("Fix the request", "Repeating the same invalid request will not succeed")
BEARER = ("Authorization: Bearer <ANYINT_API_KEY>",)
X_API_KEY = ("x-api-key: <ANYINT_API_KEY>", "anthropic-version")
BUSY = "temporarily at capacity"
USED_UP = "quota has been reached"
error = Fault.error

OUTCOMES = [
    once("400 invalid request body", NO_JSON, 400, Cause.INVALID, guidance=FIX, user="could not be processed"),
    once("400 missing field", NO_MODEL, 400, Cause.INVALID, guidance=("every required field",)),
    once("401 authentication", chat(), 401, Cause.AUTH, error(401), guidance=BEARER, user="configuration problem"),
    once(
        "403 subscription or policy",
        chat(),
        403,
        Cause.PERMISSION,
        error(403),
        guidance=("entitlement", "access to this model", "policy of the organisation"),
        user="not available for this account",
    ),
    healed("429 back off", chat(), error(429), Cause.RATE, wait=1.0, guidance=("upgrade",), user=BUSY),
    Row(
        "429 retry later",
        chat(),
        (error(429, retry_after=HOUR),),
        (429,),
        first=(Action.NO_RETRY, Cause.RATE),
        guidance=("retry_window",),
        retry_at=NOW + HOUR,
    ),
    healed(
        "503 backoff or a fallback route",
        chat(),
        error(503),
        Cause.TRANSIENT,
        wait=0.05,
        guidance=("exponential backoff", "fallback route", "model is available"),
        user="temporarily unavailable",
    ),
]

LIMITS = [
    once(
        "subscription caps",
        chat(),
        429,
        Cause.QUOTA,
        error(429, code="insufficient_quota"),
        guidance=SOURCES,
        user=USED_UP,
    ),
    once("subscription caps, music", MUSIC, 200, Cause.QUOTA, error(200, family="suno", code=429), guidance=SOURCES),
    healed(
        "per-key restrictions",
        chat(),
        error(429, retry_after=2),
        Cause.RATE,
        wait=2.2,
        guidance=SOURCES,
        user=BUSY,
    ),
    once("per-key budget", chat(), 429, Cause.QUOTA, error(429, code="budget_exceeded"), guidance=SOURCES),
    once(
        "team-level policies",
        messages(),
        429,
        Cause.QUOTA,
        error(429, family="anthropic", code="enforced_spend_limit_reached"),
        guidance=SOURCES,
    ),
    healed("upstream throttling", chat(), error(429, code="slow_down"), Cause.RATE, wait=1.0, guidance=SOURCES),
    healed(
        "upstream throttling, a paid create",
        VIDEO,
        error(429, retry_after=3),
        Cause.RATE,
        wait=3.3,
        guidance=SOURCES,
    ),
]

ENVELOPES = [
    once("auth", chat(), 401, Cause.AUTH, Fault(status=401, body=AUTH_FAILURE), guidance=BEARER, body=AUTH_FAILURE),
    once("auth, Anthropic", messages(), 401, Cause.AUTH, Fault(status=401, body=AUTH_FAILURE), guidance=X_API_KEY),
    Row(
        "rate or quota",
        chat(),
        (Fault(status=429, body=LIMIT),) * 3,
        (429, 429, 429),
        (1.0, 2.0),
        first=(Action.BACKOFF, Cause.RATE),
        guidance=LATER,
        user=BUSY,
        then=(Action.NO_RETRY, Cause.RATE),
        body=LIMIT,
    ),
    once("invalid", chat(), 400, Cause.INVALID, Fault(status=400, body=INVALID), guidance=FIX, body=INVALID),
]

RETRIES = [
    once("invalid JSON: no", NO_JSON, 400, Cause.INVALID, guidance=("Fix the request", "valid JSON")),
    once("missing field: no", Ask("/openai/v1/videos", {"prompt": "x"}), 400, Cause.INVALID, guidance=FIX),
    once("invalid key: no", chat(), 401, Cause.AUTH, error(401), guidance=("Correct or rotate the key",)),
    once("model: not at once", chat(model="missing-model"), 404, Cause.MODEL, guidance=CHOOSE, user="another one"),
    Row(
        "limit: later",
        chat(),
        (error(429), error(429)),
        (429, 429, 200),
        (1.0, 2.0),
        first=(Action.BACKOFF, Cause.RATE),
        guidance=LATER,
        then=(Action.DELIVER, None),
    ),
    once("quota: later", chat(), 429, Cause.QUOTA, error(429, code="insufficient_quota"), guidance=("retrying soon",)),
    Row(
        "upstream failure: a maximum count",
        chat(),
        (error(503),) * 4,
        (503, 503, 503),
        (0.05, 0.1),
        first=(Action.BACKOFF, Cause.TRANSIENT),
        guidance=("exponential backoff", "maximum number of attempts"),
        then=(Action.NO_RETRY, Cause.TRANSIENT),
    ),
    Row(
        "interrupted before it began: yes",
        chat(stream=True),
        (Fault(reset="before_headers"),),
        (None, 200),
        (0.05,),
        first=(Action.BACKOFF, Cause.TRANSIENT),
        then=(Action.DELIVER, None),
    ),
    Row(
        "async task pending: poll",
        VIDEO,
        (),
        (200,),
        first=(Action.POLL, None),
        guidance=("Poll GET /openai/v1/videos/", "do not create it again"),
        user="being worked on",
    ),
]

FAMILIES = [
    once(
        "anthropic-version is missing",
        messages(),
        400,
        Cause.INVALID,
        error(400, family="anthropic", message="anthropic-version: header is required"),
        guidance=("anthropic-version: 2023-06-01", "x-api-key"),
    ),
    healed("music: rate code", MUSIC, error(200, family="suno", code=430), Cause.RATE, wait=1.0, user=BUSY),
    healed("music: maintenance", MUSIC, error(200, family="suno", code=455), Cause.TRANSIENT, wait=5.05),
    once("music: bad parameter", MUSIC, 200, Cause.INVALID, error(200, family="suno", code=400), guidance=FIX),
]

ACCESS = [
    once("the model ID exists", chat(model="missing-model"), 404, Cause.MODEL, guidance=(*CHOOSE, *CONFIRM)),
    once(
        "the model is enabled for the account",
        messages("missing-claude"),
        404,
        Cause.MODEL,
        guidance=("GET /anthropic/v1/models", *CONFIRM),
    ),
    once(
        "the subscription or key policy allows it",
        chat(),
        403,
        Cause.MODEL,
        error(403, code="key_model_access_denied"),
        guidance=(*CONFIRM, "entitlement", "policy of the organisation"),
    ),
]

TABLES = {
    "outcomes": OUTCOMES,
    "limits": LIMITS,
    "envelopes": ENVELOPES,
    "retry": RETRIES,
    "family": FAMILIES,
    "access": ACCESS,
}
every_row = pytest.mark.parametrize(
    "row", [pytest.param(row, id=f"{table}: {row.name}") for table, rows in TABLES.items() for row in rows]
)


def anyint(emu: Emulator, waits: Waits, **more: Any) -> Resilience:
    return Resilience(
        **{
            "api_key": "test-key",
            "base_url": emu.url,
            "runtime": waits.runtime(wall=lambda: NOW),
            "guards": ALONE,
            **more,
        }
    )


@every_surface
@every_row
def test_row(surface: Surface, row: Row, emu: Emulator) -> None:
    """What the page says about a row is what goes over the wire and what the caller is told."""
    waits = Waits()
    emu.script(*row.faults)
    with calling(surface, anyint(emu, waits), base_url=emu.url) as caller:
        answer = row.ask.of(caller)
    seen, told = emu.seen, report(answer)
    assert told is not None
    lists = [it for it in seen if it.method == "GET"] if row.listed else []
    assert [it.path.rpartition("/")[2] for it in lists] == ["models"] * row.listed
    assert [it.answered for it in seen] == [*row.answers, *[200] * row.listed]
    assert len({it.body for it in seen if it not in lists}) == 1, "every attempt carries the same body"
    assert waits.asked == pytest.approx(list(row.waits))
    own = [it.decision for it in told.attempts if it.decision is not None and it.asked is None]
    first, last = own[0], own[-1]
    assert (first.action, first.cause) == row.first, first.reason
    assert (last.action, last.cause) == (row.then or row.first), last.reason
    assert [word for word in row.guidance if word not in first.guidance] == []
    assert row.user in first.user_message
    assert last.retry_at == row.retry_at
    assert answer.status_code == row.answers[-1]
    assert row.body is None or answer.content == row.body
    assert answer.headers.get("x-should-retry") == (None if last.cause is None else "false")


def test_the_page_is_covered() -> None:
    """Each table of the page has at least as many rows here as there."""
    page = {"outcomes": 5, "limits": 4, "envelopes": 3, "retry": 7, "family": 2, "access": 3}
    assert {table: len(rows) >= page[table] for table, rows in TABLES.items()} == dict.fromkeys(page, True)


# --- header mismatches


@every_surface
@pytest.mark.parametrize("wrong", ["authorization", "x-api-key", "x-goog-api-key", "both"])
@pytest.mark.parametrize("ask", [chat(), messages(), VIDEO, MUSIC, MODELS], ids=lambda ask: ask.path)
def test_header_mismatch_is_set_right(surface: Surface, ask: Ask, wrong: str, emu: Emulator) -> None:
    """A key in another family's header is moved to this route's own, and the wrong header taken off."""
    own = {"authorization": "Bearer test-key", "x-api-key": "test-key", "x-goog-api-key": "test-key"}
    sent = {name: own[name] for name in (["authorization", "x-api-key"] if wrong == "both" else [wrong])}
    with calling(surface, anyint(emu, Waits(), api_key=None), base_url=emu.url) as caller:
        answer = Ask(ask.path, ask.body, ask.method, sent).of(caller)
    assert answer.status_code == 200
    right = "x-api-key" if ask.path.startswith("/anthropic/") else "authorization"
    (seen,) = emu.seen
    assert {name: seen.headers[name] for name in own if name in seen.headers} == {right: own[right]}


@every_surface
@pytest.mark.parametrize(
    ("ask", "words"),
    [(chat(), BEARER), (VIDEO, BEARER), (MUSIC, BEARER), (messages(), X_API_KEY)],
    ids=lambda it: str(it)[:40],
)
def test_header_mismatch_is_explained(surface: Surface, ask: Ask, words: tuple[str, ...], emu: Emulator) -> None:
    """A refused key is sent once, and the guidance names the header family of this very route."""
    with calling(surface, anyint(emu, Waits(), api_key="not-a-key"), base_url=emu.url) as caller:
        answer = ask.of(caller)
    decision = report(answer).decision  # type: ignore[union-attr]
    assert (answer.status_code, decision.action, decision.cause) == (401, Action.NO_RETRY, Cause.AUTH)
    assert [word for word in words if word not in decision.guidance] == []
    assert len(emu.seen) == 1


# --- family notes


@every_surface
def test_a_missing_anthropic_version_is_supplied(surface: Surface, emu: Emulator) -> None:
    """A call without anthropic-version goes out with the documented one; a version the caller set stays."""
    with calling(surface, anyint(emu, Waits()), base_url=emu.url) as caller:
        assert messages().of(caller).status_code == 200
        assert messages(anthropic_version="2026-10-21").of(caller).status_code == 200
    assert [seen.headers["anthropic-version"] for seen in emu.seen] == ["2023-06-01", "2026-10-21"]


@every_surface
def test_chat_with_stream_true_returns_chunks(surface: Surface, emu: Emulator) -> None:
    """A chat with stream true comes through as stream chunks, in order and up to its end."""
    with calling(surface, anyint(emu, Waits()), base_url=emu.url) as caller:
        answer, body, broken = caller.stream("POST", "/openai/v1/chat/completions", json=chat(stream=True).body)
    events = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert broken is None
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events[-1] == "[DONE]"
    said = "".join(json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1])
    assert said == "Hello from the AnyInt emulator."


@every_surface
@pytest.mark.parametrize(
    ("outcome", "cause"), [("failed", Cause.SERVER), ("policy", Cause.POLICY)], ids=["failed", "policy"]
)
def test_music_has_status_codes_of_its_own(surface: Surface, outcome: str, cause: Cause, emu: Emulator) -> None:
    """A music task that failed says so under HTTP 200, and nothing invites to make it again."""
    with calling(surface, anyint(emu, Waits()), base_url=emu.url) as caller:
        task = MUSIC.of(caller).json()["data"]["taskId"]
        emu.settle(task, outcome)
        emu.clock.advance(20)
        answer = caller.request("GET", "/suno/query/task", params={"taskId": task})
        told = report(caller.request("GET", "/suno/query/task", params={"taskId": task}))
    assert answer.status_code == 200
    decision = told.decision  # type: ignore[union-attr]
    assert (decision.action, decision.cause) == (Action.NO_RETRY, cause)
    assert "deliberate decision" in decision.guidance
    assert len(emu.tasks) == 1


# --- interrupted streams


@every_surface
@pytest.mark.parametrize("cut", [Fault(cut_stream_after=3), Fault(reset="mid_body")], ids=lambda fault: fault.name)
def test_an_interrupted_stream_is_the_applications(surface: Surface, cut: Fault, emu: Emulator) -> None:
    """A stream that broke after its first chunk raises the client's error; only the application sends it again."""
    emu.script(cut)
    ask = chat(stream=True)
    with calling(surface, anyint(emu, Waits()), base_url=emu.url) as caller:
        _, body, broken = caller.stream("POST", ask.path, json=ask.body)
        assert isinstance(broken, surface.body_error)
        assert b"data: " in body
        assert len(emu.seen) == 1
        _, body, broken = caller.stream("POST", ask.path, json=ask.body)
    assert (broken, body.endswith(b"data: [DONE]\n\n"), len(emu.seen)) == (None, True, 2)
    decision = Policy().decide_exception("POST", emu.url + ask.path, "body_error", status=200)
    assert decision.cause is Cause.TRANSIENT


# --- the async rule


@dataclass(frozen=True)
class Task:
    """A kind of task: how it is made, where it is asked for, what its guidance says."""

    ask: Ask
    id_at: tuple[str, ...]
    query: str
    words: tuple[str, ...]


TASKS = [
    Task(VIDEO, ("id",), "/openai/v1/videos/{id}", ("Poll GET /openai/v1/videos/{id}",)),
    Task(
        MUSIC,
        ("data", "taskId"),
        "/suno/query/task?taskId={id}",
        ("Poll GET /suno/query/task?taskId={id}", "wait for its webhook"),
    ),
]


@every_surface
@pytest.mark.parametrize("task", TASKS, ids=["video", "music"])
def test_the_first_task_answer_is_no_completion(surface: Surface, task: Task, emu: Emulator) -> None:
    """A task is polled until its asset is ready, and made once, however often a poll fails."""
    waits = Waits()
    with calling(surface, anyint(emu, waits), base_url=emu.url) as caller:
        made = task.ask.of(caller)
        ident = made.json()
        for key in task.id_at:
            ident = ident[key]
        query = task.query.format(id=ident)
        accepted = report(made).decision  # type: ignore[union-attr]
        assert accepted.action is Action.POLL
        assert accepted.delay > 0
        assert [word for word in task.words if word.format(id=ident) not in accepted.guidance] == []
        for _ in range(2):
            emu.script(error(503), Fault(reset="before_headers"), match="GET")
            pending = report(caller.request("GET", query))
            assert pending.decision.action is Action.POLL  # type: ignore[union-attr]
            assert "do not create it again" in pending.decision.guidance  # type: ignore[union-attr]
            emu.clock.advance(5)
        emu.clock.advance(5)
        emu.script(error(503))
        done = report(caller.request("GET", query))
    assert done.decision.action is Action.DELIVER  # type: ignore[union-attr]
    assert len(emu.tasks) == len(emu.requests("POST")) == 1


@every_surface
@pytest.mark.parametrize("ask", [VIDEO, MUSIC], ids=["video", "music"])
def test_a_lost_task_is_never_made_twice(surface: Surface, ask: Ask, emu: Emulator) -> None:
    """A create whose answer is lost reaches the gateway once, however often the application asks for it."""
    emu.script(Fault(reset="before_headers", process=True))
    with calling(surface, anyint(emu, Waits()), base_url=emu.url) as caller:
        for _ in range(3):
            with pytest.raises(surface.adapter.OutcomeUnknown):
                ask.of(caller)
    assert len(emu.seen) == len(emu.tasks) == 1
