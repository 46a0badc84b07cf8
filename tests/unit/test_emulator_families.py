"""What the emulator answers when nothing goes wrong, family by family, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("h11")
httpx2 = pytest.importorskip("httpx2")

from anyint_resilience.contract.matching import RouteTable  # noqa: E402
from anyint_resilience.contract.routes import AUTH_STYLE, Route  # noqa: E402
from anyint_resilience.contract.words import AuthStyle, Family, Operation  # noqa: E402
from anyint_resilience.emulator import Emulator  # noqa: E402
from anyint_resilience.emulator.families import HANDLERS  # noqa: E402

ROUTES = RouteTable(seedance=True).routes
VERSION = {"anthropic-version": "2023-06-01"}
BOTH = {"authorization": "Bearer test-key", "x-api-key": "test-key", **VERSION}
MESSAGES = [{"role": "user", "content": "hi"}]
PLAIN: Any = {"trust_env": False, "verify": False}  # to read root certificates takes longer than most tests
FORM = {"content-type": "multipart/form-data; boundary=x"}
UPLOAD = (
    b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nabc\r\n--x--\r\n'
)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(keys=("test-key",)) as running:
        yield running
    assert running.internal_errors == []


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Any]:
    with httpx2.Client(base_url=emulator.url, headers=BOTH, timeout=5, **PLAIN) as it:
        yield it


def dig(document: Any, *path: str | int) -> Any:
    for step in path:
        document = document[step]
    return document


def filled(template: str) -> str:
    """Put something in the place of every path parameter."""
    pieces = [piece.partition("}") for piece in template.split("{")]
    return pieces[0][0] + "".join("x" + rest for _, _, rest in pieces[1:])


def test_every_row_of_the_contract_has_a_handler_and_no_handler_is_left_over() -> None:
    """The route table and the handlers name the same routes."""
    assert set(HANDLERS) == {route.name for route in ROUTES}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_is_served(client: Any, route: Route) -> None:
    """Each row answers a plain request well, or says that the thing asked for is not there."""
    method = "POST" if route.method == "*" else route.method
    path = filled(route.template)
    if route.operation is Operation.UPLOAD or "/audio/tr" in path:
        answer = client.request(method, path, content=UPLOAD, headers=FORM)
    else:
        body = {"model": "m", "input": "x", "messages": MESSAGES} if method == "POST" else None
        answer = client.request(method, path, json=body)
    assert answer.status_code in ((200, 404) if "{" in route.template or "query" in path else (200,))
    if answer.status_code == 404:
        assert "error" in answer.json() or answer.json()["code"] == 1203


# refusals


@pytest.mark.parametrize("route", [it for it in ROUTES if it.template != "/files/upload"], ids=lambda route: route.name)
def test_only_the_family_s_own_header_is_taken(emulator: Emulator, route: Route) -> None:
    """The other header style, no key and a wrong key are the seed page's 401."""
    assert route.family is not None
    bearer = AUTH_STYLE[route.family] is AuthStyle.BEARER
    other = {"x-api-key": "test-key"} if bearer else {"authorization": "Bearer test-key"}
    wrong = {"authorization": "Bearer wrong"} if bearer else {"x-api-key": "wrong"}
    method = "POST" if route.method == "*" else route.method
    with httpx2.Client(base_url=emulator.url, **PLAIN) as client:
        for headers in (other, wrong, {}):
            answer = client.request(method, filled(route.template), headers={**headers, **VERSION})
            assert answer.status_code == 401
            assert answer.json() == {
                "error": {
                    "message": "Invalid or missing API key",
                    "type": "authentication_error",
                    "code": "invalid_api_key",
                }
            }


def test_any_key_will_do_without_a_list_of_keys() -> None:
    """``keys=None`` takes every key but an empty one."""
    with Emulator() as emulator, httpx2.Client(base_url=emulator.url, **PLAIN) as client:
        codes = [
            client.get("/openai/v1/models", headers={"authorization": value}).status_code
            for value in ("Bearer a", "bearer b", "Bearer", "a", "Basic a")
        ]
    assert codes == [200, 200, 401, 401, 401]


def test_anthropic_wants_its_version(emulator: Emulator) -> None:
    """Without anthropic-version: a 400 in Anthropic's own envelope."""
    with httpx2.Client(base_url=emulator.url, **PLAIN) as client:
        answer = client.post("/anthropic/v1/messages", json={"model": "m"}, headers={"x-api-key": "test-key"})
    assert answer.status_code == 400
    assert (answer.json()["type"], answer.json()["error"]["type"]) == ("error", "invalid_request_error")


