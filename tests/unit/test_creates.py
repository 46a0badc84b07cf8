"""Paid creates beyond their attempts, on the engine: given again, asked for, found by a mark, held back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from anyint_resilience import Action, Certainty, Policy, StoreError
from anyint_resilience.effects import Peeked
from anyint_resilience.exceptions import MADE, MISMATCH, REFUSED, WAITING
from anyint_resilience.policy.model import FaultKind
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.tasks.ledger import Ledger
from tests.unit.engine_kit import Answer, Script, World, create
from tests.unit.task_kit import RESULT, answer, encoded

VIDEOS, SONGS, KLING = "/openai/v1/videos", "/suno/generate", "/transtreams/kling/v1/videos/text2video"
RESET = FaultKind.READ_ERROR
PROMPT = "a fox in the snow"
CREATED = Answer(
    200, encoded({"id": "t1", "status": "queued", "prompt": PROMPT}), (("Content-Type", "application/json"),)
)
QUEUED = Answer(200, encoded(answer("openai_video", "queued")))
DONE = Answer(200, encoded(answer("openai_video", "completed")))
KLING_GOES = Answer(200, encoded(answer("kling", "processing")))
BODY = encoded({"model": "sora-2", "prompt": PROMPT})
KEYED = ((b"Idempotency-Key", b"order-7"),)
ASK_VIDEO = "send 1 /openai/v1/videos/t1"


def script(
    world: World, *steps: Any, path: str = VIDEOS, body: bytes = BODY, policy: Any = None, **more: Any
) -> Script:
    return Script(world, *steps, policy=policy, **create(world, path, body, **more))


def states(world: World) -> list[dict[str, Any]]:
    return [state for _, state in world.ledger.store.scan("create:")]


def tasks(world: World) -> list[str]:
    return [it["task"]["task_id"] for it in states(world)[0]["creates"] if it["task"] is not None]


# --- given again


@pytest.mark.parametrize("repeats", [{"headers": KEYED}, {"outer_retries": 1}])
def test_a_certain_repetition_gets_the_first_answer(repeats: dict[str, Any]) -> None:
    """By its key, or because a layer above says that it retries: nothing is sent, and the prompt is put back."""
    world = World()
    first = script(world, CREATED, **({} if "outer_retries" in repeats else repeats)).play()
    again = script(world, **repeats)
    result = again.play()
    assert again.effects == ["ledger", "given"]
    assert json.loads(result.response.body) == json.loads(CREATED.body)  # type: ignore[arg-type]
    assert dict(result.response.headers)["content-type"] == "application/json"
    assert dict(result.response.headers)["content-length"] == str(len(result.response.body))
    assert (result.instead, result.refused, result.unknown) == ("replayed", False, False)
    assert result.report.task == first.report.task
    assert result.decision is not None
    assert result.decision.certainty is Certainty.COMMITTED
    assert any("this is the answer that it had" in note for note in result.report.notes)


def test_no_prompt_and_no_key_stand_in_the_ledger() -> None:
    """What is kept is for going on, and can be read by whoever reads the file."""
    world = World()
    script(world, CREATED, headers=KEYED).play()
    told = Answer(200, encoded({"id": "t2", "status": "queued", "you": "sk-0123456789"}))
    script(world, told, body=b'{"prompt": "other"}', key="sk-0123456789").play()
    assert len(states(world)) == 2
    assert PROMPT not in json.dumps(states(world))
    assert "sk-0123456789" not in json.dumps(states(world))


def test_the_same_prompt_twice_is_two_tasks() -> None:
    """Without a key and without ``dedupe`` nobody says that the second is a repetition."""
    world = World()
    assert script(world, CREATED).play().instead is None
    second = script(world, Answer(200, encoded({"id": "t2", "status": "queued"})))
    assert second.play().report.task.task_id == "t2"  # type: ignore[union-attr]
    assert second.effects == ["ledger", "send 1", "ledger"]
    assert tasks(world) == ["t1", "t2"]


def test_an_answer_that_was_not_kept_is_asked_for() -> None:
    """It was too long: the task's own state is given in its place."""
    world = World()
    long = Answer(200, encoded({"id": "t1", "status": "queued", "more": "x" * 5000}))
    script(world, long, headers=KEYED).play()
    again = script(world, QUEUED, headers=KEYED)
    result = again.play()
    assert again.effects == ["ledger", ASK_VIDEO]
    assert (result.instead, result.response) == ("polled", QUEUED)
    assert again.sent[0].ask is not None
    assert again.sent[0].ask.plan.route.name == "GET /openai/v1/videos/{video_id}"


