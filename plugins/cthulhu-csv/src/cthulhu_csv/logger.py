"""CSVLogger. See table.py for the text of a cell and the header of an existing file."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import IO, Any

from cthulhu_core import Callback, Logs
from cthulhu_csv.table import MISSING, Header, cell, row_writer


class CSVLogger(Callback):
    """Streams the results of each epoch to a CSV file: one row per epoch, written as soon as the epoch ends.

    The columns are ``epoch``, counted from 0, and the values that the first epoch logs, sorted by name. If the run
    validates, the validation columns exist from the first row and hold ``NA`` in epochs without validation. A
    one-dimensional value fills one cell, ``[1, 2]``. Rows end in a line feed.

    Write errors during training are logged and never stop it. In distributed training, the main process writes. A
    resumed run continues the file at the row where its checkpoint was saved.

    Args:
        filename: path of the file, e.g. ``"run/log.csv"``. Missing folders are created.
        separator: the character between two cells.
        append: whether to add rows to an existing file, under its header, instead of overwriting it.

    Raises:
        ValueError: If ``separator`` is not one character, or is a quote or a line end. Before training, if
            ``append=True`` and the file does not begin with the header of such a log, or lacks a column for a metric
            of the run.
        TypeError: If ``filename`` is not a path.
        OSError: Before training, if the file cannot be written.

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
                f"CSVLogger cannot write its file ({error.strerror}): choose a path in a writable folder",
                str(path),
            ) from error
        self._columns = list(header.columns)
        self._warned = False
        # A resumed run may still load a state, which says how much of the file to keep.
        self._overwrites = self.run.resumed and not self.append
        if header.cut_off:
            # The process that wrote the file was killed in the middle of a line. Keep what it wrote.
            self._file.write("\n")

    def _planned(self) -> list[str]:
        """Return the names that epochs will log, as far as the loop knows them."""
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
        """Return the columns of a new file whose first row is ``logs``."""
        names = {*logs, *self._planned()}
        if self.params["do_validation"] and not any(name.startswith("val_") for name in names):
            # A custom loop may announce validation without naming its metrics. An empty column beats a lost one.
            names |= {f"val_{name}" for name in logs}
        return names

    def _warn_of_new_names(self, logs: Logs) -> None:
        new = [name for name in logs if name not in self._columns]
        if new and not self._warned:
            self._warned = True
            warnings.warn(
                f"CSVLogger leaves out {', '.join(new)}: {os.fspath(self.filename)!r} has no such column; its columns "
                f"are those of its first row: {', '.join(self._columns)}",
                stacklevel=2,
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the columns, and the size of the file in bytes."""
        return {"columns": self._columns, "size": self._size}

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Continue after the last row written when the state was saved, and cut off later rows.

        Warns:
            UserWarning: If the file is missing or shorter than it was.
        """
        assert self._file is not None
        self._overwrites = False
        size = os.fstat(self._file.fileno()).st_size
        if size < state["size"]:
            warnings.warn(
                f"CSVLogger continues {os.fspath(self.filename)!r}, which lacks rows: it had {state['size']} bytes "
                f"when the checkpoint was saved, and has {size} now",
                stacklevel=2,
            )
        self._file.truncate(min(size, state["size"]))
        # A new file needs a header.
        self._columns = list(state["columns"]) if size else []
        self._size = min(size, state["size"])

    def on_teardown(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()
