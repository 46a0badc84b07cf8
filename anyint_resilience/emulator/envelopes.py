"""Error bodies as each family writes them: one table per family, from an HTTP status to its usual words.

Must not know faults, sockets or who asks.
"""

from __future__ import annotations

from typing import Any, Final

from ..contract.words import Family

__all__ = ["INVALID_JSON", "MISSING_MODEL", "envelope", "model_missing"]

MISSING_MODEL: Final = {
    "error": {"message": "Missing required field: model", "type": "invalid_request_error", "param": "model"}
}
"""The seed page's sample of an invalid request (AnyInt)."""

INVALID_JSON: Final = {
    "error": {"message": "Invalid JSON in request body", "type": "invalid_request_error", "param": None}
}

_OPENAI: Final[dict[int, tuple[str, str | None, str]]] = {
    # status: type, code, message (401 and 429 are the seed page's own words)
    400: ("invalid_request_error", None, "Invalid request"),
    401: ("authentication_error", "invalid_api_key", "Invalid or missing API key"),
    402: ("insufficient_quota", "insufficient_quota", "Your balance is used up"),
    403: ("permission_error", "access_denied", "Access blocked by subscription or policy"),
    404: ("invalid_request_error", "not_found", "Not found"),
    408: ("timeout_error", "request_timeout", "Request timed out"),
    409: ("conflict_error", "conflict", "The resource is locked"),
    413: ("invalid_request_error", "request_too_large", "Request too large"),
    422: ("invalid_request_error", "unprocessable_entity", "Unprocessable request"),
    429: ("rate_limit_error", "rate_limit_exceeded", "Rate limit exceeded"),
    500: ("server_error", "internal_server_error", "Internal server error"),
    502: ("upstream_error", "bad_gateway", "Upstream request failed"),
    503: ("service_unavailable_error", "upstream_unavailable", "Upstream temporarily unavailable"),
    504: ("timeout_error", "gateway_timeout", "Upstream timed out"),
}
_ANTHROPIC: Final[dict[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_GEMINI: Final[dict[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_DASHSCOPE: Final[dict[int, str]] = {
    400: "InvalidParameter",
    401: "InvalidApiKey",
    403: "AccessDenied",
    404: "ModelNotFound",
    408: "RequestTimeOut",
    429: "Throttling.RateQuota",
    500: "InternalError",
    503: "ModelUnavailable",
}
_KLING: Final[dict[int, int]] = {
    400: 1201,
    401: 1002,
    403: 1103,
    404: 1203,
    429: 1302,
    500: 5000,
    503: 5001,
    504: 5002,
}
_SUNO: Final[dict[int, int]] = {429: 430, 503: 455, 502: 455, 504: 455}  # body 429 would mean an exhausted quota


def envelope(
    family: Family | None,
    status: int,
    *,
    code: str | int | None = None,
    message: str | None = None,
    details: object = None,
) -> dict[str, Any]:
    """Return the error body a family sends with a status; ``code`` is the word or number rules read first.

    ``details`` goes where the family has such a place (Gemini ``details``, Anthropic ``details``).
    """
    if family is Family.ANTHROPIC:
        return _anthropic(status, code, message, details)
    if family is Family.GEMINI:
        return _gemini(status, code, message, details)
    if family is Family.DASHSCOPE:
        word = code if code is not None else _DASHSCOPE.get(status, "InternalError")
        return {"code": word, "message": message or f"{word} (HTTP {status})", "request_id": "emulated-dashscope"}
    if family is Family.KLING:
        number = code if code is not None else _KLING.get(status, 5000)
        return {"code": number, "message": message or f"error {number}", "request_id": "emulated-kling"}
    if family is Family.SUNO:
        number = code if code is not None else _SUNO.get(status, status)
        return {"code": number, "msg": message or f"error {number}", "data": None}
    return _openai(status, code, message)


def _openai(status: int, code: str | int | None, message: str | None) -> dict[str, Any]:
    fallback = ("server_error" if status >= 500 else "invalid_request_error", None, f"HTTP {status}")
    kind, usual, words = _OPENAI.get(status, fallback)
    if code == "insufficient_quota":
        kind = "insufficient_quota"  # upstream repeats the code as the type
    shown = code if code is not None else usual
    error: dict[str, Any] = {"message": message or words, "type": kind}
    return {"error": error if shown is None else {**error, "code": shown}}


def _anthropic(status: int, code: str | int | None, message: str | None, details: object) -> dict[str, Any]:
    usual = _ANTHROPIC.get(status, "api_error" if status >= 500 else "invalid_request_error")
    kind = code if code is not None else usual
    error: dict[str, Any] = {"type": kind, "message": message or f"{kind} (HTTP {status})"}
    if details is not None:
        error["details"] = details
    return {"type": "error", "error": error, "request_id": "req_emulated"}


def _gemini(status: int, code: str | int | None, message: str | None, details: object) -> dict[str, Any]:
    word = code if code is not None else _GEMINI.get(status, "UNKNOWN")
    error: dict[str, Any] = {"code": status, "message": message or f"{word} (HTTP {status})", "status": word}
    if details is not None:
        error["details"] = details
    return {"error": error}


def model_missing(family: Family | None, model: str) -> tuple[int, dict[str, Any]]:
    """Return status and body for a model the account does not have, in the family's own words."""
    said = f"The model `{model}` does not exist or you do not have access to it."
    if family is Family.ANTHROPIC:
        return 404, envelope(family, 404, message=f"model: {model}")
    if family is Family.GEMINI:
        return 404, envelope(family, 404, message=f"models/{model} is not found")
    if family in (Family.DASHSCOPE, Family.KLING):
        return 404, envelope(family, 404, message=said)
    if family is Family.SUNO:
        return 200, envelope(family, 400, message=said)  # Suno's codes arrive under HTTP 200
    error = {"message": said, "type": "invalid_request_error", "param": "model", "code": "model_not_found"}
    return 404, {"error": error}
