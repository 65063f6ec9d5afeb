"""The file of the store: its tables, and the check that a file is a store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

VERSION = 1

#: Identifies stores among other SQLite files: "Cthu".
APPLICATION_ID = 0x43746875

_WAIT = 10.0  # seconds, for another process that writes to the file
_TABLES = """
CREATE TABLE runs (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    peer TEXT,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    begun REAL NOT NULL,
    updated REAL NOT NULL,
    ended REAL,
    initial_epoch INTEGER NOT NULL,
    epochs INTEGER,
    steps INTEGER,
    part INTEGER NOT NULL,
    part_begun REAL,
    part_epoch INTEGER,
    part_batch INTEGER,
    epoch INTEGER,
    batch INTEGER
);
CREATE INDEX runs_of_peer ON runs (peer, key) WHERE peer IS NOT NULL;
CREATE TABLE epochs (
    run INTEGER NOT NULL, epoch INTEGER NOT NULL, time REAL NOT NULL, logged TEXT NOT NULL,
    PRIMARY KEY (run, epoch)
) WITHOUT ROWID;
CREATE TABLE batches (
    run INTEGER NOT NULL, epoch INTEGER NOT NULL, batch INTEGER NOT NULL, time REAL NOT NULL, logged TEXT NOT NULL,
    PRIMARY KEY (run, epoch, batch)
) WITHOUT ROWID;
CREATE TABLE senders (id TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
"""


class StoreError(Exception):
    """The file cannot be used, or not now. The message names it, the reason and the cure."""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection for use by one thread at a time, with explicit transactions."""
    connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    return connection


def prepare(path: Path) -> None:
    """Create the file if it is missing, and check that it can be used.

    Raises:
        StoreError: If it cannot be used.
    """
    other = "name another file with --store"
    try:
        with closing(connect(path)) as connection:
            _prepare(connection, path, other)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            why = f"cannot be written ({error}): make the file and its folder writable, or {other}"
        else:
            why = f"is not a SQLite file or is damaged ({error}): {other}"
        raise StoreError(f"the store {str(path)!r} {why}") from error


def _prepare(connection: sqlite3.Connection, path: Path, other: str) -> None:
    # A transaction that writes, so that missing permissions show up now.
    connection.execute("BEGIN IMMEDIATE")
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application_id == 0 and version == 0 and tables == 0:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
    elif application_id != APPLICATION_ID:
        raise StoreError(f"the store {str(path)!r} is a file of another program: {other}")
    elif version > VERSION:
        raise StoreError(
            f"the store {str(path)!r} has the layout {version}, but this version of cthulhu-remote supports only those "
            f"up to {VERSION}: install a newer one (pip install --upgrade cthulhu-remote), or {other}"
        )
    else:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("COMMIT")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(
            f"the store {str(path)!r} is on a file system without support for SQLite's write-ahead log: use a file on "
            "a local disk with --store"
        )
