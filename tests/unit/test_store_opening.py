"""Two processes that open a new SQLite file at the same moment: neither takes the other's work for a stranger's."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anyint_resilience.stores import schema


class Meddled:
    """The module sqlite3 for ``schema``: something happens just before each statement of the connections it opens."""

    Error, OperationalError = sqlite3.Error, sqlite3.OperationalError

    def __init__(self, before: Any) -> None:
        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *values: Any) -> Any:
                before(statement)
                return super().execute(statement, *values)

        self.kind = Connection

    def connect(self, *args: Any, **settings: Any) -> sqlite3.Connection:
        return sqlite3.connect(*args, factory=self.kind, **settings)


def made_by_another(path: Path) -> None:
    """Make the tables as another process does; where the file is locked it would wait, and here gives up."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
            for statement in schema._SCHEMA:
                other.execute(statement)
            other.execute("COMMIT")
        except sqlite3.OperationalError:
            pass


@pytest.mark.parametrize("word", ["application_id", "user_version", "sqlite_master", "BEGIN IMMEDIATE", "WAL"])
def test_tables_made_in_the_meantime_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """Another process that makes the tables while this one looks whose file it is does not make it a stranger's."""
    path, done = tmp_path / "new.db", []

    def before(statement: str) -> None:
        if word in statement and not done:
            done.append(statement)
            made_by_another(path)

    monkeypatch.setattr(schema, "sqlite3", Meddled(before))
    with closing(schema.connect(str(path))) as db:
        assert db.execute("SELECT count(*) FROM entries").fetchone() == (0,)
    assert done


def test_a_file_that_another_process_reads_can_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite does not change a file's journal while somebody is at it, and does not wait either: the next one will."""
    monkeypatch.setattr(schema, "BUSY", 0.0)
    path = tmp_path / "new.db"
    made_by_another(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM entries").fetchall()
        schema.connect(str(path)).close()
        other.execute("COMMIT")
    with closing(schema.connect(str(path))) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == (b"wal",)
