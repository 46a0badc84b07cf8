"""The words of the contract, shared by its tables and by everything that reads them.

Must not know any table, any rule or any client. ``Cause`` and ``Certainty`` stand here and not in
``policy`` because the code tables name them, and the contract may not import the policy.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["AuthStyle", "Cause", "Certainty", "Family", "Operation", "Origin"]


class _Word(str, Enum):
    """A string enum whose ``str()`` is its value on every Python."""

    __str__ = str.__str__


class Family(_Word):
    """What a route speaks."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    DASHSCOPE = "dashscope"
    KLING = "kling"
    SUNO = "suno"
    SEEDANCE = "seedance"


class Operation(_Word):
    """What a route does."""

    LIST = "list"
    GENERATE = "generate"
    STREAM = "stream"
    COUNT = "count"
    CREATE = "create"
    QUERY = "query"
    DOWNLOAD = "download"
    UPLOAD = "upload"
    OTHER = "other"


class Cause(_Word):
    """Why an attempt did not succeed."""

    INVALID = "invalid"
    AUTH = "auth"
    PERMISSION = "permission"
    MODEL = "model"
    RATE = "rate"
    QUOTA = "quota"
    POLICY = "policy"
    TRANSIENT = "transient"
    SERVER = "server"
    UNKNOWN = "unknown"


class Certainty(_Word):
    """What became of the request.

    ``not_sent``: it never left. ``rejected``: the server said no before doing the work.
    ``unknown``: it may have been done (and billed). ``committed``: it was done.
    """

    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    COMMITTED = "committed"


class AuthStyle(_Word):
    """How a family takes its key (AnyInt: errors-and-limits, overview)."""

    BEARER = "bearer"  # Authorization: Bearer <key>
    X_API_KEY = "x-api-key"  # x-api-key: <key>


class Origin(_Word):
    """Where a fact comes from."""

    ANYINT = "AnyInt"
    UPSTREAM = "upstream"
    FIELD = "field"
    ASSUMED = "assumed"
