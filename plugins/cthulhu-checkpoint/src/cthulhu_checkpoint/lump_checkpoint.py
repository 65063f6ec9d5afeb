"""LumpCheckpoint: when to save, and what is said about it. How a file is written is the business of its format.

Names of files are in filenames.py, what ``keep`` removes in kept.py, the time between saves in interval.py, and what
is tried before training in destination.py. Which value is better is said by ``cthulhu_core.Monitor``.
"""

from __future__ import annotations

import concurrent.futures
import operator
import os
import warnings
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from cthulhu_checkpoint.destination import prepare, remove
from cthulhu_checkpoint.filenames import Filenames
from cthulhu_checkpoint.interval import Interval
from cthulhu_checkpoint.plugin import is_in_parts
from cthulhu_checkpoint.retention import SavedFile, surplus, with_file
from cthulhu_core import Callback, CheckpointError, Logs, Monitor, check_format, planned_names


class CheckpointWarning(UserWarning):
    """A state was not saved, or a file not removed; training goes on."""


@dataclass
class Saving:
    """A file that is being written, and what held before, to go back to if it cannot be."""

    path: Path
    what: str
    """What is saved, for messages: ``epoch 00002``."""
    latest: bool
    """Whether it is the state in the middle of an epoch."""
    best: float
    files: tuple[SavedFile, ...]
    future: concurrent.futures.Future[None] | None = None


