"""The file of the SQLite store: what is in it, files that are none of ours, and what may become of it later."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.stores import StoreError, owners, schema
from anyint_resilience.stores.sqlite import SqliteStore
from tests.unit.store_kit import Clock, Other, get, posix, put, sql


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


# What is in the file


def test_only_the_user_may_read_it(file: Path, store: SqliteStore) -> None:
    """The database, its log and the names."""
    put(store, "a", {})
    modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm", "store.db-owners"), 0o600)


def test_each_update_is_on_the_disk(store: SqliteStore) -> None:
    """A log that is synchronised with each transaction."""
    with store._link as db:
        settings = [
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    assert settings == [b"wal", 2, 5000]


def test_what_has_expired_leaves_the_file(file: Path, clock: Clock) -> None:
    """Not with the update that finds it, but with one of the next hundredth."""
    store = SqliteStore(file, clock, max_entries=300)
    for number in range(10):
        put(store, f"old{number}", {"keep": True}, ttl=5)
    clock.now += 5
    for number in range(3):
        put(store, f"new{number}", {})
    assert {key for (key,) in sql(file, "SELECT key FROM entries")} == {"new0", "new1", "new2"}


def test_many_short_lived_processes_are_bounded_too(file: Path, clock: Clock) -> None:
    """One that makes a single update tidies up as well."""
    for number in range(4):
        once = SqliteStore(file, clock, max_entries=1000)
        put(once, f"{number}", {}, ttl=1)
        once.close()
        clock.now += 1
    assert sql(file, "SELECT key FROM entries") == [("3",)]


@pytest.mark.parametrize("path", ["", ":memory:", "file:x?mode=memory", "a\0b", b"bytes.db"])
def test_a_path_that_is_no_file_is_refused(
    path: Any, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database in memory would be shared with nobody."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="path"):
        SqliteStore(path, clock)
    assert list(tmp_path.iterdir()) == []


def test_an_odd_path_is_a_path(tmp_path: Path, clock: Clock) -> None:
    """What means something in a URL means nothing here."""
    file = tmp_path / "100%41 #1?mode=memory&ü.db"
    put(SqliteStore(file, clock), "a", {})
    assert file.exists()


def test_room_for_nothing_is_refused(file: Path, clock: Clock) -> None:
    """``max_entries`` is at least 1."""
    with pytest.raises(ValueError, match="max_entries"):
        SqliteStore(file, clock, max_entries=0)


# Files that are none of ours


def _database(*statements: str) -> Callable[[Path], object]:
    return lambda file: [sql(file, statement) for statement in statements]


def _cut(file: Path) -> None:
    SqliteStore(file, Clock()).close()
    file.write_bytes(file.read_bytes()[:200])


OURS = f"PRAGMA application_id = {schema.APPLICATION}"
FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a text": (lambda file: file.write_text("Dear diary, " * 1000), "not a database"),
    "one byte": (lambda file: file.write_bytes(b"x"), "not a database"),
    "a short text": (lambda file: file.write_bytes(b"KEY=value\n" * 51), "not a database"),
    "a page of text": (lambda file: file.write_bytes(b"x" * 512), "not a database"),
    "less than two pages of text": (lambda file: file.write_bytes(b"x" * 1023), "not a database"),
    "zeros": (lambda file: file.write_bytes(bytes(4096)), "not a database"),
    "another's tables": (_database("CREATE TABLE t (x)"), "another application's"),
    "another's tables, in WAL": (_database("PRAGMA journal_mode = WAL", "CREATE TABLE t (x)"), "another application's"),
    "another's empty database": (_database("PRAGMA application_id = 77"), "another application's"),
    "another's numbered schema": (_database("PRAGMA user_version = 1"), "another application's"),
    "a newer one of ours": (_database(OURS, "PRAGMA user_version = 2"), r"newer version.*schema 2, this one knows 1"),
    "half of one of ours": (_database(OURS), "another application's"),
    "a cut one": (_cut, "malformed|not a database|disk I/O"),
}


@pytest.mark.parametrize("name", list(FOREIGN))
def test_a_file_that_is_not_ours_is_left_as_it_is(name: str, file: Path, clock: Clock) -> None:
    """It is named with what is wrong with it, and not one byte of it changes."""
    make, problem = FOREIGN[name]
    make(file)
    before = file.read_bytes()
    with pytest.raises(StoreError, match=problem) as caught:
        SqliteStore(file, clock)
    assert str(file) in str(caught.value)
    assert "nothing was changed" in str(caught.value)
    assert file.read_bytes() == before
    assert {path.name for path in file.parent.iterdir()} <= {"store.db", "store.db-owners"}


def _folder(file: Path) -> Path:
    file.mkdir()
    return file


def _pipe(file: Path) -> Path:
    os.mkfifo(file)
    return file


def _missing(file: Path) -> Path:
    return file / "no" / "such.db"


def _under_a_file(file: Path) -> Path:
    file.write_text("x")
    return file / "store.db"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_folder, "is a directory"),
        pytest.param(_pipe, "no regular file", marks=posix),
        (_missing, "No such file"),
        (_under_a_file, "Not a directory"),
    ],
)
def test_a_place_for_no_file_is_named(make: Callable[[Path], Path], problem: str, file: Path, clock: Clock) -> None:
    """A directory, a folder that is not there, a file where a folder should be."""
    path = make(file)
    with pytest.raises(StoreError, match=problem) as caught:
        SqliteStore(path, clock)
    assert str(path) in str(caught.value)


@pytest.fixture
def shut() -> Iterator[Path]:
    """A folder that anybody may look at, in which we, who are not root here, may write nothing."""
    if os.name != "posix":
        pytest.skip("Windows has other permissions")
    folder = Path(tempfile.mkdtemp())
    sql(folder / "others.db", "CREATE TABLE t (x)")
    SqliteStore(folder / "ours.db", Clock()).close()
    for name, mode in (("others.db", 0o600), ("ours.db", 0o444), ("ours.db-owners", 0o666), ("", 0o555)):
        (folder / name).chmod(mode)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)  # nobody: root may do anything
    yield folder
    if root:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize(("name", "problem"), [("new.db", "Permission denied"), ("ours.db", "readonly|unable to open")])
def test_a_file_we_may_not_write_is_named(shut: Path, name: str, problem: str, clock: Clock) -> None:
    """At once, not with the first update."""
    owners._sides.clear()
    with pytest.raises(StoreError, match=problem) as caught:
        SqliteStore(shut / name, clock)
    assert name in str(caught.value)


# What goes wrong later


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY", 0.0)


def test_a_lock_that_is_not_let_go_is_named(impatient: None, file: Path, clock: Clock) -> None:
    """The state stays; when the lock is gone the store works again."""
    store = SqliteStore(file, clock)
    put(store, "a", {"n": 1})
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"store.db: database is locked; nothing was changed") as caught:
        put(store, "a", {"n": 2})
    assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
    other.execute("ROLLBACK")
    other.close()
    assert put(store, "a", {"n": 3}) == {"n": 1}


def test_a_full_database_is_named(store: SqliteStore) -> None:
    """The state stays; when there is room again the store works again."""
    put(store, "a", {"n": 1})
    with store._link as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="database or disk is full"):
        put(store, "a", {"n": "x" * 100_000})
    assert put(store, "a", {"n": "x" * 100_000}) == {"n": 1}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of half a megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    tool = shutil.which("mount")
    command = [str(tool), "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if tool is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    owners._sides.pop(str(disk / "store.db"), None)
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_named(small_disk: Path, clock: Clock) -> None:
    """The state stays; when there is room again the store works again."""
    store = SqliteStore(small_disk / "store.db", clock)
    put(store, "a", {"n": 1})
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"):
        ballast.write_bytes(bytes(600_000))
    with pytest.raises(StoreError, match=r"full|disk I/O"):
        put(store, "a", {"n": "x" * 200_000})
    ballast.unlink()
    assert put(store, "a", {"n": 2}) == {"n": 1}
    store.close()


def test_a_file_destroyed_later_is_named(file: Path, store: SqliteStore) -> None:
    """Bytes in the middle: what can't be read is not taken as absent. With the good file back, it works again."""
    for number in range(200):
        put(store, f"create:{number}", {"n": "x" * 100})
    store.close()
    good = file.read_bytes()
    file.write_bytes(good[:8192] + b"\xa5" * (len(good) - 12288) + good[-4096:])
    for attempt in (
        lambda: get(store, "create:100"),
        lambda: list(store.scan("create:")),
        lambda: put(store, "new", {}),
    ):
        with pytest.raises(StoreError, match=r"malformed|not as it was written"):
            attempt()
    store.close()
    file.write_bytes(good)
    assert get(store, "create:100") == {"n": "x" * 100}


