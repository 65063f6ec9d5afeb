"""Lump: a module that trains itself. What training does is in cthulhu_core/training."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from cthulhu_core.automatic import History
from cthulhu_core.models import files
from cthulhu_core.models.files import Path
from cthulhu_core.models.summary import summary
from cthulhu_core.models.weights import get_weights, set_weights
from cthulhu_core.run import Run
from cthulhu_core.training import loop
from cthulhu_core.training.arguments import check_counts, validation_schedule
from cthulhu_core.training.batches import Batches, Placement
from cthulhu_core.training.computation import Computation, Forward, call
from cthulhu_core.training.data import arrays, is_arrays, make_batches, number_of_samples, split, validation_batches
from cthulhu_core.training.distributed import join, local_device, world_size
from cthulhu_core.training.failures import ending_together, terminable
from cthulhu_core.training.logits import keep_logits_of
from cthulhu_core.training.objective import Objective
from cthulhu_core.training.optimizers import OptimizerFactory, optimizer_factory
from cthulhu_core.training.options import Options
from cthulhu_core.training.sharded import shard as shard_weights
from cthulhu_core.training.shards import WHOLE, Shard
from cthulhu_core.training.step import Step
from cthulhu_core.training.structure import apply, as_numpy, flatten
from cthulhu_core.values import read


class Lump(nn.Module):
    """A model: wraps a module, or is subclassed with a ``forward`` of its own.

    Because it is a ``torch.nn.Module``, everything of PyTorch works on it: ``.to(device)``, ``state_dict``,
    ``torch.compile``. Several inputs are a list or tuple, passed to ``forward`` by place, or a dict, passed by name.

    Args:
        module: the module to wrap; left out in a subclass.

    Attributes:
        stop_training: set it to True, in a callback, to end training after this batch and this epoch.
        history: the :class:`History` of the last training; the running one's while it runs.

    Example:
        >>> model = Lump(nn.Linear(2, 1))
        >>> model.conjure(optimizer="sgd", loss="mse")
        >>> history = model.summon(np.ones((8, 2)), np.ones(8), epochs=3, verbose=0)
        >>> len(history.history["loss"])
        3
    """

    def __init__(self, module: nn.Module | None = None) -> None:
        super().__init__()
        if module is not None:
            if not isinstance(module, nn.Module):
                raise TypeError(f"Lump wraps a torch.nn.Module: got {module!r}")
            keep_logits_of(module)
            self.module = module
        self.stop_training = False
        self.history: History | None = None
        self._objective: Objective | None = None
        self._options = Options()
        self._computation: Computation | None = None
        self._optimizer_given: Any = None
        self._make_optimizer: OptimizerFactory | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        # The run in which it is being trained, or was last trained: a checkpoint holds how far it got.
        self._run: Run | None = None

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """What the wrapped module gives."""
        module = self._modules.get("module")
        if module is None:
            raise NotImplementedError(
                f"{type(self).__name__} has no forward: write one, or wrap a module with Lump(module)"
            )
        return module(*inputs, **named)

    def __getstate__(self) -> dict[str, Any]:
        # A copy taken by a callback while training runs is a model of its own, not part of the run.
        return {**self.__dict__, "_run": None, "_computation": None}

    # --- what the model is ----------------------------------------------------------------------------------------

    @property
    def layers(self) -> list[nn.Module]:
        """The modules it is made of: the children of the wrapped module, or its own."""
        module = self._modules.get("module")
        return list((module if module is not None else self).children()) or ([module] if module is not None else [])

    def summary(self, print_fn: Callable[[str], object] = print) -> None:
        """Print the layers, the shapes of their weights, and how many parameters they have."""
        print_fn(summary(self))

    def get_weights(self) -> list[np.ndarray]:
        """All weights as arrays; kernels of Daoloth are of shape (in, units), as in Keras."""
        return get_weights(self)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Take weights of the number and shapes that :meth:`get_weights` gives.

        Raises:
            ValueError: their number or shapes differ; nothing is changed.
        """
        set_weights(self, weights)

    # --- what it is trained for -------------------------------------------------------------------------------------

    def conjure(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        *,
        jit_compile: bool = False,
        autocast: Literal["bfloat16", "float16"] | None = None,
        accumulate: int = 1,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        strategy: Literal["ddp", "fsdp"] | None = None,
    ) -> None:
        """Say how the model is to be trained.

        Args:
            optimizer: a name with Keras' defaults (``"rmsprop"``, ``"adam"``, ...), for which PyTorch's fused kernels
                serve where it has them; a ``torch.optim.Optimizer``, or a function from parameters to one.
            loss: a name (``"categorical_crossentropy"``, ``"mse"``, ...), a ``torch.nn`` loss or function called as
                ``(output, target)``; or a list or dict of them, one for each output.
            metrics: names (``"acc"``, ...), functions ``(output, target)``, ``torchmetrics`` objects, or a list of
                them; for several outputs, a list of lists or a dict of them by output.
            loss_weights: a factor for each loss, as a list or dict.
            jit_compile: compile forward, loss and backward with ``torch.compile``, which takes some seconds at the
                first batch. Where it cannot, a warning says why and training goes on without.
            autocast: ``"bfloat16"`` or ``"float16"``: compute the forward pass in this precision where PyTorch deems it
                safe (``torch.autocast``). Weights, outputs, loss and metrics stay in float32. With float16 the loss is
                scaled (``torch.amp.GradScaler``).
            accumulate: how many batches make one step of the optimizer; its gradient is the mean over their samples.
                The last step of an epoch takes those that are left. ``on_gradients`` is called once for each step.
            clipnorm: the norm that all gradients together may have, by ``torch.nn.utils.clip_grad_norm_``.
            clipvalue: the absolute value that an element of a gradient may have, by ``clip_grad_value_``; comes before
                ``clipnorm``. Callbacks in ``on_gradients`` see gradients as they are before both.
            strategy: how several processes (``torchrun``) train it. ``"ddp"``, as None: each has the whole model
                (``DistributedDataParallel``). ``"fsdp"``: each keeps a part of the weights, of their gradients and of
                what the optimizer remembers (``fully_shard``), from the first training on; it is saved as ``.dcp``.

        Raises:
            ValueError: a name is unknown, and the message says which are close; or an option cannot be used.
            TypeError: something is neither a name nor callable.
        """
        if loss is None:
            raise ValueError("conjure() needs a loss: a name, e.g. loss='mse', or a function (output, target)")
        options = Options(jit_compile, autocast, accumulate, clipnorm, clipvalue, strategy)
        objective, make_optimizer = Objective(loss, metrics, loss_weights), optimizer_factory(optimizer)
        self._objective, self._make_optimizer, self._options = objective, make_optimizer, options
        self._optimizer_given = optimizer
        self._optimizer = None
        self._run = None
        self._make_ready()

    def _make_ready(self) -> None:
        """Make the optimizer, unless a layer still waits for data to learn its size, or there is nothing to train."""
        weights = list(self.parameters())
        if self._make_optimizer is not None and weights and not any(is_lazy(weight) for weight in weights):
            dense = not any(getattr(module, "sparse", False) for module in self.modules())
            self._optimizer = self._make_optimizer(self.parameters(), dense)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer.

        Raises:
            RuntimeError: ``conjure`` was not called, a layer waits for data to learn its size, or there are no
                parameters.
        """
        if self._optimizer is None:
            self._make_ready()
        if self._optimizer is None:
            raise RuntimeError(self._why_no_optimizer())
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        self._make_optimizer = optimizer_factory(optimizer)
        self._optimizer_given = self._optimizer = optimizer

    def _why_no_optimizer(self) -> str:
        if self._make_optimizer is None:
            return "the model has no optimizer yet: call model.conjure(optimizer=..., loss=...)"
        if not list(self.parameters()):
            return "the model has no parameters: there is nothing to train"
        return "the model has no optimizer yet: the sizes of its layers are learned from the first data"

    @property
    def metrics_names(self) -> list[str]:
        """The names of what ``evaluate`` returns: ``loss``, then the metrics."""
        return self._conjured("metrics_names").names

    def _conjured(self, method: str) -> Objective:
        if self._objective is None:
            raise RuntimeError(
                f"{method}: call model.conjure(optimizer=..., loss=...) first, so that it is known what to do"
            )
        return self._objective

    def _computation_for(self, targets: Any, device: torch.device) -> Computation:
        """Model and objective on ``device``; from the first targets on, one loss for several is a loss for each."""
        self._objective = objective = self._conjured("training").for_targets(targets)
        objective.to(device)
        told = (objective, self._options, device, world_size())
        made = self._computation
        if made is None or (made.objective, made.options, made.device, made.ranks) != told:
            self._computation = made = Computation(self, self._options, device, objective)
        return made

    def _learn_sizes(self, batches: Batches) -> None:
        """Let layers that were given no input size take it from the data."""
        if any(is_lazy(weight) for weight in self.parameters()):
            inputs, _, _ = batches.first()
            with loop.evaluating(self), torch.no_grad():
                call(self, inputs)
        if self._optimizer is None:
            self._make_ready()

    def _placement(self) -> Placement:
        """Where the model is; ``torchrun`` gives each process a GPU of its own, and the model goes there."""
        placement = Placement(self)
        device = local_device(placement.device)
        if device == placement.device:
            return placement
        self.to(device)
        return Placement(self)

    def _check_parts(self, method: str) -> None:
        """See that all processes are there to call the model, where each holds a part of it."""
        if self._run is not None and self._run.is_training and self._run.is_alone and self._run.is_sharded:
            raise RuntimeError(
                f"{method} in a callback of the main process alone: each process holds a part of the model "
                "(strategy='fsdp'), and all must call it; let the callback say ranks = 'all'"
            )

    # --- training ---------------------------------------------------------------------------------------------------

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
        resume_from: Path | None = None,
    ) -> History:
        """Train the model.

        Args:
            x: arrays (NumPy, also memory-mapped, tensors on any device, pandas), or lists, tuples or dicts of them;
                or a ``Dataset``, ``DataLoader``, generator or any iterable of ``(inputs, targets[, weights])``.
                Floating-point numbers are converted to the model's dtype. Files may be larger than memory. A loader
                keeps its workers with ``persistent_workers=True``; without, each epoch begins with new ones, which is
                what makes an epoch that draws in them exact when it is resumed.
            y: targets, where ``x`` is arrays.
            batch_size: samples in a batch, 32 by default; not with data that makes its own batches. Of several
                processes (``torchrun``), each has batches of so many.
            epochs: index at which training ends: its length, if ``initial_epoch`` is 0.
            verbose: 0 silent, 1 a progress bar, 2 one line an epoch.
            callbacks: a callback, or a list of them; lists may be nested. One that needs no arguments may be its name.
            validation_split: share of the rows, the last ones before shuffling, that are kept for validation.
            validation_data: ``(x, y)``, ``(x, y, weights)``, or data that makes its own batches; wins over
                ``validation_split``.
            shuffle: whether rows are shuffled at each epoch, with PyTorch's generator (``torch.manual_seed``).
            class_weight: from class number to a factor on the training loss.
            sample_weight: a factor on the training loss for each sample, shape (N,).
            initial_epoch: index of the first epoch, from 0.
            steps_per_epoch: batches in an epoch; needed for a generator.
            validation_steps: batches in a validation; needed for a generator.
            validation_freq: validate every so many epochs, or in the epochs (from 1) that a container names.
            resume_from: a file that ``LumpCheckpoint`` or :meth:`save` wrote, or a folder of them, whose newest is
                taken: training goes on where it stands, in the midst of an epoch, too, as if it had never ended.
                ``"auto"``: the newest that a callback of ``callbacks`` wrote before, when the script was run the last
                time; training begins where there is none. For scripts that are started again when they were stopped.

        Returns:
            The history: ``history.history["loss"]`` is the list of the losses of the epochs.

        Raises:
            RuntimeError: ``conjure`` was not called.
            ValueError, TypeError: an argument cannot be used; the message says why and what to do.
            CheckpointError: what is to be resumed cannot be read, or is the training of another model.

        Example:
            >>> model = Lump(nn.Linear(2, 1))
            >>> model.conjure("sgd", "mse")
            >>> model.summon(np.ones((8, 2)), np.ones(8), verbose=0).epoch
            [0]
        """
        self._conjured("summon()")
        join()
        with ending_together():
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
        """Loss and metrics on data; arguments as in :meth:`summon`.

        Can be called inside a callback: it touches neither ``stop_training`` nor the metrics of training.

        Returns:
            The loss as a float; with metrics, the list of the values that ``metrics_names`` names.
        """
        self._conjured("evaluate()")
        self._check_parts("evaluate()")
        join()
        check_counts(batch_size=batch_size, steps=steps)
        placement = self._placement()
        # A callback may be called in one process of several, and sees all of the data.
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
        """The model's outputs for ``x`` as NumPy arrays, in the structure that the model gives.

        Of data that makes its own batches, the inputs are taken; arguments as in :meth:`summon`.
        """
        self._check_parts("predict()")
        check_counts(batch_size=batch_size, steps=steps)
        placement = Placement(self)
        data = make_batches(x, None, None, batch_size=batch_size, placement=placement, steps=steps)
        self._learn_sizes(data)
        # What is not conjured can predict, too.
        device = placement.device
        forward = self._computation_for(None, device) if self._objective else Forward(self, self._options, device)
        run = self._run_of(data, verbose, callbacks, None)
        with run.opened():
            outputs = [apply(as_numpy, batch) for batch in loop.predict(run, forward, data)]
        return _concatenated(outputs)

    def train_on_batch(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Mapping[int, float] | None = None
    ) -> Any:
        """One step of the optimizer on one batch, without callbacks; returns as :meth:`evaluate`."""
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
        """Loss and metrics on one batch, without callbacks; returns as :meth:`evaluate`."""
        return self.evaluate(x, y, batch_size=number_of_samples(x), verbose=0, sample_weight=sample_weight)

    def _run_of(self, data: Batches, verbose: int, callbacks: Any, objective: Objective | None) -> Run:
        """A run that does not train."""
        return Run(
            self, self._optimizer, callbacks=callbacks, batch_size=data.batch_size, steps=data.steps,
            samples=data.samples, verbose=verbose, metrics=objective.names if objective else (),
            stateful_metrics=objective.stateful if objective else (), training=False,
        )  # fmt: skip

    # --- files --------------------------------------------------------------------------------------------------------

    def save(self, filepath: Path) -> None:
        """Save the whole model: weights, architecture, what ``conjure`` was told, the optimizer's state.

        And of the training that is under way, or was the last, everything that ``summon(resume_from=...)`` needs.

        Raises:
            ImportError: no installed package saves files with this suffix; the message says which to install.
        """
        files.save(self, filepath, weights_only=False, run=self._run)

    def save_weights(self, filepath: Path) -> None:
        """Save the weights; errors as in :meth:`save`."""
        files.save(self, filepath, weights_only=True, run=self._run)

    def load_weights(self, filepath: Path) -> None:
        """Load weights that :meth:`save_weights` or :meth:`save` wrote; errors as in :meth:`save`."""
        files.load_weights(self, filepath)


# --- results --------------------------------------------------------------------------------------------------------


def _as_returned(values: Mapping[str, Any], names: Sequence[str]) -> Any:
    """As Keras returns them: the loss alone, or a list with the metrics after it."""
    if not values:
        raise ValueError("the data gave no batch: expected at least one")
    return [values[name] for name in names] if len(names) > 1 else values["loss"]


def _concatenated(batches: list[Any]) -> Any:
    if not batches:
        raise ValueError("predict() was given no batch: expected at least one")
    build = flatten(batches[0])[1]
    columns = zip(*(flatten(batch)[0] for batch in batches), strict=True)
    return build([np.concatenate(column) for column in columns])