@pytest.mark.parametrize("lost", [RESET, 503, 404, Answer(200, b"{")])
def test_an_answer_that_is_neither_kept_nor_to_be_had_is_no_reason_to_create(lost: Any) -> None:
    """It was made, so nothing is sent; whoever asks learns that, and by which task."""
    world = World()
    script(world, Answer(200, encoded({"id": "t1", "status": "queued", "more": "x" * 5000})), headers=KEYED).play()
    again = script(world, lost, headers=KEYED)
    result = again.play()
    assert again.effects[:2] == ["ledger", ASK_VIDEO]
    assert "send 2" not in " ".join(again.effects)
    assert all(it.decision is None or it.decision.action is not Action.BACKOFF for it in result.report.attempts)
    assert (result.refused, result.unknown, result.said) == (True, True, MADE)
    assert result.decision is not None
    assert result.decision.certainty is Certainty.COMMITTED
    assert result.report.task is not None
    assert result.report.task.task_id == "t1"


# --- deduplication


def test_an_unfinished_task_is_asked_for_in_the_place_of_another() -> None:
    """``dedupe``: the same body again, while its task goes on; what it says is handed over."""
    world = World()
    script(world, CREATED, dedupe="fingerprint").play()
    again = script(world, QUEUED, dedupe="fingerprint")
    result = again.play()
    assert again.effects == ["ledger", ASK_VIDEO]
    assert (result.instead, result.sent, result.response) == ("polled", False, QUEUED)
    assert result.report.task is not None
    assert result.report.attempts[0].asked == "GET /openai/v1/videos/{video_id}"
    assert any("its task is there already" in note for note in result.report.notes)


@pytest.mark.parametrize("end", [DONE, Answer(200, encoded(answer("openai_video", "failed")))])
def test_a_task_that_is_over_lets_the_same_create_out(end: Answer) -> None:
    """Whoever asks for the same prompt then means a new one."""
    world = World()
    script(world, CREATED, dedupe="fingerprint").play()
    again = script(world, end, Answer(200, encoded({"id": "t2", "status": "queued"})), dedupe="fingerprint")
    result = again.play()
    assert again.effects == ["ledger", ASK_VIDEO, "discard", "ledger", "ledger", "send 2", "ledger"]
    assert result.instead is None
    assert result.report.task is not None
    assert result.report.task.task_id == "t2"


@pytest.mark.parametrize("lost", [RESET, 503, 404])
def test_a_task_that_cannot_be_asked_for_is_not_made_anew(lost: Any) -> None:
    """The first answer is given instead: that it is over is not known."""
    world = World()
    script(world, CREATED, dedupe="fingerprint").play()
    again = script(world, lost, dedupe="fingerprint")
    assert again.play().instead == "replayed"
    assert [it for it in again.effects if it.startswith("send")] == [ASK_VIDEO]


def test_a_repetition_waits_for_the_one_on_its_way() -> None:
    """With ever longer pauses, and gets its answer once it is there."""
    world = World()
    other = script(world, CREATED, headers=KEYED)
    ledger = world.ledger
    key = ledger.key(other.call.intent or "")
    ledger.store.update(key, ledger.enter(ident="x", again="replay", facts=other.call.paper.facts), 3600)
    waiting = script(world, headers=KEYED)
    real = waiting.perform

    def perform(effect: Any) -> Any:
        if waiting.effects.count("ledger") == 3:
            kept = {"status": 200, "document": {"id": "t1"}}
            ledger.store.update(key, ledger.leave(Certainty.COMMITTED, ident="x", answer=kept), 3600)
        return real(effect)

    waiting.perform = perform  # type: ignore[method-assign]
    assert waiting.play().instead == "replayed"
    assert waiting.effects == ["ledger", "sleep 0.05", "ledger", "sleep 0.1", "ledger", "sleep 0.2", "ledger", "given"]


