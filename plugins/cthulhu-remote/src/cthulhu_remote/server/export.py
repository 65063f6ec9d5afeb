"""A run as CSV, in pieces."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cthulhu_remote.server import queries

MISSING = "NA"

# Spreadsheet programs treat text that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def table(path: Path, key: int) -> Iterator[str]:
    """Yield the points of a run as CSV: epoch, batch, time, and the values sorted by name.

    Args:
        path: path of the store.
        key: key of the run.
    """
    names = queries.names(path, key)
    yield _lines([["epoch", "batch", "time", *map(_text, names)]])
    for page in queries.points(path, key):
        yield _lines([_cells(row, names) for row in page])


def _cells(row: queries.Row, names: list[str]) -> list[Any]:
    logged = json.loads(row.logged)
    place = MISSING if row.batch is None else row.batch
    return [row.epoch, place, row.time, *(_cell(logged.get(name)) for name in names)]


def _cell(value: Any) -> Any:
    if value is None:
        return MISSING
    if isinstance(value, str):
        return _text(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else value


def _text(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(rows: list[list[Any]]) -> str:
    lines = _Lines()
    # Some versions of Python quote a carriage return only if it is the line end.
    csv.writer(lines, lineterminator="\r\n").writerows(rows)
    return "\n".join([*lines, ""])


class _Lines(list[str]):
    """A minimal file for the csv module. Lines end in a line feed, as in files of CSVLogger."""

    def write(self, line: str) -> None:
        """Add a line."""
        self.append(line.removesuffix("\r\n"))
