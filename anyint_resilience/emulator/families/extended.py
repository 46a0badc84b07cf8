"""Models, embeddings, images, audio and moderations.

Must not know faults or sockets.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from typing import Any, Final

from ..messages import Answer, binary, json_answer
from .call import Call, Handlers, tokens

__all__ = ["HANDLERS", "MODELS", "PICTURE"]

MODELS: Final = (
    # id, display name
    ("gpt-4o-mini", "GPT-4o mini"),
    ("gpt-5", "GPT-5"),
    ("claude-sonnet-5-5", "Claude Sonnet 5.5"),
    ("gemini-2.5-flash", "Gemini 2.5 Flash"),
    ("text-embedding-3-small", "Text Embedding 3 Small"),
    ("kling-3.0", "Kling 3.0"),
    ("kling-v3-omni", "Kling V3 Omni"),
    ("wan2.5-t2v-preview", "Wan 2.5"),
    ("V4_5", "Suno V4.5"),
)
"""The ids the models route lists. Any other id works too, but for those that contain "missing"."""

_MODERATION_WORDS: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PICTURE: Final = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\x00\xff"))
    + _chunk(b"IEND", b"")
)
"""One white pixel."""


def _models(call: Call) -> Answer:
    created = "2026-01-01T00:00:00Z"
    data = [{"id": ident, "display_name": name, "type": "model", "created_at": created} for ident, name in MODELS]
    ends = {"first_id": MODELS[0][0], "last_id": MODELS[-1][0]}
    return json_answer({"data": data, "has_more": False, **ends})


def _vector(text: str, size: int) -> list[float]:
    seed = zlib.crc32(text.encode())
    raw = [math.sin(seed % 997 + place) for place in range(size)]
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    return [value / length for value in raw]


def _embeddings(call: Call) -> Answer:
    asked = call.document.get("input")
    texts = asked if isinstance(asked, list) and asked and not isinstance(asked[0], int) else [asked]
    wanted = call.document.get("dimensions")
    size = wanted if isinstance(wanted, int) and 0 < wanted <= 4096 else 8
    packed = call.document.get("encoding_format") == "base64"
    data: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        vector = _vector(str(text), size)
        shown = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode() if packed else vector
        data.append({"object": "embedding", "index": index, "embedding": shown})
    count = tokens(asked)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return json_answer({"object": "list", "data": data, "model": call.model, "usage": usage})


def _images(call: Call) -> Answer:
    count = call.document.get("n")
    many = count if isinstance(count, int) and 0 < count <= 10 else 1
    if call.document.get("response_format") == "url":
        pictures = [{"url": call.result_url(call.mint("img_"), ".png")} for _ in range(many)]
    else:
        pictures = [{"b64_json": base64.b64encode(PICTURE).decode()} for _ in range(many)]
    return json_answer({"created": call.clock.wall(), "data": pictures})


def _speech(call: Call) -> Answer:
    # An MPEG frame header, then silence: enough for a test to know it for audio.
    return binary(b"\xff\xfb\x90\x00" + bytes(413), "audio/mpeg")


def _transcript(call: Call) -> Answer:
    return json_answer({"text": "Hello from the AnyInt emulator.", "usage": {"type": "duration", "seconds": 1}})


def _moderations(call: Call) -> Answer:
    result = {
        "flagged": False,
        "categories": dict.fromkeys(_MODERATION_WORDS, False),
        "category_scores": dict.fromkeys(_MODERATION_WORDS, 0.0),
        "category_applied_input_types": {word: ["text"] for word in _MODERATION_WORDS},
    }
    return json_answer({"id": call.mint("modr-"), "model": call.model, "results": [result]})


HANDLERS: Final[Handlers] = {
    "GET /openai/v1/models": _models,
    "GET /anthropic/v1/models": _models,
    "POST /openai/v1/embeddings": _embeddings,
    "POST /openai/v1/images/generations": _images,
    "POST /openai/v1/audio/speech": _speech,
    "POST /openai/v1/audio/transcriptions": _transcript,
    "POST /openai/v1/audio/translations": _transcript,
    "POST /openai/v1/moderations": _moderations,
}
