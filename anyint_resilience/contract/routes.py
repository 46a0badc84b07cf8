"""Hosts, families, the route table, auth styles and create -> query pairs.

Must not know what is done about any of it. Someone adding a route adds one row here; ``matching`` looks rows up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from .words import AuthStyle, Family, Operation, Origin

__all__ = [
    "ANTHROPIC_VERSION",
    "AUTH_STYLE",
    "BY_TASK",
    "HOSTS",
    "PREFIXES",
    "ROUTES",
    "SEEDANCE_ROUTES",
    "Route",
]

HOSTS: Final = ("gateway.api.anyint.ai", "api.anyint.ai")
"""Both published hosts (AnyInt): the same paths on both, neither said to be retired."""

ANTHROPIC_VERSION: Final = "2023-06-01"
"""The ``anthropic-version`` AnyInt documents as required on ``/anthropic/`` (AnyInt)."""

AUTH_STYLE: Final[dict[Family, AuthStyle]] = {
    Family.OPENAI: AuthStyle.BEARER,
    Family.ANTHROPIC: AuthStyle.X_API_KEY,
    Family.GEMINI: AuthStyle.BEARER,
    Family.DASHSCOPE: AuthStyle.BEARER,
    Family.KLING: AuthStyle.BEARER,
    Family.SUNO: AuthStyle.BEARER,
    Family.SEEDANCE: AuthStyle.BEARER,
}
"""The header each family takes its key in (AnyInt 1.2; seedance: field)."""

BY_TASK: Final = frozenset((Family.DASHSCOPE, Family.KLING, Family.SUNO, Family.SEEDANCE))
"""Families whose every POST makes something that is paid for; one that no row names is taken for a create (assumed)."""

PREFIXES: Final[dict[str, Family]] = {
    "openai": Family.OPENAI,
    "anthropic": Family.ANTHROPIC,
    "gemini": Family.GEMINI,
    "dashscope": Family.DASHSCOPE,
    "transtreams": Family.KLING,
    "suno": Family.SUNO,
}
"""First path segment -> family, for paths that no row names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row of the contract: what a method and path mean.

    ``method`` is ``*`` where AnyInt prints only the path and any method may come. ``template`` holds
    ``{name}`` for a path parameter. ``query`` is the template that follows a task made by this route,
    with ``{id}`` where the id goes; ``id_path`` is where that id stands in this route's answer;
    ``tasks`` names the row of ``contract.tasks`` its states are read by. ``body_switch`` names a
    boolean field of a JSON request body that turns this route into another operation.
    """

    method: str
    template: str
    family: Family | None
    operation: Operation
    origin: Origin
    query: str | None = None
    id_path: tuple[str, ...] = ()
    tasks: str | None = None
    body_switch: tuple[tuple[str, Operation], ...] = ()
    note: str = ""
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.method} {self.template}")


_JSON_SWITCHES: Final = (("stream", Operation.STREAM),)
_L, _G, _S, _N = Operation.LIST, Operation.GENERATE, Operation.STREAM, Operation.COUNT
_C, _Q, _D, _U, _X = Operation.CREATE, Operation.QUERY, Operation.DOWNLOAD, Operation.UPLOAD, Operation.OTHER
_ID: Final = ("id",)


def _row(
    family: Family,
    method: str,
    template: str,
    operation: Operation,
    *,
    origin: Origin = Origin.ANYINT,
    query: str | None = None,
    ids: tuple[str, ...] = (),
    tasks: str | None = None,
    switch: tuple[tuple[str, Operation], ...] = (),
    note: str = "",
) -> Route:
    return Route(
        method=method,
        template=template,
        family=family,
        operation=operation,
        origin=origin,
        query=query,
        id_path=ids,
        tasks=tasks,
        body_switch=switch,
        note=note,
    )


def _openai(method: str, path: str, operation: Operation, **more: object) -> Route:
    return _row(Family.OPENAI, method, "/openai/v1" + path, operation, **more)  # type: ignore[arg-type]


_OPENAI: Final = (
    _openai("GET", "/models", _L),
    _openai("POST", "/chat/completions", _G, switch=_JSON_SWITCHES),
    _openai(
        "POST",
        "/responses",
        _G,
        switch=(("background", _C), *_JSON_SWITCHES),
        query="/openai/v1/responses/{id}",
        ids=_ID,
        tasks="openai_response",
        note="Beta; background is upstream's and not mentioned by AnyInt",
    ),
    _openai("GET", "/responses/{response_id}", _Q, tasks="openai_response", note="when the upstream path supports it"),
    _openai("POST", "/embeddings", _G),
    _openai(
        "POST", "/images/generations", _G, note="Kling model ids are adapted to Transtreams: latency may be task-like"
    ),
    _openai("POST", "/audio/speech", _G, note="binary body"),
    _openai("POST", "/audio/transcriptions", _G, note="multipart"),
    _openai("POST", "/audio/translations", _G, note="multipart"),
    _openai("POST", "/moderations", _G),
    _openai("POST", "/files", _U, query="/openai/v1/files/{id}", ids=_ID, note="method is upstream's"),
    _openai("GET", "/files", _L, note="method is upstream's"),
    _openai("GET", "/files/{file_id}", _Q, note="method is upstream's"),
    _openai("DELETE", "/files/{file_id}", _X, note="method is upstream's"),
    _openai("GET", "/files/{file_id}/content", _D, note="method is upstream's"),
    _openai("*", "/assistants", _X, note="when enabled upstream"),
    _openai("*", "/assistants/{id}", _X, note="when enabled upstream"),
    _openai("*", "/threads", _X),
    _openai("*", "/threads/{id}", _X),
    _openai("*", "/threads/{id}/messages", _X),
    _openai("*", "/threads/{id}/runs", _X, note="a run is a task, but no /runs/{run_id} route is published"),
    _openai(
        "POST",
        "/batches",
        _C,
        query="/openai/v1/batches/{id}",
        ids=_ID,
        tasks="openai_batch",
        note="method is upstream's",
    ),
    _openai("GET", "/batches", _L, note="method is upstream's"),
    _openai("GET", "/batches/{batch_id}", _Q, tasks="openai_batch", note="method is upstream's"),
    _openai("POST", "/batches/{batch_id}/cancel", _X, note="method is upstream's"),
    _openai(
        "POST",
        "/videos",
        _C,
        query="/openai/v1/videos/{id}",
        ids=_ID,
        tasks="openai_video",
        note="the recommended way to reach Kling",
    ),
    _openai(
        "POST",
        "/videos/{video_id}/remix",
        _C,
        origin=Origin.ASSUMED,
        query="/openai/v1/videos/{id}",
        ids=_ID,
        tasks="openai_video",
        note="upstream's; no AnyInt page names it",
    ),
    _openai("GET", "/videos/{video_id}", _Q, tasks="openai_video"),
    _openai("GET", "/videos/{video_id}/content", _D, note="only after completion"),
)

_ANTHROPIC: Final = (
    _row(Family.ANTHROPIC, "GET", "/anthropic/v1/models", _L),
    _row(Family.ANTHROPIC, "POST", "/anthropic/v1/messages", _G, switch=_JSON_SWITCHES),
    _row(Family.ANTHROPIC, "POST", "/anthropic/v1/messages/count_tokens", _N, note="safe to repeat"),
)

_GEMINI: Final = (
    _row(Family.GEMINI, "POST", "/gemini/v1beta/models/{model}:generateContent", _G),
    _row(Family.GEMINI, "POST", "/gemini/v1beta/models/{model}:streamGenerateContent", _S, note="?alt=sse"),
)

_DASHSCOPE: Final = (
    _row(
        Family.DASHSCOPE,
        "POST",
        "/dashscope/v1/services/aigc/multimodal-generation/generation",
        _G,
        note="image, synchronous by AnyInt's model overview",
    ),
    _row(
        Family.DASHSCOPE,
        "POST",
        "/dashscope/v1/services/aigc/video-generation/video-synthesis",
        _C,
        query="/dashscope/v1/tasks/{id}",
        ids=("output", "task_id"),
        tasks="dashscope",
    ),
    _row(Family.DASHSCOPE, "GET", "/dashscope/v1/tasks/{task_id}", _Q, tasks="dashscope", note="no /api segment"),
)

_KLING_CREATES: Final = (
    "images/generations",
    "images/omni-image",
    "videos/text2video",
    "videos/image2video",
    "videos/omni-video",
)
_KLING: Final = tuple(
    row
    for path in _KLING_CREATES
    for row in (
        _row(
            Family.KLING,
            "POST",
            f"/transtreams/kling/v1/{path}",
            _C,
            query=f"/transtreams/kling/v1/{path}/{{id}}",
            ids=("data", "task_id"),
            tasks="kling",
        ),
        _row(
            Family.KLING,
            "GET",
            f"/transtreams/kling/v1/{path}/{{task_id}}",
            _Q,
            tasks="kling",
            note="must be the path of the create call",
        ),
    )
)

_SUNO_CREATES: Final = (
    # path, query, tasks, origin of the pair
    ("generate", "task", "suno_song", Origin.ANYINT),
    ("extend", "task", "suno_song", Origin.ANYINT),
    ("upload-cover", "task", "suno_song", Origin.ANYINT),
    ("upload-extend", "task", "suno_song", Origin.ASSUMED),
    ("add-vocals", "task", "suno_song", Origin.ASSUMED),
    ("add-instrumental", "task", "suno_song", Origin.ASSUMED),
    ("replace-section", "task", "suno_song", Origin.ASSUMED),
    ("generate-lyrics", "lyrics", "suno_lyrics", Origin.ANYINT),
    ("vocal-removal", "vocal-removal", "suno_stems", Origin.ANYINT),
    ("split-stem", "vocal-removal", "suno_stems", Origin.ANYINT),
    ("wav-generate", "wav", "suno_wav", Origin.ANYINT),
    ("mp4-generate", "mp4", "suno_mp4", Origin.ANYINT),
    ("generate-cover", "cover", "suno_cover", Origin.ANYINT),
)
_SUNO_QUERIES: Final = tuple(dict.fromkeys((query, tasks) for _, query, tasks, _ in _SUNO_CREATES))
_SUNO: Final = (
    *(
        _row(
            Family.SUNO,
            "POST",
            f"/suno/{path}",
            _C,
            origin=origin,
            query=f"/suno/query/{query}?taskId={{id}}",
            ids=("data", "taskId"),
            tasks=tasks,
        )
        for path, query, tasks, origin in _SUNO_CREATES
    ),
    *(_row(Family.SUNO, "GET", f"/suno/query/{query}", _Q, tasks=tasks) for query, tasks in _SUNO_QUERIES),
    *(
        _row(Family.SUNO, "POST", f"/suno/{path}", _G, origin=Origin.ASSUMED, note="no query route is published")
        for path in ("timestamped-lyrics", "style-generate", "generate-persona")
    ),
)

ROUTES: Final[tuple[Route, ...]] = (*_OPENAI, *_ANTHROPIC, *_GEMINI, *_DASHSCOPE, *_KLING, *_SUNO)
"""Every route of the contract that is on by default (contract 1.3, rows 1-38)."""

SEEDANCE_ROUTES: Final[tuple[Route, ...]] = (
    _row(
        Family.SEEDANCE,
        "POST",
        "/doubao/video/generations",
        _C,
        origin=Origin.FIELD,
        query="/doubao/videos/{id}",
        ids=("task_id",),
        tasks="seedance_anyint",
        note="else id",
    ),
    _row(Family.SEEDANCE, "GET", "/doubao/videos/{task_id}", _Q, origin=Origin.FIELD, tasks="seedance_anyint"),
    _row(Family.SEEDANCE, "POST", "/files/upload", _U, origin=Origin.FIELD, note="multipart"),
)
"""Row 39: seen in two code bases, on no AnyInt page; behind the ``seedance`` switch."""
