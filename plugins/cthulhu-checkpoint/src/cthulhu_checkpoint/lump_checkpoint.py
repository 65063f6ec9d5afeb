"""When to save, and under which name.

What a save does is in ``saving.py``, names of files in ``filenames.py``, which files ``keep`` removes in
``retention.py``, the time between saves in ``interval.py``, and the checks before training in ``destination.py``.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from cthulhu_checkpoint.destination import prepare
from cthulhu_checkpoint.filenames import Filenames
from cthulhu_checkpoint.interval import Interval
from cthulhu_checkpoint.plugin import is_in_parts
from cthulhu_checkpoint.retention import SavedFile, with_file
from cthulhu_checkpoint.saving import Save, Saver
from cthulhu_core import Logs, Monitor, check_format, planned_names, whole_number


class LumpCheckpoint(Saver):
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
        super()._start()
        self._was_named = False
        self._skipped = False

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
        self._decided = Save(self._path(name), what, False, self.best, self._files)
        self.epochs_since_last_save = 0
        if value is not None:
            self._monitor.update(value)
        if self.keep is not None:
            self._files = with_file(self._files, SavedFile(self._filenames.within(name), value))

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

    def _print(self, epoch: int, message: str) -> None:
        if self.verbose > 0 and self.run.is_main:
            print(f"Epoch {epoch + 1:05d}: {message}")  # noqa: T201 - what verbose asks for

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
    if (whole_number(number) or 0) < 1:
        raise ValueError(f"{name} is {number!r}: expected a number of {of}, 1 or more")
