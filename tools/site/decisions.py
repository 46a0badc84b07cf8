"""The tables of docs/decisions.md about what is decided: rules, operations, certainties, attempts, hints.

Must not know a rule: it asks the code's own tables and functions, and ``Policy`` where a number comes of several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from anyint_resilience.contract.matching import RouteTable
from anyint_resilience.contract.rows import certainty_of_status
from anyint_resilience.contract.words import Cause, Certainty, Operation, Origin
from anyint_resilience.policy.hints import SPENT, normal_headers, read_hint
from anyint_resilience.policy.model import Action, Fault, FaultKind, Hint, Observation
from anyint_resilience.policy.reading import read_fault
from anyint_resilience.policy.rules import Policy
from anyint_resilience.policy.verdicts import IDEMPOTENT, RULES, is_unsafe
from anyint_resilience.telemetry.words import CAUSES

from .decision_words import ACTIONS, CERTAINTIES, FAULTS, OPERATIONS, ORIGINS
from .layout import code, codes, number, table

__all__ = ["TABLES", "hint_order"]

_CHAT = RouteTable().match("POST", "/openai/v1/chat/completions")
_PATIENT = Policy.batch()
"""With attempts enough to see which causes have a bound of their own."""
_AGAIN = "**again**"


def _actions() -> str:
    return table(("`decision.action`", "what happens"), [(code(it), words) for it, words in ACTIONS.items()])


def _certainties() -> str:
    return table(
        ("`decision.certainty`", "what became of the request"), [(code(it), words) for it, words in CERTAINTIES.items()]
    )


def _origins() -> str:
    return table(("`decision.source`", "who says so"), [(code(it), words) for it, words in ORIGINS.items()])


# --- the rule table


def _rules() -> str:
    """One line, or two, for all causes with the same answers."""
    groups: dict[tuple[tuple[Action, ...], ...], list[Cause]] = {}
    for cause in Cause:
        both = tuple(tuple(RULES[cause, unsafe, it] for it in Certainty) for unsafe in (False, True))
        groups.setdefault(both, []).append(cause)
    rows = []
    for (safe, unsafe), causes in sorted(groups.items(), key=lambda it: Action.BACKOFF not in it[0][0]):
        kinds = [("any", safe)] if safe == unsafe else [("safe", safe), ("not safe", unsafe)]
        rows += [(codes(causes), kind, *map(_answer, answers)) for kind, answers in kinds]
    return table(("cause", "to repeat", *(code(it) for it in Certainty)), rows)


def _answer(action: Action) -> str:
    return _AGAIN if action is Action.BACKOFF else "no"


def _operations() -> str:
    """Whether an unknown outcome may be repeated, as ``is_unsafe`` says it."""
    return table(
        ("operation", "what it does", "safe to repeat", "with `repeat_generation=False`"),
        [(code(it), OPERATIONS[it], _safe(it, default=True), _safe(it, default=False)) for it in Operation],
    )


def _safe(operation: Operation, *, default: bool) -> str:
    safe = [it for it in (*sorted(IDEMPOTENT), "POST") if not is_unsafe(operation, it, repeat_generation=default)]
    if len(safe) == len(IDEMPOTENT) + 1:
        return "yes"
    return codes(safe) if safe else "no"


# --- attempts and waits


def _causes() -> str:
    """What each cause means, and how often and how late the default policy and a patient one try again."""
    head = ("cause", "why it did not succeed", "attempts in all", f"with `attempts={_PATIENT.attempts}`", "waits up to")
    rows = []
    for cause in Cause:
        most, more = _attempts(Policy(), cause), _attempts(_PATIENT, cause)
        rows.append((code(cause), CAUSES[cause.value], str(most), str(more), _waits(cause) if most > 1 else ""))
    return table(head, rows)


def _attempts(policy: Policy, cause: Cause) -> int:
    """Count the attempts that a policy makes where each ends alike."""
    for attempt in range(1, _PATIENT.attempts + 1):
        if _after(policy, cause, attempt) is None:
            return attempt
    raise ValueError(f"{cause} has no last attempt")


def _waits(cause: Cause) -> str:
    waits = (_after(Policy(attempts=_PATIENT.attempts), cause, attempt) for attempt in range(1, _PATIENT.attempts))
    shown = [number(it) for it in waits if it is not None]
    return ", ".join(shown[:3]) + (" ... s" if len(shown) > 3 else " s")


def _after(policy: Policy, cause: Cause, attempt: int) -> float | None:
    seen = Observation(cause=cause, certainty=Certainty.UNKNOWN, source=Origin.ASSUMED.value)
    decision = policy.on_response(
        _CHAT, Operation.GENERATE, seen, method="POST", attempt=attempt, elapsed=0.0, now=None, u=1.0
    )
    return decision.delay if decision.action is Action.BACKOFF else None


# --- what was seen -> certainty


def _faults() -> str:
    rows = []
    for kind in FaultKind:
        seen = read_fault(_CHAT, Fault(kind))
        rows.append((code(kind), FAULTS[kind], code(seen.cause), code(seen.certainty)))
    return table(("exception", "what happened", "cause", "certainty"), rows)


def _certainty_of_statuses() -> str:
    """The HTTP statuses of errors, as runs of numbers."""
    return table(
        ("certainty", "HTTP statuses, where no code says more"),
        [
            (code(it), ", ".join(runs(status for status in range(400, 600) if certainty_of_status(status) is it)))
            for it in Certainty
            if any(certainty_of_status(status) is it for status in range(400, 600))
        ],
    )


def runs(numbers: Iterable[int]) -> list[str]:
    """Return rising numbers as runs: 400 to 407, 409."""
    found: list[list[int]] = []
    for it in numbers:
        if found and found[-1][-1] == it - 1:
            found[-1].append(it)
        else:
            found.append([it])
    return [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in found]


# --- hints

_STATUSES = (429, 503, 500)
_NOW = 1_700_000_000.0
_Source = tuple[str, Mapping[str, str], Mapping[str, object]]
_RESETS = {it: it.replace("remaining", "reset") for it in sorted(SPENT) if "remaining" in it}
"""The older headers: what remains -> when it is full again."""

_HINTS: tuple[_Source, ...] = (
    # where the server says when, an example in headers or in the body's ``error``. Their order: ``hint_order``.
    ("`Retry-After`: seconds or a date", {"Retry-After": "2"}, {}),
    ("`retry-after-ms`", {"retry-after-ms": "1500"}, {}),
    (
        "`RetryInfo` in `error.details` (Google)",
        {},
        {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36s"}]},
    ),
    ("`error.headers` in the body (a failed OpenAI video)", {}, {"headers": {"retry-after": "3"}}),
    ('words in the error\'s message: "try again in 20s"', {}, {"message": "Please try again in 20s."}),
    ("`RateLimit` (RFC draft): the window with nothing left", {"RateLimit": '"minute";r=0;t=7'}, {}),
    (
        f"where nothing remains, the longest of {codes(_RESETS.values())}",
        {name: value for left, reset in _RESETS.items() for name, value in ((left, "0"), (reset, "8"))},
        {},
    ),
)


def hint_order() -> list[tuple[_Source, Hint]]:
    """Return the sources of hints as the code ranks them: all are sent, then all but the one that was read, ..."""
    left, found = list(_HINTS), []
    while left:
        hint = _read(429, *left)
        source = next(it for it in left if _read(429, it) == hint)
        assert hint is not None
        found.append((source, hint))
        left.remove(source)
    return found


def _read(status: int, *sources: _Source) -> Hint | None:
    headers = {name: value for _, told, _ in sources for name, value in told.items()}
    error = {name: value for _, _, body in sources for name, value in body.items()}
    return read_hint(status, normal_headers(headers), document={"error": error}, now=_NOW)


def _hints() -> str:
    rows = []
    for place, (source, _) in enumerate(hint_order(), 1):
        counts = tuple(it for it in _STATUSES if _read(it, source) is not None)
        rows.append((str(place), source[0], "any" if counts == _STATUSES else ", ".join(map(str, counts))))
    return table(("order", "where the server says when", "on HTTP"), rows)


def _upper_bounds() -> str:
    """Name the headers that are an upper bound: their window is full again then, and may have room before."""
    resets = ((left, reset, _read(429, ("", {left: "0", reset: "8"}, {}))) for left, reset in _RESETS.items())
    return codes(reset for _, reset, hint in resets if hint is not None and hint.at_most)


TABLES: Mapping[str, Callable[[], str]] = {
    "decision-actions": _actions,
    "decision-certainties": _certainties,
    "decision-origins": _origins,
    "decision-rules": _rules,
    "decision-operations": _operations,
    "decision-causes": _causes,
    "decision-faults": _faults,
    "decision-statuses": _certainty_of_statuses,
    "decision-hints": _hints,
    "decision-upper-bounds": _upper_bounds,
}
"""By the names of their marks."""
