"""The contract's tables are whole, consistent with one another, and say where each fact comes from."""

from __future__ import annotations

import pytest

from anyint_resilience.contract.errors import (
    CODE_ROWS,
    DETECTION_ORDER,
    STATUS_ROWS,
    TEXTS,
    UNKNOWN_STATUSES,
    CodeRow,
    Envelope,
    ask,
    certainty_of_status,
    row_for_code,
    row_for_status,
)
from anyint_resilience.contract.routes import ROUTES, SEEDANCE_ROUTES
from anyint_resilience.contract.streams import STREAMS, ends_of
from anyint_resilience.contract.tasks import TASKS, TaskStates
from anyint_resilience.contract.words import Cause, Certainty, Family, Operation, Origin

ALL_ROWS = [*CODE_ROWS, *STATUS_ROWS.values()]


def row_name(row: CodeRow) -> str:
    return f"{row.envelope or 'http'}-{row.status}-{row.code}"


def test_detection_order_is_the_contracts() -> None:
    """Envelopes are looked for in the order of contract 3: the more special shape first."""
    assert [envelope.value for envelope in DETECTION_ORDER] == [
        "anthropic",
        "google",
        "openai",
        "suno",
        "kling",
        "dashscope",
        "problem",
    ]


@pytest.mark.parametrize("row", ALL_ROWS, ids=row_name)
def test_every_row_is_well_formed(row: CodeRow) -> None:
    """A row has a lower-case code, an origin, a text rule that exists, and a certainty an answer can have."""
    assert row.code is None or row.code == row.code.lower()
    assert isinstance(row.origin, Origin)
    assert not row.text or row.text in TEXTS
    assert row.certainty in (Certainty.REJECTED, Certainty.UNKNOWN)


def test_no_code_stands_twice_for_one_status() -> None:
    """Two rows of the same envelope, code and status would make the second one dead."""
    keys = [(row.envelope, row.code, row.status) for row in CODE_ROWS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("row", [row for row in CODE_ROWS if row.code is not None], ids=row_name)
def test_every_code_row_is_found_by_its_own_code_and_status(row: CodeRow) -> None:
    """The look-up gives back each row for the code and status it is documented with."""
    assert row.envelope is not None
    assert row.code is not None
    assert row_for_code(row.envelope, (row.code.rstrip("*"),), row.status or 200) == row


@pytest.mark.parametrize("status", [-1, 0, 99, 200, 418, 444, 508, 599, 600, 999, 10**9])
def test_a_status_without_a_row_still_has_a_meaning(status: int) -> None:
    """Every number has a row: other 4xx are invalid, other 5xx the server's fault, the rest unknown."""
    row = row_for_status(status)
    wanted = Cause.INVALID if 400 <= status < 500 else Cause.SERVER if 500 <= status < 600 else Cause.UNKNOWN
    assert row.cause is wanted


@pytest.mark.parametrize("status", [408, 499, 500, 502, 504, 520, 521, 522, 523, 524, 525, 526, 527, 529])
def test_the_outcome_is_unknown_after_these_statuses(status: int) -> None:
    """After a time-out or a gateway's fault the work may have been done."""
    assert status in UNKNOWN_STATUSES
    assert certainty_of_status(status) is Certainty.UNKNOWN


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 422, 425, 429, 501, 503])
def test_these_statuses_mean_that_nothing_was_done(status: int) -> None:
    """A refusal comes before the work."""
    assert certainty_of_status(status) is Certainty.REJECTED


def test_a_coarse_type_does_not_overrule_an_error_status_of_its_own_meaning() -> None:
    """``invalid_request_error`` says nothing beside 503, and all beside 200."""
    assert row_for_code(Envelope.OPENAI, ("invalid_request_error",), 503) is None
    row = row_for_code(Envelope.OPENAI, ("invalid_request_error",), 200)
    assert row is not None
    assert row.cause is Cause.INVALID


@pytest.mark.parametrize(
    ("code", "cause"),
    [("arrearage", Cause.QUOTA), ("throttling.ratequota", Cause.RATE), ("datainspectionfailed", Cause.POLICY)],
)
def test_a_guests_code_is_known_in_the_openai_envelope(code: str, cause: Cause) -> None:
    """A relay puts DashScope's own codes into OpenAI's envelope, and they keep their meaning."""
    row = row_for_code(Envelope.OPENAI, (code,), 400)
    assert row is not None
    assert row.cause is cause


