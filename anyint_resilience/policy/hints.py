"""What the server said about time: headers and body fields -> ``Hint`` (contract section 4).

Must not know causes, rules, or any client's header class. Total: a value that is malformed, not finite, not in
the future or beyond ``MAX_HINT`` is as if it had not been sent, and the next source is asked. A date needs a
clock: ``now``, else the answer's own ``Date`` header, else dates are not understood.

Order: retry-after-ms, retry-after, the body (RetryInfo, error.headers, "retry in N"), RateLimit, and last the
older reset headers, whose windows count only where the matching ``remaining`` is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias, cast

from .model import HeaderPairs, Hint
from .times import MAX_HINT, bounded, duration, moment, number, retry_text

__all__ = [
    "MAX_HINT",
    "SPENT",
    "TELLING",
    "TELLING_BYTES",
    "WORDY",
    "normal_headers",
    "poll_hint",
    "read_hint",
    "should_retry",
    "spends",
    "spent_window",
]

Headers: TypeAlias = Mapping[str, "list[str]"]

_MAX_PAIRS: Final = 512
_MAX_VALUE: Final = 4096  # characters of one header value
_MAX_FIELD: Final = 2048  # characters of a RateLimit field; a longer one is ignored whole
_MAX_DETAILS: Final = 32  # entries of error.details looked at

_LIMITED: Final = frozenset({429, 503})
"""Statuses on which the state of a rate-limit window explains the answer. On any other it is only weather."""

_WINDOWS: Final = (
    # remaining, reset
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
)
"""Older forms: draft -06 and before, OpenAI, LiteLLM, Anthropic. OpenAI's reset is the time to a *full* refill,
an upper bound, which is why an exhausted window is needed before it counts."""


def normal_headers(headers: HeaderPairs | None) -> dict[str, list[str]]:
    """Return headers as lower-case names with all their values; total, and bounded in names and lengths."""
    found: dict[str, list[str]] = {}
    try:
        for name, values in islice(_pairs(headers), _MAX_PAIRS):
            key = _text(name)
            if key is None:
                continue
            for value in _array(values)[:_MAX_PAIRS] or (values,):
                text = _text(value)
                if text is not None:
                    found.setdefault(key.strip().lower(), []).append(text.strip())
    except Exception:  # a caller's own mapping may fail in any way; what was read until then stands
        return found
    return found


def read_hint(
    status: int,
    headers: Headers,
    *,
    document: object = None,
    now: float | None = None,
) -> Hint | None:
    """Return how long the server asks to wait, by the first source that says so.

    ``headers`` come from ``normal_headers``; ``document`` is the parsed JSON body, whose fields are told apart by
    their own shape.
    """
    clock = now if now is not None else _first(headers.get("date", ()), moment)
    hint = _explicit(headers, clock)
    if hint is None:
        hint = _from_body(document, clock)
    if hint is None and status in _LIMITED:
        hint = _from_rate_limit(headers)
    if hint is None and status in _LIMITED:
        hint = _from_windows(headers, clock)
    return hint


SPENT: Final = frozenset(("ratelimit", *(remaining for remaining, _ in _WINDOWS)))
"""Headers that may say that nothing is left of a window."""
TELLING: Final = SPENT | {"content-type"}
"""Those, and the one that says that an answer is a stream: what takes a good answer off the fast lane."""
TELLING_BYTES: Final = frozenset(name.encode() for name in TELLING)
WORDY: Final = frozenset((b"ratelimit", b"content-type", "ratelimit", "content-type"))
"""Of those, and of streams, the ones whose value is more than a number."""


def spends(name: str | bytes, value: str | bytes) -> bool:
    """Whether one of those headers (its name in lower case) may say so, or tells of a stream. For a quick look."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if name in ("content-type", b"content-type"):
        return text[:17].lower() == "text/event-stream"
    return text.strip() == "0" or (name in ("ratelimit", b"ratelimit") and "=0" in text)


