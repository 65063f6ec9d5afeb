"""LumpCheckpoint: decide when to save, and under which name.

See ``saving.py`` for the saves, ``filenames.py`` for the names of files, ``retention.py`` for the files that ``keep``
removes, ``interval.py`` for the time between saves, and ``destination.py`` for the checks before training.
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
    """Saves the model after every epoch, or after the best ones.

    Files are written whole or not at all, after all callbacks have handled the end of the epoch. A full checkpoint (one
    without ``save_weights_only``) can be resumed: ``model.summon(..., resume_from=path_or_folder)``.

    With ``save_best_only``, an epoch is saved if it is strictly better than the best saved one, whatever the
    ``period``. NaN is never better.

    A failed save (disk full, folder deleted, no permission) warns with its cause. An existing file keeps its content,
    ``best`` returns to the value that is really saved, training continues, and the next epoch tries again. If no save
    succeeds by the end of training, another warning says so. A deleted folder is created again, with a warning.

    The same object starts afresh in another training, unless ``initial_epoch`` is greater than 0. In distributed
    training, the main process saves.

    Args:
        filepath: path of the file, e.g. ``"run/weights.{epoch:02d}-{val_loss:.2f}.hdf5"``. The suffix decides the
            format: ``.hdf5`` or ``.h5`` is a file; ``.dcp`` is a folder to which all processes of a distributed
            training write, for sharded models. Placeholders are filled with ``epoch``, from 1, and the logs of the
            epoch, including those of earlier callbacks. Missing folders are created. An epoch that lacks a value
            because it was not validated is not saved, with one warning per training, and the next one is saved instead.
        monitor: name of the quantity that decides which epoch is best, e.g. ``"val_loss"``. Used with
            ``save_best_only`` and, if it is logged, with ``keep``.
        verbose: 0 is silent. With 1 or more, prints a line for each epoch with the file and the best value.
        save_best_only: save an epoch only if it is better than the best saved one.
        save_weights_only: save only the weights. Training cannot be resumed from them.
        mode: ``"min"`` if less is better, ``"max"`` if more is better. ``"auto"`` uses the direction that the metric
            object declares or that its name implies (see :class:`cthulhu_core.Monitor`).
        period: number of epochs between saves, 1 or more.
        keep: number of newest files to keep, 1 or more, in addition to the best one. Older files that this callback
            wrote in this training, and in the one it resumes, are removed once the new file is complete. None keeps
            all. Files that it did not write are never touched.
        background: write files while training continues. Each save waits for the one before, and the end of training
            waits for the last one, no matter how training ends.
        save_every: also save in the middle of epochs: after this number of batches, counted over the run, or after this
            time (``timedelta``) since the last save. These states go to one separate file, which each save overwrites:
            the part of ``filepath`` before its placeholders, ``.latest`` and the suffix, e.g.
            ``run/weights.latest.hdf5``. It is never the best file, and ``keep`` does not count it.

    Attributes:
        best: monitored value of the best saved epoch. ±inf before the first one.
        epochs_since_last_save: number of epochs since the last one that was due.

    Raises:
        TypeError: If ``filepath`` is not a path.
        ValueError: If an argument is invalid. Before the first epoch, if a placeholder can never be filled, as far as
            that is known then; otherwise after the first epoch to be saved, before it is saved.
        ImportError: Before the first epoch, if no installed package saves files with this suffix.
        OSError: Before the first epoch, if the file cannot be written.

    Warns:
        CheckpointWarning: Whenever something could not be saved.
        MonitorWarning: Once per training with ``save_best_only``, if an epoch that should log the quantity does not.
            Lists similar names.

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
            # This run continues the one before, whose best epoch must not be overwritten by a worse one.
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
        """Check that all processes can save the sharded model together."""
        if self.ranks != "all":
            raise ValueError(
                f"LumpCheckpoint(filepath={self._filenames.text!r}): the model is sharded over processes "
                "(strategy='fsdp'), but one process writes files of this kind: let the name end in .dcp, a folder to "
                "which all processes write"
            )
        if isinstance(self.save_every, timedelta):
            raise ValueError(
                f"LumpCheckpoint(save_every={self.save_every!r}): all processes must save at the same batch, but their "
                "clocks differ: pass a number of batches"
            )

    def _examples(self, name: str) -> list[Any]:
        """Return examples of the values that a metric can log."""
        return [0.5, 1, "text"] if name.removeprefix("val_") in self.run.stateful_metrics else [0.5]

    def _known_files(self) -> list[Path]:
        """Return the files to be written, as far as their names are known."""
        names = [] if self._filenames.names else [self._filenames.fill(0, {})]
        if self._interval is not None:
            names.append(self._filenames.latest)
        return [self._path(name) for name in names]

    # --- an epoch ends: decide ---------------------------------------------------------------------------------------

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        # Without save_best_only, a missing quantity is no reason to warn.
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
        """Return the file name of this epoch. Return None, with one warning per training, if it has none.

        Raises:
            ValueError: If no epoch has had a name yet and the missing values are not those of validation.
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
                f"LumpCheckpoint(filepath={self._filenames.text!r}): {problem}; available names are epoch, "
                f"{', '.join(logs)}. A callback that adds a value must come before this one in the list"
            )
        if not self._skipped:
            self._skipped = True
            self._warn(
                f"epoch {epoch + 1:05d} is not saved, because its file has no name: {problem}. Nor are later epochs "
                "like it"
            )
        return None

    def _decide(self, name: str, what: str, value: float | None) -> None:
        """Schedule the save of this epoch. From now on the state is that after the save, since it is saved, too."""
        self._decided = Save(self._path(name), what, False, self.best, self._files)
        self.epochs_since_last_save = 0
        if value is not None:
            self._monitor.update(value)
        if self.keep is not None:
            self._files = with_file(self._files, SavedFile(self._filenames.within(name), value))

    def _look_at_the_last_one(self, value: float | None) -> None:
        """Handle the result of the background save. Wait for it if the decision about this epoch depends on it."""
        writing = self._writing
        if writing is None or writing.future is None:
            return
        if self.save_best_only:
            matters = value is not None and self._monitor.is_better(value, than=writing.best)
        else:
            matters = self.epochs_since_last_save + 1 >= self.period
        # All processes must decide alike, but the save completes at different times in each.
        if matters or self.run.is_sharded or writing.future.done():
            self._settle()

    def _print(self, epoch: int, message: str) -> None:
        if self.verbose > 0 and self.run.is_main:
            print(f"Epoch {epoch + 1:05d}: {message}")  # noqa: T201 - what verbose asks for

    # --- after a restart ---------------------------------------------------------------------------------------------

    def written_checkpoints(self) -> list[Path] | None:
        """Return the files in the folder whose names ``filepath`` can produce. None if only weights are saved."""
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
        """Return the best value, the epochs since the last save, and the files that ``keep`` counts."""
        return {
            "monitor": self._monitor.state_dict(),
            "epochs_since_last_save": self.epochs_since_last_save,
            "files": [list(file) for file in self._files],
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Continue from :meth:`state_dict`. Files whose names ``filepath`` cannot produce are never removed.

        Raises:
            ValueError: If the state belongs to a callback that monitors another quantity.
        """
        self._monitor.load_state_dict(state["monitor"])
        self.epochs_since_last_save = state["epochs_since_last_save"]
        # A checkpoint must not make this callback remove files of others.
        files = [SavedFile(*file) for file in state["files"]]
        self._files = tuple(file for file in files if self.keep is not None and self._filenames.could_give(file.name))


def _check_number(name: str, number: Any, of: str) -> None:
    if (whole_number(number) or 0) < 1:
        raise ValueError(f"{name} is {number!r}: expected a whole number of {of}, 1 or more")
