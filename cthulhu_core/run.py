"""Run: the state of one training, and what drives the hooks, in our loop and in anybody's.

A run does not train: the loop does, and tells the run where it is. ``summon`` is one such loop
(training/loop.py). Which implementation a hook calls, and what its failure means, is in dispatch.py.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from cthulhu_core.automatic import BaseLogger, History
from cthulhu_core.batch import Batch
from cthulhu_core.callback import Callback
from cthulhu_core.config import Attached, Config, configuration, named
from cthulhu_core.costs import Cost, Costs
from cthulhu_core.dispatch import Dispatch, HookCall, Participant, logger
from cthulhu_core.explain import explain
from cthulhu_core.hookspecs import HOOKS, PREFIX, Logs
from cthulhu_core.manifest import manifest, save
from cthulhu_core.services import active_plugins, default_callbacks
from cthulhu_core.training.distributed import any_of, rank, world_size
from cthulhu_core.validation import refuse_services
from cthulhu_core.values import Averages

if TYPE_CHECKING:
    import torch
    from typing_extensions import Self

    from cthulhu_core.resume import Resumption

Item = TypeVar("Item")

STOP_EVERY = 50
"""Batches of a distributed training after which its processes agree on whether to stop: it is a message for each."""


class Run:
    """One training: its participants, its position, its logs.

    Whoever has a loop of their own keeps it and gets every callback. The arguments after ``callbacks`` are told to
    callbacks as ``params``; a loop that does not know them leaves them out.

    Args:
        model: the module being trained. Its ``stop_training`` is set to False, and a callback that sets it to
            True ends the run.
        optimizer: the optimizer, for callbacks that change the learning rate.
        epochs: index at which training ends (not the number of epochs, if ``initial_epoch`` is given).
        callbacks: a callback, or a list, tuple or nested lists of them; objects with ``hookimpl`` functions too, and
            names of installed callbacks that need no arguments. What ``CTHULHU_CONFIG`` names comes after them (see
            :mod:`cthulhu_core.config`).
        initial_epoch: index of the first epoch, from 0.
        batch_size: samples in a batch.
        steps: batches in an epoch.
        samples: samples in an epoch.
        verbose: 0 silent, 1 a progress bar, 2 one line an epoch, for those plugins that report progress.
        metrics: names of the values that will be recorded, ``loss`` first.
        stateful_metrics: those of them that keep their own state and are not averaged; a dict from names to the
            objects, so that their state is part of a checkpoint.
        directions: for metrics that state one, ``"max"`` or ``"min"``.
        validation: whether epochs are going to be validated.
        resume_from: a checkpoint of model and training, or a folder of them, whose newest is taken: the run goes on
            where it stands, in the midst of an epoch, too. Weights, optimizer, callbacks and random generators are
            as they were then, from the first batch on (see :mod:`cthulhu_core.resume`). ``"auto"``: the newest that a
            callback of this run wrote before (:meth:`Callback.written_checkpoints`), or the beginning if there is none.
        training: False for a run that tests or predicts and does not train: then ``CTHULHU_CONFIG`` has no part in it.

    Raises:
        RefusedCallback: something in ``callbacks`` cannot take part; the message says why and what to do.
        ConfigError: ``CTHULHU_CONFIG`` names something that cannot be used.
        CheckpointError: what is to be resumed cannot be read, or is the training of another model.

    Warns:
        ResumeWarning: the resumed run has other packages or callbacks than it had; names them all.

    Example:
        >>> with Run(model, optimizer=opt, epochs=3, callbacks=[callback]) as run:
        ...     for epoch in run.epochs():
        ...         for x, y in run.batches(loader):
        ...             loss = criterion(model(x), y)
        ...             loss.backward()
        ...             opt.step()
        ...             opt.zero_grad()
        ...             run.record(loss=loss)
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | None = None,
        epochs: int = 1,
        callbacks: Any = None,
        *,
        initial_epoch: int = 0,
        batch_size: int | None = None,
        steps: int | None = None,
        samples: int | None = None,
        verbose: int = 0,
        metrics: Sequence[str] = (),
        stateful_metrics: Collection[str] = (),
        directions: dict[str, str] | None = None,
        validation: bool = False,
        resume_from: str | os.PathLike[str] | None = None,
        training: bool = True,
    ) -> None:
        self.model: Any = model
        self.optimizer = optimizer
        self.directions = directions or {}
        self.stateful_metrics = stateful_metrics
        self.params: dict[str, Any] = {
            "batch_size": batch_size,
            "epochs": epochs,
            "steps": steps,
            "samples": samples,
            "verbose": verbose,
            "do_validation": validation,
            "metrics": [*metrics, *(f"val_{name}" for name in metrics if validation)],
        }
        self.initial_epoch = initial_epoch
        self.history = History()
        self.epoch: int | None = None
        self.step = 0
        """Batches trained in this run, and before in the one that it resumes."""
        self.batch: Batch | None = None
        self.logs: Logs = {}
        """The logs of the epoch: what it has so far while it runs, whole when it has ended."""
        self.validated = False
        """Whether this epoch has been validated."""
        self._finished_logs: Logs = {}
        self.test_logs: Logs = {}
        """The averages of the last validation."""
        self.test_steps: int | None = None
        """Batches in a validation, where its data knows; None before the first one."""
        self._config = configuration() if training else Config()
        given = [] if callbacks is None else flatten(callbacks)
        self._given: list[Attached] = [
            *(
                Attached(named(each) if isinstance(each, str) else each, f"callbacks[{i}]")
                for i, each in enumerate(given)
            ),
            *self._config.callbacks,
        ]
        self._base_logger = BaseLogger(stateful_metrics)
        self._costs = Costs()
        # The hooks as they are, the same with timers, and which of the two this batch is given.
        self._untimed: dict[str, HookCall] = {}
        self._timed: dict[str, HookCall] = {}
        self._hooks = self._timed
        self._batches_to_skip = 0
        self._begun = False
        # What has begun and not ended: the batch, the test or prediction, the epoch.
        self._open = ""
        self._averages: Averages | None = None
        self._training_batch: Batch | None = None
        self._predicting = self._in_epoch = False
        # How many batches there were when this epoch began, and which epoch comes next.
        self._step_of_epoch = 0
        self._at_save_point = False
        # After how many batches it is asked whether to stop.
        self._stop_every = 1 if world_size() == 1 else STOP_EVERY
        self.is_ending = False
        """Whether training has come to its end, whichever: callbacks are being told, or have been."""
        self.tests_alone = False
        """Whether what this run tests is no affair of the other processes of a distributed training."""
        self._data: Any = None
        self._data_state: Any = None
        self.kept: dict[str, Any] = {}
        """What the loop has told to :meth:`keep`, by name."""
        self._dispatch = Dispatch(self._participants(), self)
        self._resumption = None if resume_from is None else self._resume(resume_from)
        self.resumed = self._resumption is not None
        """Whether this run goes on from an earlier one: set it before it begins if that is by means of your own."""
        self._next_epoch = self.initial_epoch

    def _resume(self, path: str | os.PathLike[str]) -> Resumption | None:
        from cthulhu_core.checkpoint import CheckpointError
        from cthulhu_core.models import files
        from cthulhu_core.resume import Resumption, agree, all_written

        if self.initial_epoch:
            raise ValueError(
                f"initial_epoch is {self.initial_epoch}, and resume_from says where to begin: leave one of them out"
            )
        if path == "auto":
            found = all_written(self.callbacks)
            checkpoint = files.newest(found) if found else None
        else:
            checkpoint = files.load_checkpoint(path)
        agree(checkpoint, path)
        if checkpoint is None:
            return None
        try:
            resumption = Resumption(checkpoint, self, self._dispatch.participants)
        except CheckpointError as error:
            raise CheckpointError(error.reason, path) from None
        self.initial_epoch = resumption.epoch
        return resumption

    def _participants(self) -> list[Participant]:
        plugins = active_plugins()
        for callback in self.given:
            refuse_services(callback)
        return [
            Participant(self._base_logger, "in every run, first"),
            *(Participant(plugin.plugin, f"plugin {plugin.record.name}, in every run") for plugin in plugins),
            *(
                Participant(callback, f"added by plugin {record.name}")
                for record, callback in default_callbacks(plugins, self)
            ),
            *(Participant(callback, reason) for callback, reason in self._given),
            Participant(self.history, "in every run, last"),
        ]

    # --- state --------------------------------------------------------------------------------------------------

    @property
    def current(self) -> Batch:
        """The batch being worked on.

        Raises:
            RuntimeError: no batch has begun.
        """
        if self.batch is None:
            raise RuntimeError("no batch has begun: iterate over run.batches(data), or call run.batch_begin()")
        return self.batch

    @property
    def given(self) -> list[Any]:
        """What was passed as ``callbacks``, as one list, and then what ``CTHULHU_CONFIG`` attaches."""
        return [callback for callback, _ in self._given]

    @property
    def callbacks(self) -> list[Callback]:
        """The callbacks that take part, in their order."""
        plugins = (participant.plugin for participant in self._dispatch.participants)
        return [plugin for plugin in plugins if isinstance(plugin, Callback)]

    @property
    def is_main(self) -> bool:
        """Whether this is the main process of distributed training, or the only one: who prints, prints there."""
        return rank() == 0

    @property
    def is_sharded(self) -> bool:
        """Whether each process of a distributed training holds a part of the weights (``strategy="fsdp"``)."""
        from cthulhu_core.training.sharded import has_parts

        return has_parts(self.model)

    @property
    def next_batch(self) -> tuple[int, int]:
        """The epoch, and the batch in it, that come after what has been done; both from 0."""
        return self._next_epoch, self.step - self._step_of_epoch if self._next_epoch == self.epoch else 0

    @property
    def is_last_batch(self) -> bool:
        """Whether this batch is known to be the last of its epoch: not where the data does not say how many it has."""
        return bool(self.current.index + 1 == self.params["steps"])

    @property
    def is_training(self) -> bool:
        """Whether training has begun and not ended: callbacks may be called."""
        return self._begun

    @property
    def is_alone(self) -> bool:
        """Whether a callback of the main process alone is being called: the other processes do not do what it does."""
        return self._dispatch.is_alone

    @property
    def is_settled(self) -> bool:
        """Whether everybody has had the last hook: at a save point, and when training is over or has not begun."""
        return self._at_save_point or not self._begun

    @property
    def finished_logs(self) -> Logs:
        """The logs of the last epoch that has ended."""
        return self._finished_logs

    @property
    def metric_objects(self) -> dict[str, Any]:
        """The metrics that keep their own state, by name, where the loop has told them."""
        return dict(self.stateful_metrics) if isinstance(self.stateful_metrics, Mapping) else {}

    @property
    def conjured(self) -> dict[str, Any] | None:
        """What ``model.conjure(...)`` was told, as plain data; None for a model that has no ``conjure``.

        ``optimizer``, ``loss``, ``metrics``, ``loss_weights`` and ``options``: ``{"name": "mse"}``,
        ``{"function": "torch.relu"}``, ``{"object": {"class": ..., "arguments": ...}}``, ``{"list": [...]}``,
        ``{"plain": ...}``, ``{"unknown": "why"}``.
        """
        from cthulhu_core.models.conjured import describe
        from cthulhu_core.models.lump import Lump

        return describe(self.model) if isinstance(self.model, Lump) else None

    def averages(self) -> Logs:
        """The averages so far, as Python numbers: of the epoch, or of the validation while there is one.

        Waits for the device, and computes the metrics that keep their own state: ask for them now and then.
        """
        return self._base_logger.averages() if self._averages is None else self._averages.result()

    def stop(self) -> None:
        """Ask for the end of training: after this batch, and after the end of this epoch."""
        self.model.stop_training = True

    def leave(self, plugin: object, hook: str) -> None:
        """Call ``plugin`` at ``hook`` no more in this run: it was there for something that is done.

        A hook of a batch costs time even where its implementation returns at once; what all have left costs nothing.

        Args:
            plugin: a callback, or an object with ``hookimpl`` functions, that takes part.
            hook: e.g. ``"cthulhu_batch_begin"``; can be the one that is being called.

        Raises:
            ValueError: there is no such hook.

        Example:
            >>> class FirstBatch(Callback):
            ...     @hookimpl
            ...     def cthulhu_batch_begin(self, run):
            ...         print(run.current.inputs)
            ...         run.leave(self, "cthulhu_batch_begin")
        """
        if hook not in HOOKS:
            raise ValueError(f"there is no hook {hook!r}: hooks are {', '.join(HOOKS)}")
        self._dispatch.leave(plugin, hook)
        if hook.removeprefix(PREFIX) in self._untimed:
            self._take_snapshot(hook)

    def position(self) -> str:
        """Where the run is, for messages: ``", epoch 2, batch 17"``; indices from 0."""
        where = "" if self.epoch is None else f", epoch {self.epoch}"
        return where if self.batch is None else f"{where}, batch {self.batch.index}"

    def save(self, filepath: str | os.PathLike[str], weights_only: bool = False, background: bool = False) -> Any:
        """Save the model, and how far it is trained, so that training can be resumed; or its weights alone.

        Args:
            filepath: the file; its suffix says in which format.
            weights_only: save nothing but the weights.
            background: write a copy in the background, while training goes on, where the format can.

        Returns:
            With ``background``, a ``concurrent.futures.Future`` that ends with the writing; else None.

        Raises:
            ImportError: no installed package saves files with this suffix; the message says which to install.
            CheckpointError, OSError: it cannot be saved; a file that was there before is as it was.
        """
        from cthulhu_core.models import files

        return files.save(self.model, filepath, weights_only, self, background)

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to go on as this one: plain data and tensors, its own and no copies.

        Of the model and its optimizer there is nothing in it: ``Checkpoint.of(model, run)`` has all.
        """
        from cthulhu_core.resume import run_state

        return run_state(self, self._dispatch.participants)

    def data_state(self) -> Any:
        """What the pass over the data, in which the epoch is, needs to go on."""
        return self._data_state if self._data is None else self._data.pass_state()

    def keep(self, name: str, stateful: Any) -> None:
        """Have what the loop itself remembers in checkpoints: a scheduler of learning rates, a scaler of the loss.

        Args:
            name: what it is called there.
            stateful: has ``state_dict()``, plain data and tensors, and ``load_state_dict(state)``, which is called
                where this run goes on from a checkpoint, after ``train_begin`` or ``epoch_begin``.

        Raises:
            RuntimeError: training has begun.

        Example:
            >>> run = Run(model, optimizer=opt, epochs=3, resume_from=None)
            >>> run.keep("scheduler", torch.optim.lr_scheduler.StepLR(opt, 2))
        """
        if self._begun:
            raise RuntimeError(f"keep({name!r}): training has begun: say it before `with run:`")
        self.kept[name] = stateful

    def go_on(self, step: int, batch: int, logs: Logs) -> None:
        """Be where a checkpoint stands: after ``step`` batches, ``batch`` of them in this epoch."""
        self.step, self._step_of_epoch, self._finished_logs = step, step - batch, logs

    def explain(self) -> None:
        """Print the loop with every participant in its place, and why it is there."""
        print(explain(self._dispatch))  # noqa: T201 - its purpose

    def costs(self) -> list[Cost]:
        """The time that this run has spent in the hooks of its participants, the most costly first.

        In hooks of batches it is an estimate from a sample of them (see :mod:`cthulhu_core.costs`).

        Returns:
            For each participant and hook: ``name, package, hook, seconds, share``; ``share`` is of the time that the
            run took, or has taken so far.

        Example:
            >>> for cost in model.summon(x, y, callbacks=[TensorBoard()]).run.costs():
            ...     print(f"{cost.name} in {cost.hook}: {cost.share:.1%}")
        """
        return self._costs.costs()

    def manifest(self) -> dict[str, Any]:
        """Which packages are active in this run, and who takes part with which arguments, for ``json.dumps``.

        Values of headers, tokens, passwords and the like are not in it.

        Returns:
            ``packages``: from name to version. ``participants``, in their order: dicts of ``name``, ``package``,
            ``version``, ``reason`` and ``arguments``.

        Example:
            >>> Run(model, callbacks=[CSVLogger("log.csv")]).manifest()["participants"][1]["arguments"]
            {'filename': 'log.csv'}
        """
        return manifest(self._dispatch.participants)

    # --- a training as a with statement and two for loops ----------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self.train_begin()
        except BaseException as error:
            self._finish(error)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._end_open_epoch()
        except BaseException as failure:
            self._finish(failure)
            raise
        self._finish(error)

    @contextlib.contextmanager
    def opened(self) -> Iterator[Self]:
        """Take part without training: the participants get the hooks of test and predict, and ``teardown``."""
        try:
            self._open_hooks()
            yield self
            self._end_open()
        except BaseException as error:
            self._finish(error)
            raise
        self._finish(None)

    def epochs(self) -> Iterator[int]:
        """The epochs to be trained, each between its hooks, until a stop was asked for; none if it was before them.

        Raises:
            RuntimeError: training has not begun.
        """
        if not self._begun:
            raise RuntimeError("training has not begun: put the loop into `with Run(...) as run:`")
        for epoch in range(self.initial_epoch, self.params["epochs"]):
            if self._is_stopped():
                break
            self.epoch_begin(epoch)
            yield epoch
            self.epoch_end()

    def batches(self, data: Iterable[Item]) -> Iterator[Item]:
        """The batches of ``data``, each between its hooks, until one ends in which a stop was asked for.

        A batch is ``(inputs, targets)``, or whatever else your loop understands.
        """
        self._end_open()
        self._data = data if hasattr(data, "pass_state") else _replay(data)
        first, source = 0, data
        if self._resumption is not None:
            first, source = self._resumption.batch, self._resumption.batches(self, self._data)
            self._resumption = None
        for index, item in enumerate(source, first):
            self._begin("batch_begin", index, item)
            yield item
            self.batch_end()
            if self.step % self._stop_every == 0 and self._is_stopped():
                break

    def test(self, data: Iterable[Item]) -> Iterator[Item]:
        """The batches of validation ``data``, each between its hooks.

        What is recorded meanwhile is averaged into ``test_logs``, and into the epoch's logs as ``val_*``.
        """
        self._end_open()
        self._training_batch, self._averages = self.batch, Averages(self.stateful_metrics)
        self.test_steps = _steps(data)
        self._time_everything()
        self._call("test_begin", {})
        for index, item in enumerate(data):
            self._begin("test_batch_begin", index, item)
            yield item
            self._end_open_batch()
        self._end_open()

    def predict(self, data: Iterable[Item]) -> Iterator[Item]:
        """The batches of ``data``, each between the hooks of prediction; what came out is to be recorded."""
        self._end_open()
        self._predicting = True
        self._time_everything()
        self._call("predict_begin", {})
        for index, item in enumerate(data):
            self._begin("predict_batch_begin", index, item)
            yield item
            self._end_open_batch()
        self._end_open()

    def record(self, *, outputs: Any = None, **values: Any) -> None:
        """Record what came of this batch: it waits on its device until somebody asks for the numbers.

        Args:
            outputs: what the model gave.
            values: ``loss`` and metrics of this batch: numbers, tensors of one element, or objects with
                ``compute()``. They are kept without their graphs.

        Raises:
            RuntimeError: no batch is being worked on.
        """
        batch = self.batch or self.current
        if not self._open:
            raise RuntimeError("this batch has ended: record() inside run.batches(data); run.logs is the epoch's")
        batch.outputs = outputs
        for name, value in values.items():
            batch.values[name] = value.detach() if getattr(value, "requires_grad", False) else value

    # --- the hooks, one by one: for loops that have another shape ----------------------------------------------------

    def train_begin(self) -> None:
        """Training begins: callbacks get ``params`` and ``model``, ``stop_training`` is False."""
        self.model.stop_training = self.is_ending = False
        self._open_hooks()
        if self._config.manifest is not None and self.is_main:
            save(self.manifest(), self._config.manifest)
        self._call("train_begin", {})
        self._begun = True
        if self._resumption is not None and not self._resumption.batch:
            self._resumption.restore(self)

    def epoch_begin(self, epoch: int) -> None:
        """Epoch ``epoch`` (from 0) begins."""
        self._end_open_epoch()
        self.epoch, self.batch, self.logs, self.validated = epoch, None, {}, False
        self._in_epoch = True
        self._next_epoch, self._step_of_epoch = epoch, self.step
        self._call("epoch_begin", epoch, {})
        if self._resumption is not None and self._resumption.batch:
            self._resumption.restore(self)

    def batch_begin(self, index: int, item: Any) -> None:
        """A training batch begins; ``item`` is what the data gave, ``(inputs, targets)`` for most."""
        self._begin("batch_begin", index, item)

    def gradients(self) -> None:
        """The gradients are there, the optimizer has not stepped: call it between the two."""
        hook = self._hooks.get("gradients")
        if hook is not None:
            hook(self, self.current.index)

    def batch_end(self) -> None:
        """A training batch has ended and its values are recorded."""
        self.step += 1
        self._end("batch_end")
        if "save_point" in self._hooks:
            self._save_point()

    def epoch_end(self) -> None:
        """The epoch has ended, and its validation if there was one."""
        self._end_open()
        assert self.epoch is not None
        self.batch, self._in_epoch, self._next_epoch = None, False, self.epoch + 1
        self._time_everything()
        self._call("epoch_end", self.epoch, self.logs)
        self._finished_logs = self.logs
        if "save_point" in self._hooks:
            self._save_point()

    def _is_stopped(self) -> bool:
        """Whether a stop was asked for, in any process of a distributed training: each must ask."""
        stopped = any_of(bool(self.model.stop_training))
        if stopped:
            self.model.stop_training = True
        return stopped

    def _save_point(self) -> None:
        self._at_save_point = True
        try:
            self._call("save_point")
        finally:
            self._at_save_point = False

    def _call(self, name: str, *arguments: Any) -> None:
        hook = self._hooks.get(name)
        if hook is not None:
            hook(self, *arguments)

    def _begin(self, name: str, index: int, item: Any) -> Batch:
        if self._batches_to_skip:
            self._batches_to_skip -= 1
        else:
            self._choose_hooks()
        self.batch = batch = Batch(index, item)
        self._open = name
        hook = self._hooks.get(name)
        if hook is not None:
            hook(self, index, {"batch": index, "size": batch.size} if hook.needs_logs else None)
        return batch

    def _end(self, name: str) -> None:
        self._open = ""
        hook = self._hooks.get(name)
        if hook is not None:
            batch = self.batch or self.current
            hook(self, batch.index, batch.logs() if hook.needs_logs else None)

    def _choose_hooks(self) -> None:
        """Whether the batch that begins is timed, where it does not just pass as the ones before."""
        if self._hooks is self._timed:
            skipped = self._costs.batches_to_skip()
            if skipped:
                self._hooks, self._batches_to_skip = self._untimed, skipped - 1
                return
        self._hooks = self._timed
        self._costs.begin_batch()

    def _time_everything(self) -> None:
        """From here on until a batch has ended."""
        self._hooks, self._batches_to_skip = self._timed, 0
        self._costs.begin_anew()

    # A loop that leaves run.batches(), run.test() or run.epochs() with `break` has not asked for the end of it.

    def _end_open_epoch(self) -> None:
        self._end_open()
        if self._in_epoch:
            self.epoch_end()

    def _end_open(self) -> None:
        self._end_open_batch()
        if self._averages is not None:
            self.batch, self.test_logs, self._averages = (
                self._training_batch,
                self._averages.result(not self.tests_alone),
                None,
            )
            self._call("test_end", self.test_logs)
            self.logs.update({f"val_{name}": value for name, value in self.test_logs.items()})
            self.validated = True
        if self._predicting:
            self._predicting = False
            self._call("predict_end", {})

    def _end_open_batch(self) -> None:
        if self._open == "batch_begin":
            self.batch_end()
        elif self._open == "test_batch_begin":
            batch = self.current
            assert self._averages is not None
            # Before the hook: who asks for the averages so far means this batch, too.
            self._averages.add(batch.values, batch.size)
            self._end("test_batch_end")
        elif self._open == "predict_batch_begin":
            self._end("predict_batch_end")

    def _open_hooks(self) -> None:
        self._dispatch.return_all()
        self._costs.begin()
        self._time_everything()
        for hook in HOOKS:
            if HOOKS[hook][:1] == ("run",):
                self._take_snapshot(hook)
        for participant in self._dispatch.participants:
            if isinstance(participant.plugin, Callback):
                participant.plugin.run = self
                self._tell(participant, "set_params", self.params)
                self._tell(participant, "set_model", self.model)

    def _take_snapshot(self, hook: str) -> None:
        """Have of ``hook`` what is to be called; nothing where that is nobody."""
        name, call = hook.removeprefix(PREFIX), self._dispatch.snapshot(hook)
        if call is None:
            self._untimed.pop(name, None)
            self._timed.pop(name, None)
        else:
            of_batches = "batch" in HOOKS[hook] or name == "save_point"
            self._timed[name] = timed = self._costs.timed(call, of_batches)
            self._untimed[name] = call if of_batches else timed

    def _tell(self, participant: Participant, method: str, what: Any) -> None:
        try:
            getattr(participant.plugin, method)(what)
        except Exception as error:
            self._dispatch.note(error, participant, method)
            raise

    def _finish(self, error: BaseException | None) -> None:
        """End the books of everybody, whatever happened; raise what they raise if nothing is being raised."""
        self.is_ending = True
        if not self.tests_alone and world_size() > 1:
            from cthulhu_core.training.failures import end

            end(error)
        self._open, self._averages, self._predicting, self._in_epoch = "", None, False, False
        failures: list[BaseException] = []
        if error is not None:
            failures += self._call_guarded("exception", error)
        if self._begun:
            failures += self._call_guarded("train_end", self._finished_logs)
        if error is None and failures:
            failures += self._call_guarded("exception", failures[0])
        failures += self._call_guarded("teardown")
        self._costs.end()
        self._dispatch.report()
        self._say_what_it_cost()
        self._begun, self.batch = False, None
        # A model keeps its last run: the data shall not stay in memory for that.
        self._data_state, self._data = self.data_state(), None
        raised = failures.pop(0) if error is None and failures else None
        for failure in failures:
            logger.error("while the run was ending: %s", failure, exc_info=failure)
        if raised is not None:
            raise raised

    def _say_what_it_cost(self) -> None:
        line = self._costs.line() if self._begun and self.params["verbose"] and self.is_main else ""
        if line:
            print(f"Callbacks took time: {line}. All of it: history.run.costs()")  # noqa: T201 - where the progress was

    def _call_guarded(self, name: str, *arguments: Any) -> list[BaseException]:
        hook = self._hooks.get(name)
        return [] if hook is None else hook.guarded(self, *arguments)


def _replay(data: Iterable[Any]) -> Any:
    from cthulhu_core.resume import Replay

    return Replay(data)


def _steps(data: Any) -> int | None:
    """How many batches ``data`` gives, if it knows."""
    try:
        steps: int | None = data.steps if hasattr(data, "steps") else len(data)
    except TypeError:  # a generator, or a loader whose dataset has no length
        return None
    return steps


def flatten(callbacks: Any) -> list[Any]:
    """A callback, or lists and tuples of them in any depth, as one list in their order."""
    if isinstance(callbacks, (list, tuple)):
        return [callback for each in callbacks for callback in flatten(each)]
    return [callbacks]