def test_a_missing_field_is_the_seed_page_s_400(client: Any) -> None:
    """Without a model the seed page's sample comes back; broken JSON is a 400 too."""
    answer = client.post("/openai/v1/chat/completions", json={"messages": MESSAGES})
    assert answer.status_code == 400
    assert answer.json() == {
        "error": {"message": "Missing required field: model", "type": "invalid_request_error", "param": "model"}
    }
    for body in (b"{", b"[]", b"\xff"):
        assert client.post("/openai/v1/chat/completions", content=body).status_code == 400


@pytest.mark.parametrize(
    ("path", "status", "where", "value"),
    [
        ("/openai/v1/chat/completions", 404, ("error", "code"), "model_not_found"),
        ("/openai/v1/videos", 404, ("error", "code"), "model_not_found"),
        ("/anthropic/v1/messages", 404, ("error", "type"), "not_found_error"),
        ("/gemini/v1beta/models/missing-1:generateContent", 404, ("error", "status"), "NOT_FOUND"),
        ("/dashscope/v1/services/aigc/video-generation/video-synthesis", 404, ("code",), "ModelNotFound"),
        ("/transtreams/kling/v1/videos/text2video", 404, ("code",), 1203),
        ("/suno/generate", 200, ("code",), 400),
    ],
)
def test_an_unknown_model_is_refused_in_the_family_s_words(
    emulator: Emulator, client: Any, path: str, status: int, where: tuple[str, ...], value: object
) -> None:
    """Model ids that contain "missing" do not exist, and nothing is created for them."""
    answer = client.post(path, json={"model": "missing-1", "messages": MESSAGES})
    assert (answer.status_code, dig(answer.json(), *where)) == (status, value)
    assert emulator.tasks == []


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("GET", "/"), ("PUT", "/openai/v1/videos")])
def test_what_is_no_route_is_a_404(client: Any, method: str, path: str) -> None:
    """A path or method no row names is unknown."""
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")


# tasks