def test_an_sdks_retry_waits_for_nobody() -> None:
    """What it repeats has ended: what is on its way is somebody else's, and may be asked for twice."""
    world = World()
    first = script(world)
    world.ledger.store.update(world.ledger.key(first.call.intent or ""), world.ledger.enter(ident="x"), 3600)
    retry = script(world, CREATED, outer_retries=1)
    assert retry.play().instead is None
    assert retry.effects == ["ledger", "send 1", "ledger"]


@pytest.mark.parametrize(("policy", "until"), [(Policy(retry_window=10), 10.0), (Policy(deadline=3), 3.0)])
def test_a_repetition_does_not_wait_for_ever(policy: Policy, until: float) -> None:
    """By the end of the window or of the deadline it is held back, as unknown as the one it waits for."""
    world = World()
    first = script(world, headers=KEYED)
    world.ledger.store.update(world.ledger.key(first.call.intent or ""), world.ledger.enter(ident="x"), 3600)
    waiting = script(world, headers=KEYED, policy=policy)
    result = waiting.play()
    assert (result.refused, result.unknown, result.said) == (True, True, WAITING)
    assert until - 1 <= world.now <= until
    assert not waiting.sent
    assert any("on its way already" in note for note in result.report.notes)


# --- found by a mark


def mark_of(sent: Script) -> str:
    body = sent.sent[0].body
    assert body is not None
    return str(json.loads(body)["external_task_id"])


def test_a_create_of_unknown_outcome_is_found_by_its_mark() -> None:
    """The mark goes out in the body, and its query in the place of a guess; the caller gets the task."""
    world = World()
    sent = script(world, RESET, KLING_GOES, path=KLING, reconcile=True)
    result = sent.play()
    mark = mark_of(sent)
    assert sent.effects == ["ledger", "send 1", "sleep 0.5", f"send 2 {KLING}/{mark}", "ledger"]
    assert mark.startswith(f"{sent.call.intent}-")
    assert json.loads(sent.sent[0].body or b"") == {"external_task_id": mark, **json.loads(BODY)}
    assert (result.instead, result.unknown, result.response) == ("found", False, KLING_GOES)
    assert result.report.task is not None
    assert result.report.task.task_id == "t1"
    assert [it.fate for it in world.ledger.entries()] == ["committed"]


def test_a_create_that_shows_late_is_looked_for_again() -> None:
    """Three times at the most; what is not found stays unknown, and is refused."""
    world = World()
    nothing = Answer(404, b"")
    late = script(world, RESET, nothing, Answer(503), KLING_GOES, path=KLING, reconcile=True)
    assert late.play().instead == "found"
    sleeps = [it for it in late.effects if it.startswith("sleep")]
    assert sleeps == ["sleep 0.5", "sleep 1", "sleep 2"]
    never = script(world, RESET, nothing, nothing, nothing, path=KLING, body=b'{"prompt": "b"}', reconcile=True)
    result = never.play()
    assert (result.unknown, result.instead) == (True, None)
    assert world.ledger.unknown() == (never.call.intent,)
    assert len(result.report.attempts) == 4


def test_a_refused_create_is_looked_for_once_more() -> None:
    """Before it is held back; when it is found, the first is settled by it and the next may go out."""
    world = World()
    nothing = Answer(404, b"")
    first = script(world, RESET, nothing, nothing, nothing, path=KLING, reconcile=True)
    first.play()
    second = script(world, nothing, path=KLING, reconcile=True)
    held = second.play()
    assert (held.refused, held.said) == (True, REFUSED)
    assert second.effects == ["ledger", f"send 1 {KLING}/{mark_of(first)}", "discard"]
    third = script(world, KLING_GOES, path=KLING, reconcile=True)
    result = third.play()
    assert third.effects == ["ledger", f"send 1 {KLING}/{mark_of(first)}", "ledger"]
    assert (result.instead, result.sent, result.unknown) == ("found", False, False)
    assert world.ledger.unknown() == ()
    assert tasks(world) == ["t1"]


