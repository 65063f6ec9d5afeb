"""Queues of unsent events: in memory, or in a file that outlives the process."""

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
    """Unsent events, oldest first."""

    def put(self, event: Event) -> bool:
        """Add an event. Return False if there is no room for it."""

    def head(self, most: int) -> Sequence[Event]:
        """Return the oldest events, at most ``most``."""

    def remove(self, count: int) -> None:
        """Remove the oldest ``count`` events."""

    def counts(self) -> Counter[str]:
        """Return the number of events of each kind."""


class Memory:
    """Events in memory, at most twice ``most``, about half of them events of batches.

    An unreachable server leaves a gap in the values of batches, but not in those of epochs, which are few.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._events: deque[Event] = deque()
        self._most = most

    def put(self, event: Event) -> bool:
        """Add an event if there is room."""
        if len(self._events) >= (self._most if event.kind == "batch" else 2 * self._most):
            return False
        self._events.append(event)
        return True

    def head(self, most: int) -> list[Event]:
        """Return the oldest events."""
        return list(islice(self._events, most))

    def remove(self, count: int) -> None:
        """Remove the oldest events."""
        for _ in range(count):
            self._events.popleft()

    def counts(self) -> Counter[str]:
        """Return the number of events of each kind."""
        return Counter(event.kind for event in self._events)


class Spool:
    """Events in a SQLite file. They are safe from the end of the process once :meth:`put` returns.

    Only one process at a time can use the file. An empty file is not removed.

    Args:
        path: the file. Missing folders are created.

    Raises:
        OSError: If it cannot be written or is in use.
        ValueError: If it is another kind of file.
    """

    def __init__(self, path: str) -> None:
        given = f"RemoteMonitor(spool={path!r})"
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab"):  # noqa: PTH123 - SQLite does not say why it cannot open a file
                pass
        except OSError as error:
            cure = "choose a file in a writable folder"
            raise OSError(error.errno, f"{given}: it cannot be written ({error.strerror}): {cure}", path) from error
        # Another thread than the sending one closes it.
        self._file = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        self._done = 0
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._file.close()
            if "locked" in str(error):
                cure = "give each training its own file"
                raise OSError(errno.EBUSY, f"{given}: another training is using it: {cure}", path) from None
            raise ValueError(f"{given}: expected a file of unsent events, or a new file: {error}") from error

    def _open(self) -> None:
        execute = self._file.execute
        (layout,) = execute("PRAGMA user_version").fetchone()
        if layout not in (0, _LAYOUT):
            raise sqlite3.DatabaseError(f"it was written by a newer version (layout {layout}, not {_LAYOUT})")
        # Keep other processes from sending the same events.
        execute("PRAGMA locking_mode=EXCLUSIVE")
        execute("PRAGMA journal_mode=WAL")
        # Data that reached the operating system outlive the process. Waiting for the disk would be too slow.
        execute("PRAGMA synchronous=OFF")
        execute("BEGIN IMMEDIATE")
        execute(_TABLE)
        execute(f"PRAGMA user_version={_LAYOUT}")
        execute("COMMIT")

    def put(self, event: Event) -> bool:
        """Write an event.

        Raises:
            sqlite3.Error: If it cannot be written. The other events are unchanged.
        """
        row = (*event[:5], event.text())
        self._file.execute("INSERT INTO events (kind, run, sender, number, time, payload) VALUES (?,?,?,?,?,?)", row)
        return True

    def head(self, most: int) -> list[Event]:
        """Return the oldest events."""
        query = "SELECT kind, run, sender, number, time, payload FROM events WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._file.execute(query, (self._done, most))
        return [Event._make((*fields, json.loads(text))) for *fields, text in rows]

    def remove(self, count: int) -> None:
        """Delete the oldest events."""
        query = "SELECT id FROM events WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?"
        (self._done,) = self._file.execute(query, (self._done, count - 1)).fetchone()
        # A full disk prevents deletion. The next call deletes them, or, at worst, they are sent twice.
        with contextlib.suppress(sqlite3.OperationalError):
            self._file.execute("DELETE FROM events WHERE id <= ?", (self._done,))

    def counts(self) -> Counter[str]:
        """Return the number of events of each kind."""
        query = "SELECT kind, count(*) FROM events WHERE id > ? GROUP BY kind"
        return Counter(dict(self._file.execute(query, (self._done,))))

    def close(self) -> None:
        """Release the file."""
        # If its journal cannot be merged now, the next process to open the file merges it.
        with contextlib.suppress(sqlite3.Error):
            self._file.close()
