"""The error codes of the OpenAI, Anthropic and Google envelopes (contract 3.2-3.4).

Must not know how a body is read or what is done about a cause. Add a code: add a row.
"""

from __future__ import annotations

from typing import Final

from .rows import CodeRow, Envelope, rows
from .words import Cause, Certainty, Origin

__all__ = [
    "ANTHROPIC_ROWS",
    "DAILY_QUOTA_IDS",
    "GOOGLE_DAILY",
    "GOOGLE_LONG",
    "GOOGLE_LONG_WAIT",
    "GOOGLE_ROWS",
    "OPENAI_ROWS",
]

_O, _A, _G = Envelope.OPENAI, Envelope.ANTHROPIC, Envelope.GOOGLE

OPENAI_ROWS: Final[tuple[CodeRow, ...]] = (
    *rows(_O, 400, "invalid_request_error", Cause.INVALID, origin=Origin.ANYINT, coarse=True, text="bad request"),
    *rows(_O, 400, "context_length_exceeded", Cause.INVALID),
    *rows(
        _O,
        400,
        "content_policy_violation content_filter moderation_blocked data_inspection_failed",
        Cause.POLICY,
        origin=Origin.ASSUMED,
    ),
    *rows(_O, 401, "invalid_api_key authentication_error", Cause.AUTH, origin=Origin.ANYINT, text="unauthorized"),
    *rows(_O, 401, "auth_error", Cause.AUTH, note="LiteLLM's word"),
    *rows(_O, 403, "unsupported_country_region_territory", Cause.PERMISSION),
    *rows(_O, 403, "permission_error permission_denied", Cause.PERMISSION, text="forbidden"),
    *rows(
        _O,
        403,
        "key_model_access_denied team_model_access_denied",
        Cause.MODEL,
        note="the key may not use this model (LiteLLM)",
    ),
    *rows(_O, 404, "model_not_found model_not_available", Cause.MODEL),
    *rows(_O, 404, "not_found_error", Cause.INVALID, coarse=True, text="not found"),
    *rows(
        _O,
        429,
        "rate_limit_exceeded rate_limit_error",
        Cause.RATE,
        origin=Origin.ANYINT,
        text="limit",
        note="it does not tell which limit: throttle, key, team or subscription cap",
    ),
    *rows(_O, 429, "requests tokens", Cause.RATE, coarse=True, text="limit"),
    *rows(_O, 429, "throttling_error limit_requests limit_burst_rate", Cause.RATE),
    *rows(_O, 429, "slow_down", Cause.RATE, note="traffic grew too fast: reduce the pace"),
    *rows(_O, 429, "insufficient_quota", Cause.QUOTA, text="alibaba quota"),
    *rows(
        _O,
        429,
        "credit_balance_exhausted organization_spend_limit_exceeded project_spend_limit_exceeded"
        " organization_usage_limit_exceeded",
        Cause.QUOTA,
    ),
    *rows(_O, 429, "billing_hard_limit_reached", Cause.QUOTA, origin=Origin.ASSUMED),
    *rows(_O, 429, "budget_exceeded", Cause.QUOTA, note="a key or team budget (LiteLLM; older versions answer 400)"),
    *rows(
        _O,
        402,
        "billing_error insufficient_balance insufficient_credits insufficient_user_quota",
        Cause.QUOTA,
        origin=Origin.ASSUMED,
    ),
    *rows(_O, 500, "server_error internal_server_error api_error", Cause.SERVER, coarse=True, text="overload"),
    *rows(
        _O,
        502,
        "upstream_error",
        Cause.TRANSIENT,
        origin=Origin.FIELD,
        coarse=True,
        few=True,
        note="a relay hides an upstream 401, 403 or 5xx behind this; a replay of the same call has succeeded",
    ),
    *rows(_O, 503, "server_is_overloaded", Cause.TRANSIENT),
    *rows(_O, 503, "service_unavailable_error", Cause.TRANSIENT, coarse=True),
    *rows(_O, 529, "overloaded_error", Cause.TRANSIENT, certainty=Certainty.REJECTED),
    # what a failed background response or a response.failed event says
    *rows(_O, None, "invalid_prompt empty_image_file unsupported_image_media_type", Cause.INVALID),
    *rows(_O, None, "failed_to_download_image image_file_not_found", Cause.INVALID),
    *rows(_O, None, "image_content_policy_violation bio_policy misalignment_policy_violation", Cause.POLICY),
    *rows(_O, None, "vector_store_timeout", Cause.TRANSIENT, certainty=Certainty.UNKNOWN),
    *rows(_O, None, "data_residency_mismatch", Cause.PERMISSION),
    *rows(_O, None, "invalid_image* image_*", Cause.INVALID),
)

