"""A run as plain data, and a run that goes on from there: what a checkpoint keeps of a training beside the model.

A resumed run begins as any other: ``on_train_begin`` and, where it goes on in the midst of an epoch, ``on_epoch_begin``
are called. Then everything that the checkpoint holds takes the place of what they have set up: weights, optimizer,
the states of callbacks, random generators. From there on every bit is that of the run that was never interrupted.
"""

from __future__ import annotations

import itertools
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cthulhu_core.callback import Callback
from cthulhu_core.checkpoint import Checkpoint, CheckpointError
from cthulhu_core.generators import random_state, scatter, set_random_state
from cthulhu_core.manifest import manifest, packages
from cthulhu_core.registry import package_of
from cthulhu_core.training.distributed import rank, total, world_size

if TYPE_CHECKING:
    from cthulhu_core.dispatch import Participant
    from cthulhu_core.run import Run


class ResumeWarning(UserWarning):
    """A run is resumed with other packages or callbacks than it had."""


# --- what is kept ---------------------------------------------------------------------------------------------------


def run_state(run: Run, participants: Iterable[Participant]) -> dict[str, Any]:
    """Everything that ``run`` needs to go on, as plain data and tensors, which are its own and no copies."""
    epoch, batch = run.next_batch
    participants = list(participants)
    callbacks = [record | {"state": _state(participant)} for participant, record in _records(run, participants)]
    return {
        "epoch": epoch,
        "batch": batch,
        "step": run.step,
        "settled": run.is_settled,
        "stopped": bool(run.model.stop_training),
        "logs": run.finished_logs,
        "params": {name: run.params[name] for name in ("batch_size", "steps", "samples")},
        "ranks": world_size(),
        "callbacks": callbacks,
        "metrics": {name: _metric_state(metric) for name, metric in run.metric_objects.items()} if batch else {},
        "kept": {name: stateful.state_dict() for name, stateful in run.kept.items()},
        "data": run.data_state(),
        "random": random_state(),
        "manifest": manifest(participants),
    }


def _records(run: Run, participants: Iterable[Participant]) -> Iterator[tuple[Participant, dict[str, Any]]]:
    """The participants with what tells them from each other: package, version, name, and number among equals."""
    seen: Counter[tuple[str, str]] = Counter()
    given = run.given
    for participant in participants:
        package, version = package_of(participant.module)
        number = seen[package, participant.name]
        seen[package, participant.name] += 1
        yield (
            participant,
            {
                "package": package,
                "version": version,
                "name": participant.name,
                "number": number,
                "given": any(participant.plugin is each for each in given),
            },
        )


def _key(record: dict[str, Any]) -> tuple[str, str, int]:
    return record["package"], record["name"], record["number"]


def _state(participant: Participant) -> dict[str, Any]:
    """What a participant remembers; a plugin that is no callback may have a ``state_dict``, too."""
    ask: Any = getattr(participant.plugin, "state_dict", dict)
    state: dict[str, Any] = ask()
    return state


def _metric_state(metric: Any) -> Any:
    """The state of a metric that keeps its own, None if it does not give it."""
    if not hasattr(metric, "state_dict"):
        return None
    if hasattr(metric, "persistent"):  # torchmetrics leaves out its values unless it is told otherwise
        import copy

        metric = copy.deepcopy(metric)
        metric.persistent(True)
    return metric.state_dict()


class Replay:
    """A pass over any data: it goes on by drawing the same batches again and leaving out those that are done.

    Data of our own does the same at less cost, with a ``pass_state`` and ``resumed`` of its own.
    """

    is_one_pass = False

    def __init__(self, data: Iterable[Any]) -> None:
        self._data = data
        self._random = random_state()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._data)

    def pass_state(self) -> dict[str, Any]:
        """The generators as they were when the pass began."""
        return self._random

    def resumed(self, state: dict[str, Any], batch: int, step: int) -> Iterator[Any]:
        """The batches from number ``batch`` on."""
        set_random_state(state)
        self._random = state
        iterator = iter(self._data)
        for _ in itertools.islice(iterator, batch):
            pass
        return iterator


def all_written(callbacks: Iterable[Callback]) -> list[str | os.PathLike[str]]:
    """What ``resume_from="auto"`` can take.

    Raises:
        ValueError: no callback writes checkpoints.
    """
    written = [paths for callback in callbacks if (paths := callback.written_checkpoints()) is not None]
    if not written:
        raise ValueError(
            "resume_from='auto' takes the newest checkpoint that a callback wrote, and no callback of this run writes "
            "any from which training can go on: add one, e.g. LumpCheckpoint('run/{epoch:02d}.hdf5', save_every=500), "
            "or name a file"
        )
    return [path for paths in written for path in paths]


def agree(checkpoint: Checkpoint | None, path: str | os.PathLike[str]) -> None:
    """See that all processes of a distributed training go on from the same checkpoint, or all from none.

    Raises:
        CheckpointError: they do not.
    """
    state = None if checkpoint is None else checkpoint.state
    step = -1.0 if state is None or state["run"] is None else float(state["run"]["step"])
    if total([step])[0] != step * world_size():
        found = "found none" if step < 0 else f"found one after {step:.0f} batches"
        raise CheckpointError(
            f"rank {rank()} {found}, and others another: all processes must see the same files, in a folder that their "
            "machines share",
            path,
        )


# --- going on -------------------------------------------------------------------------------------------------------


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

    def __init__(self, checkpoint: Checkpoint, run: Run, participants: Iterable[Participant]) -> None:
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
        self._participants = list(_records(run, participants))
        self._lines: list[str] = []
        self._check_model(run)
        self._check_data(run)
        self._report(run)

    def _check_model(self, run: Run) -> None:
        from cthulhu_core.models.state import check_optimizer
        from cthulhu_core.models.weights import pairs

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
        then = {_key(record): record for record in self._state["callbacks"]}
        now = {_key(record): record for _, record in self._participants}
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
        from cthulhu_core.models.state import load_optimizer

        if self._restored:
            return
        self._restored = True
        self._checkpoint.load_into(run.model)
        assert self._checkpoint.state is not None
        if run.optimizer is not None and self._checkpoint.state["optimizer"] is not None:
            load_optimizer(run.optimizer, self._checkpoint.state["optimizer"]["state"])
        run.model.stop_training = self._state["stopped"]
        states = {_key(record): record["state"] for record in self._state["callbacks"]}
        for participant, record in self._participants:
            load = getattr(participant.plugin, "load_state_dict", None)
            if load is not None and _key(record) in states:
                try:
                    load(states[_key(record)])
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
