"""What must hold for every call: the application's answer against the proxy's and the emulator's own logs.

Pure: must not know sockets, clients or the run. A violation is a sentence; none means that all held.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .calls import Told
from .jobs import CREATES, NOBODY, made_by
from .plan import Plan

__all__ = ["Case", "cases_of", "judged", "matched", "soft"]

NOT_SENT: Final = ("connect_error", "connect_timeout", "tls_error", "tls_certificate", "pool_timeout", "local_error")
_SILENT: Final = ("read_timeout", "write_timeout")
_GARBLED: Final = ("garbage", "flip", "truncate", "duplicate")
_ENDS: Final = (b"[DONE]", b'"finish_reason":"', b'"stop_reason":"', b'"finishReason":"')
_LAST_EVENT: Final = 64  # bytes: [DONE], or message_stop
_STREAMS: Final = ("stream", "messages_stream", "gemini_stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call with all that is known of it.

    ``records`` are the proxy's, ``seen`` the emulator's; ``made`` are the ids of what the emulator made of it.
    """

    plan: Plan
    told: Sequence[Told]
    records: Sequence[Mapping[str, Any]] = ()
    seen: Sequence[Mapping[str, Any]] = ()
    made: Sequence[str] = ()

    def of(self, mark: str) -> list[Mapping[str, Any]]:
        """Return the tries of one of the application's calls."""
        return [it for it in self.records if it["mark"] == mark]

    def reached(self, record: Mapping[str, Any]) -> bool:
        """Whether a try reached the emulator whole."""
        return any(
            it["mark"] == record["mark"] and it["try"] == record["number"] and it["complete"] for it in self.seen
        )


def cases_of(
    plans: Iterable[Plan], told: Sequence[Told], log: Mapping[str, Any], files: Sequence[Mapping[str, Any]]
) -> Iterator[Case]:
    """Sort a batch's logs by call."""
    held: dict[int, tuple[list[Any], ...]] = defaultdict(lambda: ([], [], [], []))
    for it in told:
        held[_number(it.mark)][0].append(it)
    for place, name in ((1, "records"), (2, "seen")):
        for found in log[name]:
            held[_number(found["mark"])][place].append(found)
    for ident, said in (
        *((it["id"], it["said"]) for it in log["tasks"]),
        *((it["id"], it["purpose"]) for it in files),
    ):
        held[made_by(said)][3].append(ident)
    for plan in plans:
        got, records, seen, made = held[plan.number]
        got.sort(key=lambda it: str(it.mark))
        yield Case(plan=plan, told=got, records=records, seen=seen, made=made)


def _number(mark: str) -> int:
    call = mark.partition("+")[0]
    return int(call) if call.lstrip("-").isdigit() else NOBODY


def judged(case: Case) -> list[str]:
    """Return everything that did not hold."""
    found = [*_duplicates(case), *_logs(case)]
    for told in case.told:
        found += [*_exception(told), *_reported(case, told), *_answer(case, told), *_lost(case, told)]
    return [*found, *_certain(case)]


def _duplicates(case: Case) -> list[str]:
    if len(case.made) > 1:
        return [f"duplicate: the emulator made {len(case.made)} of one create: {', '.join(case.made)}"]
    return []


def _logs(case: Case) -> list[str]:
    """Hold the two logs against each other: a mistake here is the proxy's own."""
    found = []
    for record in case.records:
        if case.reached(record) and not record["passed"]:
            found.append(f"logs: try {record['number']} reached the emulator, and the proxy did not pass it")
        if record["passed"] and not record["left"] and not case.reached(record):
            found.append(f"logs: try {record['number']} was passed, and the emulator has not seen it")
    return found


def _exception(told: Told) -> list[str]:
    if told.how != "answer" and not told.client_error:
        return [f"foreign exception: not one of the client library's: {told.error}"]
    return []


# --- the report


def _reported(case: Case, told: Told) -> list[str]:
    if told.report is None:
        return [] if _in_client(case, told) else ["report: there is none"]
    attempts, tries = told.report["attempts"], case.of(told.mark)
    if matched(attempts, tries, case) is None:
        return [f"report: its {len(attempts)} attempts do not fit the {len(tries)} tries on the wire"]
    return []


def _in_client(case: Case, told: Told) -> bool:
    """Whether a client read a good answer by itself and broke off: its exception leads to no answer, nor its report."""
    tries = case.of(told.mark)
    good = bool(tries) and tries[-1]["passed"] and not tries[-1]["whole"] and (tries[-1]["status"] or 500) < 400
    return told.how == "raised" and not told.ours and good and not case.plan.along


def matched(
    attempts: Sequence[Mapping[str, Any]], tries: Sequence[Mapping[str, Any]], case: Case
) -> list[Mapping[str, Any] | None] | None:
    """Return the try of each attempt, in order, None for one that did not reach the proxy; None if they do not fit.

    Each try on the wire must be an attempt of the report; an attempt without a try must say that it was not sent, or
    that its connection was lost, as one that was ended while it was idle is.
    """
    if not attempts:
        return None if tries else []
    first, rest = attempts[0], attempts[1:]
    if tries and _fits(first, tries[0], case):
        found = matched(rest, tries[1:], case)
        if found is not None:
            return [tries[0], *found]
    if _unseen(first):
        found = matched(rest, tries, case)
        if found is not None:
            return [None, *found]
    return None


