"""Calls on the engine with guards and fallbacks in their way. Must not know any client, clock or mock."""

from __future__ import annotations

import json
from typing import Any

from anyint_resilience import Fallback, Guards, Policy, Resilience
from anyint_resilience.policy.model import FaultKind
from tests.unit.engine_kit import Answer, Script, World

CHAT, VIDEOS, GEMINI = "/openai/v1/chat/completions", "/openai/v1/videos", "/gemini/v1beta/models/a:generateContent"
OTHER = "https://other.example"
BODY = b'{"model":"a","messages":[]}'
RESET, SILENT, CONNECT, POOL = (
    FaultKind.READ_ERROR, FaultKind.READ_TIMEOUT, FaultKind.CONNECT_ERROR, FaultKind.POOL_TIMEOUT,
)  # fmt: skip
HINT = 2.0
RICH: dict[str, Any] = {"budget_reserve": 1000.0}  # tokens enough for anything
QUOTA = Answer(429, json.dumps({"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}).encode())
ONCE = Policy(attempts=1)


def limited(seconds: float = HINT, body: bytes = b"") -> Answer:
    return Answer(429, body, (("Retry-After", f"{seconds:g}"),))


def row(**more: Any) -> Fallback:
    return Fallback(**{"workload": "w", "route": CHAT, "model": "a", "to": "b", **more})


class Place:
    """A world with one configuration, and calls in it, one after the other."""

    def __init__(self, *rows: Fallback, world: World | None = None, **guards: Any) -> None:
        self.world = World() if world is None else world
        self.anyint = Resilience(
            api_key="sk-test",
            runtime=self.world.runtime,
            guards=Guards(**{**RICH, **guards}),
            fallbacks=rows,
            hosts=[OTHER],
        )

    def script(self, *steps: Any, body: bytes | None = BODY, **call: Any) -> Script:
        return Script(self.world, *steps, anyint=self.anyint, body=body, **call)

    def play(self, *steps: Any, **call: Any) -> tuple[list[str], Any, Script]:
        script = self.script(*steps, **call)
        result = script.play()
        return words(script), result, script

    def opened(self) -> None:
        """Open the circuit of the primary, by the calls that it takes."""
        guards = self.anyint.guards
        for _ in range(guards.min_volume):
            self.script(503, 503, policy=ONCE).play()  # its fallback fails too, where there is one
            self.world.now += guards.window / guards.min_volume / 10


def words(script: Script) -> list[str]:
    """Return what was asked for, without numbers of seconds."""
    return [it if it.startswith("send") else it.partition(" ")[0] for it in script.effects]


def models(script: Script) -> list[str]:
    """Return the models that were asked, by the bodies that went out."""
    return [json.loads(BODY if it.body is None else it.body)["model"] for it in script.sent]


def breakers(**more: Any) -> dict[str, Any]:
    """Return guards of which only the circuit breakers stand, and open soon."""
    return {"gate": False, "min_volume": 2, "window": 10.0, **more}
