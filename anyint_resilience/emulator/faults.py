"""The fault catalogue: what can go wrong with one answer, as data, in Python and in JSON.

Must not know sockets, routes or how a fault is carried out (``wire.py`` does).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from ..contract.words import Family
from .envelopes import envelope

__all__ = ["Fault", "JsonBody"]

JsonBody = object
"""A fault's body: bytes and str go out as they are, anything else as JSON."""

_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "reset": ("before_headers", "after_headers", "mid_body"),
    "stall": ("before_headers", "after_headers", "mid_body"),
    "garbage": ("not_http", "json"),
    "line_end": ("crlf", "cr"),
}
_ENDINGS: Final = ("reset", "half_close", "stall", "truncate", "cut_stream_after")
_SWITCHES: Final = ("half_close", "drop_terminator", "error_event", "malformed_event", "gzip")
_MOST_BEATS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong with one answer. Without any field set the answer is a normal one.

    status:           answer with this status; without ``body`` the route's family writes its usual error.
                      1xx: sent before the normal answer.
    body:             answer with this body (bytes or str as they are, anything else as JSON).
    headers:          added to the answer; a mapping or pairs (a name may come twice). A name that is there is replaced.
    delay_headers:    seconds before anything is sent.
    delay_body:       seconds between the headers and the body.
    reset:            TCP reset (RST) before the headers, after them, or in the middle of the body.
    half_close:       the server shuts its writing side without an answer and waits for the client to leave.
    truncate:         this many bytes of the body, then FIN, though more were promised.
    stall:            before the headers, after them, or in the middle of the body: nothing more is sent until the
                      client gives up (60 s at most).
    garbage:          ``not_http``: bytes that are no HTTP; ``json``: a good status with broken JSON.
    cut_stream_after: this many events of a stream, then FIN (a clean end together with ``drop_terminator``).
    drop_terminator:  a stream without its terminal event, but with a clean end.
    error_event:      a stream that says it failed: after ``cut_stream_after`` events (default 0) the family's error
                      event, then a clean end.
    malformed_event:  one event more, in the middle of a stream, whose data is broken JSON (none in a JSON array).
    keep_alive:       with ``delay_body`` or a stall after the headers, seconds between what is sent meanwhile: comments
                      in a stream of events (Anthropic: ``ping`` events), blanks in any other body. The first: at once.
    line_end:         ``crlf`` or ``cr``: how the lines of a stream of events end instead of with LF.
    gzip:             the body is compressed, each piece so that it can be read at once, and its headers say so.
    process:          whether the work is done (a task is created) although the fault follows. Default: False where the
                      fault replaces the answer or hides it (status, body, garbage, reset, half_close,
                      stall before the headers), True for the others.
    """

    status: int | None = None
    body: JsonBody = None
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    delay_headers: float = 0.0
    delay_body: float = 0.0
    reset: Literal["before_headers", "after_headers", "mid_body"] | None = None
    half_close: bool = False
    truncate: int | None = None
    stall: Literal["before_headers", "after_headers", "mid_body"] | None = None
    garbage: Literal["not_http", "json"] | None = None
    cut_stream_after: int | None = None
    drop_terminator: bool = False
    error_event: bool = False
    malformed_event: bool = False
    keep_alive: float | None = None
    line_end: Literal["crlf", "cr"] | None = None
    gzip: bool = False
    process: bool | None = None

    def __post_init__(self) -> None:
        problems: list[str] = []
        object.__setattr__(self, "headers", _pairs(self.headers, problems))
        problems += _problems(self)
        if problems:
            raise ValueError("bad fault: " + "; ".join(problems))

    @classmethod
    def error(
        cls,
        status: int,
        *,
        family: Family | str | None = None,
        code: str | int | None = None,
        message: str | None = None,
        details: object = None,
        retry_after: str | float | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        process: bool | None = None,
    ) -> Fault:
        """Make the error answer a family would give; without a family AnyInt's own (OpenAI's) envelope.

        ``Fault.error(429, code="insufficient_quota")``, ``Fault.error(200, family="suno", code=430)``,
        ``Fault.error(503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")``.
        """
        known = None if family is None else Family(family)
        pairs = list(_pairs(headers, []))
        if retry_after is not None:
            pairs.append(("retry-after", str(retry_after)))
        body = envelope(known, status, code=code, message=message, details=details)
        return cls(status=status, body=body, headers=pairs, process=process)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """The headers as pairs."""
        return tuple(self.headers)  # type: ignore[arg-type]  # made so when the fault was made

    @property
    def replaces(self) -> bool:
        """Whether another answer stands in the normal one's place."""
        return (self.status is not None and self.status >= 200) or self.body is not None or self.garbage is not None

    @property
    def processes(self) -> bool:
        """Whether the work is done all the same."""
        if self.process is not None:
            return self.process
        return not (self.replaces or self.reset is not None or self.half_close or self.stall == "before_headers")

    @property
    def name(self) -> str:
        """A short name for logs: ``status 429``, ``reset before_headers, process``."""
        parts = [
            item.name if value is True else f"{item.name} {value}"
            for item in fields(self)
            if item.name not in ("body", "headers") and (value := getattr(self, item.name)) != item.default
        ]
        return ", ".join(parts) if parts else "custom answer" if self.body is not None or self.pairs else "none"

    @classmethod
    def from_json(cls, document: object) -> Fault:
        """Make a fault out of a decoded JSON object; raises ValueError that names every problem.

        ``body_base64`` stands for a body of raw bytes; ``retry_after`` (seconds, or a date as text) for that header.
        """
        if not isinstance(document, Mapping):
            raise ValueError(f"bad fault: a JSON object is needed, not {type(document).__name__}")
        values = {str(key): value for key, value in document.items()}
        raw, after = values.pop("body_base64", None), values.pop("retry_after", None)
        if raw is not None:
            try:
                values["body"] = base64.b64decode(raw, validate=True)
            except (TypeError, binascii.Error) as error:
                raise ValueError(f"bad fault: body_base64: {error}") from None
        if after is not None and not isinstance(after, str) and not _duration(after):
            raise ValueError(f"bad fault: retry_after must be seconds or a date, not {after!r}")
        known = {item.name for item in fields(cls)}
        strange = sorted(set(values) - known)
        if strange:
            known |= {"body_base64", "retry_after"}
            raise ValueError(f"bad fault: unknown fields {', '.join(strange)}; known: {', '.join(sorted(known))}")
        headers = values.get("headers")
        if isinstance(headers, list):
            values["headers"] = [tuple(pair) if isinstance(pair, list) else pair for pair in headers]
        fault = cls(**values)
        return fault if after is None else replace(fault, headers=(*fault.pairs, ("retry-after", str(after))))

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are set, ready for ``json.dumps``."""
        shown = {item.name: value for item in fields(self) if (value := getattr(self, item.name)) != item.default}
        if isinstance(self.body, (bytes, bytearray)):
            shown.pop("body", None)
            shown["body_base64"] = base64.b64encode(self.body).decode()
        if "headers" in shown:
            shown["headers"] = [list(pair) for pair in self.pairs]
        return shown

    def body_bytes(self) -> tuple[bytes, str]:
        """Return the body and the content type that fits it."""
        if isinstance(self.body, (bytes, bytearray)):
            raw = bytes(self.body)
        elif isinstance(self.body, str):
            raw = self.body.encode()
        else:
            return json.dumps(self.body).encode(), "application/json"
        start = raw.lstrip()[:1]
        kind = {b"{": "application/json", b"[": "application/json", b"<": "text/html"}.get(start, "text/plain")
        return raw, kind


def _pairs(headers: object, problems: list[str]) -> tuple[tuple[str, str], ...]:
    """Read a mapping or pairs into pairs of strings, noting what is neither."""
    source: object = list(headers.items()) if isinstance(headers, Mapping) else headers
    if isinstance(source, (str, bytes)) or not isinstance(source, Iterable):
        problems.append(f"headers must be a mapping or pairs, not {type(headers).__name__}")
        return ()
    pairs: list[tuple[str, str]] = []
    for pair in source:
        match pair:
            case (str(name), str() | int() | float() as value):
                pairs.append((name, str(value)))
            case _:
                problems.append(f"headers: {pair!r} is not a pair of a name and a value")
    return tuple(pairs)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _duration(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) and value >= 0


def _problems(fault: Fault) -> list[str]:
    """Name everything that is wrong with a fault."""
    rules: list[tuple[tuple[str, ...], Callable[[Any], bool], str]] = [
        (("status",), lambda it: it is None or (_whole(it) and 100 <= it <= 999), "100-999"),
        (("delay_headers", "delay_body"), _duration, "a number of seconds >= 0"),
        (("truncate", "cut_stream_after"), lambda it: it is None or (_whole(it) and it >= 0), "a whole number >= 0"),
        (("keep_alive",), lambda it: it is None or (_duration(it) and it > 0), "a number of seconds > 0"),
        (_SWITCHES, lambda it: isinstance(it, bool), "true or false"),
        (("process",), lambda it: it is None or isinstance(it, bool), "true, false or null"),
    ]
    found = [
        f"{name} must be {wanted}, not {getattr(fault, name)!r}"
        for names, good, wanted in rules
        for name in names
        if not good(getattr(fault, name))
    ]
    found += [
        f"{name} must be one of {', '.join(choices)}, not {getattr(fault, name)!r}"
        for name, choices in _CHOICES.items()
        if getattr(fault, name) not in (None, *choices)
    ]
    if not isinstance(fault.body, (bytes, bytearray, str)):
        try:
            json.dumps(fault.body)
        except (TypeError, ValueError, RecursionError) as error:
            found.append(f"body is not JSON: {error}")
    endings = [name for name in _ENDINGS if getattr(fault, name) not in (None, False)]
    endings += ["garbage not_http"] if fault.garbage == "not_http" else []
    if fault.keep_alive is not None and not found:
        if not fault.delay_body and fault.stall in (None, "before_headers"):
            found.append("keep_alive needs delay_body, or a stall after the headers")
        elif fault.delay_body / fault.keep_alive > _MOST_BEATS:
            found.append(f"keep_alive: more than {_MOST_BEATS} of them in delay_body")
    if len(endings) > 1:
        found.append(f"an answer can end in one way only, not in {' and '.join(endings)}")
    return found