ANTHROPIC_ROWS: Final[tuple[CodeRow, ...]] = (
    *rows(_A, 400, "invalid_request_error", Cause.INVALID, coarse=True, text="bad request"),
    *rows(_A, 400, "request_body_timeout", Cause.TRANSIENT, origin=Origin.ASSUMED),
    *rows(_A, 401, "authentication_error", Cause.AUTH),
    *rows(
        _A,
        402,
        "billing_error linked_organization_billing_unavailable linked_organization_spend_limit_reached",
        Cause.QUOTA,
    ),
    *rows(_A, 403, "permission_error", Cause.PERMISSION, text="forbidden"),
    *rows(_A, 404, "not_found_error", Cause.INVALID, text="not found"),
    *rows(_A, 409, "conflict_error", Cause.TRANSIENT, few=True, note="resolve the conflict; one repeat is reasonable"),
    *rows(_A, 413, "request_too_large", Cause.INVALID, note="in Anthropic's documents, not in its SDK's types"),
    *rows(_A, 429, "rate_limit_error", Cause.RATE, text="limit"),
    *rows(_A, 429, "ramp_limit_exceeded", Cause.RATE, note="traffic grew too fast"),
    *rows(
        _A,
        429,
        "enforced_spend_limit_reached contract_spend_limit_reached",
        Cause.QUOTA,
        note="a spend cap; a tier's cap opens again on the first of next month, 00:00 UTC",
    ),
    *rows(_A, 500, "api_error", Cause.SERVER, coarse=True, text="overload"),
    *rows(_A, 504, "timeout_error", Cause.TRANSIENT),
    *rows(_A, 529, "overloaded_error", Cause.TRANSIENT, certainty=Certainty.REJECTED, note="Anthropic is overloaded"),
    # typed classes of its SDK, by HTTP status alone
    *rows(_A, 408, "", Cause.TRANSIENT, origin=Origin.ASSUMED),
    *rows(_A, 499, "", Cause.TRANSIENT, origin=Origin.ASSUMED, note="somebody on the way closed the connection"),
    *rows(_A, 412, "", Cause.INVALID, origin=Origin.ASSUMED),
    *rows(_A, 422, "", Cause.INVALID),
    *rows(_A, 431, "", Cause.INVALID, origin=Origin.ASSUMED),
    *rows(_A, 501, "", Cause.INVALID, origin=Origin.ASSUMED),
    *rows(_A, 503, "", Cause.TRANSIENT),
)

GOOGLE_LONG_WAIT: Final = 300.0
"""A RetryInfo above this many seconds is a quota, not a throttle (gemini-cli's rule)."""

DAILY_QUOTA_IDS: Final = ("perday", "daily")
"""Parts of a ``quotaId``, in lower case, that make a 429 a quota (gemini-cli's rule)."""

GOOGLE_DAILY: Final = "quotafailure:perday"
GOOGLE_LONG: Final = "retryinfo:long"
"""What stands for a daily ``quotaId`` and for a long RetryInfo in the rows below."""

GOOGLE_ROWS: Final[tuple[CodeRow, ...]] = (
    *rows(_G, 400, "INVALID_ARGUMENT", Cause.INVALID),
    *rows(_G, 400, "FAILED_PRECONDITION", Cause.PERMISSION, text="billing region", note="no billing here, perhaps"),
    *rows(_G, 401, "UNAUTHENTICATED", Cause.AUTH),
    *rows(_G, 403, "PERMISSION_DENIED", Cause.PERMISSION),
    *rows(_G, 404, "NOT_FOUND", Cause.MODEL),
    *rows(_G, 429, "RESOURCE_EXHAUSTED", Cause.RATE, text="google limit"),
    *rows(_G, 402, "RESOURCE_EXHAUSTED", Cause.QUOTA, note="prepaid credits are used up"),
    *rows(_G, 499, "CANCELLED", Cause.TRANSIENT, note="somebody on the way closed the connection"),
    *rows(_G, 500, "INTERNAL", Cause.SERVER, note="too long a context can cause it"),
    *rows(_G, 503, "UNAVAILABLE", Cause.TRANSIENT, note="the model is overloaded"),
    *rows(_G, 504, "DEADLINE_EXCEEDED", Cause.TRANSIENT, note="it may need a smaller input or a longer time-out"),
    # ErrorInfo reasons, which say more than the status
    *rows(_G, 400, "API_KEY_INVALID", Cause.AUTH),
    *rows(_G, 429, "RATE_LIMIT_EXCEEDED", Cause.RATE, text="google limit"),
    *rows(
        _G,
        429,
        "MODEL_CAPACITY_EXHAUSTED",
        Cause.TRANSIENT,
        repeat=False,
        text="google limit",
        note="stop asking this model: a candidate for a fallback",
    ),
    *rows(_G, 429, "QUOTA_EXHAUSTED INSUFFICIENT_G1_CREDITS_BALANCE", Cause.QUOTA),
    # made up by the reader from details that are no codes
    *rows(_G, 429, GOOGLE_DAILY, Cause.QUOTA, note="a quota counted per day"),
    *rows(_G, 429, GOOGLE_LONG, Cause.QUOTA, note="a wait this long is a quota, not a throttle"),
)
