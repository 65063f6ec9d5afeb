"""A run as a row of the store, and what an event changes in it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields

from cthulhu_remote.server.publication import Begin, End, Point, Position, position

NOTHING: Position = (-1, 0)


@dataclass
class Run:
    """A row of the table runs. Times are Unix seconds.

    Args:
        key: the number under which the store knows it; a newer run has a greater one.
        id: the name that its sender gave it, or that an anonymous one was given.
        peer: the address that an anonymous run comes from; else None.
        part: how many times it has begun: more than once where it was resumed.
        part_begun, part_epoch, part_batch: when and where it began the last time; None if it never said so.
        epoch, batch: where its last point is; None before any, and ``batch`` at the end of an epoch.
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
        """One of which nothing is known but that there is an event of it."""
        return cls(
            key, id, peer, "unnamed", "training", None, time, time, None, 0, None, None, 0, None, None, None, None, None
        )

    @classmethod
    def of(cls, row: sqlite3.Row) -> Run:
        """From its row."""
        return cls(*row)

    @property
    def last(self) -> Position:
        """The position of the last point; before that of any if there is none."""
        return NOTHING if self.epoch is None else position(self.epoch, self.batch)

    def take_begin(self, begin: Begin, time: float) -> None:
        """It begins, or goes on after it was resumed."""
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
        """It has come to a point, or tells of an earlier one again."""
        if point.position > self.last:
            self.epoch, self.batch = point.epoch, point.batch
        self.updated = time

    def take_end(self, end: End, time: float) -> None:
        """It has ended."""
        self.state, self.reason = end.state, end.reason
        self.ended = self.updated = time


COLUMNS = tuple(field.name for field in fields(Run))
SELECT = f"SELECT {', '.join(COLUMNS)} FROM runs"
INSERT = f"INSERT OR REPLACE INTO runs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


def row(run: Run) -> tuple[object, ...]:
    """What ``INSERT`` is given for it."""
    return tuple(getattr(run, column) for column in COLUMNS)
