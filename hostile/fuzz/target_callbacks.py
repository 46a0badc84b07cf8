"""What anybody may post to a callback URL, and what marks it carries -> a claim, or a ValueError that quotes nothing.

Must not know how the fuzzer works. An input: ``MODE URL TASK PHASE``, headers that nobody reads, and the posted body.
``MODE`` ``json`` makes a JSON document of any text, ``raw`` leaves the body as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from anyint_resilience.contract.reconcile import MARK_PARAMETER
from anyint_resilience.contract.tasks import TASKS
from anyint_resilience.policy.echoes import word_of
from anyint_resilience.stores.memory import MemoryStore
from anyint_resilience.tasks.callbacks import PHASES, Callback, is_web, parse_callback, phase_rank
from anyint_resilience.tasks.handle import CREATES, TaskHandle
from anyint_resilience.tasks.ledger import Ledger
from anyint_resilience.tasks.marks import mark_of, marked
from anyint_resilience.tasks.news import note_phase
from anyint_resilience.tasks.updates import read_task

from .shapes import dumped, loose, message, number, pick, written
from .sound import sound_observation

__all__ = ["check", "seeds", "words"]

_SECRET: Final = "prompt-canary-7f3a"
_MARKS: Final = ("0123456789abcdef-1", "a", "A-b-9", "x" * 128)
_HANDLES: Final = tuple(
    TaskHandle(family=row.family, route=row.name, task_id="t", gateway="https://api.anyint.ai", created_at=1.8e9)
    for row in CREATES.values()
    if row.family is not None
)


def check(data: bytes) -> None:
    """One claim, the same in any form, or a ValueError; nothing is believed, and nothing of a stranger's is quoted."""
    said = message(data)
    body = said.body if said.word(0) == "raw" else dumped(loose(said.body.decode("utf-8", "replace")))
    callback = _read(body)
    if callback is not None:
        _sound(callback)
        _is_the_same_in_any_form(body, callback)
        _is_told_once(callback)
        _wakes_a_ledger(callback, said.word(1))
    _marks_come_back(said.word(1), pick(_MARKS, said.word(2)))
    _shelf_is_bounded(said.word(2), said.word(3), body)
    _handle_comes_back(body)
    _query_is_read(body, number(said.word(3), 599, 200), pick(_HANDLES, said.word(2)))


def _read(body: Any) -> Callback | None:
    refused: ValueError
    try:
        return parse_callback(body)
    except ValueError as error:
        refused = error
    assert _SECRET not in str(refused)
    assert refused.__context__ is None, "the decoder's own error carries the body along"
    return None


def _sound(callback: Callback) -> None:
    assert 1 <= len(callback.task_id) <= 128
    assert callback.task_id.isprintable()
    assert " " not in callback.task_id
    assert callback.phase == word_of(callback.phase) == callback.phase.lower() != ""
    assert len(callback.results) <= 64
    assert all(is_web(it) and len(it) < 4096 for it in callback.results)
    assert len(set(callback.results)) == len(callback.results)
    assert callback.code is None or callback.code == "?" or word_of(callback.code) == callback.code
    assert len(callback.message) <= 256
    assert callback.message.isprintable()
    assert _SECRET not in repr(callback) or _SECRET in callback.task_id + callback.phase + (callback.code or "")
    assert callback.final == (phase_rank(callback.phase) == 3)
    assert isinstance(callback.failed, bool)


def _is_the_same_in_any_form(body: bytes, callback: Callback) -> None:
    assert parse_callback(callback.document) == callback
    assert parse_callback(bytearray(body)) == callback
    assert parse_callback(body.decode("utf-8-sig")) == callback
    assert parse_callback(b"\xef\xbb\xbf" + body.removeprefix(b"\xef\xbb\xbf")) == callback


def _is_told_once(callback: Callback) -> None:
    state, new = note_phase(None, 1.0, task=callback.task_id, phase=callback.phase)
    assert new
    assert note_phase(state, 2.0, task=callback.task_id, phase=callback.phase)[1] is False
    json.dumps(state, allow_nan=False)


def _wakes_a_ledger(callback: Callback, url: str) -> None:
    """New once, then known; whoever waits for it is rung; an unknown mark settles nothing."""
    ledger = Ledger(MemoryStore(lambda: 1.0), spare=MemoryStore(lambda: 1.0), window=60.0)
    rung: list[str] = []
    ledger.news.listen(callback.task_id, lambda: rung.append(callback.task_id))
    assert ledger.accept_callback(callback, url=url)
    assert not ledger.accept_callback(dict(callback.document), url=url)
    assert rung == [callback.task_id]
    assert ledger.entries() == ()


def _marks_come_back(url: str, mark: str) -> None:
    """A mark that was put on a URL is read off it; the rest of the URL stays, and a second mark takes its place."""
    found = mark_of(url)
    assert found is None or (found.isascii() and 1 <= len(found) <= 128)
    made = marked(url, mark)
    if made is None:
        return
    assert mark_of(made) == mark
    assert mark_of(made.partition("://")[2].partition("/")[1] + made.partition("://")[2].partition("/")[2]) == mark or (
        "/" not in made.partition("://")[2].partition("?")[0]
    )
    assert is_web(made)
    assert made.partition("?")[0] == url.partition("#")[0].partition("?")[0]
    assert made.partition("#")[2] == url.partition("#")[2]
    again = marked(made, _MARKS[0])
    assert again is None or mark_of(again) == _MARKS[0]