class LumpCheckpoint(Callback):
    """Saves the model after every epoch, or after those in which a monitored quantity is best.

    A file is written when all callbacks have had the end of the epoch, whole or not at all. A full checkpoint (one
    without ``save_weights_only``) can be resumed: ``model.summon(..., resume_from=path_or_folder)``.

    With ``save_best_only``, every epoch is compared with the best one saved: strictly, and NaN is never the best. A
    better epoch is saved whatever ``period`` says, so that none is missed.

    A save that fails (disk full, folder gone, no permission) is a warning with its cause; what was there before is as
    it was, training goes on, and the next epoch tries again: then the best is again the best that is saved. If
    nothing was saved until training ends, a warning says so. A folder that is gone is made anew, with a warning.

    Used again, it starts afresh, unless ``initial_epoch`` says that a training goes on. In distributed training the
    main process saves.

    Args:
        filepath: path of the file, e.g. ``"run/weights.{epoch:02d}-{val_loss:.2f}.hdf5"``; its suffix says in which
            format: ``.hdf5`` or ``.h5``; ``.dcp`` is a folder into which all processes of a distributed training
            write, for models of which each holds a part. Placeholders are filled with ``epoch``, from 1, and the logs
            of the epoch, as far as earlier callbacks have added to them. Folders that are missing are made. An epoch
            that lacks a value because it was not validated is not saved; the next one is due instead, and one warning a
            training says so.
        monitor: name of the quantity that says which epoch is best, e.g. ``"val_loss"``. Looked at with
            ``save_best_only`` and, where it is logged, with ``keep``.
        verbose: 0 is silent; from 1 on a line for each epoch says what is saved, and what the best was.
        save_best_only: save only epochs that are better than the best one saved.
        save_weights_only: save the weights alone; training cannot be resumed from them.
        mode: ``"min"``: less is better; ``"max"``: more is better; ``"auto"``: as the metric itself states, or as its
            name says (see :class:`cthulhu_core.Monitor`).
        period: save every so many epochs, 1 or more.
        keep: keep only so many files, 1 or more, the newest, and the best one besides: others that this callback wrote
            in this training, and in the one that it resumes, are removed when a newer one is safely there. None keeps
            all. Files that it did not write are never touched.
        background: write while training goes on. The next save waits for the one before, the end of training for the
            last, however it ends.
        save_every: save in the middle of epochs, too: after so many batches, counted over the run, or when so much time
            (``timedelta``) has passed since the last save. These states go to one file of their own, which the next
            one overwrites: the part of ``filepath`` before its placeholders, ``.latest`` and the suffix, e.g.
            ``run/weights.latest.hdf5``. It is never the best file, and ``keep`` does not count it.

    Attributes:
        best: the monitored value of the best epoch saved; ±inf before there was one.
        epochs_since_last_save: epochs since the last one that was due.

    Raises:
        TypeError: when made, if ``filepath`` is not a path.
        ValueError: when made, if an argument makes no sense; before the first epoch, if a placeholder can never be
            filled, as far as that is known then; else after the first epoch that is to be saved, before it is saved.
        ImportError: before the first epoch: no installed package saves files of this suffix.
        OSError: before the first epoch: the file cannot be written.

    Warns:
        CheckpointWarning: each time that something could not be saved.
        MonitorWarning: once a training, with ``save_best_only``, if the quantity is not in the logs although it was
            due; names the close ones.

    Example:
        >>> checkpoint = LumpCheckpoint("weights.hdf5", save_best_only=True, verbose=1)
        >>> model.summon(x, y, validation_split=0.2, epochs=100, callbacks=[checkpoint])
        >>> model.load_weights("weights.hdf5")
    """

    ranks: Literal["all", "main"] = "main"
    logged = ()

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: Literal["auto", "min", "max"] = "auto",
        period: int = 1,
        *,
        keep: int | None = None,
        background: bool = False,
        save_every: int | timedelta | None = None,
    ) -> None:
        self._filenames = Filenames(filepath)
        if is_in_parts(self._filenames.example):
            self.ranks = "all"
        self._monitor = Monitor(monitor, mode)
        _check_number("period", period, "epochs")
        if keep is not None:
            _check_number("keep", keep, "files")
        self._interval = None if save_every is None else Interval(save_every)
        self.filepath = filepath
        self.monitor = monitor
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.mode = mode
        self.period = period
        self.keep = keep
        self.background = background
        self.save_every = save_every
        self._start()

    def _start(self) -> None:
        self.epochs_since_last_save = 0
        self._files: tuple[SavedFile, ...] = ()
        self._decided: Saving | None = None
        self._writing: Saving | None = None
        self._unsaved: dict[bool, str] = {}
        self._was_named = False
        self._skipped = False
        self._folder = Path.cwd()

    @property
    def best(self) -> float:
        """The monitored value of the best epoch saved."""
        return self._monitor.best

    # --- before training ---------------------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs, /) -> None:
        before = self.state_dict()
        self._monitor.begin(self.run)
        self._start()
        if self.run.initial_epoch > 0 and before["monitor"]["direction"] == self._monitor.direction:
            # The training before goes on: what was its best must not be overwritten by something worse.
            self.load_state_dict(before)
        planned = planned_names(self.run)
        if planned is not None:
            self._filenames.check_names(planned)
        self._filenames.check_formats({name: self._examples(name) for name in self.params["metrics"]})
        check_format(self._filenames.example)
        if self.run.is_sharded:
            self._check_parts()
        if is_in_parts(self._filenames.example):
            from cthulhu_checkpoint.distributed_format import check_installed

            check_installed(self.run.is_sharded)
        prepare(self._path(self._filenames.folder), self._known_files())
        if self._interval is not None:
            self._interval.restart()

    def _check_parts(self) -> None:
        """See that all processes, each of which holds a part of the model, can save it together."""
        if self.ranks != "all":
            raise ValueError(
                f"LumpCheckpoint(filepath={self._filenames.text!r}): each process holds a part of the model "
                "(strategy='fsdp'), and a file of this kind is written by one: let the name end in .dcp, which is a "
                "folder"
            )
        if isinstance(self.save_every, timedelta):
            raise ValueError(
                f"LumpCheckpoint(save_every={self.save_every!r}): all processes must save at the same batch, and their "
                "clocks differ: give a number of batches"
            )

    def _examples(self, name: str) -> list[Any]:
        """Values of the types that can be logged under the name of a metric."""
        return [0.5, 1, "text"] if name.removeprefix("val_") in self.run.stateful_metrics else [0.5]

    def _known_files(self) -> list[Path]:
        """The files that are going to be written, as far as their names are known."""
        names = [] if self._filenames.names else [self._filenames.fill(0, {})]
        if self._interval is not None:
            names.append(self._filenames.latest)
        return [self._path(name) for name in names]

    def _path(self, name: str | Path) -> Path:
        # Where the working directory was when training began: it may change meanwhile.
        return self._folder / name

    # --- an epoch ends: decide ---------------------------------------------------------------------------------------

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        # Who only limits files has not asked for a quantity: no warning that there is none.
        watched = self.save_best_only or (self.keep is not None and self.monitor in logs)
        value = self._monitor.read(logs, self.run) if watched else None
        self._look_at_the_last_one(value)
        self.epochs_since_last_save += 1
        due = self.epochs_since_last_save >= self.period
        better = value is not None and self._monitor.is_better(value)
        if self.save_best_only and not better:
            if due and value is not None:
                self._print(epoch, f"{self.monitor} did not improve from {self.best:.5f}")
                self.epochs_since_last_save = 0
        elif due or self.save_best_only:
            name = self._name_of(epoch, logs)
            if name is not None:
                change = f"{self.monitor} improved from {self.best:.5f} to {value:.5f}, " if self.save_best_only else ""
                self._print(epoch, f"{change}saving model to {name}")
                self._decide(name, f"epoch {epoch + 1:05d}", value)

    def _name_of(self, epoch: int, logs: Logs) -> str | None:
        """The name of the file of this epoch; None, and one warning a training, if the epoch has none.

        Raises:
            ValueError: there has been no name yet, and something else than validation is missing.
        """
        missing = self._filenames.missing(logs)
        problem = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not logged"
        try:
            name = None if missing else self._filenames.fill(epoch, logs)
        except ValueError as error:
            if not self._was_named:
                raise
            name, problem = None, str(error)
        if name is not None:
            self._was_named = True
            return name
        not_validated = not self.run.validated and all(each.startswith("val_") for each in missing)
        if not self._was_named and not not_validated:
            raise ValueError(
                f"LumpCheckpoint(filepath={self._filenames.text!r}): {problem}; there are epoch, {', '.join(logs)}. "
                "A callback that adds a value stands before this one in the list"
            )
        if not self._skipped:
            self._skipped = True
            self._warn(
                f"epoch {epoch + 1:05d} is not saved, because its file has no name: {problem}. Nor is any other like it"
            )
        return None

    def _decide(self, name: str, what: str, value: float | None) -> None:
        """This epoch is to be saved. From now on the state is that after the save: it is what is saved."""
        self._decided = Saving(self._path(name), what, False, self.best, self._files)
        self.epochs_since_last_save = 0
        if value is not None:
            self._monitor.update(value)
        if self.keep is not None:
            self._files = with_file(self._files, SavedFile(self._filenames.within(name), value))

    # --- everybody has had it: save ----------------------------------------------------------------------------------

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
            self._save(Saving(self._path(self._filenames.latest), what, True, self.best, self._files))

    def _save(self, saving: Saving) -> None:
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
            self._warn(f"the folder {fixed} was gone, with what was in it, and is made anew")

    def _look_at_the_last_one(self, value: float | None) -> None:
        """See what became of the save in the background, and wait for it where what is to be done depends on it."""
        writing = self._writing
        if writing is None or writing.future is None:
            return
        if self.save_best_only:
            matters = value is not None and self._monitor.is_better(value, than=writing.best)
        else:
            matters = self.epochs_since_last_save + 1 >= self.period
        # All processes must decide alike, and it is not done everywhere at the same moment.
        if matters or self.run.is_sharded or writing.future.done():
            self._settle()

    def _settle(self) -> None:
        """Wait for the save in the background, if there is one, and see what became of it."""
        saving = self._writing
        if saving is None or saving.future is None:
            return
        # Whoever interrupts this finds it still being written.
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

    def _succeeded(self, saving: Saving) -> None:
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
            self._warn(f"{path} could not be removed: {error.strerror}. It is tried again after the next save")
        else:
            self._files = tuple(each for each in self._files if each is not file)

    def _failed(self, saving: Saving, error: Exception) -> None:
        self._go_back(saving)
        cause = (error.strerror if isinstance(error, OSError) else getattr(error, "reason", None)) or str(error)
        problem = f"{saving.what} could not be saved to {saving.path}: {cause}"
        self._unsaved[saving.latest] = problem
        again = "in time" if saving.latest else "after the next epoch"
        self._warn(f"{problem}. The file that was there is as it was, training goes on, and it is tried again {again}")

    def _go_back(self, saving: Saving) -> None:
        """Nothing was saved."""
        if not saving.latest:
            self._monitor.best, self._files = saving.best, saving.files
            self.epochs_since_last_save = self.period

    # --- training is over --------------------------------------------------------------------------------------------

    def on_train_end(self, logs: Logs, /) -> None:
        self._settle()
        if self._decided is not None:  # an exception came before it could be saved
            self._go_back(self._decided)
        for problem in self._unsaved.values():
            best = "best" if self.save_best_only else "last"
            self._warn(f"training is over, and its {best} state is not saved: {problem}")
        self._unsaved.clear()

    def on_teardown(self) -> None:
        # Where the end of training was interrupted while it waited.
        self._settle()

    def _print(self, epoch: int, message: str) -> None:
        if self.verbose > 0 and self.run.is_main:
            print(f"Epoch {epoch + 1:05d}: {message}")  # noqa: T201 - what verbose asks for

    def _warn(self, message: str) -> None:
        if self.run.is_main:
            warnings.warn(f"LumpCheckpoint: {message}", CheckpointWarning, stacklevel=3)

    # --- after a restart ---------------------------------------------------------------------------------------------

    def written_checkpoints(self) -> list[Path] | None:
        """What is in the folder under a name that ``filepath`` can give; None if weights alone are saved."""
        if self.save_weights_only:
            return None
        folder = Path(self._filenames.folder)
        latest = Path(self._filenames.latest)
        levels = len(Path(self._filenames.within(self._filenames.example)).parts)
        return [
            path
            for path in folder.glob("*/" * (levels - 1) + f"*{latest.suffix}")
            if path == latest or self._filenames.could_give(path.relative_to(folder).as_posix())
        ]

    # --- state -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The best value, the epochs since the last save, and the files that ``keep`` counts."""
        return {
            "monitor": self._monitor.state_dict(),
            "epochs_since_last_save": self.epochs_since_last_save,
            "files": [list(file) for file in self._files],
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on where :meth:`state_dict` was taken. Files that ``filepath`` cannot name are forgotten, and stay.

        Raises:
            ValueError: it is the state of a callback that monitors another quantity.
        """
        self._monitor.load_state_dict(state["monitor"])
        self.epochs_since_last_save = state["epochs_since_last_save"]
        # What a file says is not trusted with the removal of others.
        files = [SavedFile(*file) for file in state["files"]]
        self._files = tuple(file for file in files if self.keep is not None and self._filenames.could_give(file.name))


def _check_number(name: str, number: Any, of: str) -> None:
    try:
        valid = not isinstance(number, bool) and operator.index(number) >= 1
    except TypeError:
        valid = False
    if not valid:
        raise ValueError(f"{name} is {number!r}: expected a number of {of}, 1 or more")
