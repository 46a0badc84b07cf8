"""The SQLite store: what processes share of it, what is left when they are killed, who of them lives."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.stores import StoreError, owners
from anyint_resilience.stores.sqlite import SqliteStore
from tests.unit.store_kit import Clock, Other, forked, get, posix, put

WAIT = "sys.stdin.readline()\n"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(file: Path, clock: Clock) -> Iterator[SqliteStore]:
    made = SqliteStore(file, clock)
    yield made
    made.close()


# What outlives the process


def test_what_is_written_is_there_for_the_next_process(file: Path, clock: Clock) -> None:
    """Times are Unix seconds: they mean the same to both."""
    with Other(file, "put(store, 'a', {'n': 1})\nsay('done')") as other:
        assert other.hear() == "done"
        assert other.end() == 0
    assert get(SqliteStore(file, clock), "a") == {"n": 1}


def test_processes_lose_no_update(file: Path, clock: Clock) -> None:
    """Several that make the file at the same moment count together, and each has a name of its own."""
    code = "say(store.owner)\n" + WAIT + "for _ in range(40): store.update('n', add, 60)\n"
    others = [Other(file, code) for _ in range(4)]
    names = {other.hear() for other in others}
    for other in others:
        other.tell()
    assert [other.end() for other in others] == [0] * 4
    for other in others:
        other.__exit__()
    assert get(SqliteStore(file, clock), "n") == {"count": 160}
    assert len(names) == 4


IN_STEP = """
def step(state, now):
    say(store.owner)
    sys.stdin.readline()
    return {'n': 2}, None
put(store, 'a', {'n': 1})
store.update('a', step, 60)
"""
BETWEEN = "put(store, 'a', {'n': 1})\nsay(store.owner)\n" + WAIT


@posix
@pytest.mark.parametrize("code", [BETWEEN, IN_STEP], ids=["between updates", "inside a step"])
def test_a_killed_process_leaves_whole_states_and_is_gone(file: Path, store: SqliteStore, code: str) -> None:
    """What it had committed is there, what it was at is not, nor its lock; while it lived it was not gone."""
    with Other(file, code) as other:
        name = other.hear()
        assert store.gone(name) is False
        other.kill()
        assert store.gone(name) is True
        store.close()
        assert get(store, "a") == {"n": 1}
        assert store.owner != name


# Names


def test_stores_of_one_process_share_its_name(file: Path, store: SqliteStore, clock: Clock) -> None:
    """POSIX locks do not tell them apart, so they must not be asked; a link to the file is the file."""
    by_link = file.with_name("link.db")
    by_link.symlink_to(file)
    twins = [
        SqliteStore(file, clock),
        SqliteStore(by_link, clock),
        pickle.loads(pickle.dumps(SqliteStore(file, time.time))),
    ]
    assert {twin.owner for twin in twins} == {store.owner}
    assert not any(twin.gone(store.owner) for twin in twins)


def test_threads_that_claim_at_once_get_one_name(store: SqliteStore, file: Path) -> None:
    """The second finds the first one's claim, and commits none of its own."""

    def seal() -> None:
        raise AssertionError

    assert owners.claim(os.path.realpath(file), iter([99]), seal) == store.owner


@posix
@pytest.mark.parametrize("closed", [False, True])
def test_a_name_lives_as_long_as_the_process(file: Path, store: SqliteStore, closed: bool) -> None:
    """Neither closing a store nor asking after names, one's own among them, lets go of it."""
    name = store.owner
    store.gone(name)
    store.gone(name.split("-")[0] + "-" + "0" * 16)
    twin = copy.copy(store)
    twin.close()
    del twin
    gc.collect()
    if closed:
        store.close()
    with Other(file, f"say(store.gone({name!r}))") as other:
        assert other.hear() == "False"