def test_a_callers_own_mark_is_left_alone() -> None:
    """It stays as it is, and is not looked for: the caller may have given it to another task before."""
    world = World()
    body = encoded({"prompt": PROMPT, "external_task_id": "mine/7"})
    sent = script(world, RESET, KLING_GOES, path=KLING, body=body, reconcile=True)
    assert sent.play().unknown
    assert sent.sent[0].body is None
    assert sent.effects == ["ledger", "send 1", "ledger"]
    again = script(world, KLING_GOES, path=KLING, body=body, reconcile=True)
    assert again.play().refused
    assert again.sent == []


@pytest.mark.parametrize(
    ("path", "body", "settings"),
    [
        (KLING, BODY, {}),
        (VIDEOS, BODY, {"reconcile": True}),
        (SONGS, encoded({"prompt": PROMPT}), {"reconcile": True}),
        (SONGS, encoded({"prompt": PROMPT, "callBackUrl": "https://h.test/hook"}), {"reconcile": True}),
        (KLING, b"not json", {"reconcile": True}),
    ],
)
def test_what_cannot_be_asked_for_stays_unknown(path: str, body: bytes, settings: dict[str, Any]) -> None:
    """Without a mark, or where the family's query takes none: one send, no guess."""
    world = World()
    sent = script(world, RESET, path=path, body=body, **settings)
    result = sent.play()
    assert sent.effects == ["ledger", "send 1", "ledger"]
    assert result.unknown
    marked = sent.sent[0].body
    assert (marked is not None and b"anyint_create=" in marked) is (b"callBackUrl" in body)


def test_no_look_goes_past_the_deadline() -> None:
    """Nor does a pause before one."""
    world = World()
    sent = script(world, RESET, Answer(404), path=KLING, reconcile=True, policy=Policy(deadline=1.2))
    assert sent.play().unknown
    assert world.now <= 1.2
    assert [it for it in sent.effects if it.startswith("sleep")] == ["sleep 0.5"]


def test_no_look_is_made_while_the_answer_still_holds_its_connection() -> None:
    """It may be the only one there is: a look would wait for it for ever."""
    world = World()
    sent = script(world, Answer(502, b"x" * 9), KLING_GOES, path=KLING, reconcile=True)
    real = sent.perform

    def perform(effect: Any) -> Any:
        told = real(effect)
        if isinstance(told, Peeked):
            told.complete = False
        return told

    sent.perform = perform  # type: ignore[method-assign]
    assert sent.play().instead is None
    assert [it for it in sent.effects if it.startswith("send")] == ["send 1"]
    whole = script(world, Answer(502, b"x" * 9), KLING_GOES, path=KLING, body=b'{"prompt": "b"}', reconcile=True)
    assert whole.play().instead == "found"


def test_a_cancelled_look_leaves_the_create_unknown() -> None:
    """It had gone out, and nothing more is known."""
    world = World()
    with pytest.raises(KeyboardInterrupt):
        script(world, RESET, KeyboardInterrupt(), path=KLING, reconcile=True).play()
    assert len(world.ledger.unknown()) == 1


# --- an answer that names the task there is already

COVERS, WAVS = "/suno/generate-cover", "/suno/wav-generate"
EXISTS: dict[str, Any] = {COVERS: 400, WAVS: 409}


def exists(code: Any, task_id: str = "s1", status: int = 200) -> Answer:
    return Answer(status, encoded({"code": code, "msg": "there is one", "data": {"taskId": task_id}}))


