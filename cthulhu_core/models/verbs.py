"""What a model does with data: ``summon``, ``evaluate`` and ``predict``, and the same on one batch."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.nn.parameter import is_lazy

from cthulhu_core.checkpoints.host_copies import as_numpy
from cthulhu_core.distributed.data_shards import WHOLE, Shard
from cthulhu_core.distributed.failures import ending_together, terminable, watched
from cthulhu_core.distributed.ranks import join, local_device, world_size
from cthulhu_core.distributed.sharding import shard as shard_weights
from cthulhu_core.installed.model_files import FilePath
from cthulhu_core.models.conjuring import Conjurable
from cthulhu_core.run.averages import read
from cthulhu_core.run.history import History
from cthulhu_core.run.run import Run
from cthulhu_core.training import loop
from cthulhu_core.training.arguments import check_counts, validation_schedule
from cthulhu_core.training.batches import Batches
from cthulhu_core.training.computation import Forward, call
from cthulhu_core.training.data import arrays, is_arrays, make_batches, number_of_samples, split, validation_batches
from cthulhu_core.training.objective import Objective
from cthulhu_core.training.placement import Placement
from cthulhu_core.training.step import Step
from cthulhu_core.training.structure import apply, flatten


class Verbs(Conjurable):
    """A module that trains, evaluates and predicts."""

    def __init__(self) -> None:
        super().__init__()
        self.stop_training = False
        self.history: History | None = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy that a callback takes during training is a model of its own, not part of the run.
        return {**self.__dict__, "_run": None, "_computation": None}

    def _learn_sizes(self, batches: Batches) -> None:
        """Let layers without an input size infer it from the data."""
        if any(is_lazy(weight) for weight in self.parameters()):
            inputs, _, _ = batches.first()
            with loop.evaluating(self), torch.no_grad():
                call(self, inputs)
        if self._optimizer is None:
            self._make_ready()

    def _placement(self) -> Placement:
        """Return device and dtype of the model, moved to the GPU of this process under ``torchrun``."""
        placement = Placement(self)
        device = local_device(placement.device)
        if device == placement.device:
            return placement
        self.to(device)
        return Placement(self)

    def _check_parts(self, method: str) -> None:
        """Check that all processes call the model if each of them holds a part of it."""
        if self._run is not None and self._run.is_training and self._run.is_alone and self._run.is_sharded:
            raise RuntimeError(
                f"{method} in a callback of the main process alone: each process holds a part of the model "
                "(strategy='fsdp'), and all must call it; let the callback say ranks = 'all'"
            )

    def summon(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_freq: int | Container[int] = 1,
        *,
        resume_from: FilePath | None = None,
    ) -> History:
        """Train the model.

        Args:
            x: arrays (NumPy, also memory-mapped; tensors on any device; pandas), or lists, tuples or dicts of them; or
                a ``Dataset``, ``DataLoader``, generator or any iterable of ``(inputs, targets[, weights])``.
                Floating-point numbers are converted to the model's dtype. Files may be larger than memory. A loader
                with ``persistent_workers=True`` keeps its workers; without, each epoch starts new ones, which makes an
                epoch that draws random numbers in its workers exactly resumable.
            y: targets, if ``x`` is arrays.
            batch_size: samples in a batch, 32 by default; not allowed with data that makes its own batches. With
                several processes (``torchrun``), the samples in a batch of each process.
            epochs: index at which training ends: the number of epochs, if ``initial_epoch`` is 0.
            verbose: 0 silent, 1 a progress bar, 2 one line an epoch.
            callbacks: a callback, or a possibly nested list of them. A name stands for an installed callback that needs
                no arguments.
            validation_split: fraction of the rows to keep for validation: the last ones, before shuffling.
            validation_data: ``(x, y)``, ``(x, y, weights)``, or data that makes its own batches; overrides
                ``validation_split``.
            shuffle: whether to shuffle the rows in each epoch, with PyTorch's generator (``torch.manual_seed``).
            class_weight: factors on the training loss by class number.
            sample_weight: a factor on the training loss for each sample, shape (N,).
            initial_epoch: index of the first epoch, from 0.
            steps_per_epoch: batches in an epoch; required for a generator.
            validation_steps: batches in a validation; required for a generator.
            validation_freq: validate every so many epochs, or in the epochs (from 1) that a container holds.
            resume_from: a file that ``LumpCheckpoint`` or :meth:`save` wrote, or a folder, of which the newest file is
                taken. Training continues from there, also in the middle of an epoch, as if it had not been
                interrupted. ``"auto"`` takes the newest file that one of the ``callbacks`` wrote when the script ran
                before, and starts from the beginning if there is none: for scripts that are restarted when they die.

        Returns:
            The history; ``history.history["loss"]`` is the list of the losses of the epochs.

        Raises:
            RuntimeError: ``conjure`` was not called.
            ValueError, TypeError: an argument cannot be used; the message says why and what to do.
            CheckpointError: the checkpoint cannot be read, or belongs to another model.

        Example:
            >>> model = Lump(nn.Linear(2, 1))
            >>> model.conjure("sgd", "mse")
            >>> model.summon(np.ones((8, 2)), np.ones(8), verbose=0).epoch
            [0]
        """
        self._conjured("summon()")
        join()
        with watched(), ending_together():
            check_counts(
                epochs=epochs, initial_epoch=initial_epoch, batch_size=batch_size,
                steps_per_epoch=steps_per_epoch, validation_steps=validation_steps,
            )  # fmt: skip
            if shuffle not in (True, False):
                raise ValueError(f"shuffle is {shuffle!r}: expected True or False")
            due = validation_schedule(validation_freq)
            placement, shard = self._placement(), Shard.here()
            validation: Batches | None = None
            if validation_data is None and validation_split:
                if not is_arrays(x):
                    raise ValueError(
                        f"validation_split cannot take rows from a {type(x).__name__}: pass validation_data instead"
                    )
                (x, y, sample_weight), validation_data = split(*arrays(x, y, sample_weight, ""), validation_split)
            data = make_batches(
                x, y, sample_weight, batch_size=batch_size, placement=placement, shuffle=shuffle,
                steps=steps_per_epoch, class_weight=class_weight, shard=shard,
            )  # fmt: skip
            if validation_data is not None:
                validation = validation_batches(validation_data, batch_size, placement, validation_steps, shard)
            self._learn_sizes(data)
            if self._options.strategy == "fsdp" and world_size() > 1:
                shard_weights(self, self.optimizer)
            computation = self._computation_for(y, placement.device)
            objective = computation.objective
            run = Run(
                self, self.optimizer, epochs, callbacks,
                initial_epoch=initial_epoch, batch_size=data.batch_size, steps=data.steps, samples=data.samples,
                verbose=verbose, metrics=objective.names, stateful_metrics=objective.stateful,
                directions=objective.directions, validation=validation is not None, resume_from=resume_from,
            )  # fmt: skip
            self.history = run.history
            self._run = run
            with terminable(lambda: run.is_ending):
                loop.train(run, computation, data, validation, due)
        return run.history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Return loss and metrics on data. The arguments are those of :meth:`summon`.

        May be called inside a callback: ``stop_training`` and the metrics of training are unchanged.

        Returns:
            The loss as a float; with metrics, a list of the values that ``metrics_names`` names.
        """
        self._conjured("evaluate()")
        self._check_parts("evaluate()")
        join()
        check_counts(batch_size=batch_size, steps=steps)
        placement = self._placement()
        # A callback may run in one of several processes, and then evaluates all of the data.
        shard = WHOLE if self._run is not None and self._run.is_training else Shard.here()
        data = make_batches(x, y, sample_weight, batch_size=batch_size, placement=placement, steps=steps, shard=shard)
        self._learn_sizes(data)
        computation = self._computation_for(y, placement.device)
        run = self._run_of(data, verbose, callbacks, computation.objective)
        run.tests_alone = shard is WHOLE
        with run.opened():
            loop.test(run, computation, data)
        return _as_returned(run.test_logs, computation.objective.names)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int = 0,
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Return the model's outputs for ``x`` as NumPy arrays, in the structure that the model returns.

        Of data that makes its own batches, the inputs are used. The arguments are those of :meth:`summon`.
        """
        self._check_parts("predict()")
        check_counts(batch_size=batch_size, steps=steps)
        placement = Placement(self)
        data = make_batches(x, None, None, batch_size=batch_size, placement=placement, steps=steps)
        self._learn_sizes(data)
        # A model that was not conjured can predict, too.
        device = placement.device
        forward = self._computation_for(None, device) if self._objective else Forward(self, self._options, device)
        run = self._run_of(data, verbose, callbacks, None)
        with run.opened():
            outputs = [apply(as_numpy, batch) for batch in loop.predict(run, forward, data)]
        return _concatenated(outputs)

    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Mapping[int, float] | None = None
    ) -> Any:
        """Take one optimizer step on one batch, without callbacks; returns what :meth:`evaluate` returns."""
        self._conjured("train_on_batch()")
        placement = Placement(self)
        data = make_batches(
            x, y, sample_weight, batch_size=number_of_samples(x), placement=placement, class_weight=class_weight
        )
        self._learn_sizes(data)
        computation = self._computation_for(y, placement.device)
        objective = computation.objective.fresh()
        self.train()
        run = Run(self, self.optimizer, training=False)
        step = Step(run, computation, objective, replace(self._options, accumulate=1))
        with computation.summed():
            for inputs, targets, weights in run.batches(data):
                step(inputs, targets, weights)
        return _as_returned(read(run.current.values), objective.names)

    def test_on_batch(self, x: Any, y: Any, sample_weight: Any = None) -> Any:
        """Return loss and metrics on one batch, without callbacks, as :meth:`evaluate` does."""
        return self.evaluate(x, y, batch_size=number_of_samples(x), verbose=0, sample_weight=sample_weight)

    def _run_of(self, data: Batches, verbose: int, callbacks: Any, objective: Objective | None) -> Run:
        """Return a run that does not train."""
        return Run(
            self, self._optimizer, callbacks=callbacks, batch_size=data.batch_size, steps=data.steps,
            samples=data.samples, verbose=verbose, metrics=objective.names if objective else (),
            stateful_metrics=objective.stateful if objective else (), training=False,
        )  # fmt: skip


def _as_returned(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the loss alone, or a list with the metrics after it, as Keras does."""
    if not values:
        raise ValueError("the data yielded no batch: expected at least one")
    return [values[name] for name in names] if len(names) > 1 else values["loss"]


def _concatenated(batches: list[Any]) -> Any:
    if not batches:
        raise ValueError("predict() got no batch: expected at least one")
    build = flatten(batches[0])[1]
    columns = zip(*(flatten(batch)[0] for batch in batches), strict=True)
    return build([np.concatenate(column) for column in columns])
