"""Apply a group of publications in one transaction, and collect the changes."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from cthulhu_remote.server import runs
from cthulhu_remote.server.errors import Refused
from cthulhu_remote.server.publication import Begin, End, Event, Point, Position, Publication, Timed
from cthulhu_remote.server.runs import Run


@dataclass
class Change:
    """A changed run, and its new points: their times and their values, as JSON, by position.

    If the run began or was resumed, the points are those since then, and earlier points may have been removed.
    """

    key: int
    id: str
    has_begun: bool = False
    points: dict[tuple[int, int | None], tuple[float, str]] = field(default_factory=dict)


class Group:
    """Applies publications within a transaction, which the caller begins and ends.

    Runs and senders are read once and written once, however many events there are. Call ``write`` last.

    Args:
        connection: connection that writes.
        max_runs: maximum number of runs.
    """

    def __init__(self, connection: sqlite3.Connection, max_runs: int) -> None:
        self.changes: dict[int, Change] = {}
        self._connection = connection
        self._max_runs = max_runs
        self._runs: dict[str, Run] = {}
        self._newest: dict[str, Run] = {}
        self._senders: dict[str, int] = {}
        self._epochs: list[tuple[int, int, float, str]] = []
        self._batches: list[tuple[int, int, int, float, str]] = []

    def take(self, publication: Publication) -> None:
        """Apply the events that are not repetitions.

        Raises:
            Refused: If there would be too many runs. Nothing was applied then.
        """
        if publication.run is None or publication.sender is None:
            self._take_anonymous(publication.peer, publication.events)
            return
        last = self._last(publication.sender)
        new = [timed for timed in publication.events if timed.number > last]
        if not new:
            return
        run = self._run(publication.run)
        if run is None:
            self._check_room(1)
            run = self._make(publication.run, None, new[0].time)
        self._senders[publication.sender] = new[-1].number
        for timed in new:
            self._take(run, timed)

    def write(self) -> None:
        """Write the changes."""
        self._write_points()
        changed = [self._runs[change.id] for change in self.changes.values()]
        self._connection.executemany(runs.INSERT, [runs.row(run) for run in changed])
        self._connection.executemany("INSERT OR REPLACE INTO senders VALUES (?, ?)", list(self._senders.items()))

    # --- events -------------------------------------------------------------------------------------------------------

    def _take_anonymous(self, peer: str, events: Sequence[Timed]) -> None:
        newest = self._newest_of(peer)
        begins = _begins([timed.event for timed in events], newest)
        self._check_room(sum(begins))
        for begins_run, timed in zip(begins, events, strict=True):
            if begins_run:
                newest = self._newest[peer] = self._make(secrets.token_hex(8), peer, timed.time)
            assert newest is not None
            self._take(newest, timed)

    def _take(self, run: Run, timed: Timed) -> None:
        _, time, event = timed
        change = self.changes.get(run.key)
        if change is None:
            change = self.changes[run.key] = Change(run.key, run.id)
        if isinstance(event, Point):
            run.take_point(event, time)
            change.points[event.epoch, event.batch] = (time, event.values)
            if event.batch is None:
                self._epochs.append((run.key, event.epoch, time, event.values))
            else:
                self._batches.append((run.key, event.epoch, event.batch, time, event.values))
        elif isinstance(event, Begin):
            change.has_begun = True
            change.points.clear()
            self._cut(run, event.epoch, event.batch)
            run.take_begin(event, time)
        else:
            run.take_end(event, time)

    def _cut(self, run: Run, epoch: int, batch: int) -> None:
        """Remove the points at and after a position."""
        if run.last < (epoch, batch):
            return
        self._write_points()
        execute = self._connection.execute
        execute("DELETE FROM epochs WHERE run = ? AND epoch >= ?", (run.key, epoch))
        execute("DELETE FROM batches WHERE run = ? AND (epoch, batch) >= (?, ?)", (run.key, epoch, batch))
        last_epoch = execute("SELECT max(epoch) FROM epochs WHERE run = ?", (run.key,)).fetchone()[0]
        last_batch = execute(
            "SELECT epoch, batch FROM batches WHERE run = ? ORDER BY epoch DESC, batch DESC LIMIT 1", (run.key,)
        ).fetchone()
        run.epoch, run.batch = last_epoch, None
        if last_batch is not None and (last_epoch is None or last_batch["epoch"] > last_epoch):
            run.epoch, run.batch = last_batch

    def _write_points(self) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?)", self._epochs)
        self._connection.executemany("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?)", self._batches)
        self._epochs, self._batches = [], []

    # --- runs and senders ---------------------------------------------------------------------------------------------

    def _last(self, sender: str) -> int:
        """Return the greatest number of an event applied from this sender."""
        last = self._senders.get(sender)
        if last is None:
            row = self._connection.execute("SELECT last FROM senders WHERE id = ?", (sender,)).fetchone()
            last = -1 if row is None else row["last"]
        return last

    def _run(self, id: str) -> Run | None:
        if id not in self._runs:
            row = self._connection.execute(f"{runs.SELECT} WHERE id = ?", (id,)).fetchone()
            if row is None:
                return None
            self._runs[id] = Run.of(row)
        return self._runs[id]

    def _newest_of(self, peer: str) -> Run | None:
        """Return the newest anonymous run of this address."""
        if peer not in self._newest:
            select = f"{runs.SELECT} WHERE peer = ? ORDER BY key DESC LIMIT 1"
            row = self._connection.execute(select, (peer,)).fetchone()
            if row is None:
                return None
            self._newest[peer] = self._runs.setdefault(row["id"], Run.of(row))
        return self._newest[peer]

    def _check_room(self, count: int) -> None:
        """Check that ``count`` more runs fit into the store."""
        if count == 0:
            return
        (there,) = self._connection.execute("SELECT count(*) FROM runs").fetchone()
        if there + count > self._max_runs:
            raise Refused(
                409,
                f"the store has {there} runs of at most {self._max_runs}: begin a new file (--store) or allow "
                "more (--max-runs)",
            )

    def _make(self, id: str, peer: str | None, time: float) -> Run:
        (key,) = self._connection.execute("SELECT coalesce(max(key), 0) + 1 FROM runs").fetchone()
        run = self._runs[id] = Run.new(key, id, peer, time)
        # Written at once, so that the next count includes it.
        self._connection.execute(runs.INSERT, runs.row(run))
        return run


def _begins(events: Sequence[Event], run: Run | None) -> list[bool]:
    """Return for each event of an address whether it begins an anonymous run. ``run`` is the newest one so far.

    A run ends with an end event, or before an event that does not come after the last one.
    """
    last: Position | None = None if run is None or run.state != "training" else run.last
    is_first = run is None
    begins = []
    for event in events:
        if isinstance(event, Point):
            begins.append(last is None or event.position <= last)
            last = event.position
        elif isinstance(event, Begin):
            begins.append(True)
            last = runs.NOTHING
        else:
            assert isinstance(event, End)
            begins.append(is_first)
            last = None
        is_first = False
    return begins