def spent_window(headers: HeaderPairs, *, now: float | None = None) -> Hint | None:
    """Return how long a good answer says that nothing is left (``remaining`` 0 with a reset), None if there is."""
    named = normal_headers(headers)
    if not any(spends(name, value) for name in SPENT & named.keys() for value in named[name]):
        return None
    clock = now if now is not None else _first(named.get("date", ()), moment)
    members = _members(named.get("ratelimit", ()))
    waits = [number(says.get("t")) for _, says in members if number(says.get("r")) == 0]
    hints = [it for it in (_hint(wait, "ratelimit") for wait in waits) if it is not None]
    older = _from_windows(named, clock)
    hints += [] if older is None else [older]
    return max(hints, key=lambda it: it.seconds, default=None)


def poll_hint(headers: Headers, *, now: float | None = None) -> Hint | None:
    """Return how long the server asks to wait before a task is looked at again."""
    hint = _longest("openai-poll-after-ms", headers, _milliseconds)
    if hint is not None:
        return hint
    return _explicit(headers, now if now is not None else _first(headers.get("date", ()), moment))


def should_retry(headers: Headers) -> bool | None:
    """Return what ``x-should-retry`` says, or None if it says nothing plain."""
    said = {value.lower() for value in headers.get("x-should-retry", ())}
    if said == {"true"}:
        return True
    return False if "false" in said else None


# --- one source each


def _explicit(headers: Headers, clock: float | None) -> Hint | None:
    """Retry-after-ms over retry-after, as both SDKs do. Of several values the longest: no value is undercut."""
    hint = _longest("retry-after-ms", headers, _milliseconds)
    return hint if hint is not None else _longest("retry-after", headers, lambda text: _retry_after(text, clock))


def _from_body(document: object, clock: float | None) -> Hint | None:
    root = _object(next(iter(_array(document)), document))
    holder = _object(root.get("error")) or root
    for detail in map(_object, _array(holder.get("details"))[:_MAX_DETAILS]):
        kind = detail.get("@type")
        if isinstance(kind, str) and kind.endswith("google.rpc.RetryInfo"):
            seconds = bounded(duration(detail.get("retryDelay")))
            if seconds is not None:
                return Hint(seconds=seconds, source="RetryInfo")
    # A failed OpenAI video carries the headers of the answer that failed it.
    hint = _explicit(normal_headers(_object(holder.get("headers"))), clock)
    if hint is not None:
        return Hint(seconds=hint.seconds, source=f"error.headers {hint.source}")
    for key in ("message", "msg"):
        seconds = bounded(retry_text(holder.get(key)))
        if seconds is not None:
            return Hint(seconds=seconds, source="error message")
    return None


def _from_rate_limit(headers: Headers) -> Hint | None:
    """RateLimit: ``t`` of the exhausted policies; a policy without ``t`` waits its whole window ``w``."""
    members = _members(headers.get("ratelimit", ()))
    if any(number(says.get("r")) is None for _, says in members):
        return None  # malformed: what remains is required
    policies = dict(_members(headers.get("ratelimit-policy", ())))
    # One policy alone is the one that refused, whatever it says is left. Of several only the empty ones did.
    refused = members if len(members) == 1 else [member for member in members if number(member[1].get("r")) == 0]
    best: Hint | None = None
    for name, says in refused:
        hint = _hint(number(says.get("t")), "ratelimit")
        if hint is None and "t" not in says and number(says.get("r")) == 0:
            hint = _hint(number(policies.get(name, {}).get("w")), "ratelimit-policy")
        if hint is not None and (best is None or hint.seconds > best.seconds):
            best = hint
    return best