TAMPERED = {
    "no JSON": ("state", "sk-secret"),
    "no object": ("state", "[1]"),
    "a number": ("state", 5),
    "no text": ("state", b"\xff\xfe sk-secret"),
    "too deep": ("state", '{"a":' * 100_000),
    "no time": ("expires", "tomorrow"),
}


@pytest.mark.parametrize("name", list(TAMPERED))
def test_a_row_that_can_not_be_read_is_not_taken_as_absent(
    name: str, file: Path, store: SqliteStore, clock: Clock
) -> None:
    """A create that was sent must not look as if it never was; what stands there is not shown."""
    put(store, "create:a", {"n": 1})
    put(store, "create:b", {"n": 2})
    column, value = TAMPERED[name]
    given = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
    sql(file, f"UPDATE entries SET {column} = {given} WHERE key = 'create:a'", value)
    with pytest.raises(StoreError, match="not as it was written") as caught:
        put(store, "create:a", {})
    assert "secret" not in repr(caught.value) + repr(caught.value.__cause__)
    assert dict(store.scan("create:")) == {"create:a": None, "create:b": {"n": 2}}
    assert get(store, "create:b") == {"n": 2}
    if column == "state":
        clock.now += 60
        assert put(store, "create:a", {"n": 3}) is None


@posix
@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_is_another_one_now_is_opened_anew(
    how: str, file: Path, store: SqliteStore, tmp_path: Path
) -> None:
    """What is written to a deleted file is seen by nobody."""
    put(store, "a", {"n": 1})
    if how == "deleted":
        file.unlink()
    else:
        backup = SqliteStore(tmp_path / "backup.db", Clock())
        put(backup, "a", {"n": 9})
        backup.close()
        (tmp_path / "backup.db").replace(file)
    for left in tmp_path.glob("store.db-[ws]*"):
        left.unlink()
    assert put(store, "a", {"n": 2}) == (None if how == "deleted" else {"n": 9})
    with Other(file, "say(get(store, 'a'))") as other:
        assert other.hear() == "{'n': 2}"


@posix
def test_a_names_file_that_can_not_be_used_is_named(file: Path, clock: Clock) -> None:
    """Without it nobody could tell who lives."""
    Path(f"{file}-owners").mkdir()
    with pytest.raises(StoreError, match=r"store.db-owners can't be opened: Is a directory"):
        SqliteStore(file, clock)


def test_when_every_place_is_taken_it_is_said(file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than try for ever."""
    monkeypatch.setattr(owners._Side, "lock", lambda self, slot, *, shared: False)
    with pytest.raises(StoreError, match="no free place"):
        SqliteStore(file, clock)
    monkeypatch.undo()
    assert SqliteStore(file, clock).owner.startswith("1-")  # nothing was changed: the numbers tried are free again
