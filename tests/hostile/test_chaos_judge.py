"""The judge of the chaos hears what it must: calls on a real wire, with a layer or a client that does wrong.

Must not know how the proxy does what it does.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from anyint_resilience import Resilience
from hostile.chaos.judge import Case
from hostile.chaos.plan import Plan
from hostile.chaos.watch import left, settled
from tests.alone import ALONE
from tests.conformance.surfaces import HTTPX, Surface, calling
from tests.hostile.chaos_kit import fault, made, plan, world

SYNC = Surface(HTTPX[0])
DONE = fault("emulator", "reset_done")


class Wrong:
    """A client that answers as another one does, but for what a test makes wrong."""

    def __init__(self, caller: Any) -> None:
        self.caller = caller

    def __getattr__(self, name: str) -> Any:
        return getattr(self.caller, name)


class Resends(Wrong):
    """A layer that sends whatever failed once more, creates among it."""

    def along(self, *args: Any, **options: Any) -> Any:
        try:
            return self.caller.along(*args, **options)
        except SYNC.error:
            return self.caller.along(*args, **options)


class Shortens(Wrong):
    """A layer that takes the beginning of a body for all of it."""

    def along(self, *args: Any, **options: Any) -> Any:
        answer, came, _ = self.caller.along(*args, **options)
        return answer, came[: len(came) // 2], None


class Loses(Wrong):
    """A layer that raises although a whole answer came."""

    def along(self, *args: Any, **options: Any) -> Any:
        self.caller.along(*args, **options)
        raise SYNC.module.ReadError("lost")


class Raises(Wrong):
    """A layer that lets an exception out which is not the client's."""

    def along(self, *args: Any, **options: Any) -> Any:
        try:
            return self.caller.along(*args, **options)
        except SYNC.error:
            raise KeyError("oops") from None


@contextlib.contextmanager
def judged(planned: Plan, kind: Any = None, *, bare: bool = False) -> Iterator[tuple[Case, list[str]]]:
    """Make one call, with or without our layer, by a client that may do wrong."""
    with world(planned) as (there, control):
        url = f"http://127.0.0.1:{there.port}"
        anyint = None if bare else Resilience(api_key="k", base_url=url, guards=ALONE)
        with calling(SYNC, anyint, timeout=5.0) as caller:
            yield made(planned, caller if kind is None else kind(caller), there, control)


def words(found: list[str]) -> set[str]:
    """The kinds of what did not hold."""
    return {it.partition(":")[0] for it in found}


@pytest.mark.parametrize("operation", ["chat", "stream", "models", "video", "kling", "suno", "dashscope"])
@pytest.mark.parametrize(
    "first", [None, DONE, fault("request_head", "rst"), fault("data", "fin"), fault("emulator", "429")], ids=str
)
def test_what_holds_is_no_violation(operation: str, first: Any) -> None:
    with judged(plan(operation, first)) as (case, found):
        assert found == []
        assert len(case.records) >= 1


def test_a_layer_that_resends_creates_is_heard() -> None:
    with judged(plan("video", DONE, None), Resends, bare=True) as (case, found):
        assert len(case.made) == 2
        assert "duplicate" in words(found)


@pytest.mark.parametrize("operation", ["chat", "stream"])
def test_a_cut_body_that_passes_as_success_is_heard(operation: str) -> None:
    for first in (None, fault("data", "fin")):
        with judged(plan(operation, first, first, first), Shortens) as (_, found):
            assert "garbled" in words(found)


def test_a_lost_answer_and_a_foreign_exception_are_heard() -> None:
    with judged(plan("chat", None), Loses) as (_, found):
        assert "lost" in words(found) | {"lost" for it in found if it.startswith("report")}
    with judged(plan("chat", *[fault("request_head", "rst")] * 3), Raises) as (_, found):
        assert "foreign exception" in words(found)


def test_a_report_that_says_too_much_too_little_or_wrong_is_heard() -> None:
    from hostile.chaos.judge import judged as verdict

    with judged(plan("chat", fault("emulator", "503"), None)) as (case, found):
        assert found == []
    (told,) = case.told
    assert told.report is not None
    one, two = told.report["attempts"]
    for attempts in ([two], [one], [one, two, two], [two, one], [{**one, "status": 500}, two]):
        wrong = replace(case, told=[replace(told, report={**told.report, "attempts": attempts})])
        assert "report" in words(verdict(wrong)), attempts


def test_a_create_that_was_made_and_is_called_unsent_is_heard() -> None:
    from hostile.chaos.judge import judged as verdict

    with judged(plan("video", DONE)) as (case, found):
        assert (found, len(case.made)) == ([], 1)
    (told,) = case.told
    assert told.report is not None
    attempts = [{**it, "certainty": "rejected"} for it in told.report["attempts"]]
    wrong = replace(told, report={**told.report, "attempts": attempts, "certainty": "not_sent"})
    assert "certainty" in words(verdict(replace(case, told=[wrong])))


def test_what_is_left_behind_is_counted() -> None:
    """Descriptors and threads here, connections at the other end."""
    before, over = left(), threading.Event()
    with world(plan("chat", None)) as (there, control):
        held = socket.create_connection(("127.0.0.1", there.port), 10)
        thread = threading.Thread(target=over.wait, args=(20,), daemon=True)
        thread.start()
        open_now = settled(lambda: control.ask("open_now"), lambda it: it["clients"] > 0)
        now = left()
        held.close()
        closed = settled(lambda: control.ask("open_now"), lambda it: not any(it.values()))
        over.set()
        thread.join()
    assert (open_now["clients"], sum(closed.values())) == (1, 0)
    assert all(now[name] > before[name] for name in before)
    assert settled(left, before.__eq__) == before


@pytest.mark.parametrize("at", [0.2, 0.966])
def test_a_garbled_stream_is_soft_only_if_its_end_was_told(at: float) -> None:
    """A byte taken out of the last event but one passes; in the middle it is an error."""
    pick = 7 if at > 0.5 else 3  # role, six pieces, the reason for the end, [DONE]
    with judged(plan("stream", fault("data", "truncate", at, pick=pick))) as (case, found):
        assert found == []
        assert (case.told[0].how == "answer") is (pick == 7)
