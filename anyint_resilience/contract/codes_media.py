"""The error codes of the DashScope, Kling, Suno and problem+json envelopes (contract 3.5-3.7 and 4).

Must not know how a body is read or what is done about a cause. Add a code: add a row.
"""

from __future__ import annotations

from typing import Final

from .rows import CodeRow, Envelope, rows
from .words import Cause, Certainty, Origin

__all__ = ["DASHSCOPE_ROWS", "GOOD_CODES", "KLING_ROWS", "PROBLEM_ROWS", "SUNO_ROWS"]

_D, _K, _S, _P = Envelope.DASHSCOPE, Envelope.KLING, Envelope.SUNO, Envelope.PROBLEM

GOOD_CODES: Final[dict[Envelope, int]] = {Envelope.SUNO: 200, Envelope.KLING: 0}
"""The one code of a number envelope that is no error."""

DASHSCOPE_ROWS: Final[tuple[CodeRow, ...]] = (
    *rows(
        _D,
        400,
        "InvalidParameter BadRequest.EmptyInput BadRequest.EmptyParameters BadRequest.EmptyModel InvalidURL"
        " UnsupportedOperation invalid_request_error InvalidSchema* FlowNotPublished",
        Cause.INVALID,
    ),
    *rows(_D, 400, "DataInspectionFailed data_inspection_failed CustomRoleBlocked FaqRuleBlocked", Cause.POLICY),
    *rows(_D, 400, "Arrearage", Cause.QUOTA, note="the account is overdue"),
    *rows(_D, 400, "InternalError.Algo", Cause.INVALID, note="for example a media URL without Content-Length"),
    *rows(_D, 401, "InvalidApiKey invalid_api_key", Cause.AUTH),
    *rows(_D, 403, "AccessDenied Workspace.AccessDenied", Cause.PERMISSION, text="forbidden"),
    *rows(_D, 403, "Model.AccessDenied AccessDenied.Unpurchased", Cause.MODEL),
    *rows(_D, 403, "AllocationQuota.FreeTierOnly", Cause.QUOTA),
    *rows(_D, 404, "ModelNotFound model_not_found", Cause.MODEL),
    *rows(_D, 404, "WorkSpaceNotFound NotFound", Cause.INVALID),
    *rows(_D, 408, "RequestTimeOut", Cause.TRANSIENT),
    *rows(_D, 413, "BadRequest.TooLarge", Cause.INVALID),
    *rows(_D, 415, "UnsupportedFileFormat", Cause.INVALID),
    *rows(
        _D,
        415,
        "BadRequest.InputDownloadFailed",
        Cause.INVALID,
        few=True,
        repeat=True,
        note="upstream could not fetch an input: it may have been its network",
    ),
    *rows(
        _D,
        429,
        "Throttling Throttling.RateQuota LimitRequests",
        Cause.RATE,
        note="service normally resumes within one minute",
    ),
    *rows(_D, 429, "Throttling.BurstRate", Cause.RATE, origin=Origin.ASSUMED),
    *rows(_D, 429, "Throttling.AllocationQuota insufficient_quota", Cause.RATE, text="alibaba quota"),
    *rows(_D, 429, "Throttling.*", Cause.RATE, origin=Origin.ASSUMED),
    *rows(_D, 429, "PrepaidBillOverdue PostpaidBillOverdue", Cause.QUOTA),
    *rows(_D, 429, "CommodityNotPurchased", Cause.PERMISSION, note="the service or model was not bought"),
    *rows(
        _D,
        500,
        "InternalError InternalError.Algo InternalError.Timeout SystemError ModelServiceFailed RewriteFailed"
        " RetrivalFailed AppProcessFailed InvokePluginFailed",
        Cause.SERVER,
    ),
    *rows(_D, 503, "ModelUnavailable", Cause.TRANSIENT),
)

