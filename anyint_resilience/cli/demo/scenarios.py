"""What can go wrong, and what must come of it: one row a scenario.

Must not know how a scenario is run or shown. Someone adding a scenario adds a row to ``SCENARIOS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ...contract.words import Family
from ...emulator import Fault

__all__ = ["KEY", "SCENARIOS", "Expect", "Scenario"]

KEY: Final = "demo-key"
"""The one key the gateway of the demonstration takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What the contract says must come of it.

    ``outcome`` is what the application gets: ``answer``, ``HTTP n``, or the exception (``X from Y`` where ours, Y, is
    its cause). ``decisions`` are the actions and causes in order; none where the first answer was good. ``requests``
    and ``tasks`` are what the gateway saw and made. ``waited``: at least these seconds. ``key_in``: the header in which
    the key reached the gateway. ``says``: words the last guidance must hold.
    """

    outcome: str
    decisions: tuple[str, ...] = ()
    requests: int = 1
    tasks: int = 0
    waited: float = 0.0
    key_in: str = "authorization"
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One call by one client, the faults it meets, and what must come of it.

    ``call`` names a row of ``clients.CALLS``. ``key`` is given to ``Resilience`` (None: it has none, and the client's
    own key counts), ``own_key`` to the client.
    """

    title: str
    story: str
    call: str
    expect: Expect
    faults: tuple[Fault, ...] = ()
    model: str = "gpt-5"
    key: str | None = KEY
    own_key: str = KEY


SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        title="429 with Retry-After",
        story="The gateway throttles the call and says: come back in one second.",
        call="openai chat",
        faults=(Fault.error(429, retry_after=1),),
        expect=Expect(outcome="answer", decisions=("backoff rate", "deliver"), requests=2, waited=1.0),
    ),
    Scenario(
        title="503 that heals",
        story="The upstream is down for two requests, then it is back.",
        call="httpx2 chat",
        faults=(Fault(status=503), Fault(status=503)),
        expect=Expect(outcome="HTTP 200", decisions=("backoff transient", "backoff transient", "deliver"), requests=3),
    ),
    Scenario(
        title="quota exhausted",
        story="Also a 429, but waiting cannot help. By itself the SDK sends this three times.",
        call="openai chat",
        faults=(Fault.error(429, code="insufficient_quota"),) * 3,
        expect=Expect(outcome="RateLimitError", decisions=("no_retry quota",), says="upgrade it, top it up"),
    ),
    Scenario(
        title="wait too long",
        story="Throttled for an hour. Nobody sleeps that long: the call ends at once and says when to come back.",
        call="httpx2 chat",
        faults=(Fault.error(429, retry_after=3600),) * 3,
        expect=Expect(outcome="HTTP 429", decisions=("no_retry rate",), says="retry_at"),
    ),
    Scenario(
        title="wrong header, anthropic",
        story="This SDK sends Authorization: Bearer; AnyInt documents x-api-key and an older anthropic-version.",
        call="anthropic message",
        model="claude-opus-4-8",
        expect=Expect(outcome="answer", key_in="x-api-key"),
    ),
    Scenario(
        title="wrong header, openai",
        story="The other way round: x-api-key sent to a route that takes Authorization: Bearer.",
        call="httpx2 chat with x-api-key",
        key=None,
        expect=Expect(outcome="HTTP 200"),
    ),
    Scenario(
        title="wrong key",
        story="The right header with a key the gateway does not know. Nothing is repeated, the 401 is explained.",
        call="openai chat",
        key=None,
        own_key="a-key-of-another-gateway",
        expect=Expect(outcome="AuthenticationError", decisions=("no_retry auth",), says="Authorization: Bearer"),
    ),
    Scenario(
        title="unknown model",
        story="The model does not exist, or not for this account. The gateway's list is asked for names like it.",
        call="anthropic message",
        model="claude-missing",
        expect=Expect(
            outcome="NotFoundError",
            decisions=("no_retry model",),
            requests=2,
            key_in="x-api-key",
            says="GET /anthropic/v1/models",
        ),
    ),
    Scenario(
        title="reset before headers",
        story="The connection breaks before an answer. A generation keeps no state, so it is sent again.",
        call="anthropic message",
        model="claude-opus-4-8",
        faults=(Fault(reset="before_headers"),),
        expect=Expect(outcome="answer", decisions=("backoff transient", "deliver"), requests=2, key_in="x-api-key"),
    ),
    Scenario(
        title="paid video, answer lost",
        story="The gateway makes the task, then the connection breaks. By itself the SDK would pay three times.",
        call="openai video",
        model="kling-3.0",
        faults=(Fault(reset="before_headers", process=True),) * 3,
        expect=Expect(
            outcome="APIConnectionError from OutcomeUnknown",
            decisions=("no_retry transient",),
            tasks=1,
            says="Do not send it again",
        ),
    ),
    Scenario(
        title="Suno quota under HTTP 200",
        story="The status says fine; the body says code 429, which at Suno means: no credits left.",
        call="httpx2 song",
        model="V5",
        faults=(Fault.error(200, family=Family.SUNO, code=429),),
        expect=Expect(outcome="HTTP 200", decisions=("no_retry quota",), says="upgrade it, top it up"),
    ),
    Scenario(
        title="Suno throttle under HTTP 200",
        story="Body code 430: too fast. The create was refused, so it is safe to send once more; then it is polled.",
        call="httpx2 song",
        model="V5",
        faults=(Fault.error(200, family=Family.SUNO, code=430),),
        expect=Expect(
            outcome="HTTP 200",
            decisions=("backoff rate", "poll"),
            requests=2,
            tasks=1,
            says="Poll GET /suno/query/task?taskId=",
        ),
    ),
    Scenario(
        title="stream",
        story="Nothing goes wrong: the events pass through as they come.",
        call="openai stream",
        expect=Expect(outcome="answer"),
    ),
)
