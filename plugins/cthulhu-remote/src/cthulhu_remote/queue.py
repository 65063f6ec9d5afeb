"""Where events wait to be sent: in memory, or in a file that outlives the process."""

from __future__ import annotations

import contextlib
import errno
import json
import sqlite3
from collections import Counter, deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from cthulhu_remote.events import Event

_LAYOUT = 1
_TABLE = (
    "CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, run TEXT NOT NULL, "
    "sender TEXT NOT NULL, number INTEGER NOT NULL, time REAL NOT NULL, payload TEXT NOT NULL)"
)


class Queue(Protocol):
    """Events in the order in which they are to be sent."""

    def put(self, event: Event) -> bool:
        """Take an event; gives whether there was room for it."""

    def head(self, most: int) -> Sequence[Event]:
        """The next ones, at most so many."""

    def remove(self, count: int) -> None:
        """Forget the next ``count``: they are done."""

    def counts(self) -> Counter[str]:
        """How many there are of each kind."""


class Memory:
    """Events in memory, at most twice ``most``; of them at most ``most``, or so, of batches.

    A server that is away leaves a gap in the values of batches, and not in those of epochs, which are few.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._events: deque[Event] = deque()
        self._most = most

    def put(self, event: Event) -> bool:
        """Take an event, if there is room."""
        if len(self._events) >= (self._most if event.kind == "batch" else 2 * self._most):
            return False
        self._events.append(event)
        return True

    def head(self, most: int) -> list[Event]:
        """The next ones."""
        return list(islice(self._events, most))

    def remove(self, count: int) -> None:
        """Forget the next ones."""
        for _ in range(count):
            self._events.popleft()

    def counts(self) -> Counter[str]:
        """How many there are of each kind."""
        return Counter(event.kind for event in self._events)


class Spool:
    """Events in a file (SQLite): there before :meth:`put` returns, whatever becomes of the process.

    One process at a time has it. The file stays when it is empty.

    Args:
        path: the file; folders that are missing are made.

    Raises:
        OSError: it cannot be written, or it is in use.
        ValueError: it is another kind of file.
    """

    def __init__(self, path: str) -> None:
        given = f"RemoteMonitor(spool={path!r})"
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab"):  # noqa: PTH123 - SQLite does not say why it cannot open a file
                pass
        except OSError as error:
            cure = "name a file in a folder that you may write to"
            raise OSError(error.errno, f"{given}: it cannot be written ({error.strerror}): {cure}", path) from error
        # Whoever closes it is not the thread that sends.
        self._file = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self._done = 0
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._file.close()
            if "locked" in str(error):
                cure = "give each training a file of its own"
                raise OSError(errno.EBUSY, f"{given}: another training is using it: {cure}", path) from None
            raise ValueError(f"{given}: expected a file of unsent events, or none: {error}") from error

    def _open(self) -> None:
        execute = self._file.execute
        (layout,) = execute("PRAGMA user_version").fetchone()
        if layout not in (0, _LAYOUT):
            raise sqlite3.DatabaseError(f"it was written by a newer version (layout {layout}, not {_LAYOUT})")
        # No other process may send the same events.
        execute("PRAGMA locking_mode=EXCLUSIVE")
        execute("PRAGMA journal_mode=WAL")
        # What the system has taken outlives the process; to wait for the disk at each event would be too slow.
        execute("PRAGMA synchronous=OFF")
        execute("BEGIN IMMEDIATE")
        execute(_TABLE)
        execute(f"PRAGMA user_version={_LAYOUT}")
        execute("COMMIT")

    def put(self, event: Event) -> bool:
        """Write an event.

        Raises:
            sqlite3.Error: it cannot be written; the others are as they were.
        """
        row = (*event[:5], event.text())
        self._file.execute("INSERT INTO events (kind, run, sender, number, time, payload) VALUES (?,?,?,?,?,?)", row)
        return True

    def head(self, most: int) -> list[Event]:
        """The next ones."""
        query = "SELECT kind, run, sender, number, time, payload FROM events WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._file.execute(query, (self._done, most))
        return [Event._make((*fields, json.loads(text))) for *fields, text in rows]

    def remove(self, count: int) -> None:
        """Delete the next ones."""
        query = "SELECT id FROM events WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?"
        (self._done,) = self._file.execute(query, (self._done, count - 1)).fetchone()
        # On a full disk nothing can be deleted: the next call does it, or, at worst, they are sent twice.
        with contextlib.suppress(sqlite3.OperationalError):
            self._file.execute("DELETE FROM events WHERE id <= ?", (self._done,))

    def counts(self) -> Counter[str]:
        """How many there are of each kind."""
        query = "SELECT kind, count(*) FROM events WHERE id > ? GROUP BY kind"
        return Counter(dict(self._file.execute(query, (self._done,))))

    def close(self) -> None:
        """Leave the file to others."""
        # What could not be moved from its journal into the file is moved by who opens it next.
        with contextlib.suppress(sqlite3.Error):
            self._file.close()
