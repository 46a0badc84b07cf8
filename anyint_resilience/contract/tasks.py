"""Task-state vocabularies: where a state, an id, a reason and a result stand, and how often to ask.

Must not know who polls, nor what is done about a state. One row of ``TASKS`` for each name that
``contract.routes`` uses in ``tasks=``. Origin: contract sections 1.4 and 2. States are kept in lower
case and compared so; a state no row names is *pending with a warning*, never a success (assumed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from .words import Cause, Family, Origin

__all__ = [
    "NOT_YET",
    "POLL_DEADLINE",
    "POLL_GROWTH",
    "POLL_JITTER",
    "QUERY_RATE",
    "TASKS",
    "Path",
    "TaskStates",
]

Path: TypeAlias = "tuple[str, ...]"
"""Keys from the root of a JSON body; ``[]`` stands for every element of an array."""

POLL_GROWTH: Final = 1.5
"""Each wait between two polls is this times the one before, up to the row's ``cap`` (assumed)."""

POLL_JITTER: Final = 0.2
"""Waits differ by up to this share, so that many waiters do not ask together (assumed)."""

QUERY_RATE: Final = 18.0
"""Queries per second to one family: under the 20 that DashScope allows an account (upstream; assumed for others)."""

NOT_YET: Final = 60.0
"""Seconds after its create in which "no such task" means "not yet": a task may take a moment to show (assumed)."""

