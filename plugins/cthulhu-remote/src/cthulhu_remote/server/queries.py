"""Queries of the store. Each function opens the file itself, and only for a moment.

So readers block neither each other nor the writer, and never keep SQLite from truncating its log.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from cthulhu_remote.server import runs
from cthulhu_remote.server.layout import connect
from cthulhu_remote.server.publication import END_OF_EPOCH
from cthulhu_remote.server.runs import NOTHING, Run
from cthulhu_remote.server.summary import EPOCHS_IN_MEAN, Summary, summarize

PAGE = 1000  # rows

_BATCHES = "SELECT epoch, batch, time, logged FROM batches WHERE run = :run"
_MERGED = f"""
SELECT epoch, NULL AS batch, {END_OF_EPOCH} AS place, time, logged FROM epochs
WHERE run = :run AND epoch >= :epoch AND (epoch, {END_OF_EPOCH}) > (:epoch, :place)
UNION ALL
SELECT epoch, batch, batch AS place, time, logged FROM batches
WHERE run = :run AND (epoch, batch) > (:epoch, :place)
ORDER BY epoch, place LIMIT {PAGE}
"""
# Of n rows, take those where r * (most - 1) // (n - 1) grows: that selects ``most`` rows, with the first and the last.
_THINNED = """
SELECT epoch, batch, time, logged FROM (
    SELECT *, row_number() OVER (ORDER BY epoch, batch) - 1 AS r FROM batches WHERE run = :run
) WHERE r = 0 OR r * (:most - 1) / (:count - 1) > (r - 1) * (:most - 1) / (:count - 1)
ORDER BY epoch, batch
"""


class Row(NamedTuple):
    """A point. ``logged`` is JSON."""

    epoch: int
    batch: int | None
    time: float
    logged: str


def summaries(path: Path, keys: Iterable[int] | None = None) -> list[Summary]:
    """Return the runs, newest first.

    Args:
        path: path of the store.
        keys: keys of the runs, by default all.
    """
    with closing(connect(path)) as connection:
        if keys is None:
            rows = connection.execute(f"{runs.SELECT} ORDER BY key DESC").fetchall()
        else:
            found = (connection.execute(f"{runs.SELECT} WHERE key = ?", (key,)) for key in sorted(keys, reverse=True))
            rows = [row for cursor in found for row in cursor]
        return [_summary(connection, Run.of(row)) for row in rows]


def run(path: Path, id: str) -> tuple[int, Summary] | None:
    """Return the key and the summary of a run, or None if there is no run with this id."""
    with closing(connect(path)) as connection:
        row = connection.execute(f"{runs.SELECT} WHERE id = ?", (id,)).fetchone()
        return None if row is None else (row["key"], _summary(connection, Run.of(row)))


def _summary(connection: sqlite3.Connection, run: Run) -> Summary:
    ends = connection.execute(
        "SELECT epoch, time FROM epochs WHERE run = ? ORDER BY epoch DESC LIMIT ?", (run.key, EPOCHS_IN_MEAN + 1)
    ).fetchall()
    return summarize(run, [(row["epoch"], row["time"]) for row in reversed(ends)])


def epochs(path: Path, key: int) -> Iterator[list[Row]]:
    """Yield the points of a run's epochs in order, in pages."""
    return _pages(
        path,
        f"SELECT epoch, NULL, time, logged FROM epochs WHERE run = :run AND epoch > :epoch ORDER BY epoch LIMIT {PAGE}",
        key,
    )


def batches(path: Path, key: int, most: int | None = None) -> Iterator[list[Row]]:
    """Yield the points of a run's batches in order, in pages.

    Args:
        path: path of the store.
        key: key of the run.
        most: maximum number of points, evenly spaced and including the first and the last; by default, all.
    """
    if most is None:
        return _pages(
            path,
            f"{_BATCHES} AND (epoch, batch) > (:epoch, :place) ORDER BY epoch, batch LIMIT {PAGE}",
            key,
        )
    return iter([_thinned(path, key, most)] if most else [])


def points(path: Path, key: int) -> Iterator[list[Row]]:
    """Yield all points of a run in order, in pages."""
    return _pages(path, _MERGED, key)


def _pages(path: Path, select: str, key: int) -> Iterator[list[Row]]:
    epoch, place = NOTHING
    while True:
        with closing(connect(path)) as connection:
            found = connection.execute(select, {"run": key, "epoch": epoch, "place": place}).fetchall()
        if not found:
            return
        page = [Row(row["epoch"], row[1], row["time"], row["logged"]) for row in found]
        yield page
        epoch, place = page[-1].epoch, END_OF_EPOCH if page[-1].batch is None else page[-1].batch


def _thinned(path: Path, key: int, most: int) -> list[Row]:
    with closing(connect(path)) as connection:
        connection.execute("BEGIN")
        (count,) = connection.execute("SELECT count(*) FROM batches WHERE run = ?", (key,)).fetchone()
        if most == 1:
            rows = connection.execute(f"{_BATCHES} ORDER BY epoch DESC, batch DESC LIMIT 1", {"run": key})
        elif count <= most:
            rows = connection.execute(f"{_BATCHES} ORDER BY epoch, batch", {"run": key})
        else:
            rows = connection.execute(_THINNED, {"run": key, "most": most, "count": count})
        return [Row(*row) for row in rows]


def names(path: Path, key: int) -> list[str]:
    """Return the names of all values of a run, sorted."""
    select = "SELECT DISTINCT names.key FROM {0}, json_each({0}.logged) AS names WHERE {0}.run = ?"
    found: set[str] = set()
    with closing(connect(path)) as connection:
        for table in ("epochs", "batches"):
            found.update(row[0] for row in connection.execute(select.format(table), (key,)))
    return sorted(found)


def points_json(id: str | None, rows: Sequence[tuple[int, int | None, float, str]]) -> str:
    """Return points as the elements of a JSON list, with the id of their run if it is given. Values are JSON already.

    >>> points_json(None, [(3, None, 1.5, '{"loss":0.5}')])
    '{"epoch":3,"batch":null,"time":1.5,"values":{"loss":0.5}}'
    """
    begin = "{" if id is None else f'{{"run":{json.dumps(id)},'
    return ",".join(
        f'{begin}"epoch":{epoch},"batch":{"null" if batch is None else batch},"time":{time!r},"values":{logged}}}'
        for epoch, batch, time, logged in rows
    )
