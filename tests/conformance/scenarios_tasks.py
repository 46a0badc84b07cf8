"""Paid tasks: creates that were made already or may have been, and tasks that are followed to their end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyint_resilience import Cause, Certainty, report
from anyint_resilience.emulator import Fault
from tests.conformance.scenario import (
    CREATES,
    KLING,
    POLL,
    SONG,
    VIDEO,
    WAN,
    Ask,
    Raises,
    Scenario,
    answered,
    stops,
)

error = Fault.error
GOOD, RESET = Fault(), Fault(reset="before_headers")
DONE = Fault(reset="before_headers", process=True)
MINE = {"Idempotency-Key": "mine"}
RETRY = {"x-stainless-retry-count": "1"}
LONG = {"id": "video_long", "object": "video", "status": "queued", "padding": "x" * 5000}


def instead(word: str) -> Callable[[Any], None]:
    """Return a check that the last answer says what it is, names the task there is, and no other was made."""

    def check(played: Any) -> None:
        end = played.end.answer
        assert end.headers.get("x-anyint-resilience") == word
        told = report(end)
        assert told is not None
        assert told.task is not None
        assert told.intent is None
        first = played.ends[0].answer
        if len(played.ends) > 1 and first is not None:
            known = report(first)
            assert known is not None
            assert known.task is not None
            assert told.task.task_id == known.task.task_id
            assert first.headers.get("x-anyint-resilience") is None
            if word == "replayed":
                assert (end.json(), told.task) == (first.json(), known.task)

    return check


def again(name: str, *asks: Ask, word: str = "replayed", wire: tuple[int, ...] = (200,), **more: Any) -> Scenario:
    """Return a scenario of a create that was made already: its answer or its task is given instead of a new one."""
    given = {"asks": asks, "wire": wire, "decision": POLL, "tasks": 1, "check": instead(word), **more}
    return Scenario(name=name, lessons=("M15", "B5.20", "B5.23"), **given)


# --- made already

FINGERPRINT = {"dedupe": "fingerprint"}
KEYED = VIDEO.but(headers=MINE)
MADE = [
    *(
        again(
            f"{family}: the same Idempotency-Key twice: the first answer again, nothing sent",
            *[ask.but(headers=MINE)] * 2,
        )
        for family, ask in CREATES.items()
    ),
    again(
        "a background response, by its Idempotency-Key",
        *[Ask(path="/openai/v1/responses", json={"model": "gpt-5", "input": "x", "background": True}, headers=MINE)]
        * 2,
    ),
    again("an SDK's retry of a create that went well", VIDEO, VIDEO.but(headers=RETRY)),
    again("a key that is asked for three times", KEYED, KEYED, KEYED),
    again(
        "503, then well, then the same key: one task",
        KEYED,
        KEYED,
        faults=(error(503),),
        wire=(503, 200),
        waits=(0.05,),
    ),
    again(
        "the same body, one task at a time (dedupe): its task is asked for",
        VIDEO,
        VIDEO,
        word="polled",
        wire=(200, 200),
        anyint=FINGERPRINT,
    ),
    Scenario(
        name="the same body after its task has ended (dedupe): meant anew",
        asks=(VIDEO.but(follow=100), VIDEO),
        wire=(200, 200, 200, 200, 200),
        waits=(6.0, 9.0),
        decision=POLL,
        tasks=2,
        anyint=FINGERPRINT,
    ),
    Scenario(
        name="an answer too long to be kept, of a task that nobody knows: held back, not made again",
        lessons=("M15", "B5.20"),
        asks=(KEYED, KEYED),
        faults=(Fault(body=LONG, process=True),),
        wire=(200, 404),
        ends=(200, Raises.UNKNOWN),
        decision=stops(Cause.UNKNOWN, Certainty.COMMITTED),
        tasks=1,
    ),
]


# --- found

LOOKING = {"reconcile": True}
COVER = Ask(path="/suno/generate-cover", json={"taskId": "song-1", "callBackUrl": "https://app.example/hook"})
WAV = COVER.but(path="/suno/wav-generate")


def hidden(ask: Ask, seconds: int) -> Ask:
    """Return a create whose task is not found by queries for so long."""
    return ask.but(headers={"x-emulator-visible-after": str(seconds)})


def found(how: str, fault: Fault, *more_faults: Fault, **more: Any) -> Scenario:
    """Return a scenario of a create of unknown outcome that is found by its mark."""
    wire = (answered(fault), *(answered(it) for it in more_faults), 200)
    given = {"asks": (KLING,), "faults": (fault, *more_faults), "wire": wire, "waits": (0.5,), "decision": POLL, **more}
    return Scenario(name=f"Kling: {how}", lessons=("M15", "B5.20"), tasks=1, check=instead("found"), **given)


FOUND = [
    found("its answer lost", DONE),
    found("hung up", Fault(half_close=True, process=True)),
    found("the answer cut short", Fault(truncate=20)),
    found("a 502 of a relay, the work done", error(502, process=True)),
    found("not there at the first look", DONE, asks=(hidden(KLING, 1),), wire=(None, 404, 200), waits=(0.5, 1.0)),
    found("the look itself fails once", DONE, error(503), waits=(0.5, 1.0)),
    found(
        "not found, and found when the same is asked for again",
        DONE,
        *[error(503)] * 3,
        asks=(KLING, KLING),
        waits=(0.5, 1.0, 2.0),
        ends=(Raises.UNKNOWN, 200),
    ),
    Scenario(
        name="Kling: not found: unknown, not sent again",
        lessons=("M15", "B5.20", "B5.22"),
        asks=(hidden(KLING, 1000), hidden(KLING, 1000)),
        faults=(DONE,),
        wire=(None, 404, 404, 404, 404),
        waits=(0.5, 1.0, 2.0),
        ends=(Raises.UNKNOWN,),
        decision=stops(Cause.UNKNOWN, Certainty.UNKNOWN),
        tasks=1,
        unknown=1,
    ),
    *(
        again(f"Suno: {what} is there already: how it stands", ask, ask, word="polled", wire=(200, 200, 200))
        for what, ask in (("cover art", COVER), ("a WAV", WAV))
    ),
    Scenario(
        name="Suno: a WAV is there already, and asking for it fails: what Suno said",
        asks=(WAV, WAV),
        faults=(GOOD, GOOD, error(503)),
        wire=(200, 200, 503),
        decision=stops(Cause.INVALID),
        tasks=1,
    ),
]
FOUND = [Scenario(**{**vars(it), "anyint": LOOKING}) for it in FOUND]


# --- followed

BATCH = Ask(
    path="/openai/v1/batches",
    json={"input_file_id": "f", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
)
BACKGROUND = Ask(path="/openai/v1/responses", json={"model": "gpt-5", "input": "x", "background": True})
SEEDANCE = Ask(path="/doubao/video/generations", json={"model": "seedance-1", "prompt": "a fox"})
TWO, THREE = (6.0, 9.0), (2.4, 3.6, 5.4)


def lives(
    name: str, ask: Ask, outcome: str, rests: tuple[float, ...], end: int | Raises = 200, **more: Any
) -> Scenario:
    """Return a scenario of a task that is followed to its end: one query after each rest."""
    held = {**ask.headers, "x-emulator-task": outcome}
    given = {
        "lessons": ("B5.21",),
        "asks": (ask.but(headers=held, follow=more.pop("seconds", 100)),),
        "wire": (200,) * (1 + len(rests)),
        "waits": rests,
        "ends": (end,),
        "decision": POLL,
        "tasks": 1,
        **more,
    }
    return Scenario(name=name, **given)


FAILED, LATE = Raises.TASK_FAILED, Raises.TASK_TIMEOUT
FOLLOWED = [
    lives("an OpenAI video", VIDEO, "success", TWO),
    lives("an OpenAI response in the background", BACKGROUND, "success", THREE),
    lives("an OpenAI batch", BATCH, "success", (72.0,)),
    lives("a DashScope video", WAN, "success", TWO),
    lives("a Kling video", KLING, "success", TWO),
    lives("a Suno song", SONG, "success", THREE),
    lives("Suno cover art", COVER, "success", (36.0,)),
    lives("a Seedance video", SEEDANCE, "success", TWO, anyint={"seedance": True}),
    lives("a video that fails", VIDEO, "failed", TWO, FAILED),
    lives("a song whose words are refused", SONG, "policy", THREE, FAILED),
    lives("a DashScope video that is cancelled", WAN, "cancelled", TWO, FAILED),
    lives("a DashScope video of which one part failed", WAN, "partial", TWO),
    lives("a song whose call-back failed, and which is there", SONG, "callback_exception", THREE),
    lives("a song in a state that no document knows", SONG, "strange", THREE),
    lives("a state that goes back", BACKGROUND, "backwards", (*THREE, 8.1)),
    lives("a batch that expires", BATCH, "expired", (72.0,), FAILED),
    lives(
        "a video that never ends: the deadline, and a handle to go on with",
        VIDEO,
        "stuck",
        (6.0, 9.0, 5.0),
        LATE,
        seconds=20,
    ),
    lives(
        "a query of a wait meets 503 and a reset: asked again, nothing created again",
        VIDEO,
        "success",
        TWO,
        faults=(GOOD, error(503), RESET),
        wire=(200, 503, None, 200, 200),
        waits=(6.0, 0.05, 0.1, 9.0),
        lessons=("B5.20", "B5.21", "M15"),
    ),
    lives(
        "a query that is lost to the end: the task is as it was",
        VIDEO,
        "success",
        TWO,
        faults=(GOOD, *[error(503)] * 3),
        wire=(200, 503, 503, 503, 200),
        waits=(6.0, 0.05, 0.1, 9.0),
    ),
    lives("a task that is not there yet", hidden(VIDEO, 7), "success", TWO, wire=(200, 404, 200)),
    lives(
        "a query that is refused: the task may go on",
        VIDEO,
        "success",
        (6.0,),
        Raises.QUERY_REFUSED,
        faults=(GOOD, error(403)),
        wire=(200, 403),
    ),
]

TOPICS: dict[str, list[Scenario]] = {
    "a create that was made already: given again, never made twice": MADE,
    "a create of unknown outcome: found again, where it carries a mark (`reconcile`)": FOUND,
    "a task followed to its end: on every family, through whatever its queries meet": FOLLOWED,
}
