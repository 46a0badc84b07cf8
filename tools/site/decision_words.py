"""Words for what the code only names: actions, certainties, origins, operations, kinds of exceptions, envelopes.

Must not know any rule. Each table must have a word for every member: ``complete`` says so before anything is made.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache

from anyint_resilience.contract import codes_media
from anyint_resilience.contract.rows import Envelope
from anyint_resilience.contract.words import Certainty, Family, Operation, Origin
from anyint_resilience.policy.model import Action, FaultKind

__all__ = ["ACTIONS", "CERTAINTIES", "ENVELOPES", "FAMILIES", "FAULTS", "OPERATIONS", "ORIGINS", "complete", "spelled"]

ACTIONS: Mapping[Action, str] = {
    Action.DELIVER: "hand the answer over",
    Action.NO_RETRY: "hand it over as it is; do not send the request again",
    Action.BACKOFF: "wait, then send the same request again",
    Action.POLL: "the task exists: ask how it stands, do not create it again",
    Action.FALLBACK: "send it to another model or host that you named",
}
CERTAINTIES: Mapping[Certainty, str] = {
    Certainty.NOT_SENT: "it never left",
    Certainty.REJECTED: "the server said no before doing the work",
    Certainty.UNKNOWN: "it may have been done, and billed",
    Certainty.COMMITTED: "it was done",
}
ORIGINS: Mapping[Origin, str] = {
    Origin.ANYINT: "a page of AnyInt's documentation",
    Origin.UPSTREAM: "the documentation or SDK of the provider whose API it is, or of the gateway software",
    Origin.FIELD: "seen in use, on no page",
    Origin.ASSUMED: "nobody states it: the careful reading",
}
OPERATIONS: Mapping[Operation, str] = {
    Operation.LIST: "reads a list",
    Operation.GENERATE: "answers with the result itself; billed, but keeps no state",
    Operation.STREAM: "the same, piece by piece",
    Operation.COUNT: "counts tokens; not billed",
    Operation.CREATE: "makes a paid task: a video, a song, a batch, a background response",
    Operation.QUERY: "asks how a task stands",
    Operation.DOWNLOAD: "fetches a file or what a task made",
    Operation.UPLOAD: "stores a file",
    Operation.OTHER: "anything else: the method decides",
}
FAULTS: Mapping[FaultKind, str] = {
    FaultKind.CONNECT_ERROR: "no connection: refused, unreachable, or the name was not found",
    FaultKind.CONNECT_TIMEOUT: "no connection in time",
    FaultKind.TLS_ERROR: "the TLS handshake failed for a reason that may pass",
    FaultKind.TLS_CERTIFICATE: "the certificate was not accepted",
    FaultKind.POOL_TIMEOUT: "no connection of the client's pool became free in time",
    FaultKind.PROXY_ERROR: "the proxy on the way failed",
    FaultKind.WRITE_ERROR: "the connection broke while the request was written",
    FaultKind.WRITE_TIMEOUT: "the request could not be written in time",
    FaultKind.READ_ERROR: "a reset or the end instead of an answer",
    FaultKind.READ_TIMEOUT: "no answer in time",
    FaultKind.PROTOCOL_ERROR: "no HTTP, or the server hung up without an answer",
    FaultKind.BODY_ERROR: "the headers came, the body broke off",
    FaultKind.LOCAL_ERROR: "the request could not be put on the wire",
    FaultKind.UNKNOWN: "an exception that no client documents",
}
ENVELOPES: Mapping[Envelope, str] = {
    Envelope.ANTHROPIC: "Anthropic",
    Envelope.GOOGLE: "Google",
    Envelope.OPENAI: "OpenAI, and AnyInt itself",
    Envelope.SUNO: "Suno",
    Envelope.KLING: "Kling",
    Envelope.DASHSCOPE: "DashScope",
    Envelope.PROBLEM: "problem+json (RFC 9457)",
}
FAMILIES: Mapping[Family, str] = {
    Family.OPENAI: "OpenAI",
    Family.ANTHROPIC: "Anthropic",
    Family.GEMINI: "Gemini",
    Family.DASHSCOPE: "DashScope",
    Family.KLING: "Kling",
    Family.SUNO: "Suno",
    Family.SEEDANCE: "Seedance",
}


def complete() -> Iterable[str]:
    """Return what has no word here."""
    for words, members in (
        (ACTIONS, Action),
        (CERTAINTIES, Certainty),
        (ORIGINS, Origin),
        (OPERATIONS, Operation),
        (FAULTS, FaultKind),
        (ENVELOPES, Envelope),
        (FAMILIES, Family),
    ):
        members_of: type[Enum] = members
        yield from (f"{members_of.__name__}.{it.name}" for it in members_of if it not in words)


def spelled(envelope: Envelope | None, word: str) -> str:
    """Return a code as its family writes it: the rows keep lower case, for codes are compared so."""
    if envelope is Envelope.GOOGLE:
        return word.upper()
    return _spellings().get(word, word) if envelope is Envelope.DASHSCOPE else word


@lru_cache(maxsize=1)
def _spellings() -> dict[str, str]:
    """Read the spellings off the source of the table; of two the one that is not all in lower case."""
    nodes = ast.walk(ast.parse(inspect.getsource(codes_media)))
    strings = (node.value for node in nodes if isinstance(node, ast.Constant))
    words = (word for text in strings if isinstance(text, str) for word in text.split())
    return {word.lower(): word for word in sorted(words, reverse=True)}
