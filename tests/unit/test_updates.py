"""How a task stands, read from an answer: results, progress, documents too large to look at whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyint_resilience import TaskUpdate
from anyint_resilience.contract.tasks import TASKS
from anyint_resilience.tasks.updates import progress_of, query_route, read_task, results_of, states_of
from tests.unit.task_kit import GATEWAY, RESULT, ROUTE_OF, answer, encoded, handle_of, put

OPEN = {"openai_video": "queued", "kling": "processing", "dashscope": "RUNNING", "suno_song": "PENDING"}


def test_every_vocabulary_has_a_route_but_one() -> None:
    """No route of the contract speaks Seedance's native form: there is no handle for it."""
    assert set(TASKS) - set(ROUTE_OF) == {"seedance_native"}


@pytest.mark.parametrize("vocabulary", sorted(ROUTE_OF))
def test_results_are_where_the_contract_has_them(vocabulary: str) -> None:
    """Each path of the row, in its order, each URL once; where the answer names none it is made of the task."""
    handle = handle_of(vocabulary)
    row = states_of(handle)
    assert row is TASKS[vocabulary]
    assert query_route(handle).tasks == vocabulary
    for path in row.results:
        assert results_of(handle, row, put({}, path, RESULT)) == (RESULT,)
    if row.results:
        both: Any = {}
        for path in row.results:
            both = put(both, path, RESULT)
        assert results_of(handle, row, both) == (RESULT,)
        assert results_of(handle, row, {}) == ()


@pytest.mark.parametrize(
    "value", [None, 7, "", "s3://bucket/1", "a text", {"url": RESULT}, [{"url": RESULT}], [[[[RESULT]]]]]
)
def test_what_is_no_url_is_no_result(value: Any) -> None:
    """Other values stay in the document."""
    handle = handle_of("suno_lyrics")
    assert results_of(handle, states_of(handle), put({}, ("data", "response", "data"), value)) == ()


def test_results_are_bounded() -> None:
    """However many an answer names, 64 are listed."""
    handle = handle_of("suno_cover")
    many = [f"{RESULT}?{number}" for number in range(70)]
    document = put({}, ("data", "response", "images"), [many, many])
    assert results_of(handle, states_of(handle), document) == tuple(many[:64])


def test_products_that_no_answer_names() -> None:
    """A video's content is beside its task, a batch's lines in a file whose id the answer gives."""
    video = handle_of("openai_video", task_id="v/1")
    assert results_of(video, states_of(video), {}) == (f"{GATEWAY}/openai/v1/videos/v%2F1/content",)
    batch = handle_of("openai_batch")
    for file_id, url in (("f/1", "f%2F1"), (17, "17"), (None, None), ("..", None), ({}, None)):
        wanted = () if url is None else (f"{GATEWAY}/openai/v1/files/{url}/content",)
        assert results_of(batch, states_of(batch), {"output_file_id": file_id}) == wanted


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (0, 0.0),
        (50, 50.0),
        (99.5, 99.5),
        (100, 100.0),
        *((it, None) for it in (-1, 101, 10**400, True, "50", None, [])),
    ],
    ids=lambda it: repr(it)[:20],
)
def test_progress_is_a_share_of_a_hundred(told: Any, wanted: float | None) -> None:
    """Anything else is not known."""
    assert progress_of({"progress": told}) == wanted
    assert progress_of({"progress": float("nan")}) is None
    assert progress_of({}) is None


def test_a_state_is_kept_in_a_document_too_large_to_look_at() -> None:
    """What tells how the task stands is still read, and the caller has all of it."""
    for vocabulary in OPEN:
        handle = handle_of(vocabulary)
        row = states_of(handle)
        huge: Any = {"data": "x" * 200_000} if row.states[0][0] != "data" else {"other": ["x" * 300_000]}
        long = ["y" * 1000] * 400
        open_one = {**huge, **answer(vocabulary, OPEN[vocabulary], long=long)}
        seen, document = read_task(handle, 200, (), encoded(open_one), now=None)
        assert (seen.pending, seen.task_state, seen.task_id) == (True, OPEN[vocabulary], "t1")
        assert document == open_one
        done = {**huge, **answer(vocabulary, sorted(row.success)[0], result=RESULT, long=long)}
        seen, document = read_task(handle, 200, (), encoded(done), now=None)
        assert (seen.pending, seen.cause) == (False, None)
        assert document == done
        wrong = {**huge, **answer(vocabulary, sorted(row.failed)[0], long=long)}
        seen, _ = read_task(handle, 200, (), encoded(wrong), now=None)
        assert seen.cause is not None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"x" * 100_000]
)
def test_what_cannot_be_read_is_no_end(body: bytes) -> None:
    """Neither a success nor a failure of the task."""
    for vocabulary in ROUTE_OF:
        seen, document = read_task(handle_of(vocabulary), 200, (), body, now=None)
        assert document == {}
        assert seen.task_state is None
        assert seen.pending or seen.cause is not None


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from([RESULT, "x" * 70_000])
)
KEYS = st.sampled_from("data status output id task_id error code successFlag response sunoData progress".split(" "))
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))


@given(document=TREES, vocabulary=st.sampled_from(sorted(ROUTE_OF)), status=st.sampled_from([200, 404, 500]))
def test_reading_is_total(document: Any, vocabulary: str, status: int) -> None:
    """Any document at all is read, its results are URLs, and only an object is handed on."""
    handle = handle_of(vocabulary)
    _, whole = read_task(handle, status, (), json.dumps(document).encode(), now=None)
    assert (whole == {}) or isinstance(document, dict)
    assert all(it.startswith("http") for it in results_of(handle, states_of(handle), whole))
    progress_of(whole)


def test_what_an_update_shows() -> None:
    """Signed URLs and the answer itself stay out of its text; done is what has come to an end."""
    update = TaskUpdate(
        handle=handle_of("kling"), phase="success", results=("https://secret",), document={"a": "secret"}
    )
    assert "secret" not in repr(update)
    ended = {phase: TaskUpdate(handle=update.handle, phase=phase).done for phase in ("pending", "running", "partial")}  # type: ignore[arg-type]
    assert not any(ended.values())
    assert update.done
    assert TaskUpdate(handle=update.handle, phase="failed").done
