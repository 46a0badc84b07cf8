"""Many waits at once, on a clock that jumps: the cap on queries, whose turn it is, what cancelling and deadlines do.

Must not know any client: the flows are driven by hand.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from itertools import pairwise
from random import Random
from time import sleep
from typing import Any

import pytest

from anyint_resilience import Policy, TaskHandle, TaskTimeout
from anyint_resilience.contract.tasks import POLL_JITTER, TASKS
from anyint_resilience.runtime import Runtime
from anyint_resilience.tasks.handle import CREATES
from anyint_resilience.tasks.timetable import Timetable
from anyint_resilience.tasks.waiting import Ask, Looked, Rest, Wait, follow

EPOCH = 1_750_000_000.0
MANY = 500
KLING = "POST /transtreams/kling/v1/videos/text2video"
SUNO = "POST /suno/generate"
RATE = TASKS["kling"].query_rate
TINY = 1e-6


def said(route: str, task_id: str, done: bool) -> bytes:
    if route == KLING:
        data: dict[str, Any] = {"task_id": task_id, "task_status": "succeed" if done else "processing"}
        data["task_result"] = {"videos": [{"url": "https://cdn.example/1"}]}
    else:
        data = {"taskId": task_id, "status": "SUCCESS" if done else "PENDING"}
        data["response"] = {"sunoData": [{"audioUrl": "https://cdn.example/1"}]}
    return json.dumps({"code": 200 if route == SUNO else 0, "data": data}).encode()


class Crowd:
    """Waits on a clock that jumps to whatever is next. Answers take no time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.table = Timetable()
        self.flows: dict[str, Any] = {}
        self.routes: dict[str, str] = {}
        self.ends: dict[str, float] = {}
        self.asked: defaultdict[str, list[float]] = defaultdict(list)
        self.order: list[str] = []
        self.known: dict[str, float] = {}
        self.given_up: dict[str, float] = {}
        self._due: list[tuple[float, int, str, object]] = []
        self._turns: dict[str, int] = {}
        self._number = 0
        chance = Random(7)
        self.runtime = Runtime(
            monotonic=lambda: self.now, wall=lambda: EPOCH + self.now, random=lambda: chance.random()
        )

    def add(self, ends: float, *, route: str = KLING, deadline: float = 1e5, age: float = 0.0) -> str:
        """Begin to wait for a task that has its end at this time."""
        task_id, row = f"task-{len(self.flows)}", CREATES[route]
        assert row.family is not None
        handle = TaskHandle(
            family=row.family, route=route, task_id=task_id, gateway="https://g.example", created_at=EPOCH - age
        )
        wait = Wait(handle=handle, deadline=deadline, runtime=self.runtime, timetable=self.table, policy=Policy())
        self.flows[task_id], self.ends[task_id], self.routes[task_id] = follow(wait), ends, route
        self._plan(task_id, self.now, None)
        return task_id

    def _plan(self, task_id: str, at: float, reply: object) -> None:
        self._number += 1
        self._turns[task_id] = self._number
        heappush(self._due, (at, self._number, task_id, reply))

    def ring(self, task_id: str) -> None:
        """Bring news of a task to who waits for it."""
        self._plan(task_id, self.now, True)

    def cancel(self, task_id: str) -> None:
        """End a wait from outside."""
        self._turns.pop(task_id, None)
        self.flows[task_id].close()

    def run(self, until: float = 1e6) -> None:
        """Go on until then, or until nobody waits."""
        while self._due and self._due[0][0] <= until:
            self.now, number, task_id, reply = heappop(self._due)
            if self._turns.get(task_id) == number:
                self._step(task_id, reply)
        if until < 1e6:
            self.now = until

    def _step(self, task_id: str, reply: object) -> None:
        flow = self.flows[task_id]
        try:
            effect = flow.send(reply)
            while not isinstance(effect, Rest):
                effect = flow.send(self._answer(task_id) if isinstance(effect, Ask) else None)
            self._plan(task_id, self.now + effect.seconds, False)
        except StopIteration as stop:
            self.known[task_id] = self.now if stop.value.phase == "success" else -1.0
        except TaskTimeout:
            self.given_up[task_id] = self.now

    def _answer(self, task_id: str) -> Looked:
        route = self.routes[task_id]
        self.asked[route].append(self.now)
        self.order.append(task_id)
        return Looked(200, (), said(route, task_id, self.now >= self.ends[task_id]))

    def delays(self) -> dict[str, float]:
        """Return how long after a task's end its wait came to its own."""
        return {task_id: at - self.ends[task_id] for task_id, at in self.known.items()}


def many(count: int = MANY, routes: tuple[str, ...] = (KLING,)) -> Crowd:
    """Return a crowd whose tasks live half a minute to a minute and a half."""
    crowd, chance = Crowd(), Random(3)
    for at in range(count):
        crowd.add(chance.uniform(30.0, 90.0), route=routes[at % len(routes)])
    return crowd


def most_in_a_second(times: list[float]) -> int:
    return max(bisect_left(times, at + 1.0 - TINY) - place for place, at in enumerate(times))


@pytest.mark.parametrize("routes", [(KLING,), (SUNO,), (KLING, SUNO)], ids=["kling", "suno", "both"])
def test_no_second_sees_more_queries_than_the_cap_of_its_family(routes: tuple[str, ...]) -> None:
    """However many wait, a family is asked as often in a second as its row says, and it is asked that often."""
    crowd = many(routes=routes)
    crowd.run()
    assert len(crowd.known) == MANY
    assert {route: most_in_a_second(times) for route, times in crowd.asked.items()} == dict.fromkeys(routes, RATE)