@pytest.mark.parametrize("status", [200, None])
@pytest.mark.parametrize("path", EXISTS)
def test_a_refusal_that_names_a_task_is_followed(path: str, status: int | None) -> None:
    """There can be one for each source: the task is asked for, and how it stands is handed over."""
    world = World()
    refusal = exists(EXISTS[path], status=status or EXISTS[path])
    sent = script(world, refusal, Answer(503), path=path, body=encoded({"taskId": "source"}))
    query = sent.call.route.query
    assert query is not None
    stands = Answer(200, encoded({"code": 200, "data": {"taskId": "s1", "status": "PENDING", "successFlag": 0}}))
    sent.steps[1] = stands
    result = sent.play()
    assert sent.effects == ["ledger", "send 1", f"send 2 {query.replace('{id}', 's1')}", "discard", "ledger"]
    assert (result.instead, result.response) == ("polled", stands)
    assert result.report.task is not None
    assert result.report.task.task_id == "s1"
    assert [it.fate for it in world.ledger.entries()] == ["committed"]
    assert tasks(world) == ["s1"]


@pytest.mark.parametrize("lost", [Answer(503), RESET, Answer(404)])
@pytest.mark.parametrize("path", EXISTS)
def test_a_refusal_stands_where_its_task_cannot_be_asked_for(path: str, lost: Any) -> None:
    """The caller gets the create's own answer, and no handle that nobody has seen work."""
    world = World()
    refusal = exists(EXISTS[path])
    result = script(world, refusal, lost, path=path, body=encoded({"taskId": "source"})).play()
    assert (result.instead, result.response, result.report.task) == (None, refusal, None)


@pytest.mark.parametrize(
    ("path", "code", "task_id"),
    [
        (SONGS, 400, "s1"),
        (SONGS, 409, "s1"),
        (SONGS, 430, "s1"),
        (COVERS, 409, "s1"),
        (COVERS, 430, "s1"),
        (WAVS, 400, "s1"),
        (COVERS, 400, "source"),
        (WAVS, 409, "source"),
    ],
)
def test_no_other_refusal_leads_to_a_task(path: str, code: int, task_id: str) -> None:
    """Another code, another create, or the id that the request itself names: that task is another's."""
    sent = script(World(), exists(code, task_id), path=path, body=encoded({"taskId": "source"}))
    result = sent.play()
    assert [it for it in sent.effects if it.startswith("send")] == ["send 1"]
    assert result.instead is None


# --- one key is for one body


def test_the_same_key_with_another_body_is_not_answered_with_the_first() -> None:
    """Nothing is sent; whoever asks learns that the key was used, and by which task. The same one written anew is."""
    world = World()
    script(world, CREATED, headers=KEYED).play()
    other = script(world, headers=KEYED, body=encoded({"model": "sora-2", "prompt": "a bear"}))
    result = other.play()
    assert (other.effects, result.refused, result.said) == (["ledger"], True, MISMATCH)
    assert result.decision is not None
    assert result.decision.certainty is Certainty.COMMITTED
    spelled = script(world, headers=KEYED, body=b'{"prompt":"a fox in the snow","model":"sora-2"}')
    assert spelled.play().instead == "replayed"


def test_a_retry_gets_the_answer_of_its_own_attempt_before() -> None:
    """Not that of another create with the same body, which was made meanwhile."""
    world = World()
    first = script(world, CREATED)
    first.play()
    script(world, Answer(200, encoded({"id": "t2", "status": "queued"}))).play()
    retry = script(world, outer_retries=1, before=first.call.paper.ident)
    assert json.loads(retry.play().response.body)["id"] == "t1"
    assert json.loads(script(world, outer_retries=1).play().response.body)["id"] == "t2"


def test_a_retry_of_a_refused_attempt_is_sent() -> None:
    """Its own attempt was not done: the other one's answer is none to it."""
    world = World()
    first = script(world, 400)
    first.play()
    script(world, CREATED).play()
    retry = script(world, Answer(200, encoded({"id": "t3"})), outer_retries=1, before=first.call.paper.ident)
    assert retry.play().instead is None
    assert retry.effects == ["ledger", "send 1", "ledger"]


