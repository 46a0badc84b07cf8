"""Who shares a process's part in a store: all users of one key, until the last has gone."""

from __future__ import annotations

import gc

from anyint_resilience.runtime import Runtime
from anyint_resilience.stores.member import Member, joined
from tests.unit.test_fleet_member import PATIENT, WAIT, Backend
from tests.waiting import until


class User:
    """One who shares a member."""


def test_all_users_of_one_key_have_one_member_until_the_last_has_gone() -> None:
    """Whoever comes then has another one."""
    made: list[Member] = []

    def make() -> Member:
        made.append(Member(Backend(), Runtime(), wait=WAIT))
        return made[-1]

    first, second = User(), User()
    key = ("a key of this test",)
    member = joined(first, key, make)
    assert joined(second, key, make) is member
    assert member.updating("one", None, 1.0, PATIENT).wait() == "one"  # type: ignore[arg-type]
    del first
    gc.collect()
    assert member.started
    del second
    gc.collect()
    until(lambda: not member.started)
    third = User()
    assert joined(third, key, make) is not member
    assert len(made) == 2