@pytest.mark.parametrize(
    "name",
    ["", "0-" + "0" * 16, "-1-" + "0" * 16, "9" * 40 + "-" + "0" * 16, "7-" + "0" * 16, "7-x", "\u0667-" + "0" * 16],
)
def test_a_name_nobody_can_have_is_gone(store: SqliteStore, name: str) -> None:
    """Each process that lives and shares the file has a name we know the form of, and its lock."""
    assert store.gone(name) is True


@posix
def test_two_who_ask_at_once_do_not_hinder_each_other(store: SqliteStore, file: Path) -> None:
    """Whoever asks holds the byte for a moment: another must not take that for life."""
    name = "7-" + "0" * 16
    code = "import fcntl\nfrom anyint_resilience.stores import owners\n" + (
        f"owners.known({os.path.realpath(file)!r})\n"
        f"owners._sides[{os.path.realpath(file)!r}].lock(7, shared=True)\nsay('held')\n" + WAIT
    )
    with Other(file, code) as other:
        assert other.hear() == "held"
        assert store.gone(name) is True


@posix
def test_names_are_never_given_twice(file: Path, clock: Clock) -> None:
    """The number of one who is gone is not used again, however often."""
    names = []
    for _ in range(3):
        with Other(file, "say(store.owner)") as other:
            names.append(other.hear())
            other.end()
    assert [name.split("-")[0] for name in names] == ["1", "2", "3"]
    assert all(SqliteStore(file, clock).gone(name) for name in names)