@pytest.mark.parametrize("count", [1, 20, MANY])
def test_a_wait_knows_within_one_poll_interval(count: int) -> None:
    """The end of a task is known within the interval of its row, or the one that so many waits share the cap by."""
    crowd = many(count)
    crowd.run()
    # Those who share a cap do so with pauses that differ by their jitter.
    cap = TASKS["kling"].cap
    interval = max(cap * (1 + POLL_JITTER), count / RATE + 2 * POLL_JITTER * cap)
    assert len(crowd.known) == count
    assert min(crowd.delays().values()) >= 0
    assert max(crowd.delays().values()) <= interval + TINY


def test_who_comes_first_is_served_first() -> None:
    """Tasks that were due long ago are all asked for at once: in the order in which their waits began."""
    crowd = Crowd()
    names = [crowd.add(0.0, age=3600.0) for _ in range(100)]
    crowd.run()
    assert crowd.order == names
    assert crowd.known[names[-1]] == pytest.approx(99 / RATE)


def test_nobody_is_asked_for_twice_before_all_others_were_once() -> None:
    """A wait whose task goes on lines up again behind those that were there before it."""
    crowd = Crowd()
    names = [crowd.add(1e4, age=3600.0) for _ in range(MANY)]
    crowd.run(until=3 * MANY / RATE - 1)
    rounds = [crowd.order[at : at + MANY] for at in (0, MANY)]
    assert [set(each) for each in rounds] == [set(names)] * 2


def test_what_is_cancelled_gives_its_turn_to_who_comes_next() -> None:
    """When one wait in five goes away, no query fewer is made in the meantime, and the others know sooner."""
    crowds = [many(), many()]
    gone = [f"task-{at}" for at in range(0, MANY, 5)]
    for crowd in crowds:
        crowd.run(until=25.0)
    for task_id in gone:
        crowds[1].cancel(task_id)
    for crowd in crowds:
        crowd.run(until=60.0)
    alone, left = (crowd.asked[KLING] for crowd in crowds)
    assert len(left) >= len(alone) - 1
    for crowd in crowds:
        crowd.run()
    before, after = (
        sorted(delay for task_id, delay in crowd.delays().items() if task_id not in gone) for crowd in crowds
    )
    assert len(after) == len(before) == MANY - len(gone)
    assert sum(after) < sum(before)
    assert after[-1] <= before[-1]
    assert most_in_a_second(left) <= RATE


def test_a_turn_beyond_the_deadline_ends_the_wait_and_is_left_to_others() -> None:
    """Who would be asked for later than a last look may come is told so with the handle, and holds nobody up."""
    crowd = Crowd()
    served = [crowd.add(0.0, age=3600.0, deadline=1.99) for _ in range(int(RATE) * 4)]  # twice the deadline
    late = [crowd.add(0.0, age=3600.0, deadline=1.99) for _ in range(50)]
    patient = crowd.add(0.0, age=3600.0)
    crowd.run()
    assert list(crowd.known) == [*served, patient]
    assert list(crowd.given_up) == late
    assert crowd.known[patient] == pytest.approx(len(served) / RATE)


@pytest.mark.parametrize(("others", "soon"), [(0, 0.0), (36, 2.0)], ids=["alone", "behind others"])
def test_news_ends_the_pause_but_not_the_line(others: int, soon: float) -> None:
    """A wait that is told of news asks at once where it is alone, and behind those who are in line where it is not."""
    crowd = Crowd()
    told = crowd.add(1.0)
    crowd.run(until=1.0)
    for _ in range(others):
        crowd.add(0.0, age=3600.0)
    crowd.run(until=1.0)
    crowd.ring(told)
    crowd.run()
    assert crowd.known[told] == pytest.approx(1.0 + soon)


class Hasty(float):
    """A time that lets other threads go first whenever it is compared."""

    def __lt__(self, other: float) -> bool:
        sleep(0)
        return float(self) < other

    def __gt__(self, other: float) -> bool:
        sleep(0)
        return float(self) > other


def test_threads_never_get_the_same_turn() -> None:
    """Eight threads that take, and give every third one back, never hold two turns closer than the cap allows."""
    table = Timetable()

    def use(thread: int) -> list[float]:
        kept = []
        for at in range(60):
            slot = table.take("one", Hasty(0.0), RATE)
            if at % 3 == thread % 3:
                table.give_back("one", slot)
            else:
                kept.append(slot)
        return kept

    with ThreadPoolExecutor(8) as pool:
        slots = sorted(slot for kept in pool.map(use, range(8)) for slot in kept)
    assert len(slots) == 8 * 40
    assert min(later - sooner for sooner, later in pairwise(slots)) > 1 / RATE - TINY


def test_what_was_given_back_too_late_is_nobodys() -> None:
    """A turn that has passed is not given out again."""
    table = Timetable()
    slots = [table.take("one", 0.0, 1.0) for _ in range(3)]
    for slot in slots[:2]:
        table.give_back("one", slot)
    assert [table.take("one", 0.5, 1.0) for _ in range(2)] == [1.0, 3.0]


def test_waits_for_two_families_do_not_share_a_line() -> None:
    """A hundred waits for each of two families are served in the time of a hundred."""
    crowd = Crowd()
    for route in (KLING, SUNO) * 100:
        crowd.add(0.0, route=route, age=3600.0)
    crowd.run()
    assert [times[-1] for times in crowd.asked.values()] == [pytest.approx(99 / RATE)] * 2


def test_kinds_do_not_wait_for_each_other() -> None:
    """Each kind has its own line; and there may be very many kinds over time."""
    table = Timetable()
    assert {table.take(f"kind {at}", 5.0, 1.0) for at in range(1000)} == {5.0}
    assert table.take("kind 999", 5.0, 1.0) == 6.0
