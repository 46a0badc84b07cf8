"""Every turn a task of the emulator can take, who finds it when, and what is told of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import pytest

pytest.importorskip("h11")
httpx2 = pytest.importorskip("httpx2")

from anyint_resilience.contract.tasks import TASKS  # noqa: E402
from anyint_resilience.emulator import TASK_HEADER, TURNS, VISIBLE_HEADER, Emulator  # noqa: E402
from anyint_resilience.emulator.callbacks import moments  # noqa: E402
from anyint_resilience.emulator.families.states import STATES  # noqa: E402
from anyint_resilience.emulator.postman import Postman  # noqa: E402
from anyint_resilience.emulator.turns import Phase  # noqa: E402
from tests.waiting import until  # noqa: E402

HEADERS = {"authorization": "Bearer test-key", "x-api-key": "test-key"}
PLAIN: Any = {"trust_env": False, "verify": False}  # to read root certificates takes longer than most tests
Step = str | int


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(keys=("test-key",)) as running:
        yield running
    assert running.internal_errors == []


def client_of(emulator: Emulator) -> Any:
    return httpx2.Client(base_url=emulator.url, headers=HEADERS, timeout=5, **PLAIN)


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    with client_of(emulator) as it:
        yield it


def dig(document: Any, *path: Step) -> Any:
    """Return what stands there, or None where there is no such place."""
    for step in path:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return None
    return document


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How one kind of task is created and asked for, and where its answers have what."""

    name: str
    create: str
    query: str
    ident: tuple[Step, ...]
    state: tuple[Step, ...]
    result: tuple[Step, ...] | None
    gone: tuple[int, tuple[Step, ...], object]
    body: dict[str, Any] = field(default_factory=dict)


def _suno(name: str, create: str, query: str, state: str, *result: Step) -> Kind:
    return Kind(
        name=name,
        create=f"/suno/{create}",
        query=f"/suno/query/{query}?taskId={{}}",
        ident=("data", "taskId"),
        state=("data", state),
        result=("data", "response", *result),
        gone=(200, ("code",), 404),
    )


def _openai(name: str, path: str, result: tuple[Step, ...] | None, **body: Any) -> Kind:
    query, gone = f"/openai/v1/{path}/{{}}", (404, ("error", "code"), "not_found")
    return Kind(
        name=name,
        create=f"/openai/v1/{path}",
        query=query,
        ident=("id",),
        state=("status",),
        result=result,
        gone=gone,
        body=body,
    )


def _kling(path: str, *result: Step) -> Kind:
    create = f"/transtreams/kling/v1/{path}"
    where: Any = {"ident": ("data", "task_id"), "state": ("data", "task_status")}
    gone = (404, ("code",), 1203)
    return Kind(
        name="kling", create=create, query=f"{create}/{{}}", result=("data", "task_result", *result), gone=gone, **where
    )


KLING = _kling("videos/text2video", "videos", 0, "url")
SONG = _suno("suno_song", "generate", "task", "status", "sunoData", 0, "audioUrl")
COVER = _suno("suno_cover", "generate-cover", "cover", "successFlag", "images", 0)
STEMS = _suno("suno_stems", "split-stem", "vocal-removal", "successFlag", "vocalUrl")
LYRICS = _suno("suno_lyrics", "generate-lyrics", "lyrics", "status", "data", 0, "text")
WAV = _suno("suno_wav", "wav-generate", "wav", "status", "audio_wav_url")
MP4 = _suno("suno_mp4", "mp4-generate", "mp4", "successFlag", "videoUrl")
RESPONSE = _openai("openai_response", "responses", ("output", 0, "content", 0, "text"), background=True, input="x")
BATCH = _openai("openai_batch", "batches", ("output_file_id",))
VIDEO = _openai("openai_video", "videos", None)
DASHSCOPE = Kind(
    name="dashscope",
    create="/dashscope/v1/services/aigc/video-generation/video-synthesis",
    query="/dashscope/v1/tasks/{}",
    ident=("output", "task_id"),
    state=("output", "task_status"),
    result=("output", "video_url"),
    gone=(200, ("output", "task_status"), "UNKNOWN"),
)
SEEDANCE = Kind(
    name="seedance_anyint",
    create="/doubao/video/generations",
    query="/doubao/videos/{}",
    ident=("task_id",),
    state=("status",),
    result=("metadata", "url"),
    gone=(404, ("error", "code"), "not_found"),
)
MUSIC = (SONG, LYRICS, WAV, MP4, STEMS, COVER)
KINDS = (*MUSIC, DASHSCOPE, KLING, VIDEO, RESPONSE, BATCH, SEEDANCE)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def make(client: Any, kind: Kind, outcome: str = "success", *, headers: Any = None, **body: Any) -> str:
    """Create a task that will have this outcome; return its id."""
    wishes = {TASK_HEADER: outcome, **({} if headers is None else headers)}
    answer = client.post(kind.create, json={"model": "m", **kind.body, **body}, headers=wishes)
    assert answer.status_code == 200, answer.text
    ident = dig(answer.json(), *kind.ident)
    assert isinstance(ident, str)
    return ident


