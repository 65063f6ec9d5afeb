"""The text of a cell, and the header of an existing file."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from _csv import Writer

MISSING = "NA"


def row_writer(file: IO[str], separator: str) -> Writer:
    """Return a writer whose rows end in a line feed."""
    return csv.writer(file, delimiter=separator, lineterminator="\n")


def cell(value: Any) -> Any:
    """Return the content of a cell: numbers and strings as they are, one-dimensional values in brackets.

    >>> cell(0.5), cell((1, 2)), cell(None)
    (0.5, '[1, 2]', 'NA')
    """
    if value is None:
        return MISSING
    value = _plain(value)
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return f"[{', '.join(str(_plain(element)) for element in value)}]"
    return value


def _plain(value: Any) -> Any:
    """Return arrays, tensors and their scalars as Python numbers and lists."""
    return value.tolist() if hasattr(value, "tolist") else value


class Header(NamedTuple):
    """The columns of a file (none if it is new), and whether its last line was cut off."""

    columns: tuple[str, ...] = ()
    cut_off: bool = False

    @classmethod
    def of(cls, path: Path, separator: str) -> Header:
        """Read the header of a file. A missing or empty file has no columns.

        Raises:
            OSError: If the file cannot be read.
        """
        if not path.exists() or path.stat().st_size == 0:
            return cls()
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            cut_off = file.read() != b"\n"
        # Spreadsheet programs begin a file with a byte order mark.
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            try:
                columns = next(csv.reader(lines, delimiter=separator), [])
            except csv.Error:  # Not a table: any wrong first column gives the right error below.
                columns = []
        return cls(tuple(columns) or ("",), cut_off)

    def check(self, path: Path, separator: str, planned: Iterable[str]) -> None:
        """Check that rows with ``planned`` values fit under this header.

        Raises:
            ValueError: If they do not. The message shows the header and what it lacks.
        """
        if not self.columns:
            return
        given = f"CSVLogger({str(path)!r}, separator={separator!r}, append=True)"
        cure = "choose another file, or overwrite this one with append=False"
        first = self.columns[0]
        if first != "epoch":
            other = first.removeprefix("epoch")[:1] if first.startswith("epoch") else ""
            cure = f"pass separator={other!r}, which the file seems to use, or {cure}" if other else cure
            raise ValueError(
                f"{given}: expected a file whose first column is 'epoch', but it begins with {first[:40]!r}: {cure}"
            )
        missing = [name for name in planned if name not in self.columns]
        if missing:
            raise ValueError(
                f"{given}: this run logs {', '.join(missing)}, but the file has no such column; its header is "
                f"{separator.join(self.columns)}: use the metrics and validation of the run that began it, or {cure}"
            )
