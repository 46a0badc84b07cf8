"""What is posted to a music callback URL. Must not know any client, clock, store or server.

Pure and bounded: a body anybody may have sent becomes a ``Callback`` or a ``ValueError``, and no text of it stands in
an error. Origin: contract section 6, "Webhooks, music", with 1.4 for ids and 3.7 for codes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeGuard

from ..contract.codes_media import GOOD_CODES
from ..contract.errors import Envelope
from ..contract.tasks import Path
from ..policy.bodies import first, is_object, values_at
from ..policy.echoes import task_id_of, word_of
from ..policy.envelopes import message_of

__all__ = ["PHASES", "Callback", "is_web", "parse_callback", "phase_rank"]

PHASES: Final[tuple[str, ...]] = ("text", "first", "complete", "error")
"""The phases of a song, in order; ``error`` is upstream's. Some may be skipped, and they may come out of order."""

_RANKS: Final = {"text": 1, "first": 2, "complete": 3, "error": 3}
_FINAL: Final = frozenset({"complete", "error"})
_GOOD_CODE: Final = str(GOOD_CODES[Envelope.SUNO])

_MAX_BODY: Final = 1_048_576  # bytes
_MAX_ID: Final = 128
_MAX_MESSAGE: Final = 256
_MAX_RESULTS: Final = 64
_MAX_RESULT: Final = 4096

_IDS: Final = ("task_id", "taskId")
_PHASE_PATHS: Final[tuple[Path, ...]] = (("callbackType",), ("callback_type",))
_MESSAGE_PATHS: Final[tuple[Path, ...]] = (("msg",), ("message",), ("errorMessage",))
_STEMS: Final = ("vocal_removal_info", "vocalRemovalInfo")
_ONE_PHASE: Final = (*_STEMS, "images", "audio_wav_url", "audioWavUrl", "video_url", "videoUrl")
"""Products of tasks that call back once and name no phase (upstream): stems, cover art, wav, mp4."""

_RESULT_KEYS: Final = (
    *("audio_url", "audioUrl", "audio_wav_url", "audioWavUrl", "video_url", "videoUrl"),
    *("stream_audio_url", "streamAudioUrl", "image_url", "imageUrl"),
)
_RESULT_PATHS: Final[tuple[Path, ...]] = (
    *((*place, key) for key in _RESULT_KEYS for place in (("data", "[]"), ("data",), ())),
    ("images", "[]"),
)