def _from_windows(headers: Headers, clock: float | None) -> Hint | None:
    """The longest reset among the windows that are used up: all of them must open."""
    best: Hint | None = None
    for remaining, reset in _WINDOWS:
        if _first(headers.get(remaining, ()), number) != 0:
            continue
        hint = _longest(reset, headers, lambda text: _reset(text, clock))
        if hint is not None and (best is None or hint.seconds > best.seconds):
            best = Hint(seconds=hint.seconds, source=hint.source, at_most=reset.startswith("x-ratelimit-"))
    return best


# --- one value each


def _milliseconds(text: str) -> float | None:
    value = number(text)
    return None if value is None else value / 1000


def _retry_after(text: str, clock: float | None) -> float | None:
    value = number(text)
    if value is not None:
        return value
    when = moment(text)
    if when is not None:
        return None if clock is None else when - clock
    # Clients that join repeated headers hand over "2, 7".
    parts = [number(part) for part in text.split(",")[:8]]
    return max((part for part in parts if part is not None), default=None)


def _reset(text: str, clock: float | None) -> float | None:
    """A Go duration, else epoch milliseconds, epoch seconds or seconds by size, else a date."""
    value = duration(text)
    if value is not None:
        return value
    value = number(text)
    if value is not None and value < 1e9:
        return value
    when = moment(text) if value is None else (value / 1000 if value >= 1e11 else value)
    return None if when is None or clock is None else when - clock


def _hint(seconds: float | None, source: str) -> Hint | None:
    wait = bounded(seconds)
    return None if wait is None else Hint(seconds=wait, source=source)


def _longest(name: str, headers: Headers, read: Callable[[str], float | None]) -> Hint | None:
    waits = [wait for wait in (bounded(read(text)) for text in headers.get(name, ())) if wait is not None]
    return Hint(seconds=max(waits), source=name) if waits else None


def _first(values: Iterable[str], read: Callable[[str], float | None]) -> float | None:
    return next((value for value in map(read, values) if value is not None), None)


# --- shapes


def _object(value: object) -> Mapping[object, object]:
    return cast("Mapping[object, object]", value) if isinstance(value, Mapping) else {}


def _array(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, (list, tuple)) else ()


def _pairs(headers: object) -> Iterator[tuple[object, object]]:
    entries = cast("Mapping[object, object]", headers).items() if isinstance(headers, Mapping) else headers
    if not isinstance(entries, Iterable):
        return
    for entry in map(_array, cast("Iterable[object]", entries)):
        if len(entry) == 2:
            yield entry[0], entry[1]


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value[:_MAX_VALUE]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[:_MAX_VALUE]).decode("latin-1")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return repr(value) if abs(value) < 1e18 else None  # a long int cannot be printed at all; nan fails this too


def _members(values: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """Read a structured-field list of strings with parameters; draft -07's ``limit=…, reset=…`` is one member."""
    text = ",".join(values)
    if len(text) > _MAX_FIELD:
        return []
    members: list[tuple[str, dict[str, str]]] = []
    flat: dict[str, str] = {}
    for member in _split(text, ","):
        head, *parameters = _split(member, ";")
        if "=" in head and not head.startswith('"'):
            _put(flat, head)
        elif head:
            if not head.startswith('"') or not head.endswith('"'):
                return []  # a name that is no string: malformed as a whole
            says: dict[str, str] = {}
            for parameter in parameters:
                _put(says, parameter)
            members.append((head.strip('"'), says))
    if flat and not members:
        members.append(("", {"r": flat.get("remaining", ""), "t": flat.get("reset", "")}))
    return members


def _put(into: dict[str, str], parameter: str) -> None:
    key, equals, value = parameter.partition("=")
    if equals:
        into[key.strip().lower()] = value.strip()


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark that does not stand in quotes; a quote that never closes makes the whole field void."""
    parts: list[str] = []
    start, quoted, escaped = 0, False, False
    for place, char in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and char == "\\":
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == mark and not quoted:
            parts.append(text[start:place].strip())
            start = place + 1
    return [""] if quoted else [*parts, text[start:].strip()]