_SUNO: list[tuple[str, str, tuple[str, ...], list[object], tuple[str | int, ...]]] = [
    ("generate", "task", ("data", "status"), ["PENDING", "TEXT_SUCCESS", "SUCCESS"],
     ("data", "response", "sunoData", 0, "audioUrl")),
    ("generate-lyrics", "lyrics", ("data", "status"), ["PENDING", "PENDING", "SUCCESS"],
     ("data", "response", "data", 0, "text")),
    ("wav-generate", "wav", ("data", "status"), ["PENDING", "PENDING", "SUCCESS"],
     ("data", "response", "audio_wav_url")),
    ("mp4-generate", "mp4", ("data", "successFlag"), ["PENDING", "PENDING", "SUCCESS"],
     ("data", "response", "videoUrl")),
    ("split-stem", "vocal-removal", ("data", "successFlag"), ["PENDING", "PENDING", "SUCCESS"],
     ("data", "response", "vocalUrl")),
    ("generate-cover", "cover", ("data", "successFlag"), [0, 2, 1], ("data", "response", "images", 0)),
]  # fmt: skip
_KLING = "/transtreams/kling/v1"
_TASKS: list[tuple[str, tuple[str, ...], str, tuple[str, ...], list[object], tuple[str | int, ...]]] = [
    # create, where its id stands, query, where the state stands, the states, where the result stands
    ("/dashscope/v1/services/aigc/video-generation/video-synthesis", ("output", "task_id"), "/dashscope/v1/tasks/{}",
     ("output", "task_status"), ["PENDING", "RUNNING", "SUCCEEDED"], ("output", "video_url")),
    (f"{_KLING}/videos/text2video", ("data", "task_id"), f"{_KLING}/videos/text2video/{{}}", ("data", "task_status"),
     ["submitted", "processing", "succeed"], ("data", "task_result", "videos", 0, "url")),
    (f"{_KLING}/images/omni-image", ("data", "task_id"), f"{_KLING}/images/omni-image/{{}}", ("data", "task_status"),
     ["submitted", "processing", "succeed"], ("data", "task_result", "images", 0, "url")),
    *((f"/suno/{create}", ("data", "taskId"), f"/suno/query/{query}?taskId={{}}", state, states, result)
      for create, query, state, states, result in _SUNO),
    ("/doubao/video/generations", ("task_id",), "/doubao/videos/{}", ("status",), ["queued", "running", "completed"],
     ("metadata", "url")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("create", "ident", "query", "state", "states", "result"), _TASKS, ids=[row[0].rpartition("/")[2] for row in _TASKS]
)
def test_a_task_advances_with_the_clock_to_a_result_one_can_fetch(
    emulator: Emulator,
    client: Any,
    create: str,
    ident: tuple[str, ...],
    query: str,
    state: tuple[str, ...],
    states: list[object],
    result: tuple[str | int, ...],
) -> None:
    """Pending, running, success, in the family's own words; asked twice in one moment it says the same."""
    made = client.post(create, json={"model": "m", "prompt": "x"})
    assert made.status_code == 200
    address = query.format(dig(made.json(), *ident))
    found: list[object] = []
    document: Any = None
    for step in (0.0, 6.0, 5.0):
        emulator.clock.advance(step)
        document = client.get(address).json()
        assert dig(client.get(address).json(), *state) == dig(document, *state)
        found.append(dig(document, *state))
    assert found == states
    value = dig(document, *result)
    if value.startswith("http"):
        assert len(client.get(value).content) > 10
    assert [task.state for task in emulator.tasks] == ["success"]


def test_a_video_can_be_downloaded_once_it_is_done(emulator: Emulator, client: Any) -> None:
    """The content of an unfinished video is a 400, of an unknown one a 404."""
    ident = client.post("/openai/v1/videos", json={"model": "kling-3.0"}).json()["id"]
    assert client.get(f"/openai/v1/videos/{ident}/content").status_code == 400
    assert client.get("/openai/v1/videos/other/content").status_code == 404
    emulator.clock.advance(20)
    content = client.get(f"/openai/v1/videos/{ident}/content")
    assert (content.status_code, content.headers["content-type"]) == (200, "video/mp4")


@pytest.mark.parametrize(
    ("path", "status", "where", "value"),
    [
        ("/openai/v1/videos/none", 404, ("error", "type"), "invalid_request_error"),
        ("/openai/v1/responses/none", 404, ("error", "type"), "invalid_request_error"),
        ("/dashscope/v1/tasks/none", 200, ("output", "task_status"), "UNKNOWN"),
        (f"{_KLING}/videos/text2video/none", 404, ("code",), 1203),
        ("/suno/query/task?taskId=none", 200, ("code",), 404),
        ("/suno/query/task", 200, ("code",), 404),
        ("/doubao/videos/none", 404, ("error", "type"), "invalid_request_error"),
    ],
)
def test_an_unknown_task_is_answered_in_the_family_s_way(
    client: Any, path: str, status: int, where: tuple[str, ...], value: object
) -> None:
    """Each family has its own way of not knowing a task."""
    answer = client.get(path)
    assert (answer.status_code, dig(answer.json(), *where)) == (status, value)


def test_a_kling_task_is_found_only_under_the_path_that_created_it(client: Any) -> None:
    """The id alone does not select the route."""
    ident = client.post(f"{_KLING}/videos/text2video", json={}).json()["data"]["task_id"]
    assert client.get(f"{_KLING}/videos/text2video/{ident}").status_code == 200
    assert client.get(f"{_KLING}/videos/image2video/{ident}").status_code == 404


def test_a_second_cover_or_wav_names_the_first(emulator: Emulator, client: Any) -> None:
    """One cover and one wav per song: a repeat is refused with the id of the task there is."""
    for path, code in (("generate-cover", 400), ("wav-generate", 409)):
        first = client.post(f"/suno/{path}", json={"taskId": "song"}).json()
        again = client.post(f"/suno/{path}", json={"taskId": "song"}).json()
        assert (again["code"], again["data"]) == (code, first["data"])
    assert len(emulator.tasks) == 2


@pytest.mark.parametrize(
    ("create", "query", "ident", "reason", "failed", "refused"),
    [
        ("/openai/v1/videos", "/openai/v1/videos/{}", ("id",), ("error", "code"), "server_error", "moderation_blocked"),
        (f"{_KLING}/videos/text2video", f"{_KLING}/videos/text2video/{{}}", ("data", "task_id"),
         ("data", "task_status_msg"), "The generation failed", "Failure to pass the risk control system"),
        ("/suno/generate", "/suno/query/task?taskId={}", ("data", "taskId"), ("data", "status"),
         "GENERATE_AUDIO_FAILED", "SENSITIVE_WORD_ERROR"),
        ("/dashscope/v1/services/aigc/video-generation/video-synthesis", "/dashscope/v1/tasks/{}",
         ("output", "task_id"), ("output", "code"), "InternalError.Algo", "DataInspectionFailed"),
    ],
)  # fmt: skip
def test_a_task_can_be_made_to_fail(
    emulator: Emulator,
    client: Any,
    create: str,
    query: str,
    ident: tuple[str, ...],
    reason: tuple[str, ...],
    failed: str,
    refused: str,
) -> None:
    """By header or by ``settle`` a task fails, or is refused for its content, under HTTP 200."""
    body = {"model": "m"}
    by_header = client.post(create, json=body, headers={"x-emulator-task": "failed"}).json()
    by_method = client.post(create, json=body).json()
    emulator.settle(dig(by_method, *ident), "policy")
    emulator.clock.advance(11)
    assert dig(client.get(query.format(dig(by_header, *ident))).json(), *reason) == failed
    assert dig(client.get(query.format(dig(by_method, *ident))).json(), *reason) == refused


def test_a_background_response_is_a_task(emulator: Emulator, client: Any) -> None:
    """With background the response is queued first; without it, it is there at once and can be read again."""
    made = client.post("/openai/v1/responses", json={"model": "m", "input": "x", "background": True}).json()
    assert made["status"] == "queued"
    emulator.clock.advance(11)
    assert client.get(f"/openai/v1/responses/{made['id']}").json()["status"] == "completed"
    plain = client.post("/openai/v1/responses", json={"model": "m", "input": "x"}).json()
    assert client.get(f"/openai/v1/responses/{plain['id']}").json() == plain
    assert len(emulator.tasks) == 1


def test_a_batch_ends_with_an_output_file_or_is_cancelled(emulator: Emulator, client: Any) -> None:
    """A finished batch names a file whose content can be read; a cancelled one does not."""
    first, second = (client.post("/openai/v1/batches", json={"input_file_id": "f"}).json()["id"] for _ in range(2))
    assert client.post(f"/openai/v1/batches/{second}/cancel").json()["status"] == "cancelled"
    emulator.clock.advance(11)
    done = client.get(f"/openai/v1/batches/{first}").json()
    assert done["status"] == "completed"
    assert b"status_code" in client.get(f"/openai/v1/files/{done['output_file_id']}/content").content
    assert [it["status"] for it in client.get("/openai/v1/batches").json()["data"]] == ["completed", "cancelled"]


# the rest


def test_a_file_can_be_uploaded_read_and_deleted(client: Any) -> None:
    """The whole life of a file."""
    made = client.post("/openai/v1/files", content=UPLOAD, headers=FORM).json()
    assert (made["bytes"], made["filename"]) == (3, "a.txt")
    assert client.get("/openai/v1/files").json()["data"] == [made]
    assert client.get(f"/openai/v1/files/{made['id']}/content").content == b"abc"
    assert client.delete(f"/openai/v1/files/{made['id']}").json()["deleted"] is True
    assert client.get(f"/openai/v1/files/{made['id']}").status_code == 404


def test_a_thread_holds_its_own_messages(client: Any) -> None:
    """Messages belong to their thread; an unknown thread has none."""
    one, two = (client.post("/openai/v1/threads", json={}).json()["id"] for _ in range(2))
    client.post(f"/openai/v1/threads/{one}/messages", json={"role": "user", "content": "hi"})
    assert len(client.get(f"/openai/v1/threads/{one}/messages").json()["data"]) == 1
    assert client.get(f"/openai/v1/threads/{two}/messages").json()["data"] == []
    assert client.get("/openai/v1/threads/none/messages").status_code == 404
    assert client.delete(f"/openai/v1/threads/{one}").json()["deleted"] is True


def test_gemini_streams_events_or_one_array(client: Any) -> None:
    """With alt=sse the pieces come as events, without it as one JSON array; the last one has a finish reason."""
    path = "/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    events = client.post(f"{path}?alt=sse", json=body).text.split("\n\n")
    pieces = [json.loads(event.removeprefix("data: ")) for event in events if event]
    assert [("finishReason" in piece["candidates"][0]) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    array = client.post(path, json=body).json()
    assert [piece["candidates"] for piece in array] == [piece["candidates"] for piece in pieces]


def test_models_have_anyint_s_own_shape(client: Any) -> None:
    """The models route answers with Anthropic-looking fields on both families."""
    for path in ("/openai/v1/models", "/anthropic/v1/models"):
        document = client.get(path).json()
        assert set(document) == {"data", "has_more", "first_id", "last_id"}
        assert set(document["data"][0]) == {"id", "display_name", "type", "created_at"}


def test_one_seed_gives_the_same_ids() -> None:
    """Two runs with one seed and the same requests name their tasks alike."""

    def ids(seed: int) -> list[str]:
        with Emulator(seed=seed) as emulator, httpx2.Client(base_url=emulator.url, **PLAIN) as client:
            for _ in range(3):
                client.post("/suno/generate", json={}, headers=BOTH)
            return [task.id for task in emulator.tasks]

    assert ids(1) == ids(1) != ids(2)


def test_families_name_every_family() -> None:
    """No family of the contract is forgotten."""
    assert {route.family for route in ROUTES} == set(Family)