_WEB: Final = re.compile(r"https?://[^/?#\\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What a callback claims. No signature is documented for music callbacks, so it is a claim by whoever posted it.

    Success is believed only after a query of the task (contract section 6), and so is failure. ``phase`` is in lower
    case, one of ``PHASES`` or a word nobody documented; a callback that names none has ``complete`` or ``error`` from
    its product or code. ``results`` are the URLs it names, at most 64; they may be signed, so they are not shown.
    ``code`` is the body's own (``?`` where it is not shaped like one), ``message`` at most 256 characters that may say
    anything. ``wrapped`` tells upstream's form from AnyInt's flat one; ``document`` is the whole body.
    """

    task_id: str
    phase: str
    results: tuple[str, ...] = field(default=(), repr=False)
    code: str | None = None
    message: str = field(default="", repr=False)
    wrapped: bool = False
    document: Mapping[str, object] = field(repr=False, hash=False)

    @property
    def final(self) -> bool:
        """Whether no later phase is to come, if the claim is true."""
        return self.phase in _FINAL

    @property
    def failed(self) -> bool:
        """Whether it claims a failure: by its phase, or by a wrapped code that is not 200."""
        return self.phase == "error" or (self.wrapped and self.code not in (None, _GOOD_CODE))


def phase_rank(phase: str) -> int:
    """Return how late a phase is: of two callbacks of a task the higher one stands. Unknown words are 0, the lowest."""
    return _RANKS.get(phase.lower(), 0)


def parse_callback(body: bytes | bytearray | str | Mapping[str, object]) -> Callback:
    """Read the body of a callback, or the JSON object a framework made of it.

    Raises ValueError, whose text never quotes the body, where it is over 1 MiB, no JSON object, nested too deeply,
    names no phase, or no task id that can be used: up to 128 printable characters without spaces, one and the same
    wherever it stands.
    """
    root = body if is_object(body) else _object(body)
    inner = root.get("data")
    wrapped = is_object(inner)
    # Who wraps may still leave a fact outside: what is inside counts first.
    levels = (inner, root) if is_object(inner) else (root,)
    code = _code(root.get("code"))
    return Callback(
        task_id=_task_id(levels),
        phase=_phase(levels, code),
        results=_results(levels[0]),
        code=code,
        message=_message(levels),
        wrapped=wrapped,
        document=root,
    )


# --- the body


class _TwoIds(ValueError):
    """One JSON object gives two ids under one name."""


def _object(body: object) -> Mapping[str, object]:
    document, problem = _loaded(body)
    if is_object(document):
        return document
    # Raised out here: the decoder's own error, even as a context, would carry the body along.
    raise ValueError(f"the callback's body {problem}")


def _loaded(body: object) -> tuple[object, str]:
    """Return the JSON of a body, and what is wrong with it if that is no object."""
    if not isinstance(body, (bytes, bytearray, str)):
        return None, "is neither bytes, nor text, nor a mapping"
    if len(body) > _MAX_BODY or (isinstance(body, str) and len(body.encode("utf-8", "replace")) > _MAX_BODY):
        return None, "is over 1 MiB"
    try:
        text = body.removeprefix("\ufeff") if isinstance(body, str) else body.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_once), "is no JSON object"
    except RecursionError:
        return None, "is nested too deeply"
    except _TwoIds:
        return None, "names two task ids"
    except ValueError:
        return None, "is not JSON"


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its members. Of a name that stands twice the last counts, but an id must be the same."""
    made = dict(pairs)
    if len(made) < len(pairs) and any(key in _IDS and value != made[key] for key, value in pairs):
        raise _TwoIds
    return made


# --- what it says


def _task_id(levels: tuple[Mapping[str, object], ...]) -> str:
    said = [level[key] for level in levels for key in _IDS if level.get(key) is not None]
    if not said:
        raise ValueError("the callback names no task id")
    ids = {_id(value) for value in said}
    if None in ids:
        raise ValueError("the callback's task id cannot be used: it must be 1 to 128 printable characters, no spaces")
    if len(ids) > 1:
        raise ValueError("the callback names two task ids")
    return str(ids.pop())


def _id(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**_MAX_ID:
        value = str(value)  # of any length: a counter of 64 bits has up to 20 digits
    text = task_id_of(value)
    # Stricter than with the gateway's own answers: what a stranger says is not put right.
    return text if text == value and text is not None and len(text) <= _MAX_ID else None


def _phase(levels: tuple[Mapping[str, object], ...], code: str | None) -> str:
    for level in levels:
        for path in _PHASE_PATHS:
            for value in values_at(level, path):
                word = word_of(value.strip().lower()) if isinstance(value, str) else ""
                if not word:
                    raise ValueError("the callback's phase is not a word")
                return word
    if code not in (None, _GOOD_CODE):
        return "error"
    if any(levels[0].get(key) is not None for key in _ONE_PHASE):
        return "complete"
    raise ValueError("the callback names no phase")


def _code(value: object) -> str | None:
    """Return a code as text. One that is there but is no code must not pass for none, nor be shown."""
    if value is None or value == "":
        return None
    return word_of(first(value, ((),))) or "?"


def _message(levels: tuple[Mapping[str, object], ...]) -> str:
    for level in reversed(levels):
        for path in _MESSAGE_PATHS:
            for value in values_at(level, path):
                text = message_of(value)[:_MAX_MESSAGE]
                if text:
                    return text
    return ""


def _results(said: Mapping[str, object]) -> tuple[str, ...]:
    claimed = [value for path in _RESULT_PATHS for value in values_at(said, path)]
    for key in _STEMS:
        stems = said.get(key)
        if is_object(stems):
            claimed += [url for name, url in stems.items() if str(name).endswith(("_url", "Url"))]
    return tuple(dict.fromkeys(url for url in claimed if _is_result(url)))[:_MAX_RESULTS]


def _is_result(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) < _MAX_RESULT and is_web(value)


def is_web(url: str) -> bool:
    """Tell whether a text is an http or https URL."""
    return _WEB.match(url) is not None and url.isprintable()