POLL_DEADLINE: Final = 1800.0
"""Seconds after which a wait for a task gives up unless told otherwise (assumed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStates:
    """One vocabulary of states.

    ``partial`` is not finished but already names something usable. ``doubtful`` is finished, and a
    success only where a result is there. ``expired`` is gone: it will never finish under this id.
    ``results`` lists where a finished task names its product; empty where the body never names it
    (AnyInt: a task is ready only if its state is success *and* an output is there). ``causes`` gives
    states which are a reason by themselves, ``code_causes`` codes that mean another thing here than in a refusal.
    ``part_codes`` is where parts of the task say why they failed, whatever its state says. ``gone`` tells what
    ``expired`` means. Polls begin after ``first_poll`` seconds and grow to ``cap``; all waits of a process for one
    family together make at most ``query_rate`` of them in a second.
    """

    name: str
    family: Family
    origin: Origin
    states: tuple[Path, ...]
    ids: tuple[Path, ...]
    pending: frozenset[str]
    success: frozenset[str]
    failed: frozenset[str]
    running: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    expired: frozenset[str] = frozenset()
    causes: tuple[tuple[str, Cause], ...] = ()
    code_causes: tuple[tuple[str, Cause], ...] = ()
    codes: tuple[Path, ...] = ()
    part_codes: tuple[Path, ...] = ()
    messages: tuple[Path, ...] = ()
    results: tuple[Path, ...] = ()
    first_poll: float = 5.0
    cap: float = 15.0
    query_rate: float = QUERY_RATE
    gone: str = ""
    note: str = ""

    @property
    def open(self) -> frozenset[str]:
        """The states in which asking again is the thing to do."""
        return self.pending | self.running | self.partial


def _set(*states: str) -> frozenset[str]:
    return frozenset(states)


def _suno(
    name: str,
    failed: frozenset[str],
    results: tuple[Path, ...],
    *,
    origin: Origin = Origin.UPSTREAM,
    states: tuple[Path, ...] = (("data", "status"), ("data", "successFlag")),
    partial: frozenset[str] = frozenset(),
    note: str = "",
) -> TaskStates:
    return TaskStates(
        name=name,
        family=Family.SUNO,
        origin=origin,
        states=states,
        ids=(("data", "taskId"), ("data", "task_id")),
        pending=_set("pending"),
        partial=partial,
        success=_set("success"),
        failed=_set("create_task_failed", "sensitive_word_error") | failed,
        doubtful=_set("callback_exception"),
        causes=(("sensitive_word_error", Cause.POLICY),),
        code_causes=(("413", Cause.POLICY),),
        codes=(("data", "errorCode"),),
        messages=(("data", "errorMessage"),),
        results=results,
        first_poll=2.0,
        note=note,
    )


_STEMS: Final = (
    *("vocal", "instrumental", "backingVocals", "drums", "bass", "guitar", "keyboard"),
    *("piano", "percussion", "strings", "synth", "fx", "brass", "woodwinds"),
)
_SUNO: Final = (
    _suno(
        "suno_song",
        _set("generate_audio_failed"),
        tuple(("data", "response", "sunoData", "[]", key) for key in ("audioUrl", "streamAudioUrl")),
        origin=Origin.ANYINT,
        partial=_set("text_success", "first_success"),
        note="AnyInt lists six states; SENSITIVE_WORD_ERROR and CALLBACK_EXCEPTION are upstream's",
    ),
    _suno(
        "suno_lyrics", _set("generate_lyrics_failed"), (("data", "response", "data"),), note="result path is a recall"
    ),
    _suno(
        "suno_wav",
        _set("generate_wav_failed"),
        (("data", "response", "audio_wav_url"), ("data", "response", "audioWavUrl")),
        note="pages disagree on status or successFlag: both are read",
    ),
    _suno("suno_mp4", _set("generate_mp4_failed"), (("data", "response", "videoUrl"),), note="result path is a recall"),
    _suno(
        "suno_stems",
        _set("generate_audio_failed"),
        tuple(("data", "response", f"{stem}Url") for stem in _STEMS),
        states=(("data", "successFlag"), ("data", "status")),
        note="vocalUrl, instrumentalUrl, drumsUrl ...; null where not produced",
    ),
    TaskStates(
        name="suno_cover",
        family=Family.SUNO,
        origin=Origin.UPSTREAM,
        states=(("data", "successFlag"), ("data", "status")),
        ids=(("data", "taskId"),),
        pending=_set("0", "pending"),
        running=_set("2"),
        success=_set("1", "success"),
        failed=_set("3"),
        codes=(("data", "errorCode"),),
        messages=(("data", "errorMessage"),),
        results=(("data", "response", "images"),),
        first_poll=30.0,
        cap=30.0,
        note="states are integers; upstream asks for one query every 30 s",
    ),
)

_DASHSCOPE: Final = TaskStates(
    name="dashscope",
    family=Family.DASHSCOPE,
    origin=Origin.UPSTREAM,
    states=(("output", "task_status"),),
    ids=(("output", "task_id"),),
    pending=_set("pending"),
    running=_set("running", "suspended"),
    success=_set("succeeded"),
    failed=_set("failed", "canceled"),
    expired=_set("unknown"),
    codes=(("output", "code"),),
    part_codes=(("output", "results", "[]", "code"),),
    messages=(("output", "message"), ("output", "results", "[]", "message")),
    results=(("output", "video_url"), ("output", "results", "[]", "url"), ("output", "choices")),
    gone="DashScope forgets a task about 24 h after its end",
    note="SUCCEEDED may hide failed sub-tasks (output.results[].code)",
)

_KLING: Final = TaskStates(
    name="kling",
    family=Family.KLING,
    origin=Origin.UPSTREAM,
    states=(("data", "task_status"),),
    ids=(("data", "task_id"),),
    pending=_set("submitted"),
    running=_set("processing"),
    success=_set("succeed"),
    failed=_set("failed"),
    messages=(("data", "task_status_msg"),),
    results=(("data", "task_result", "videos", "[]", "url"), ("data", "task_result", "images", "[]", "url")),
    note="succeed has no final -ed",
)

_OPENAI: Final = (
    TaskStates(
        name="openai_video",
        family=Family.OPENAI,
        origin=Origin.UPSTREAM,
        states=(("status",),),
        ids=(("id",),),
        pending=_set("queued"),
        running=_set("in_progress"),
        success=_set("completed"),
        failed=_set("failed"),
        codes=(("error", "code"),),
        messages=(("error", "message"),),
        note="the product is at /videos/{id}/content, not in the body; expires_at tells when it goes",
    ),
    TaskStates(
        name="openai_response",
        family=Family.OPENAI,
        origin=Origin.UPSTREAM,
        states=(("status",),),
        ids=(("id",),),
        pending=_set("queued"),
        running=_set("in_progress"),
        success=_set("completed", "incomplete"),
        failed=_set("failed", "cancelled"),
        codes=(("error", "code"),),
        messages=(("error", "message"),),
        first_poll=2.0,
        note="incomplete is final and truncated: see incomplete_details.reason; kept about 10 min unless stored",
    ),
    TaskStates(
        name="openai_batch",
        family=Family.OPENAI,
        origin=Origin.UPSTREAM,
        states=(("status",),),
        ids=(("id",),),
        pending=_set("validating"),
        running=_set("in_progress", "finalizing", "cancelling"),
        success=_set("completed"),
        failed=_set("failed", "cancelled"),
        expired=_set("expired"),
        codes=(("errors", "data", "[]", "code"),),
        messages=(("errors", "data", "[]", "message"),),
        first_poll=60.0,
        cap=300.0,
        note="check request_counts.failed; lines that failed are in error_file_id",
    ),
)

_SEEDANCE: Final = (
    TaskStates(
        name="seedance_native",
        family=Family.SEEDANCE,
        origin=Origin.UPSTREAM,
        states=(("status",),),
        ids=(("id",),),
        pending=_set("queued"),
        running=_set("running"),
        success=_set("succeeded"),
        failed=_set("failed", "cancelled"),
        expired=_set("expired"),
        codes=(("error", "code"),),
        messages=(("error", "message"),),
        results=(("content", "video_url"),),
        note="no AnyInt route speaks it; by resellers' pages",
    ),
    TaskStates(
        name="seedance_anyint",
        family=Family.SEEDANCE,
        origin=Origin.FIELD,
        states=(("status",),),
        ids=(("task_id",), ("id",)),
        pending=frozenset(),
        success=_set("completed"),
        failed=_set("failed", "cancelled"),
        expired=_set("expired"),
        codes=(("error", "code"),),
        messages=(("error", "message"),),
        results=(("metadata", "url"), ("data", "url"), ("url",)),
        note="every other state means that it goes on",
    ),
)

TASKS: Final[dict[str, TaskStates]] = {row.name: row for row in (*_SUNO, _DASHSCOPE, _KLING, *_OPENAI, *_SEEDANCE)}
"""Every vocabulary by name."""