def test_the_same_key_on_another_account_is_another_create() -> None:
    """The answer to one AnyInt key is never given to another."""
    world = World()
    script(world, CREATED, headers=KEYED).play()
    other = script(world, Answer(200, encoded({"id": "t2", "status": "queued"})), headers=KEYED, key="sk-other")
    result = other.play()
    assert (result.instead, other.effects) == (None, ["ledger", "send 1", "ledger"])


# --- handles


def test_a_create_gives_the_handle_of_its_task() -> None:
    """With all that is needed to find it from anywhere, and nothing of the key."""
    world = World()
    made = Answer(200, CREATED.body, (("x-request-id", "req-1"),))
    result = script(world, made).play()
    task = result.report.task
    assert task is not None
    assert task.url == "https://gateway.api.anyint.ai/openai/v1/videos/t1"
    assert (task.created_at, task.request_id) == (1_000_000.0, "req-1")
    assert task.key_id
    assert "sk-test" not in task.to_json()
    assert [it["task"] for it in states(world)[0]["creates"]] == [task.as_dict()]


def test_a_slash_at_the_end_of_a_path_leaves_no_trace() -> None:
    """The handle's gateway is what comes before the contract's own path."""
    result = script(World(), CREATED, path="/openai/v1/videos/").play()
    assert result.report.task is not None
    assert result.report.task.gateway == "https://gateway.api.anyint.ai"


# --- stores


class Down:
    owner = ""

    def gone(self, owner: str) -> bool:
        raise StoreError("down")

    def update(self, key: str, step: Any, ttl: float) -> Any:
        raise StoreError("down")

    scan = close = update


@pytest.mark.parametrize("strict", [False, True])
def test_a_store_that_is_down(strict: bool) -> None:
    """A strict ledger lets no create out; else the call goes on, its report says so, and memory refuses instead."""
    world = World()
    world.ledger = Ledger(Down(), spare=MemoryStore(lambda: world.now), window=3600, strict=strict)  # type: ignore[arg-type]
    sent = script(world, RESET)
    if strict:
        with pytest.raises(StoreError):
            sent.play()
        assert sent.sent == []
        return
    assert any("StoreError" in note for note in sent.play().report.notes)
    again = script(world)
    assert again.play().refused
    assert again.sent == []


def test_a_switched_off_policy_keeps_no_ledger() -> None:
    """Opting out is opting out of all of it."""
    world = World()
    sent = script(world, RESET, policy=Policy(enabled=False), headers=KEYED)
    sent.play()
    assert sent.effects == ["send 1"]
    assert states(world) == []


@pytest.mark.parametrize("task", [{"task_id": 5}, {}, {"task_id": "t1", "route": "POST /newer"}])
def test_a_task_nobody_of_ours_wrote_is_not_asked_for(task: dict[str, Any]) -> None:
    """It was made, by what the ledger says: nothing is sent."""
    world = World()
    again = script(world, headers=KEYED)
    ledger = world.ledger
    ledger.store.update(
        ledger.key(again.call.intent or ""), ledger.leave(Certainty.COMMITTED, ident="x", task=task), 3600
    )
    result = again.play()
    assert (result.refused, again.sent, result.report.task) == (True, [], None)
    assert result.decision is not None
    assert result.decision.action is Action.NO_RETRY


def test_a_result_in_a_query_is_the_callers() -> None:
    """What is polled is handed over whole: the product's address is in it."""
    world = World()
    script(world, Answer(200, encoded({"code": 0, "data": {"task_id": "t1"}})), path=KLING, headers=KEYED).play()
    done = Answer(200, encoded(answer("kling", "succeed", result=RESULT)))
    key = next(iter(world.ledger.store.scan("create:")))[0]
    (made,) = states(world)[0]["creates"]
    world.ledger.store.update(key, lambda state, now: ({"creates": [{**made, "answer": None}]}, None), 3600)
    result = script(world, done, path=KLING, headers=KEYED).play()
    assert result.response is done
