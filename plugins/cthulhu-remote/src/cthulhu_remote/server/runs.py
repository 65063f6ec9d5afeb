"""A run as a row of the store, and its changes by events."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields

from cthulhu_remote.server.publication import Begin, End, Point, Position, position

NOTHING: Position = (-1, 0)


@dataclass
class Run:
    """A row of the table runs. Times are Unix seconds.

    Args:
        key: number of the run in the store. Newer runs have greater ones.
        id: id from its sender, or a generated one for anonymous runs.
        peer: address of the client for anonymous runs, else None.
        part: number of times it has begun, more than 1 if it was resumed.
        part_begun, part_epoch, part_batch: time and position of its last beginning. None if it never reported one.
        epoch, batch: position of its last point. None before the first; ``batch`` is None at the end of an epoch.
    """

    key: int
    id: str
    peer: str | None
    name: str
    state: str
    reason: str | None
    begun: float
    updated: float
    ended: float | None
    initial_epoch: int
    epochs: int | None
    steps: int | None
    part: int
    part_begun: float | None
    part_epoch: int | None
    part_batch: int | None
    epoch: int | None
    batch: int | None

    @classmethod
    def new(cls, key: int, id: str, peer: str | None, time: float) -> Run:
        """Return a run of which only the time of an event is known."""
        return cls(
            key, id, peer, "unnamed", "training", None, time, time, None, 0, None, None, 0, None, None, None, None, None
        )

    @classmethod
    def of(cls, row: sqlite3.Row) -> Run:
        """Return the run of a row."""
        return cls(*row)

    @property
    def last(self) -> Position:
        """The position of the last point, or one before all others if there is none."""
        return NOTHING if self.epoch is None else position(self.epoch, self.batch)

    def take_begin(self, begin: Begin, time: float) -> None:
        """Apply its beginning, or its resumption."""
        if self.part == 0 and self.epoch is None:
            self.begun = time
        self.name, self.epochs, self.steps = begin.name, begin.epochs, begin.steps
        self.initial_epoch = begin.initial_epoch
        self.state, self.reason, self.ended = "training", None, None
        self.part += 1
        self.part_begun, self.part_batch = time, begin.batch
        self.part_epoch = max(begin.epoch, begin.initial_epoch)
        self.updated = time

    def take_point(self, point: Point, time: float) -> None:
        """Apply a point, which may be a repetition."""
        if point.position > self.last:
            self.epoch, self.batch = point.epoch, point.batch
        self.updated = time

    def take_end(self, end: End, time: float) -> None:
        """Apply its end."""
        self.state, self.reason = end.state, end.reason
        self.ended = self.updated = time


COLUMNS = tuple(field.name for field in fields(Run))
SELECT = f"SELECT {', '.join(COLUMNS)} FROM runs"
INSERT = f"INSERT OR REPLACE INTO runs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


def row(run: Run) -> tuple[object, ...]:
    """Return the values for ``INSERT``."""
    return tuple(getattr(run, column) for column in COLUMNS)
