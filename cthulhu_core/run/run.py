"""The state of one training, and the pushes that change it.

A run does not train: a loop does, and tells the run where it is. The loop may push (``epoch_begin``, ``batch_begin``,
...) or iterate (``epochs()``, ``batches()``, ..., in ``iteration.py``). ``summon`` is one such loop
(``training/loop.py``). Which implementations a hook calls is in ``dispatch.py``, what happens when one of them fails
in ``call_context.py``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from cthulhu_core.contract.hookspecs import Logs
from cthulhu_core.distributed.agreement import any_rank
from cthulhu_core.distributed.ranks import world_size
from cthulhu_core.installed import manifest
from cthulhu_core.installed.config import Config, configuration
from cthulhu_core.run.averages import Averages
from cthulhu_core.run.base_logger import BaseLogger
from cthulhu_core.run.batch import Batch
from cthulhu_core.run.call_context import CallContext
from cthulhu_core.run.costs import Costs
from cthulhu_core.run.dispatch import Dispatch
from cthulhu_core.run.ending import finish
from cthulhu_core.run.evaluation import Evaluation
from cthulhu_core.run.history import History
from cthulhu_core.run.hook_table import HookTable
from cthulhu_core.run.iteration import Iteration
from cthulhu_core.run.participation import Participation, given_callbacks, participants_of
from cthulhu_core.run.resuming import Resumption, resumption_of
from cthulhu_core.run.saving import Saving

if TYPE_CHECKING:
    import torch

STOP_EVERY = 50
"""Batches of a distributed training after which its processes agree on whether to stop; each time costs a message."""


class Run(Iteration, Evaluation, Participation, Saving):
    """One training: its participants, its position and its logs.

    A loop of your own keeps its shape and gets every callback. The arguments after ``callbacks`` become the ``params``
    of callbacks; leave out those that your loop does not know.

    Args:
        model: the module to train. Its ``stop_training`` is set to False; a callback that sets it to True ends the run.
        optimizer: the optimizer, for callbacks that change the learning rate.
        epochs: index at which training ends (not the number of epochs, if ``initial_epoch`` is given).
        callbacks: a callback, or a list, tuple or nested lists of them. Objects with ``hookimpl`` functions and names
            of installed callbacks that need no arguments are accepted, too. The callbacks of ``CTHULHU_CONFIG`` come
            after them (see :mod:`cthulhu_core.installed.config`).
        initial_epoch: index of the first epoch, from 0.
        batch_size: samples in a batch.
        steps: batches in an epoch.
        samples: samples in an epoch.
        verbose: 0 silent, 1 a progress bar, 2 one line an epoch, for plugins that report progress.
        metrics: names of the values that will be recorded, ``loss`` first.
        stateful_metrics: names of those that keep their own state and are not averaged; a dict from names to the
            metric objects includes their state in checkpoints.
        directions: ``"max"`` or ``"min"`` by name, for metrics that state one.
        validation: whether epochs will be validated.
        resume_from: a checkpoint of model and training, or a folder of them, of which the newest is taken. The run
            continues from there, also in the middle of an epoch: weights, optimizer, callbacks and random generators
            have their saved state from the first batch on (see :mod:`cthulhu_core.checkpoints.resume`). ``"auto"``
            takes the newest one that a callback of this run wrote before (:meth:`Callback.written_checkpoints`), and
            starts from the beginning if there is none.
        training: False for a run that tests or predicts and does not train; it ignores ``CTHULHU_CONFIG``.

    Raises:
        RefusedCallback: something in ``callbacks`` cannot take part; the message says why and what to do.
        ConfigError: ``CTHULHU_CONFIG`` names something that cannot be used.
        CheckpointError: the checkpoint cannot be read, or belongs to another model.

    Warns:
        ResumeWarning: the resumed run has other packages or callbacks than it had; lists all of them.

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
        """Batches trained in this run, and in the run that it resumes."""
        self.batch: Batch | None = None
        self.logs: Logs = {}
        """The logs of the epoch: partial while it runs, complete when it has ended."""
        self.finished_logs: Logs = {}
        """The logs of the last epoch that has ended."""
        self.validated = False
        """Whether this epoch has been validated."""
        self.test_logs: Logs = {}
        """The averages of the last validation."""
        self.test_steps: int | None = None
        """Batches in a validation; None before the first one, and if its data does not know."""
        self.kept: dict[str, Any] = {}
        """The objects passed to :meth:`keep`, by name."""
        self.is_ending = False
        """Whether the end of training has begun, whatever its cause."""
        self.tests_alone = False
        """Whether this run tests in one process of a distributed training, without the others."""
        self._config = configuration() if training else Config()
        self._given = [*given_callbacks(callbacks), *self._config.callbacks]
        self._begun = self._in_epoch = self._predicting = self._at_save_point = False
        self._open_batch = ""  # the hook with which the batch began that has not ended
        self._batch_before_test: Batch | None = None
        self._validation: Averages | None = None
        self._step_of_epoch = 0  # the step at which this epoch began
        self._stop_every = 1 if world_size() == 1 else STOP_EVERY
        self._data: Any = None
        self._data_state: Any = None
        self._together = contextlib.ExitStack()
        self._base_logger = BaseLogger(stateful_metrics)
        self._costs = Costs()
        self._context = CallContext(self)
        self._dispatch = Dispatch(participants_of(self, self._base_logger, self._given), self._context)
        self._hooks = HookTable(self._dispatch, self._costs)
        self._resumption: Resumption | None = None if resume_from is None else resumption_of(self, resume_from)
        self.resumed = self._resumption is not None
        """Whether this run continues an earlier one. Set it before the run begins if you restore state yourself."""
        if self._resumption is not None:
            self.initial_epoch = self._resumption.epoch
        self._next_epoch = self.initial_epoch

    # --- state --------------------------------------------------------------------------------------------------------

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
    def is_last_batch(self) -> bool:
        """Whether this batch is known to be the last of its epoch; False if the data has no length."""
        return bool(self.current.index + 1 == self.params["steps"])

    @property
    def is_training(self) -> bool:
        """Whether training has begun and not ended."""
        return self._begun

    def position(self) -> str:
        """Return where the run is, for messages: ``", epoch 2, batch 17"``, from 0."""
        where = "" if self.epoch is None else f", epoch {self.epoch}"
        return where if self.batch is None else f"{where}, batch {self.batch.index}"

    def stop(self) -> None:
        """Ask for the end of training, after this batch and the end of this epoch."""
        self.model.stop_training = True

    def record(self, *, outputs: Any = None, **values: Any) -> None:
        """Record the results of this batch. They stay on their device until somebody asks for numbers.

        Args:
            outputs: the outputs of the model.
            values: ``loss`` and metrics of this batch: numbers, tensors of one element, or objects with ``compute()``.
                They are kept without their graphs.

        Raises:
            RuntimeError: no batch is being worked on.
        """
        batch = self.batch or self.current
        if not self._open_batch:
            raise RuntimeError("this batch has ended: record() inside run.batches(data); run.logs is the epoch's")
        batch.outputs = outputs
        for name, value in values.items():
            batch.values[name] = value.detach() if getattr(value, "requires_grad", False) else value

    # --- the pushes: each calls its hook ------------------------------------------------------------------------------

    def train_begin(self) -> None:
        """Begin training: callbacks get ``params`` and ``model``, ``stop_training`` is False."""
        self.model.stop_training = self.is_ending = False
        self._open_hooks()
        if self._config.manifest is not None and self.is_main:
            manifest.save(self.manifest(), self._config.manifest)
        self._hooks.call("train_begin", self, {})
        self._begun = True
        if self._resumption is not None and not self._resumption.batch:
            self._resumption.restore(self)

    def epoch_begin(self, epoch: int) -> None:
        """Begin epoch ``epoch`` (from 0); ends the one before if it is still open."""
        self._end_open_epoch()
        self.epoch, self.batch, self.logs, self.validated = epoch, None, {}, False
        self._in_epoch = True
        self._next_epoch, self._step_of_epoch = epoch, self.step
        self._hooks.call("epoch_begin", self, epoch, {})
        if self._resumption is not None and self._resumption.batch:
            self._resumption.restore(self)

    def batch_begin(self, index: int, item: Any) -> None:
        """Begin a training batch; ``item`` is what the data gave, usually ``(inputs, targets)``."""
        self._begin_batch("batch_begin", index, item)

    def gradients(self) -> None:
        """Call the hook between backward pass and optimizer step."""
        hook = self._hooks.current.get("gradients")
        if hook is not None:
            hook(self, self.current.index)

    def batch_end(self) -> None:
        """End a training batch whose values are recorded."""
        self.step += 1
        self._end_batch("batch_end")
        if "save_point" in self._hooks.current:
            self._save_point()

    def epoch_end(self) -> None:
        """End the epoch, and its validation if there was one."""
        self._end_open()
        assert self.epoch is not None
        self.batch, self._in_epoch, self._next_epoch = None, False, self.epoch + 1
        self._hooks.time_everything()
        self._hooks.call("epoch_end", self, self.epoch, self.logs)
        self.finished_logs = self.logs
        if "save_point" in self._hooks.current:
            self._save_point()

    # --- what the pushes share ----------------------------------------------------------------------------------------

    def _begin_batch(self, name: str, index: int, item: Any) -> None:
        hooks = self._hooks
        if hooks.batches_to_skip:
            hooks.batches_to_skip -= 1
        else:
            hooks.choose()
        self.batch = batch = Batch(index, item)
        self._open_batch = name
        hook = hooks.current.get(name)
        if hook is not None:
            hook(self, index, {"batch": index, "size": batch.size} if hook.needs_logs else None)

    def _end_batch(self, name: str) -> None:
        self._open_batch = ""
        hook = self._hooks.current.get(name)
        if hook is not None:
            batch = self.batch or self.current
            hook(self, batch.index, batch.logs() if hook.needs_logs else None)

    def _save_point(self) -> None:
        self._at_save_point = True
        try:
            self._hooks.call("save_point", self)
        finally:
            self._at_save_point = False

    def _is_stopped(self) -> bool:
        """Return whether a stop was asked for in any process; all of them must ask."""
        stopped = any_rank(bool(self.model.stop_training))
        if stopped:
            self.model.stop_training = True
        return stopped

    # A loop that leaves run.batches(), run.test() or run.epochs() with `break` does not end what it began.

    def _end_open_epoch(self) -> None:
        self._end_open()
        if self._in_epoch:
            self.epoch_end()

    def _end_open(self) -> None:
        if self._open_batch:
            getattr(self, self._open_batch.replace("begin", "end"))()
        if self._validation is not None:
            self.test_end()
        if self._predicting:
            self.predict_end()

    def _finish(self, error: BaseException | None) -> None:
        finish(self, error)

    def _forget_open(self) -> None:
        """Leave everything that is open as it is: the run ends."""
        self._open_batch, self._validation, self._predicting, self._in_epoch = "", None, False, False

    def _release(self) -> None:
        """Let go of the data: a model keeps its last run."""
        self._begun, self.batch = False, None
        self._data_state, self._data = self.data_state(), None