def look(client: Any, kind: Kind, ident: str) -> tuple[object, bool]:
    """Return a task's state, GONE when there is no record of it, and whether its result is there."""
    answer = client.get(kind.query.format(ident))
    status, where, value = kind.gone
    if (answer.status_code, dig(answer.json(), *where)) == (status, value):
        return GONE, False
    assert answer.status_code == 200
    document = answer.json()
    if kind.result is None:
        there = client.get(f"{kind.query.format(ident)}/content").status_code == 200
    else:
        there = bool(dig(document, *kind.result))
    return dig(document, *kind.state), there


GONE = "(gone)"
AGES = (0.0, 6.0, 8.0, 11.0, 14.0, 16.0)


def life(emulator: Emulator, client: Any, kind: Kind, outcome: str) -> list[tuple[object, bool]]:
    """Return what a task says at each of ``AGES``."""
    ident = make(client, kind, outcome)
    told = []
    for before, age in zip((0.0, *AGES), AGES, strict=False):
        emulator.clock.advance(age - before)
        told.append(look(client, kind, ident))
    return told


# the words

_FAILED = {
    "suno_song": "GENERATE_AUDIO_FAILED", "suno_lyrics": "GENERATE_LYRICS_FAILED", "suno_wav": "GENERATE_WAV_FAILED",
    "suno_mp4": "GENERATE_MP4_FAILED", "suno_stems": "GENERATE_AUDIO_FAILED", "suno_cover": 3,
    "dashscope": "FAILED", "kling": "failed", "openai_video": "failed", "openai_response": "failed",
    "openai_batch": "failed", "seedance_anyint": "failed",
}  # fmt: skip
_SUCCESS = {
    **dict.fromkeys(("suno_song", "suno_lyrics", "suno_wav", "suno_mp4", "suno_stems"), "SUCCESS"), "suno_cover": 1,
    "dashscope": "SUCCEEDED", "kling": "succeed", "openai_video": "completed", "openai_response": "completed",
    "openai_batch": "completed", "seedance_anyint": "completed",
}  # fmt: skip
_CANCELLED = {
    "dashscope": "CANCELED",
    **dict.fromkeys(("openai_response", "openai_batch", "seedance_anyint"), "cancelled"),
}
_EXPIRED = dict.fromkeys(("openai_batch", "seedance_anyint"), "expired")
_UNDELIVERED = dict.fromkeys(("suno_song", "suno_lyrics", "suno_wav", "suno_mp4", "suno_stems"), "CALLBACK_EXCEPTION")
ENDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # outcome: last word by kind; a kind that has none of its own falls back on the second table
    "success": ({}, _SUCCESS),
    "failed": ({}, _FAILED),
    "cancelled": (_CANCELLED, _FAILED),
    "expired": (_EXPIRED, dict.fromkeys(_FAILED, GONE)),
    "partial": ({"openai_response": "incomplete"}, _SUCCESS),
    "callback_exception": (_UNDELIVERED, _SUCCESS),
    "callback_exception_empty": (_UNDELIVERED, _SUCCESS),
    "late_result": ({}, _SUCCESS),
    "strange": ({}, _SUCCESS),
    "backwards": ({}, _SUCCESS),
}  # fmt: skip


@every_kind
@pytest.mark.parametrize("outcome", ENDS)
def test_every_kind_ends_every_way_in_its_own_words(emulator: Emulator, client: Any, kind: Kind, outcome: str) -> None:
    """The last word is the family's for this outcome, or that of the outcome it has instead."""
    own, other = ENDS[outcome]
    ident = make(client, kind, outcome)
    emulator.clock.advance(20)
    state, there = look(client, kind, ident)
    assert state == own.get(kind.name, other[kind.name])
    partly_elsewhere = outcome == "partial" and kind is DASHSCOPE  # its result stands among parts
    good = outcome not in ("failed", "cancelled", "expired", "callback_exception_empty") and not partly_elsewhere
    assert there is good
    assert emulator.tasks[0].outcome == outcome