def _unseen(attempt: Mapping[str, Any]) -> bool:
    """Whether an attempt may have left nothing in the proxy's log."""
    fault = attempt["fault"]
    return fault in NOT_SENT or (fault is not None and fault != "body_error" and attempt["status"] is None)


def _fits(attempt: Mapping[str, Any], record: Mapping[str, Any], case: Case) -> bool:
    """Whether this is how that attempt can have ended."""
    fault, certainty = attempt["fault"], attempt["certainty"]
    if fault in NOT_SENT or (certainty == "not_sent" and case.reached(record)):
        return False
    if certainty == "rejected" and case.made and record["whole"] and record["status"] == 200 and not record["early"]:
        return bool(attempt["status"] != 200 or _says_no(record))
    status = attempt["of"] if fault is not None else attempt["status"]
    if status is not None:
        return bool(status == record["status"])
    return fault in _SILENT or not _clean(record, case)


def _says_no(record: Mapping[str, Any]) -> bool:
    return (record["phase"], record["kind"]) == ("emulator", "in_body")


def _clean(record: Mapping[str, Any], case: Case) -> bool:
    """Whether nothing at all happened to a try; what a garbled handshake lets through may break later."""
    calm = record["phase"] is None and record["whole"] and not record["left"] and record["ended"] == "kept"
    return bool(calm and not (case.plan.way == "handshake" and case.plan.opening is not None))


# --- what the application got


def _last(case: Case, told: Told) -> Mapping[str, Any] | None:
    """Return the try that the last attempt was."""
    if told.report is None:
        return None
    found = matched(told.report["attempts"], case.of(told.mark), case)
    return found[-1] if found else None


def _answer(case: Case, told: Told) -> list[str]:
    if told.how != "answer":
        return []
    attempts = (told.report or {}).get("attempts", [])
    if not attempts:  # given in the place of a create that was made before
        named = (told.report or {}).get("task")
        return [] if named in case.made else [f"answer: given without a try, of {named}, and {case.made} were made"]
    record = _last(case, told)
    if record is None:
        return ["answer: from no try that is known"]
    if told.status != record["status"]:
        return [f"answer: status {told.status}, and {record['status']} was sent"]
    sent = sent_body(record)
    if told.body != sent and not soft(case, told):
        what = "a prefix of what" if sent.startswith(told.body) else "not what"
        return [f"garbled: an answer of {len(told.body)} bytes passed as whole, {what} was sent ({len(sent)} bytes)"]
    return []


def soft(case: Case, told: Told) -> bool:
    """Whether a stream passes as whole that is not, byte for byte.

    Its last event, or the reason for its end, had come before its connection or its framing broke: that is whole by
    what is documented of streams. What lies before it is right, but where bytes were taken out of a chunk or put into
    one, which happens on no wire that TLS guards.
    """
    record = _last(case, told)
    if record is None or case.plan.operation not in _STREAMS or told.body == sent_body(record):
        return False
    if record["kind"] in _GARBLED and record["phase"] in ("framing", "data"):
        return any(it in told.body for it in _ENDS)
    sent, came = sent_body(record), told.body.rstrip(b"\n")
    return sent.startswith(came) and len(sent) - len(came) <= _LAST_EVENT


def sent_body(record: Mapping[str, Any]) -> bytes:
    """Return what the emulator, or the proxy in its place, said."""
    body = str(record["body"]).encode("latin-1")
    if record["coding"] != "gzip":
        return body
    return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(body)


def _lost(case: Case, told: Told) -> list[str]:
    """A good answer that came whole must not be lost to the application."""
    record = _last(case, told)
    if told.how == "answer" or record is None or not _clean(record, case):
        return []
    late = "DeadlineExceeded" in told.error or "Timeout" in told.error or "timeout" in told.error
    return [] if late else [f"lost: a whole answer {record['status']} came, and the application got {told.error}"]


# --- certainty


def _certain(case: Case) -> list[str]:
    if case.plan.operation not in CREATES:
        return []
    found = []
    words = [_said(told) for told in case.told]
    if case.made and all(it <= {"not_sent", "rejected"} for it in words):
        found.append(f"certainty: said {words}, and {case.made} was made")
    for told in case.told:
        certainty = (told.report or {}).get("certainty")
        if told.how == "answer" and certainty == "committed" and told.status == 200:
            named = (told.report or {}).get("task")
            if named not in (None, "x", *case.made):  # x is what the emulator's garbage names
                found.append(f"certainty: committed as {named}, and {case.made} was made")
    return found


def _said(told: Told) -> set[str]:
    """Return the words on what became of each attempt, and of the whole call."""
    if told.report is None:
        return {"none"}
    words = {it["certainty"] for it in told.report["attempts"]} | {told.report["certainty"]}
    return {"clean" if it is None else str(it) for it in words}
