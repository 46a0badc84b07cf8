"""Gemini generateContent: one document, a stream of events, or one JSON array.

Must not know faults or sockets.
"""

from __future__ import annotations

from typing import Any, Final

from ..envelopes import envelope
from ..messages import Answer, array_stream, json_answer, sse, sse_stream
from .call import REPLY, Call, Handlers, tokens

__all__ = ["HANDLERS"]


def _piece(call: Call, ident: str, text: str, finish: str | None) -> dict[str, Any]:
    asked = tokens(call.document.get("contents"))
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    counts = {"promptTokenCount": asked, "candidatesTokenCount": len(REPLY), "totalTokenCount": asked + len(REPLY)}
    return {"candidates": [candidate], "usageMetadata": counts, "modelVersion": call.model, "responseId": ident}


def _generate(call: Call) -> Answer:
    return json_answer(_piece(call, call.mint(), "".join(REPLY), "STOP"))


def _stream(call: Call) -> Answer:
    ident = call.mint()
    pieces = [_piece(call, ident, text, None) for text in REPLY[:-1]] + [_piece(call, ident, REPLY[-1], "STOP")]
    failure = envelope(call.route.family, 503)
    if call.seen.argument("alt") != "sse":
        return array_stream(pieces, error=failure)
    return sse_stream([sse(piece) for piece in pieces], error_event=sse(failure))


HANDLERS: Final[Handlers] = {
    "POST /gemini/v1beta/models/{model}:generateContent": _generate,
    "POST /gemini/v1beta/models/{model}:streamGenerateContent": _stream,
}