@pytest.mark.parametrize("name", STATES)
def test_the_emulator_s_words_are_the_contract_s(name: str) -> None:
    """Each word stands in the contract's row under what it is used for; only the strange one stands nowhere."""
    row, words = TASKS[name], {phase: str(word).lower() for phase, word in STATES[name].items()}
    open_words = row.pending | row.running | row.partial
    seedance = name == "seedance_anyint"  # every other state means that it goes on
    known = open_words | row.success | row.failed | row.doubtful | row.expired
    places = {
        Phase.PENDING: open_words, Phase.RUNNING: open_words, Phase.NEARLY: open_words, Phase.CANCELLING: open_words,
        Phase.SUCCESS: row.success, Phase.PARTIAL: row.success, Phase.UNDELIVERED: row.doubtful,
        Phase.FAILED: row.failed, Phase.CANCELLED: row.failed, Phase.EXPIRED: row.expired,
    }  # fmt: skip
    assert words.pop(Phase.STRANGE) not in known
    wrong = {phase: word for phase, word in words.items() if word not in places[phase]}
    assert set(wrong) == ({Phase.PENDING, Phase.RUNNING} if seedance else set())


@pytest.mark.parametrize(
    ("kind", "outcome", "states"),
    [
        (DASHSCOPE, "strange", ["PENDING", "POLISHING", "POLISHING", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]),
        (COVER, "strange", [0, 7, 7, 1, 1, 1]),
        (DASHSCOPE, "backwards", ["PENDING", "RUNNING", "PENDING", "RUNNING", "SUCCEEDED", "SUCCEEDED"]),
        (KLING, "backwards", ["submitted", "processing", "submitted", "processing", "succeed", "succeed"]),
        (SONG, "backwards", ["PENDING", "TEXT_SUCCESS", "PENDING", "TEXT_SUCCESS", "SUCCESS", "SUCCESS"]),
        (VIDEO, "stuck", ["queued", *["in_progress"] * 5]),
        (BATCH, "success", ["validating", "in_progress", "finalizing", "completed", "completed", "completed"]),
        (BATCH, "cancelled", ["validating", "in_progress", "cancelling", "cancelled", "cancelled", "cancelled"]),
        (BATCH, "expired", ["validating", "in_progress", "finalizing", "expired", "expired", "expired"]),
        (KLING, "expired", ["submitted", "processing", "processing", GONE, GONE, GONE]),
        (RESPONSE, "cancelled", ["queued", "in_progress", "in_progress", "cancelled", "cancelled", "cancelled"]),
    ],
    ids=lambda it: getattr(it, "name", it if isinstance(it, str) else ""),
)
def test_a_task_takes_its_turns_in_order(
    emulator: Emulator, client: Any, kind: Kind, outcome: str, states: list[object]
) -> None:
    """State by state over the age, in the family's words."""
    assert [state for state, _ in life(emulator, client, kind, outcome)] == states


@every_kind
def test_a_late_result_is_missing_for_five_seconds(emulator: Emulator, client: Any, kind: Kind) -> None:
    """The state says success at once, its result comes 5 s later."""
    told = life(emulator, client, kind, "late_result")[3:]
    assert told == [(_SUCCESS[kind.name], False), (_SUCCESS[kind.name], False), (_SUCCESS[kind.name], True)]


def test_a_song_names_its_first_track_before_the_end(emulator: Emulator, client: Any) -> None:
    """FIRST_SUCCESS is not finished, and already names something usable."""
    told = life(emulator, client, SONG, "success")[1:4]
    assert told == [("TEXT_SUCCESS", False), ("FIRST_SUCCESS", True), ("SUCCESS", True)]


# the parts of a success


def test_a_dashscope_success_can_hide_a_part_that_failed(emulator: Emulator, client: Any) -> None:
    """One part has its url, the other a code and a message, under SUCCEEDED."""
    ident = make(client, DASHSCOPE, "partial")
    emulator.clock.advance(11)
    output = client.get(DASHSCOPE.query.format(ident)).json()["output"]
    good, bad = output["results"]
    assert output["task_status"] == "SUCCEEDED"
    assert len(client.get(good["url"]).content) > 10
    assert (bad["code"], bad["message"], "url" in bad, "video_url" in output) == (
        "InternalError.Algo",
        "The generation failed",
        False,
        False,
    )


