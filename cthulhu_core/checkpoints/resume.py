"""A run as plain data, and a run that goes on from there: what a checkpoint keeps of a training beside the model.

A resumed run begins as any other: ``on_train_begin`` and, where it goes on in the midst of an epoch, ``on_epoch_begin``
are called. Then everything that the checkpoint holds takes the place of what they have set up: weights, optimizer,
the states of callbacks, random generators. From there on every bit is that of the run that was never interrupted.
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
    """The way from a checkpoint into a run that has not begun.

    Attributes:
        epoch: the epoch in which training goes on, from 0.
        batch: the batch in it.

    Raises:
        CheckpointError: the checkpoint does not fit this run; nothing is changed.

    Warns:
        ResumeWarning: packages or callbacks are missing, new or of other versions.
    """

    def __init__(self, checkpoint: Checkpoint, run: Run) -> None:
        if checkpoint.state is None or checkpoint.state["run"] is None:
            raise CheckpointError(
                "there is no training in it that could go on: it was saved "
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
        # A checkpoint of an earlier version is one of a single process.
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
                f"it stands at batch {self.batch} of epoch {self.epoch} (from 0), and the data is another: "
                f"{', '.join(changed)}; resume with the data it was begun with, or from the end of an epoch"
            )

    def _go_on_with_others(self, run: Run) -> None:
        """Find the batch from which on samples have not been trained, where there are more processes now, or fewer."""
        ranks, now = self._state.get("ranks", 1), world_size()
        was, size = self._state["params"]["batch_size"], run.params["batch_size"]
        if None in (was, size):
            self._lines.append(
                f"{ranks} processes trained it and {now} do now, and the data makes its own batches: it goes on after "
                f"{self.batch} of them in each process"
            )
            return
        done = self.batch * was * ranks
        self.batch = done // (size * now)
        if again := done - self.batch * size * now:
            self._lines.append(
                f"{ranks} processes trained it and {now} do now: the {again} last samples before it was saved are "
                "trained again, because a batch of all processes together is of another size"
            )

    def _report(self, run: Run) -> None:
        """Warn, once for all, of what is not as it was."""
        then = {key_of(record): record for record in self._state["callbacks"]}
        now = {key_of(record): record for _, record in self._participants}
        lines = self._lines + [
            f"{_called(record)} took part and does not now: its state is left out"
            for key, record in then.items()
            if key not in now and record["given"]
        ]
        lines += [
            f"{_called(record)} did not take part before: it starts afresh"
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
        lines += [f"the metric {name} begins the epoch anew: its state could not be kept" for name in lost]
        if not self._state["settled"]:
            lines.append(
                "it was saved within a hook, not at a save point: callbacks that come after the one that saved it are "
                "a step behind"
            )
        if lines:
            warnings.warn("the resumed run differs from what it was:\n  " + "\n  ".join(lines), ResumeWarning, _level())

    def restore(self, run: Run) -> None:
        """Put everything into its place, once, after the hooks of the beginning have been called."""
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
                    raise CheckpointError(f"{_called(record)} cannot go on from its state: {error}") from error
        # A checkpoint of an earlier version has nothing of this kind.
        kept: dict[str, Any] = self._state.get("kept", {})
        for name, stateful in run.kept.items():
            if name in kept:
                stateful.load_state_dict(kept[name])
        if lost := [name for name in kept if name not in run.kept]:
            warnings.warn(
                f"the loop that is resumed kept {', '.join(lost)}, and this one does not: their state is left out; "
                "call run.keep() before training begins",
                ResumeWarning,
                _level(),
            )
        set_random_state(self._state["random"])
        if rank():  # it is the state of the main process, and each draws numbers of its own
            scatter(rank())
        run.go_on(self._state["step"], self.batch, self._state["logs"])

    def batches(self, run: Run, data: Any) -> Iterator[Any]:
        """The batches of the epoch that are not done yet."""
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
    """The ``stacklevel`` at which a warning names the line of the user's that made the run."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] == "cthulhu_core":
        frame, level = frame.f_back, level + 1
    return level


def _called(record: dict[str, Any]) -> str:
    package = f" ({record['package']} {record['version']})" if record["package"] else ""
    return f"{record['name']}{package}"