@pytest.mark.parametrize("rule", TEXTS)
def test_every_word_of_a_rule_is_reachable(rule: str) -> None:
    """Words are in lower case (the text is lowered first) and the first word of every row finds a row."""
    for row in TEXTS[rule]:
        assert all(word == word.lower() for word in row.words)
        assert ask(rule, f"... {row.words[0].upper()} ...") is not None


def test_a_rule_nobody_knows_and_an_empty_text_settle_nothing() -> None:
    """A missing rule or text keeps what the code row says."""
    assert ask("", "model") is None
    assert ask("no such rule", "model") is None
    assert ask("forbidden", "") is None


# --- tasks


def test_every_vocabulary_a_route_names_exists() -> None:
    """A route may only name a vocabulary there is, of its own family."""
    for route in (*ROUTES, *SEEDANCE_ROUTES):
        if route.tasks is not None:
            assert TASKS[route.tasks].family is route.family


def test_every_create_with_a_query_names_its_vocabulary() -> None:
    """A task that can be asked after has states to read the answer by."""
    for route in (*ROUTES, *SEEDANCE_ROUTES):
        if route.operation is Operation.CREATE:
            assert route.tasks in TASKS


@pytest.mark.parametrize("row", TASKS.values(), ids=lambda row: row.name)
def test_states_are_lower_case_and_mean_one_thing(row: TaskStates) -> None:
    """No state is in two groups, none would be missed for its case, and the polls are in order."""
    groups = (row.pending, row.running, row.partial, row.success, row.failed, row.doubtful, row.expired)
    every = [state for group in groups for state in group]
    assert len(every) == len(set(every))
    assert all(state == state.lower() for state in every)
    assert row.success
    assert row.failed
    assert row.states
    assert row.ids
    assert 0 < row.first_poll <= row.cap
    assert all(state in every for state, _ in row.causes)


@pytest.mark.parametrize(
    ("name", "group", "states"),
    [
        ("suno_song", "partial", {"text_success", "first_success"}),
        ("suno_song", "failed", {"create_task_failed", "generate_audio_failed", "sensitive_word_error"}),
        ("suno_cover", "running", {"2"}),
        ("dashscope", "expired", {"unknown"}),
        ("kling", "success", {"succeed"}),
        ("openai_video", "pending", {"queued"}),
        ("openai_response", "success", {"completed", "incomplete"}),
        ("openai_batch", "running", {"in_progress", "finalizing", "cancelling"}),
        ("seedance_anyint", "success", {"completed"}),
    ],
)
def test_states_are_the_contracts(name: str, group: str, states: set[str]) -> None:
    """The vocabularies are those of contract 2."""
    assert getattr(TASKS[name], group) == states


# --- streams


@pytest.mark.parametrize(
    ("family", "template", "name"),
    [
        (Family.OPENAI, "/openai/v1/chat/completions", "openai_chat"),
        (Family.OPENAI, "/openai/v1/responses", "openai_responses"),
        (Family.OPENAI, "/openai/v1/files", None),
        (Family.ANTHROPIC, "/anthropic/v1/messages", "anthropic_messages"),
        (Family.GEMINI, "/gemini/v1beta/models/{model}:streamGenerateContent", "gemini_generate"),
        (Family.DASHSCOPE, "/dashscope/v1/x", "dashscope_native"),
        (Family.SUNO, "/suno/generate", None),
        (None, "/", None),
    ],
)
def test_a_route_knows_how_its_stream_ends(family: Family | None, template: str, name: str | None) -> None:
    """Each family that streams has one dialect a route, the others have none."""
    ends = ends_of(family, template)
    assert (None if ends is None else ends.name) == name


def test_every_dialect_has_an_end_and_a_sign_of_interruption() -> None:
    """A dialect without an end could never be told from a cut stream."""
    for row in STREAMS:
        assert row.done_data or row.done_events or row.done_paths
        assert row.cut


def test_done_is_no_success_of_a_responses_stream() -> None:
    """On the Responses route [DONE] alone is not an end."""
    ends = ends_of(Family.OPENAI, "/openai/v1/responses")
    assert ends is not None
    assert ends.done_data is None