@posix
def test_a_name_is_held_before_it_is_seen(file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the moment its number is committed, and not only after, others find it locked."""
    seen = []

    def seal_watched(path: str, slots: Iterator[int], seal: Callable[[], object]) -> str:
        def watched() -> None:
            seal()
            seen.append(forked(lambda: not owners._side(path).lock(1, shared=True)))

        return claim(path, slots, watched)

    claim = owners.claim
    monkeypatch.setattr(owners, "claim", seal_watched)
    assert SqliteStore(file, clock).owner.startswith("1-")
    assert seen == [0]


@posix
def test_files_made_anew_do_not_confuse_names(file: Path, store: SqliteStore, clock: Clock) -> None:
    """Whoever deletes the database, the locks, or both, makes nobody's name another's, and none who lives gone."""
    with Other(file, "say(store.owner)\n" + WAIT + "say(store.owner)\n" + WAIT) as other:
        first = other.hear()
        for part in ("", "-wal", "-shm"):
            Path(f"{file}{part}").unlink()  # the numbers begin anew, but those of the living are taken
        with Other(file, "say(store.owner)\n" + WAIT) as third:
            assert third.hear() not in {first, store.owner}
        Path(f"{file}-owners").unlink()
        was = store.owner
        assert was == store.owner
        other.tell()
        again = other.hear()
        assert again != first
        assert store.gone(again) is False
        assert store.gone(was) is False


def test_without_posix_locks_every_other_counts_as_gone(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The careful reading: what is in flight elsewhere is unknown."""
    monkeypatch.setattr(owners, "fcntl", None)
    store = SqliteStore(tmp_path / "windows.db", clock)
    assert store.gone(store.owner) is False
    assert store.gone("7-" + "0" * 16) is True
    assert not Path(f"{tmp_path}/windows.db-owners").exists()


# Forks, threads, pickles


@posix
def test_a_child_has_a_connection_and_a_name_of_its_own(file: Path, store: SqliteStore) -> None:
    """It sees what was written, writes, and knows its parent to live."""
    put(store, "a", {"n": 1})
    parent = store.owner

    def work() -> bool:
        seen = get(store, "a") == {"n": 1}
        put(store, "child", {"name": store.owner})
        return seen and store.owner != parent and store.gone(parent) is False and store.gone(store.owner) is False

    assert forked(work) == 0
    assert store.owner == parent
    assert store.gone(get(store, "child")["name"]) is True
    with Other(file, f"say(store.gone({parent!r}))") as other:
        assert other.hear() == "False"


@posix
def test_what_a_child_commits_is_not_lost_when_its_parent_closes(store: SqliteStore) -> None:
    """A connection that is open across a fork makes SQLite delete the log the child writes to."""
    put(store, "a", {})
    to_child, to_parent = os.pipe(), os.pipe()

    def work() -> bool:
        put(store, "first", {})
        os.write(to_parent[1], b"x")
        os.read(to_child[0], 1)
        put(store, "second", {})
        return True

    def close() -> None:
        os.read(to_parent[0], 1)
        store.close()
        os.write(to_child[1], b"x")

    closing = threading.Thread(target=close, daemon=True)
    put(store, "b", {})
    closing.start()
    assert forked(work) == 0
    closing.join()
    for end in (*to_child, *to_parent):
        os.close(end)
    assert {key for key, _ in store.scan("")} == {"a", "b", "first", "second"}


@posix
def test_a_fork_waits_for_other_threads_updates(store: SqliteStore) -> None:
    """The child finds no lock held by a thread that it does not have, and the parent's update goes through."""
    inside, forking = threading.Event(), threading.Event()

    def step(state: Any, now: float) -> tuple[Any, None]:
        inside.set()
        forking.wait()
        return {"n": 1}, None

    def fork() -> int:
        # The hook that is called before ours lets the step end: from here on it is ours that waits.
        os.register_at_fork(before=forking.set)
        return forked(lambda: get(store, "a") == {"n": 1})

    thread = threading.Thread(target=store.update, args=("a", step, 60), daemon=True)
    thread.start()
    inside.wait()
    assert fork() == 0
    thread.join()
    assert get(store, "a") == {"n": 1}


@posix
def test_a_fork_inside_a_step_leaves_the_parent_its_transaction(store: SqliteStore) -> None:
    """Only the child must not use the store: SQLite can't be told of such a fork."""

    def refused() -> bool:
        try:
            get(store, "a")
        except StoreError as error:
            return "os.fork" in str(error)
        return False

    assert store.update("a", lambda state, now: ({"n": 1}, forked(refused)), 60) == 0
    assert get(store, "a") == {"n": 1}


def test_a_process_made_by_other_means_is_told_so(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers fork without Python's knowledge, and then nothing closed the connection; nor may the child."""
    put(store, "a", {"n": 1})
    here = os.getpid()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: here + 1)
        with pytest.raises(StoreError, match=r"other than Python's os.fork.*nothing was changed"):
            get(store, "a")
        store.close()
    assert get(store, "a") == {"n": 1}


def test_a_step_must_not_use_the_store(store: SqliteStore) -> None:
    """It would be within its own transaction: that is said, and nothing is half done."""

    def step(state: Any, now: float) -> tuple[Any, None]:
        put(store, "b", {})
        return {}, None

    with pytest.raises(RuntimeError, match="a step must not use the store"):
        store.update("a", step, 60)
    assert list(store.scan("")) == []


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_is_a_store_on_the_same_file(file: Path, again: Callable[[Any], Any]) -> None:
    """Pickled, to be sent to another process, or copied."""
    store = SqliteStore(file, time.time, max_entries=2)
    put(store, "a", {})
    twin = again(store)
    for key in ("b", "c"):
        put(twin, key, {})
    assert {key for key, _ in store.scan("")} == {"b", "c"}


def test_a_store_that_nobody_closed_is_closed(file: Path, clock: Clock) -> None:
    """Nothing is left open, and nothing warned of, by one that is let go nor by one that is there at the end."""
    store = SqliteStore(file, clock)
    put(store, "a", {})
    assert Path(f"{file}-wal").exists()
    del store
    gc.collect()
    assert not Path(f"{file}-wal").exists()
    code = "import sys, time; from anyint_resilience.stores.sqlite import *; kept = SqliteStore(sys.argv[1], time.time)"
    paths = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-Wdefault", "-c", code, str(file)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert not Path(f"{file}-wal").exists()
