"""The file of the SQLite store: how it is made, told from others' files, and opened.

Must not know what the states mean. Nothing is written before the file is known to be ours or empty.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

from .protocol import StoreError

__all__ = ["APPLICATION", "VERSION", "connect", "in_words"]

APPLICATION = 0x416E7949  # "AnyI", in the header of the file
VERSION = 1

BUSY = 5.0
"""How long, in seconds, a connection waits for another process's transaction."""

BRIEF = 0.1
"""The same, where a call waits for it."""

_SMALLEST = 512
"""Bytes: SQLite's smallest page. It takes a file of less for an empty one, and would write over it."""

_SCHEMA = (
    # A row is written anew with each update, so that its number says how recent it is whatever the clock does.
    """CREATE TABLE entries (turn INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
    expires REAL NOT NULL, keep INTEGER NOT NULL)""",
    "CREATE INDEX entries_by_expiry ON entries (expires)",
    "CREATE INDEX entries_by_worth ON entries (keep)",
    # Always empty: AUTOINCREMENT remembers the highest number it ever gave, and never gives it again.
    "CREATE TABLE owners (slot INTEGER PRIMARY KEY AUTOINCREMENT)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)


@contextmanager
def in_words(path: str) -> Generator[None, None, None]:
    """Turn what SQLite raises into a StoreError that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}; nothing was changed") from error


def connect(path: str, *, passing: bool = False) -> sqlite3.Connection:
    """Open the file, which is made (mode 0600) if there is none. Raises StoreError, and has then changed nothing.

    ``passing``: what is written need not be on the disk when that returns.
    """
    _make(path)
    with in_words(path):
        db = sqlite3.connect(
            Path(path).as_uri() + "?mode=rw",
            uri=True,
            timeout=BRIEF if passing else BUSY,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _set_up(db, path)
            if passing:
                db.execute("PRAGMA synchronous = OFF")
        except BaseException:
            db.close()
            raise
    return db


def _make(path: str) -> None:
    """Make the file, if there is none; one that is there is only looked at: opening it would cost SQLite its locks."""
    problem = None
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600))
    except FileExistsError:
        there = os.stat(path)
        if S_ISDIR(there.st_mode):
            problem = "is a directory"
        elif not S_ISREG(there.st_mode):
            problem = "is no regular file"
        elif 0 < there.st_size < _SMALLEST:
            problem = "is not a database"
    except OSError as error:
        problem = f"can't be made: {error.strerror}"
    if problem is not None:
        raise StoreError(f"{path} {problem}; nothing was changed")


def _set_up(db: sqlite3.Connection, path: str) -> None:
    # Texts come as bytes: if they are none, SQLite's own error would show them.
    db.text_factory = bytes
    db.execute("PRAGMA synchronous = FULL")
    db.execute("BEGIN")  # all that tells whose it is must be of one moment: another process may be making the tables
    ours = _is_ours(db, path)
    db.execute("COMMIT")
    if not ours:
        db.execute("BEGIN IMMEDIATE")
        if not _is_ours(db, path):  # another process may have been first
            for statement in _SCHEMA:
                db.execute(statement)
        db.execute("COMMIT")
    try:
        db.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError:
        pass  # another process is at it, for which this does not wait; the journal there is does as well, only slower


def _is_ours(db: sqlite3.Connection, path: str) -> bool:
    """Whether it has our tables; False if it has none at all. Raises StoreError if it is another's."""

    def number(query: str) -> Any:
        return db.execute(query).fetchone()[0]

    application, version = number("PRAGMA application_id"), number("PRAGMA user_version")
    tables = number("SELECT count(*) FROM sqlite_master")
    if application == APPLICATION and version == VERSION:
        return True
    if application == APPLICATION and version > VERSION:
        raise StoreError(
            f"{path} was written by a newer version of anyint-resilience (schema {version}, this one knows {VERSION});"
            " nothing was changed"
        )
    if application or version or tables:
        raise StoreError(f"{path} is another application's database; nothing was changed")
    return False