def test_a_batch_can_complete_with_lines_that_failed(emulator: Emulator, client: Any) -> None:
    """Its counts say so, and the lines are in a file of their own, which a whole success has not."""
    idents = [make(client, BATCH, outcome) for outcome in ("partial", "success")]
    emulator.clock.advance(11)
    part, whole = (client.get(BATCH.query.format(ident)).json() for ident in idents)
    assert part["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert whole["request_counts"] == {"total": 1, "completed": 1, "failed": 0}
    lines = [
        client.get(f"/openai/v1/files/{part[name]}/content").json() for name in ("output_file_id", "error_file_id")
    ]
    assert [line["response"]["status_code"] for line in lines] == [200, 500]
    assert client.get(f"/openai/v1/files/file-err-{whole['id']}/content").status_code == 404


def test_an_incomplete_response_says_why(emulator: Emulator, client: Any) -> None:
    """It is final and truncated, and names its reason; a whole one has none."""
    idents = [make(client, RESPONSE, outcome) for outcome in ("partial", "success")]
    emulator.clock.advance(11)
    part, whole = (client.get(RESPONSE.query.format(ident)).json() for ident in idents)
    assert part["incomplete_details"] == {"reason": "max_output_tokens"}
    assert (part["output"][0]["status"], whole["incomplete_details"]) == ("incomplete", None)


# who decides, and who sees it


def test_settle_takes_every_outcome_and_the_control_endpoint_shows_it(emulator: Emulator, client: Any) -> None:
    """What ``settle`` decides holds from then on; an unknown outcome or task is refused."""
    ident = make(client, DASHSCOPE)
    emulator.clock.advance(11)
    for outcome in TURNS:
        emulator.settle(ident, outcome)
        shown = client.get("/__emulator__/tasks").json()["tasks"][0]
        assert (shown["outcome"], shown["visible"]) == (outcome, outcome != "expired")
    for wrong in ((ident, "perhaps"), ("none", "success")):
        with pytest.raises(ValueError, match="no task"):
            emulator.settle(*wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [(TASK_HEADER, "perhaps"), (VISIBLE_HEADER, "soon"), (VISIBLE_HEADER, "-1"), (VISIBLE_HEADER, "inf"),
     (VISIBLE_HEADER, "nan")],
)  # fmt: skip
def test_a_wish_nobody_can_read_is_refused(emulator: Emulator, client: Any, name: str, value: str) -> None:
    """A 400 that names the header, and nothing is created."""
    answer = client.post(KLING.create, json={"model": "m"}, headers={name: value})
    assert (answer.status_code, name in answer.json()["error"]["message"]) == (400, True)
    assert emulator.tasks == []


@every_kind
def test_a_task_can_be_found_later_than_it_is_made(emulator: Emulator, client: Any, kind: Kind) -> None:
    """Until its age, queries answer the family's not-found; then it is as far as its age says."""
    ident = make(client, kind, headers={VISIBLE_HEADER: "6.5"})
    told = [look(client, kind, ident)[0]]
    for step in (6.0, 1.0):
        emulator.clock.advance(step)
        told.append(look(client, kind, ident)[0])
    words = STATES[kind.name]
    assert told == [GONE, GONE, words.get(Phase.RUNNING, words[Phase.PENDING])]


def test_a_list_leaves_out_what_is_not_found_yet(emulator: Emulator, client: Any) -> None:
    """The list of batches agrees with the query of one."""
    make(client, BATCH, headers={VISIBLE_HEADER: "5"})
    gone = make(client, BATCH, "success")
    emulator.settle(gone, "failed")
    assert [it["id"] for it in client.get(BATCH.create).json()["data"]] == [gone]


@pytest.mark.parametrize("looks", range(2, 8))
def test_one_answer_tells_of_one_moment(
    emulator: Emulator, client: Any, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """A clock that runs on while an answer is made does not make it contradict itself, or fail."""
    ident = make(client, KLING, "expired")
    ticks = count()
    monkeypatch.setattr(emulator.clock, "now", lambda: 9.9 if next(ticks) < looks else 10.0)
    assert look(client, KLING, ident)[0] == "processing"
    monkeypatch.setattr(emulator.clock, "now", lambda: 10.0)
    assert look(client, KLING, ident)[0] == GONE


# ids of the creator's own


def test_a_kling_task_answers_to_its_creator_s_id(emulator: Emulator, client: Any) -> None:
    """Under the path of the create, and with the real id in the answer; another path does not know it."""
    ident = make(client, KLING, external_task_id="mine/1")
    data = client.get(f"{KLING.create}/mine%2F1").json()["data"]
    assert (data["task_id"], data["task_info"]) == (ident, {"external_task_id": "mine/1"})
    assert client.get("/transtreams/kling/v1/videos/image2video/mine%2F1").status_code == 404
    assert client.get(f"{KLING.create}/other").status_code == 404
    assert [task.external_id for task in emulator.tasks] == ["mine/1"]


@pytest.mark.parametrize(
    "first", [{}, {VISIBLE_HEADER: "60"}, {"x-emulator-fault": '{"reset": "before_headers", "process": true}'}],
    ids=["plain", "not yet found", "its answer lost"],
)  # fmt: skip
def test_a_creator_s_id_is_taken_once(emulator: Emulator, client: Any, first: dict[str, str]) -> None:
    """A second create with it is refused on every path, whoever finds the first; other ids and none are not."""
    try:
        client.post(KLING.create, json={"model": "m", "external_task_id": "mine"}, headers=first)
    except httpx2.TransportError:
        assert "x-emulator-fault" in first
    for path in (KLING.create, "/transtreams/kling/v1/images/generations"):
        again = client.post(path, json={"model": "m", "external_task_id": "mine"})
        assert (again.status_code, again.json()["code"]) == (400, 1201)
    assert [task.external_id for task in emulator.tasks] == ["mine"]
    for body in ({"external_task_id": "other"}, {}, {"external_task_id": ""}, {}):
        assert client.post(KLING.create, json={"model": "m", **body}).status_code == 200


def test_a_hidden_kling_task_is_hidden_under_both_ids(emulator: Emulator, client: Any) -> None:
    """The creator's id is no way around the time until a task is found."""
    ident = make(client, KLING, headers={VISIBLE_HEADER: "5"}, external_task_id="mine")
    assert [look(client, KLING, it)[0] for it in (ident, "mine")] == [GONE, GONE]
    emulator.clock.advance(5)
    assert [look(client, KLING, it)[0] for it in (ident, "mine")] == ["processing", "processing"]


# the limit of queries


def test_dashscope_s_queries_have_a_limit_per_second_of_the_clock() -> None:
    """The one too many is a 429 Throttling, other routes are not counted, and a second later there is room again."""
    with Emulator(query_limit=3) as emulator, client_of(emulator) as client:
        ident = make(client, DASHSCOPE)
        song = make(client, SONG)
        codes = [client.get(DASHSCOPE.query.format(ident)).status_code for _ in range(4)]
        assert look(client, SONG, song)[0] == "PENDING"
        emulator.clock.advance(0.5)
        refused = client.get(DASHSCOPE.query.format(ident))
        emulator.clock.advance(0.5)
        after = client.get(DASHSCOPE.query.format(ident)).status_code
        assert (codes, refused.status_code, refused.json()["code"], after) == (
            [200] * 3 + [429],
            429,
            "Throttling",
            200,
        )
        assert emulator.queries_per_second() == 5
        assert emulator.queries_per_second("/suno/query/") == 1
        emulator.reset()
        assert emulator.queries_per_second() == 0


def test_without_a_limit_there_is_none(emulator: Emulator, client: Any) -> None:
    """By default every query is answered."""
    assert {client.get(DASHSCOPE.query.format("x")).status_code for _ in range(30)} == {200}
    assert emulator.queries_per_second() == 30


@pytest.mark.parametrize("wrong", [{"query_limit": 0}, {"callback_form": "round"}])
def test_a_setting_that_makes_no_sense_is_refused(wrong: Any) -> None:
    """At once, before anything listens."""
    with pytest.raises(ValueError, match="query_limit"):
        Emulator(**wrong)


# callbacks

_BODIES: list[tuple[Kind, str, str, tuple[Step, ...], tuple[Step, ...] | None]] = [
    # kind, phase, success or how it ends, where the id stands, where the result stands
    (SONG, "text", "success", ("task_id",), None),
    (SONG, "first", "success", ("task_id",), ("data", 0, "audio_url")),
    (SONG, "complete", "success", ("task_id",), ("data", 0, "audio_url")),
    (SONG, "error", "failed", ("task_id",), None),
    (LYRICS, "complete", "success", ("task_id",), ("data", 0, "text")),
    (LYRICS, "error", "policy", ("task_id",), None),
    (WAV, "complete", "success", ("task_id",), ("audioWavUrl",)),
    (MP4, "complete", "success", ("task_id",), ("video_url",)),
    (STEMS, "complete", "success", ("task_id",), ("vocal_removal_info", "vocal_url")),
    (STEMS, "error", "failed", ("task_id",), None),
    (COVER, "complete", "success", ("taskId",), ("images", 0)),
    (COVER, "error", "failed", ("taskId",), None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "phase", "outcome", "ident", "result"), _BODIES, ids=[f"{row[0].name} {row[1]}" for row in _BODIES]
)
def test_a_callback_says_what_happened_in_both_forms(
    emulator: Emulator,
    client: Any,
    kind: Kind,
    phase: str,
    outcome: str,
    ident: tuple[Step, ...],
    result: tuple[Step, ...] | None,
) -> None:
    """AnyInt's form is flat; upstream's wraps the same in code, msg and data. A result named can be fetched."""
    task = make(client, kind, outcome)
    flat = emulator.callback(task, phase)
    wrapped = emulator.callback(task, phase, form="wrapped")
    assert dig(flat, *ident) == task
    assert set(wrapped) == {"code", "msg", "data"}
    assert wrapped["data"] == flat
    assert wrapped["code"] == {"success": 200, "failed": 501, "policy": 400}[outcome]
    if kind in (SONG, LYRICS):
        assert flat["callbackType"] == phase
    if result is not None:
        value = dig(flat, *result)
        assert value
        if value.startswith("http"):
            assert len(client.get(value).content) > 10
    elif outcome == "success":
        assert dig(flat, "data", 0, "audio_url") == ""


@pytest.mark.parametrize(
    ("kind", "phase"), [(WAV, "text"), (COVER, "first"), (SONG, "done"), (KLING, "complete"), (VIDEO, "error")]
)
def test_a_phase_there_is_no_callback_of_is_refused(emulator: Emulator, client: Any, kind: Kind, phase: str) -> None:
    """Only songs tell of text and first, and only music calls back."""
    with pytest.raises(ValueError, match="callbacks of"):
        emulator.callback(make(client, kind), phase)
    with pytest.raises(ValueError, match="no task"):
        emulator.callback("none", "complete")


@pytest.mark.parametrize(
    ("kind", "outcome", "told"),
    [
        (SONG, "success", [(5.0, "text"), (7.5, "first"), (10.0, "complete")]),
        (SONG, "late_result", [(5.0, "text"), (7.5, "first"), (15.0, "complete")]),
        (SONG, "backwards", [(5.0, "text"), (12.5, "complete")]),
        (WAV, "late_result", [(15.0, "complete")]),
        (WAV, "policy", [(10.0, "error")]),
        (KLING, "success", []),
    ],
    ids=lambda it: getattr(it, "name", it if isinstance(it, str) else ""),
)
def test_a_task_calls_back_when_it_has_something_to_tell(
    emulator: Emulator, client: Any, kind: Kind, outcome: str, told: list[tuple[float, str]]
) -> None:
    """At the age of each phase, once; of its end only when its result is there."""
    make(client, kind, outcome)
    assert moments(emulator.tasks[0]) == told


class Receiver:
    """An address on this machine that keeps what is posted to it."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(500 if self.path == "/broken" else 204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    it = Receiver()
    yield it
    it.close()


@pytest.mark.parametrize(
    ("kind", "outcome", "phases"),
    [
        (SONG, "success", ["text", "first", "complete"]),
        (SONG, "failed", ["text", "first", "error"]),
        (SONG, "stuck", ["text", "first"]),
        (SONG, "backwards", ["text", "complete"]),
        (SONG, "late_result", ["text", "first", "complete"]),
        (SONG, "callback_exception", ["text", "first"]),
        (SONG, "expired", ["text", "first"]),
        (COVER, "success", ["complete"]),
        (COVER, "cancelled", ["error"]),
        (STEMS, "success", ["complete"]),
    ],
    ids=lambda it: getattr(it, "name", it if isinstance(it, str) else ""),
)
@pytest.mark.parametrize("form", ["flat", "wrapped"])
def test_callbacks_are_sent_as_the_clock_passes_their_phases(
    receiver: Receiver, kind: Kind, outcome: str, phases: list[str], form: Any
) -> None:
    """Each phase once and in order, with the body ``callback`` shows; nothing before its time."""
    with Emulator(callbacks=True, callback_form=form) as emulator, client_of(emulator) as client:
        ident = make(client, kind, outcome, callBackUrl=f"{receiver.url}/hook?a=1")
        emulator.clock.advance(4.9)
        early = len(receiver.got)
        emulator.clock.advance(30)
        until(lambda: len(emulator.callbacks) >= len(phases))
        assert [letter.phase for letter in emulator.callbacks] == phases
        assert {letter.status for letter in emulator.callbacks} == {204}
        assert receiver.got == [emulator.callback(ident, phase) for phase in phases]
        assert early == 0


def test_a_callback_is_not_sent_again(receiver: Receiver) -> None:
    """Whatever the receiver answers, and however often the clock moves; one that is not there gets no answer."""
    with Emulator(callbacks=True) as emulator, client_of(emulator) as client:
        make(client, WAV, callBackUrl=f"{receiver.url}/broken")
        make(client, MP4, callBackUrl="http://127.0.0.1:1/")
        for step in range(1, 4):
            emulator.clock.advance(10)
            make(client, LYRICS, callBackUrl=receiver.url)
            until(lambda least=step: len(emulator.callbacks) > least)  # type: ignore[misc]
        assert [letter.status for letter in emulator.callbacks] == [500, None, 204, 204]
        emulator.reset()
        assert emulator.callbacks == []


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1/", "http://example.com/", "https://127.0.0.1/", "http://[::1/", "http://127.0.0.1:x/", 5,
            None],
)  # fmt: skip
def test_callbacks_go_no_further_than_this_machine(url: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address elsewhere, or none that can be read, is never called."""
    called: list[str] = []
    monkeypatch.setattr(Postman, "_deliver", lambda _, to, __: called.append(to))
    with Emulator(callbacks=True) as emulator, client_of(emulator) as client:
        make(client, WAV, callBackUrl=url)
        make(client, KLING, callBackUrl="http://127.0.0.1:1/")
        make(client, WAV, callBackUrl="http://localhost:1/")
        emulator.clock.advance(11)
        until(lambda: len(emulator.callbacks) >= 1)
        assert called == ["http://localhost:1/"]


def test_by_default_nothing_is_sent(emulator: Emulator, client: Any, receiver: Receiver) -> None:
    """Without ``callbacks=True`` a task with an address does not call it."""
    make(client, WAV, callBackUrl=receiver.url)
    emulator.clock.advance(11)
    assert "anyint-emulator-callbacks" not in {thread.name for thread in threading.enumerate()}
    assert (emulator.callbacks, receiver.got) == ([], [])


def test_an_emulator_ends_though_a_receiver_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery under way is cut when the emulator stops, and no thread is left."""
    monkeypatch.setattr("anyint_resilience.emulator.postman._RECEIVER_SECONDS", 3600.0)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as deaf:  # it accepts, and never reads
        with Emulator(callbacks=True) as emulator, client_of(emulator) as client:
            make(client, WAV, callBackUrl=f"http://127.0.0.1:{deaf.server_port}/")
            emulator.clock.advance(11)
            postman = emulator._postman
            until(lambda: postman is not None and postman._connection is not None)
        assert [letter.status for letter in emulator.callbacks] == [None]
    assert "anyint-emulator-callbacks" not in {thread.name for thread in threading.enumerate()}


def test_on_a_running_clock_the_next_callback_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is as long as the next phase is away; without one, and on a clock someone moves, it has no end."""
    with Emulator() as emulator, client_of(emulator) as client:
        postman = Postman(tasks=lambda: emulator.tasks, clock=emulator.clock, form="flat")
        ident = make(client, SONG, callBackUrl="http://127.0.0.1:1/")
        assert postman._due() == ([], None)
        monkeypatch.setattr(emulator.clock, "virtual", False)
        monkeypatch.setattr(emulator.clock, "now", lambda: 6.0)
        due, wait = postman._due()
        assert ([(task.id, phase) for task, phase, _ in due], wait) == ([(ident, "text")], 1.5)
        monkeypatch.setattr(emulator.clock, "now", lambda: 10.0)
        due, wait = postman._due()
        assert ([phase for _, phase, _ in due], wait) == (["first", "complete"], None)
