"""The sender: one thread that sends events in order, and retries during training."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from time import monotonic
from typing import NamedTuple

from cthulhu_remote.connection import Connection, Refused, Unreachable
from cthulhu_remote.events import Event
from cthulhu_remote.queue import Memory, Queue, Spool

INTERVAL = 0.1
"""Seconds for which values of batches are collected into one request, because each request costs training time."""
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0
"""The first and the longest pause between two tries, in seconds. A random part of up to a half is subtracted.

If only the user can fix the problem, the longest pause applies at once: a rejected certificate costs 30 ms of processor
time.
"""


class Outcome(NamedTuple):
    """The result of sending.

    Attributes:
        waiting: number of unsent events of each kind. If there is a spool, they are in it.
        unkept: number of further unsent events that could not be written to the spool.
        refused: number of events that the server will never accept.
        left_out: number of events for which there was no room.
        cause: the last failure, empty if there was none.
    """

    waiting: Counter[str]
    unkept: int
    refused: int
    left_out: int
    cause: str


class Sender:
    """Sends events, oldest first, retrying each until the server accepts or rejects it.

    Args:
        connection: connection to the server, which belongs to the thread from now on.
        spool: file for unsent events, whose present content is sent first. Without it, events wait in memory.
    """

    def __init__(self, connection: Connection, spool: Spool | None = None) -> None:
        self._connection = connection
        self._spool = spool
        self._memory = Memory()
        self._changed = threading.Condition()
        # Guarded by the condition:
        self._is_idle = self._is_urgent = self._is_flushing = self._is_closed = False
        self._refused = self._left_out = 0
        self._cause = ""
        self._is_lasting = False
        self._failure: BaseException | None = None
        self._sent_at = float("-inf")
        # Number of next events to send one by one. Belongs to the thread.
        self._singly = 0
        self._thread = threading.Thread(target=self._work, name="RemoteMonitor", daemon=True)
        self._thread.start()

    @property
    def cause(self) -> str:
        """The cause of the last failure, empty if there was none."""
        return self._cause

    @property
    def has_answer(self) -> bool:
        """Whether it is known if the server is a monitor."""
        return self._connection.is_monitor is not None

    def put(self, event: Event) -> None:
        """Queue an event. This never waits, except for the file of the spool.

        Raises:
            RuntimeError: If the thread has failed with an internal error.
        """
        with self._changed:
            if self._failure is not None:
                raise RuntimeError("RemoteMonitor's sender has failed and sends no more events") from self._failure
            if not self._store(event):
                self._left_out += 1
            self._is_urgent |= event.kind != "batch"
            if self._is_idle or self._is_urgent:
                self._changed.notify_all()

    def _store(self, event: Event) -> bool:
        # Events after one in memory must wait there, too, because the file is sent first.
        if self._spool is not None and not self._memory.head(1):
            try:
                return self._spool.put(event)
            except sqlite3.Error as error:
                self._cause = f"the spool cannot be written: {error}"
        return self._memory.put(event)

    def flush(self, timeout: float) -> None:
        """Wait until everything is sent, at most ``timeout`` seconds, unless only the user can fix the problem."""
        with self._changed:
            self._is_flushing, self._is_lasting = True, False
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._failure is not None or self._is_lasting or not self._next_queue(), timeout
            )

    def close(self) -> Outcome:
        """Stop sending now. Events in transit may still arrive, but count as unsent."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            waiting, unkept = self._memory.counts(), 0
            if self._spool is not None:
                unkept = self._keep()
                waiting = self._spool.counts()
                self._spool.close()
            return Outcome(waiting, unkept, self._refused, self._left_out, self._cause)

    def _keep(self) -> int:
        """Try again to write events in memory to the spool, and return the number that still cannot be written."""
        assert self._spool is not None
        while events := self._memory.head(1):
            try:
                self._spool.put(events[0])
            except sqlite3.Error as error:
                self._cause = f"the spool cannot be written: {error}"
                break
            self._memory.remove(1)
        return sum(self._memory.counts().values())

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        delay = FIRST_DELAY
        # A generator of its own, so that training draws the same random numbers with and without it.
        generator = random.Random()
        try:
            while events := self._next():
                try:
                    self._connection.deliver(events)
                except Unreachable as error:
                    delay = LONGEST_DELAY if error.is_lasting else delay
                    self._pause(error, max(delay * generator.uniform(0.5, 1), error.wait))
                    delay = min(2 * delay, LONGEST_DELAY)
                except Refused as error:
                    if len(events) == 1:
                        self._settle(events, str(error))
                    else:
                        self._singly = len(events)  # It accepted none of them, and does not say which it rejects.
                else:
                    delay = FIRST_DELAY
                    self._settle(events)
        except BaseException as error:  # noqa: BLE001 - raised by the next put()
            with self._changed:
                self._failure = error
                self._changed.notify_all()
        finally:
            self._connection.close()

    def _next(self) -> Sequence[Event]:
        """Wait for events to send and return them, or none once the sender is closed."""
        with self._changed:
            while not self._is_closed:
                waiting = self._next_queue()
                collects = self._connection.most > 1 and not (self._is_urgent or self._is_flushing)
                remaining = self._sent_at + INTERVAL - monotonic() if collects else 0
                if waiting is None:
                    self._is_urgent, self._is_idle = False, True
                    self._changed.wait()
                    self._is_idle = False
                elif remaining > 0:
                    self._changed.wait(remaining)
                else:
                    return _of_one_sender(waiting.head(1 if self._singly else self._connection.most))
            return ()

    def _settle(self, events: Sequence[Event], refusal: str = "") -> None:
        """Remove events that were accepted, or rejected with a reason."""
        self._singly = max(0, self._singly - len(events))
        with self._changed:
            self._sent_at = monotonic()
            if self._is_closed:
                return
            waiting = self._next_queue()
            assert waiting is not None
            waiting.remove(len(events))
            if refusal:
                self._refused += len(events)
                self._cause = refusal
            self._changed.notify_all()

    def _pause(self, error: Unreachable, delay: float) -> None:
        """Wait before the next try. The end of training triggers a try at once, and then several."""
        with self._changed:
            self._cause, self._is_lasting = str(error), error.is_lasting
            self._changed.notify_all()
            was_flushing = self._is_flushing
            self._changed.wait_for(
                lambda: self._is_closed or self._is_flushing != was_flushing,
                min(delay, FIRST_DELAY) if was_flushing else delay,
            )

    def _next_queue(self) -> Queue | None:
        """Return the queue with the oldest event, or None if all are empty."""
        return next((place for place in self._places() if place.head(1)), None)

    def _places(self) -> list[Queue]:
        return [self._memory] if self._spool is None else [self._spool, self._memory]


def _of_one_sender(events: Sequence[Event]) -> list[Event]:
    """Return the first events of the same run and sender: an earlier process may have left others."""
    first = events[0]
    return list(takewhile(lambda event: (event.run, event.sender) == (first.run, first.sender), events))