def _shelf_is_bounded(task: str, phase: str, body: bytes) -> None:
    """Whatever stands on a shelf, it has room for so many tasks and words."""
    held = loose(body.decode("utf-8", "replace"))
    state, _ = note_phase(held if isinstance(held, dict) else None, 1.0, task=task, phase=phase)
    again, new = note_phase(state, 2.0, task=task, phase=phase)
    assert len(again) <= max(64, len(held) if isinstance(held, dict) else 0)
    assert not new
    for at in range(20):
        state, _ = note_phase(state, 3.0, task=task, phase=f"{phase}{at}")
    before = len(held.get(task, ())) if isinstance(held, dict) and isinstance(held.get(task), dict) else 0
    assert len(state[task]) <= max(before, 16) + len(PHASES)


def _handle_comes_back(body: bytes) -> None:
    """A handle is what was written, or a ValueError that quotes nothing."""
    try:
        handle = TaskHandle.from_json(body)
    except ValueError as error:
        said = str(error)
    else:
        said = ""
        assert TaskHandle.from_json(handle.to_json()) == handle
        assert handle.url.startswith(handle.gateway)
    assert _SECRET not in said


def _query_is_read(body: bytes, status: int, handle: TaskHandle) -> None:
    """The answer to a query of a task, which is what is believed in the end."""
    seen, document = read_task(handle, status, {"retry-after": "3"}, body, now=1.8e9)
    sound_observation(seen, status=status)
    assert isinstance(document, dict)


# --- where the fuzzer begins


def words() -> Iterator[str]:
    """Names of a callback's fields, phases, states and URLs."""
    yield from PHASES
    yield from (
        '"task_id":',
        '"taskId":',
        '"callbackType":',
        '"callback_type":',
        '"data":',
        '"code":',
        '"msg":',
        '"status":',
    )
    yield from (
        '"vocal_removal_info":',
        '"images":',
        '"audio_wav_url":',
        '"video_url":',
        '"audioUrl":',
        '"errorMessage":',
    )
    yield from (
        "https://",
        "http://h/",
        "_url",
        "Url",
        f"?{MARK_PARAMETER}=",
        f"&{MARK_PARAMETER}=a-1",
        "#",
        "?",
        "&",
        "=",
    )
    yield from ("200", "\ufeff", _SECRET, '"family":', '"route":', '"gateway":', '"created_at":', '"key_id":')
    yield from sorted({path[-1] for task in TASKS.values() for path in (*task.states, *task.results, *task.ids)})
    yield from sorted({state for task in TASKS.values() for state in task.success | task.failed | task.open})


def seeds() -> Iterator[bytes]:
    """Callbacks in both forms, of each product, garbled ones, URLs with and without marks, handles, queries."""
    for url in _URLS:
        yield written(["json", url, "t-1", "complete"], body='{"task_id":"t-1","callbackType":"complete","msg":"all"}')
    for phase in (*PHASES, "other"):
        song = {"audio_url": "https://cdn/a.mp3", "image_url": "https://cdn/i.png", "id": "s"}
        wrapped = {"code": 200, "msg": _SECRET, "data": {"callbackType": phase, "task_id": "t-1", "data": [song, song]}}
        yield written(["json", _URLS[0], "t-1", phase], body=json.dumps(wrapped))
        yield written(["json", _URLS[0], "t-1", phase], body=json.dumps({"taskId": 77, "callbackType": phase, **song}))
    for body in _PRODUCTS:
        yield written(["json", _URLS[1], "t-1", "200"], body=body)
        yield written(["raw", _URLS[1], "t-1", "200"], body=body)
    for handle in _HANDLES:
        yield written(["raw", "", handle.route, "200"], body=handle.to_json())
        states = next(it for it in TASKS.values() if it.family is handle.family)
        path, document = states.states[0], ""
        for key in path:
            document += '{"' + key + '":'
        for state in sorted(states.success | states.failed | states.open):
            yield written(["json", "", handle.route, "200"], body=f'{document}"{state}"')


_URLS: Final = (
    f"https://app.example/hook?a=1&{MARK_PARAMETER}=acct-1#top",
    "https://app.example/hook",
    "/hook?x=1",
    f"{MARK_PARAMETER}=a-1&b=2?",
    "http://h?&&=&",
    "ftp://h/x",
    f"https://h/?{MARK_PARAMETER}=a&{MARK_PARAMETER}=b",
)
_PRODUCTS: Final = (
    '{"code":200,"data":{"task_id":"t","vocal_removal_info":{"vocal_url":"https://c/v","drums_url":null}}}',
    '{"code":200,"data":{"taskId":"t","images":["https://c/1","https://c/2"]}}',
    '{"code":200,"data":{"task_id":"t","images":["javascript:x","https://c/\\n","https://",7]}}',
    '{"code":451,"msg":"no","data":{"task_id":"t","audio_wav_url":"https://c/w"}}',
    '{"task_id":"t","task_id":"u","callbackType":"text"}',
    '{"data":{"task_id":"t"},"task_id":"t2","callbackType":"first"}',
    '{"task_id":"' + "x" * 200 + '","callbackType":"first"}',
    '{"task_id":["t"],"callbackType":{"a":1}}',
    "[" * 100,
    f'{{"task_id":"t","callbackType":"{_SECRET} is a sentence"}}',
)
