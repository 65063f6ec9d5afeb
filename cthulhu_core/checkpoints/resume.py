"""Continue a run from a checkpoint.

A resumed run begins like any other: ``on_train_begin`` is called and, if it continues in the middle of an epoch,
``on_epoch_begin``. Then the content of the checkpoint replaces what they have set up: weights, optimizer, states of
callbacks, random generators. From there on, every bit is that of a run that was never interrupted.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cthulhu_core.checkpoints.optimizer_state import check_optimizer, load_optimizer
from cthulhu_core.checkpoints.weights import pairs
from cthulhu_core.contract.errors import CheckpointError
from cthulhu_core.distributed.ranks import rank, world_size
from cthulhu_core.installed.manifest import packages
from cthulhu_core.run.random_state import random_state, scatter, set_random_state
from cthulhu_core.run.state import key_of, records

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Checkpoint, Run


class ResumeWarning(UserWarning):
    """A run is resumed with other packages or callbacks than it had."""


class Resumption:
    """Restores the state of a checkpoint in a run that has not begun.

    Attributes:
        epoch: the epoch in which training continues, from 0.
        batch: the batch in it.

    Raises:
        CheckpointError: the checkpoint does not fit the run; nothing is changed.

    Warns:
        ResumeWarning: packages or callbacks are missing, new or of other versions.
    """

    def __init__(self, checkpoint: Checkpoint, run: Run) -> None:
        if checkpoint.state is None or checkpoint.state["run"] is None:
            raise CheckpointError(
                "it holds no training to resume: it was saved "
                + ("as weights alone" if checkpoint.state is None else "outside training")
                + "; load it with model.load_weights(), and train without resume_from"
            )
        self._checkpoint = checkpoint
        self._restored = False
        self._state: dict[str, Any] = checkpoint.state["run"]
        self.epoch, self.batch = self._state["epoch"], self._state["batch"]
        self._participants = list(records(run))
        self._lines: list[str] = []
        self._check_model(run)
        self._check_data(run)
        self._report(run)

    def _check_model(self, run: Run) -> None:
        pairs(run.model, self._checkpoint.weights, self._checkpoint.extra)
        assert self._checkpoint.state is not None
        check_optimizer(run.model, run.optimizer, self._checkpoint.state["optimizer"])

    def _check_data(self, run: Run) -> None:
        if not self.batch:
            return
        # Checkpoints of earlier versions were written by a single process.
        if self._state.get("ranks", 1) != world_size():
            self._go_on_with_others(run)
            return
        now = {name: run.params[name] for name in self._state["params"]}
        changed = [
            f"{name} was {was} and is {now[name]}"
            for name, was in self._state["params"].items()
            if None not in (was, now[name]) and was != now[name]
        ]
        if changed:
            raise CheckpointError(
                f"it was saved at batch {self.batch} of epoch {self.epoch} (from 0) of other data: "
                f"{', '.join(changed)}; resume with the same data, or from the end of an epoch"
            )

    def _go_on_with_others(self, run: Run) -> None:
        """Find the first batch with untrained samples for another number of processes."""
        ranks, now = self._state.get("ranks", 1), world_size()
        was, size = self._state["params"]["batch_size"], run.params["batch_size"]
        if None in (was, size):
            self._lines.append(
                f"{ranks} processes trained it and {now} do now, and the data makes its own batches: training "
                f"continues after {self.batch} of them in each process"
            )
            return
        done = self.batch * was * ranks
        self.batch = done // (size * now)
        if again := done - self.batch * size * now:
            self._lines.append(
                f"{ranks} processes trained it and {now} do now: the {again} last samples before it was saved are "
                "trained again, because the batch of all processes together has another size"
            )

    def _report(self, run: Run) -> None:
        """Warn, once, about everything that has changed."""
        then = {key_of(record): record for record in self._state["callbacks"]}
        now = {key_of(record): record for _, record in self._participants}
        lines = self._lines + [
            f"{_called(record)} is no longer among the callbacks: its state is ignored"
            for key, record in then.items()
            if key not in now and record["given"]
        ]
        lines += [
            f"{_called(record)} is a new callback: it starts afresh"
            for key, record in now.items()
            if key not in then and record["given"]
        ]
        here = packages(now.values())
        lines += [
            f"{package} was {version} and is {here.get(package, 'not here')}"
            for package, version in self._state["manifest"]["packages"].items()
            if here.get(package) != version
        ]
        metrics: dict[str, Any] = self._state["metrics"]
        lost = [name for name, state in metrics.items() if state is None or name not in run.metric_objects]
        lines += [f"the metric {name} restarts the epoch: its state could not be saved" for name in lost]
        if not self._state["settled"]:
            lines.append(
                "it was saved within a hook, not at a save point: callbacks that come after the one that saved it are "
                "a step behind"
            )
        if lines:
            warnings.warn(
                "the resumed run differs from the saved one:\n  " + "\n  ".join(lines), ResumeWarning, _level()
            )

    def restore(self, run: Run) -> None:
        """Restore everything, once, after the hooks of the beginning."""
        if self._restored:
            return
        self._restored = True
        self._checkpoint.load_into(run.model)
        assert self._checkpoint.state is not None
        if run.optimizer is not None and self._checkpoint.state["optimizer"] is not None:
            load_optimizer(run.optimizer, self._checkpoint.state["optimizer"]["state"])
        run.model.stop_training = self._state["stopped"]
        states = {key_of(record): record["state"] for record in self._state["callbacks"]}
        for participant, record in self._participants:
            load = getattr(participant.plugin, "load_state_dict", None)
            if load is not None and key_of(record) in states:
                try:
                    load(states[key_of(record)])
                except Exception as error:
                    raise CheckpointError(f"{_called(record)} cannot load its state: {error}") from error
        # Checkpoints of earlier versions lack it.
        kept: dict[str, Any] = self._state.get("kept", {})
        for name, stateful in run.kept.items():
            if name in kept:
                stateful.load_state_dict(kept[name])
        if lost := [name for name in kept if name not in run.kept]:
            warnings.warn(
                f"the saved loop kept {', '.join(lost)}, but this one does not: their state is ignored; "
                "call run.keep() before training begins",
                ResumeWarning,
                _level(),
            )
        set_random_state(self._state["random"])
        if rank():  # the state is that of the main process, and each process draws its own numbers
            scatter(rank())
        run.go_on(self._state["step"], self.batch, self._state["logs"])

    def batches(self, run: Run, data: Any) -> Iterator[Any]:
        """Return the batches of the epoch that are not trained yet."""
        if not self.batch and not data.is_one_pass:
            return iter(data)
        for name, state in self._state["metrics"].items():
            metric = run.metric_objects.get(name)
            if metric is not None and state is not None:
                metric.load_state_dict(state)
        here = random_state()
        remaining: Iterator[Any] = data.resumed(self._state["data"], self.batch, self._state["step"])
        set_random_state(here)
        return iter(()) if run.model.stop_training else remaining


def _level() -> int:
    """Return the ``stacklevel`` at which a warning points to the user's line that made the run."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] == "cthulhu_core":
        frame, level = frame.f_back, level + 1
    return level


def _called(record: dict[str, Any]) -> str:
    package = f" ({record['package']} {record['version']})" if record["package"] else ""
    return f"{record['name']}{package}"
