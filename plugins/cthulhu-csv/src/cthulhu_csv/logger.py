"""CSVLogger, the callback. What stands in a cell and what a file already holds is in table.py."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import IO, Any

from cthulhu_core import Callback, Logs
from cthulhu_csv.table import MISSING, Header, cell, row_writer


class CSVLogger(Callback):
    """Streams the results of each epoch to a CSV file: one row an epoch, written at once.

    The columns are ``epoch``, which counts from 0, and then what the first epoch logs, sorted by name. When
    validation is planned its columns are there from the first row, and hold ``NA`` in the epochs without one.
    One-dimensional values become one cell, ``[1, 2]``. Rows end in a line feed.

    A failure while training is logged and does not end it. In distributed training, the main process writes. A run that
    is resumed goes on with the file that it had, from the row at which the checkpoint was saved.

    Args:
        filename: path of the file, e.g. ``"run/log.csv"``; folders that are missing are made.
        separator: the character between two cells.
        append: go on with the file, if there is one, under the header that it has; otherwise, overwrite it.

    Raises:
        ValueError: ``separator`` is not one character, or cannot be told from a cell's text. Before training: with
            ``append=True``, the file has no header of such a log, or it lacks a column for a planned metric.
        TypeError: ``filename`` is not a path.
        OSError: before training: the file cannot be written.

    Example:
        >>> csv_logger = CSVLogger("training.log")
        >>> model.summon(X_train, Y_train, callbacks=[csv_logger])
    """

    on_error = "disable"
    ranks = "main"
    logged = ()

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        if not isinstance(filename, (str, os.PathLike)):
            raise TypeError(f"CSVLogger(filename={filename!r}): expected a path, e.g. 'run/log.csv'")
        if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
            raise ValueError(
                f"CSVLogger(separator={separator!r}): expected one character that is neither a quote nor a line end, "
                "e.g. ',' or ';' or '\\t'"
            )
        self.filename = filename
        self.separator = separator
        self.append = append
        self._file: IO[str] | None = None
        self._columns: list[str] = []
        self._warned = False
        self._size = 0
        self._overwrites = False

    def on_train_begin(self, logs: Logs, /) -> None:
        path = Path(self.filename)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            header = Header.of(path, self.separator) if self.append else Header()
            header.check(path, self.separator, self._planned())
            kept = self.append or self.run.resumed
            self._file = path.open("a" if kept else "w", encoding="utf-8", newline="")
        except OSError as error:
            raise OSError(
                error.errno,
                f"CSVLogger cannot write its file ({error.strerror}): name one in a folder that you may write to",
                str(path),
            ) from error
        self._columns = list(header.columns)
        self._warned = False
        # The state that says how much of it is kept is loaded later, if there is one.
        self._overwrites = self.run.resumed and not self.append
        if header.cut_off:
            # Whoever wrote it was killed in the middle of a line: what is there stays.
            self._file.write("\n")

    def _planned(self) -> list[str]:
        """The names that epochs are going to log, as far as the loop knows them."""
        return list(self.params["metrics"])

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        assert self._file is not None
        if self._overwrites:
            self._file.truncate(0)
            self._overwrites = False
        writer = row_writer(self._file, self.separator)
        if not self._columns:
            self._columns = ["epoch", *sorted(self._names(logs) - {"epoch"})]
            writer.writerow(self._columns)
        values = {**logs, "epoch": epoch}
        writer.writerow([cell(values.get(column, MISSING)) for column in self._columns])
        self._file.flush()
        self._size = os.fstat(self._file.fileno()).st_size
        self._warn_of_new_names(logs)

    def _names(self, logs: Logs) -> set[str]:
        """The columns of a new file whose first row is ``logs``."""
        names = {*logs, *self._planned()}
        if self.params["do_validation"] and not any(name.startswith("val_") for name in names):
            # A loop of one's own may say that it validates without saying what: rather an empty column than a lost one.
            names |= {f"val_{name}" for name in logs}
        return names

    def _warn_of_new_names(self, logs: Logs) -> None:
        new = [name for name in logs if name not in self._columns]
        if new and not self._warned:
            self._warned = True
            warnings.warn(
                f"CSVLogger leaves out {', '.join(new)}: {os.fspath(self.filename)!r} has no such column; its columns "
                f"are {', '.join(self._columns)}, as its first row has them",
                stacklevel=2,
            )

    def state_dict(self) -> dict[str, Any]:
        """The columns, and the size of the file in bytes."""
        return {"columns": self._columns, "size": self._size}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on behind the row at which the state was taken; rows that were written after it are cut off.

        Warns:
            UserWarning: the file is shorter than it was, or it is not there: rows are missing.
        """
        assert self._file is not None
        self._overwrites = False
        size = os.fstat(self._file.fileno()).st_size
        if size < state["size"]:
            warnings.warn(
                f"CSVLogger goes on with {os.fspath(self.filename)!r}, which lacks rows: it had {state['size']} bytes "
                f"when the checkpoint was saved, and has {size}",
                stacklevel=2,
            )
        self._file.truncate(min(size, state["size"]))
        # A file that is not there gets a header of its own.
        self._columns = list(state["columns"]) if size else []
        self._size = min(size, state["size"])

    def on_teardown(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
