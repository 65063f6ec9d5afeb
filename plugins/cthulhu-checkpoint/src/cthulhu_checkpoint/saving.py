"""Saving at save points, in the foreground or the background, and what follows when a save fails."""

from __future__ import annotations

import concurrent.futures
import warnings
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from cthulhu_checkpoint.destination import remove
from cthulhu_checkpoint.filenames import Filenames
from cthulhu_checkpoint.interval import Interval
from cthulhu_checkpoint.retention import SavedFile, surplus
from cthulhu_core import Callback, CheckpointError, Logs, Monitor


class CheckpointWarning(UserWarning):
    """A state was not saved, or a file was not removed; training continues."""


@dataclass
class Save:
    """A save that is due or in progress, and what to restore if it fails.

    Attributes:
        path: the file.
        what: what is saved, for messages: ``epoch 00002``.
        latest: whether it is the state in the middle of an epoch.
        best: the best value before.
        files: the files before.
        future: completes when a background save does.
    """

    path: Path
    what: str
    latest: bool
    best: float
    files: tuple[SavedFile, ...]
    future: concurrent.futures.Future[None] | None = None


class Saver(Callback):
    """The part of :class:`LumpCheckpoint` that saves; when to save is decided there."""

    ranks: Literal["all", "main"] = "main"

    save_best_only: bool
    save_weights_only: bool
    background: bool
    period: int
    keep: int | None
    save_every: int | timedelta | None
    epochs_since_last_save: int
    _filenames: Filenames
    _interval: Interval | None
    _monitor: Monitor

    def _start(self) -> None:
        """Forget earlier trainings."""
        self.epochs_since_last_save = 0
        self._files: tuple[SavedFile, ...] = ()
        self._decided: Save | None = None
        self._writing: Save | None = None
        self._unsaved: dict[bool, str] = {}
        self._folder = Path.cwd()

    @property
    def best(self) -> float:
        """The monitored value of the best epoch saved."""
        return self._monitor.best

    def _path(self, name: str | Path) -> Path:
        # Relative to the working directory at the beginning of training, which may change.
        return self._folder / name

    def on_save_point(self) -> None:
        if self._decided is None and self._interval is None:
            return
        if self.run.batch is None:
            saving, self._decided = self._decided, None
            if saving is not None:
                self._save(saving)
        elif self._interval is not None and self._interval.is_over(self.run.step):
            self._settle()
            what = f"batch {self.run.batch.index + 1} of epoch {(self.run.epoch or 0) + 1:05d}"
            self._save(Save(self._path(self._filenames.latest), what, True, self.best, self._files))

    def _save(self, saving: Save) -> None:
        if self._interval is not None:
            self._interval.restart()
        try:
            self._make_folder(saving.path.parent)
            saving.future = self.run.save(saving.path, self.save_weights_only, self.background)
        except (CheckpointError, OSError) as error:
            self._failed(saving, error)
        except BaseException:
            self._go_back(saving)
            raise
        else:
            if saving.future is None:
                self._succeeded(saving)
            else:
                self._writing = saving

    def _make_folder(self, folder: Path) -> None:
        fixed = self._path(self._filenames.folder)
        gone = not fixed.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        if gone:
            self._warn(f"the folder {fixed} was deleted, with its content, and is created again")

    def _settle(self) -> None:
        """Wait for the background save, if there is one, and handle its result."""
        saving = self._writing
        if saving is None or saving.future is None:
            return
        # Not result(): after an interrupt here, the save still counts as being written.
        concurrent.futures.wait([saving.future])
        self._writing = None
        error = saving.future.exception()
        if error is None:
            self._succeeded(saving)
        elif isinstance(error, (CheckpointError, OSError)):
            self._failed(saving, error)
        else:
            self._go_back(saving)
            raise error

    def _succeeded(self, saving: Save) -> None:
        if saving.latest:
            self._unsaved.pop(True, None)
            return
        self._unsaved.clear()
        if self.keep is not None:
            for file in surplus(self._files, self.keep, self._monitor.direction):
                self._remove(file)

    def _remove(self, file: SavedFile) -> None:
        path = self._path(self._filenames.path(file.name))
        try:
            if self.run.is_main:
                remove(path)
        except OSError as error:
            self._warn(f"{path} could not be removed: {error.strerror}. The next save tries again")
        else:
            self._files = tuple(each for each in self._files if each is not file)

    def _failed(self, saving: Save, error: Exception) -> None:
        self._go_back(saving)
        cause = (error.strerror if isinstance(error, OSError) else getattr(error, "reason", None)) or str(error)
        problem = f"{saving.what} could not be saved to {saving.path}: {cause}"
        self._unsaved[saving.latest] = problem
        again = "at the next interval" if saving.latest else "after the next epoch"
        self._warn(f"{problem}. An existing file keeps its content, and training continues. The next try is {again}")

    def _go_back(self, saving: Save) -> None:
        """Restore the state before a save that failed."""
        if not saving.latest:
            self._monitor.best, self._files = saving.best, saving.files
            self.epochs_since_last_save = self.period

    def on_train_end(self, logs: Logs, /) -> None:
        self._settle()
        if self._decided is not None:  # An exception came before the save point.
            self._go_back(self._decided)
        for problem in self._unsaved.values():
            best = "best" if self.save_best_only else "last"
            self._warn(f"training ended, and its {best} state is not saved: {problem}")
        self._unsaved.clear()

    def on_teardown(self) -> None:
        # An interrupt may have ended the wait at the end of training.
        self._settle()

    def _warn(self, message: str) -> None:
        if self.run.is_main:
            warnings.warn(f"LumpCheckpoint: {message}", CheckpointWarning, stacklevel=3)