KLING_ROWS: Final[tuple[CodeRow, ...]] = (
    *rows(
        _K,
        401,
        "1000 1001 1002 1003 1004",
        Cause.AUTH,
        few=True,
        repeat=True,
        note="behind AnyInt this is the gateway's own upstream token: tell AnyInt support",
    ),
    *rows(_K, 429, "1100", Cause.QUOTA, note="an exception of the account; HTTP 429 is no rate limit here"),
    *rows(_K, 429, "1101", Cause.QUOTA, note="the account is in arrears; HTTP 429 is no rate limit here"),
    *rows(_K, 429, "1102", Cause.QUOTA, note="the resource pack is used up or expired; HTTP 429 is no rate limit here"),
    *rows(_K, 403, "1103", Cause.MODEL, note="no right to this API or model"),
    *rows(_K, 400, "1200 1201", Cause.INVALID),
    *rows(_K, 404, "1202", Cause.INVALID, note="wrong method"),
    *rows(_K, 404, "1203", Cause.MODEL, note="a resource, such as the model, does not exist"),
    *rows(_K, 400, "1300", Cause.POLICY, note="platform policy"),
    *rows(_K, 400, "1301", Cause.POLICY, note="content safety policy"),
    *rows(_K, 429, "1302", Cause.RATE, note="requests came too often"),
    *rows(
        _K,
        429,
        "1303",
        Cause.RATE,
        least=1.0,
        note="too many tasks at once: a slot is held until a task ends, so queue and begin at 1 s or more",
    ),
    *rows(_K, 429, "1304", Cause.PERMISSION, note="IP whitelist; HTTP 429 is no rate limit here"),
    *rows(_K, 500, "5000", Cause.SERVER),
    *rows(_K, 503, "5001", Cause.TRANSIENT, least=5.0, note="maintenance"),
    *rows(_K, 504, "5002", Cause.TRANSIENT, note="an internal time-out or backlog: the task may exist"),
)

_SUNO_LIMIT: Final = "not to be confused with 429, which means here that the quota is used up"
SUNO_ROWS: Final[tuple[CodeRow, ...]] = (
    *rows(
        _S,
        None,
        "400",
        Cause.INVALID,
        origin=Origin.ANYINT,
        note="for cover art: it was already made, and data.taskId names the existing task",
    ),
    *rows(_S, None, "401", Cause.AUTH, origin=Origin.ANYINT),
    *rows(_S, None, "402", Cause.QUOTA, note="not enough credits"),
    *rows(_S, None, "404", Cause.INVALID, note="wrong method or path"),
    *rows(_S, None, "405", Cause.RATE, origin=Origin.ANYINT, note=_SUNO_LIMIT),
    *rows(_S, None, "408", Cause.TRANSIENT, certainty=Certainty.UNKNOWN),
    *rows(_S, None, "409", Cause.INVALID, note="the WAV record already exists: look it up"),
    *rows(_S, None, "413", Cause.INVALID, origin=Origin.ANYINT, note="text too long (a callback: existing artwork)"),
    *rows(_S, None, "422", Cause.INVALID),
    *rows(_S, None, "429", Cause.QUOTA, origin=Origin.ANYINT, note="a body code 429 means that the quota is used up"),
    *rows(_S, None, "430", Cause.RATE, origin=Origin.ANYINT, note=_SUNO_LIMIT),
    *rows(_S, None, "455", Cause.TRANSIENT, origin=Origin.ANYINT, least=5.0, note="system maintenance: wait long"),
    *rows(_S, None, "500", Cause.SERVER, certainty=Certainty.UNKNOWN, origin=Origin.ANYINT),
    *rows(_S, None, "501", Cause.SERVER, certainty=Certainty.UNKNOWN, few=True, note="audio generation failed"),
    *rows(_S, None, "531", Cause.TRANSIENT, note="it failed and credits are refunded"),
)

PROBLEM_ROWS: Final[tuple[CodeRow, ...]] = (
    *rows(_P, 429, "quota-exceeded", Cause.RATE, text="limit", note="a quota of the draft may be a rate limit"),
    *rows(_P, 503, "temporary-reduced-capacity", Cause.TRANSIENT),
    *rows(_P, 429, "abnormal-usage-detected", Cause.RATE, repeat=False, note="stop: the usage looks abnormal"),
)
