"""``Guards``: how much the guards let through, as one frozen configuration.

Must not know any client, or how a guard works.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..policy.given import Invalid, count_problem, flag_problem, number_problem, shown
from ..policy.times import MAX_HINT

__all__ = ["Guards"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What calls share so that a fleet of them is calm: a retry budget, a gate and circuit breakers.

    Args:
        budget: whether retries and fallbacks need a token of the retry budget of their key and host.
        budget_reserve: tokens that a process begins with; an empty reserve is full again after a minute. A retry costs
            one, after a time-out five, and none after a rate limit, where the gate sets its pace.
        budget_ratio: tokens for each success of the last seconds.
        gate: whether a rate limit, a used-up quota or failures in a row close the gate of a key and model to all
            callers in the process: they wait in line and are let go smoothly, or fail at once where they can't wait.
        max_concurrency: how many requests of one key and model may be out at a time, from sending to the answer's
            headers, a stream's until its end; None: as many as the gateway bears.
        failures: so many failures in a row, with no success between, close the gate; one less does where nothing has
            succeeded within 10 s.
        breaker: whether a circuit breaker stands before each route and model. None: where it has a fallback.
        failure_rate: the share of failures that opens it, above 0 and at most 1.
        min_volume: of at least so many outcomes.
        window: within so many seconds of each other.
        cooldown: seconds for which an open circuit lets nothing through; 31 days at the most, as any hint.
        probes: so many calls at a time find out then whether it is over.

    Raises:
        ValueError: naming every problem at once.
    """

    budget: bool = True
    budget_reserve: float = 2.0
    budget_ratio: float = 0.1
    gate: bool = True
    max_concurrency: int | None = None
    failures: int = 2
    breaker: bool | None = None
    failure_rate: float = 0.5
    min_volume: int = 10
    window: float = 10.0
    cooldown: float = 5.0
    probes: int = 2

    def __post_init__(self) -> None:
        calls = self.max_concurrency
        problems = [
            problem
            for problem in (
                flag_problem("budget", self.budget),
                number_problem("budget_reserve", self.budget_reserve),
                number_problem("budget_ratio", self.budget_ratio),
                flag_problem("gate", self.gate),
                None if calls is None else count_problem("max_concurrency", calls),
                count_problem("failures", self.failures),
                None if self.breaker is None else flag_problem("breaker", self.breaker),
                number_problem("failure_rate", self.failure_rate, above=True),
                count_problem("min_volume", self.min_volume),
                number_problem("window", self.window, least=0.001),
                number_problem("cooldown", self.cooldown, least=0.001),
                count_problem("probes", self.probes),
            )
            if problem is not None
        ]
        for name, most in (("failure_rate", 1.0), ("cooldown", MAX_HINT)):
            value = getattr(self, name)
            if number_problem(name, value) is None and value > most:
                problems.append(f"{name} must be {most:.0f} at the most, not {shown(value)}")
        if problems:
            raise Invalid("Guards", problems)

    @classmethod
    def off(cls) -> Guards:
        """Return guards that let everything through."""
        return cls(budget=False, gate=False, breaker=False)

    @property
    def watches(self) -> bool:
        """Whether any guard wants to know how calls go."""
        return self.budget or self.gate or self.breaker is not False
