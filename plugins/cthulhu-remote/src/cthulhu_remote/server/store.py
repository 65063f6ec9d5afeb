"""The writing side of the store. See queries.py for reading, and layout.py for the file.

One thread writes. It commits all waiting publications in one transaction, so that a thousand publications per second
need only a few dozen commits. Committed data survive a kill of the process.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from cthulhu_remote.server.errors import Refused
from cthulhu_remote.server.ingest import Change, Group
from cthulhu_remote.server.layout import StoreError, connect, prepare
from cthulhu_remote.server.publication import Publication

_IN_A_GROUP = 500


class _Waiting(NamedTuple):
    publication: Publication
    answer: asyncio.Future[None]


class Store:
    """The runs and their points in a SQLite file.

    Args:
        path: the file, created if it is missing.
        max_runs: maximum number of runs.

    Raises:
        StoreError: If the file cannot be used.
    """

    def __init__(self, path: Path, max_runs: int) -> None:
        prepare(path)
        self.path = path
        self.max_runs = max_runs
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, changed: Callable[[Iterable[Change]], None]) -> None:
        """Start to accept publications.

        Args:
            changed: called in the event loop with the changes of each transaction.
        """
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write, args=(loop, changed), name="cthulhu-monitor-store")
        self._thread.start()

    def stop(self) -> None:
        """Commit waiting publications, and stop."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    async def publish(self, publication: Publication) -> None:
        """Accept a publication, and return once it is committed.

        Raises:
            Refused: If there would be too many runs, or the file cannot be written now.
        """
        answer = asyncio.get_running_loop().create_future()
        self._waiting.put(_Waiting(publication, answer))
        await answer

    def _write(self, loop: asyncio.AbstractEventLoop, changed: Callable[[Iterable[Change]], None]) -> None:
        """Run the writing thread."""
        with closing(connect(self.path)) as connection:
            connection.execute("PRAGMA synchronous = NORMAL")
            goes_on = True
            while goes_on:
                group = [self._waiting.get()]
                with suppress(queue.Empty):
                    while len(group) < _IN_A_GROUP:
                        group.append(self._waiting.get_nowait())
                goes_on = None not in group
                there = [waiting for waiting in group if waiting is not None]
                try:
                    changes, refusals = self._commit(connection, [waiting.publication for waiting in there])
                except sqlite3.Error as error:
                    changes, refusals = [], [self._cannot_write(error)] * len(there)
                answers = [waiting.answer for waiting in there]
                with suppress(RuntimeError):  # The loop has ended, so no request waits.
                    loop.call_soon_threadsafe(_answer, answers, refusals)
                    loop.call_soon_threadsafe(changed, changes)

    def _commit(
        self, connection: sqlite3.Connection, publications: list[Publication]
    ) -> tuple[list[Change], list[Refused | None]]:
        group = Group(connection, self.max_runs)
        refusals: list[Refused | None] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for publication in publications:
                try:
                    group.take(publication)
                    refusals.append(None)
                except Refused as refused:
                    refusals.append(refused)
            group.write()
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return list(group.changes.values()), refusals

    def _cannot_write(self, error: sqlite3.Error) -> Refused:
        return Refused(
            503,
            f"the server cannot write to its store {self.path.name!r} ({error}): nothing of this request was stored; "
            "check the disk of the server, and send it again",
        )


def _answer(answers: list[asyncio.Future[None]], refusals: list[Refused | None]) -> None:
    for answer, refused in zip(answers, refusals, strict=True):
        if answer.done():  # The client has disconnected.
            continue
        if refused is None:
            answer.set_result(None)
        else:
            answer.set_exception(refused)


__all__ = ["Store", "StoreError"]
