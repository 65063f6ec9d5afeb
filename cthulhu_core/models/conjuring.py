"""How a model is prepared for training: optimizer, loss, metrics and options."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from cthulhu_core.distributed.ranks import world_size
from cthulhu_core.models import training_config
from cthulhu_core.run.run import Run
from cthulhu_core.training.computation import Computation
from cthulhu_core.training.objective import Objective
from cthulhu_core.training.optimizers import OptimizerFactory, optimizer_factory
from cthulhu_core.training.options import Options


class Conjurable(nn.Module):
    """A module that ``conjure`` prepares for training."""

    def __init__(self) -> None:
        super().__init__()
        self._objective: Objective | None = None
        self._options = Options()
        self._computation: Computation | None = None
        self._optimizer_given: Any = None
        self._make_optimizer: OptimizerFactory | None = None
        self._optimizer: torch.optim.Optimizer | None = None
        # The run that trains the model, or trained it last: a checkpoint holds how far it got.
        self._run: Run | None = None

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
        """Configure the model for training.

        Args:
            optimizer: a name (``"rmsprop"``, ``"adam"``, ...) with the defaults of Keras, in PyTorch's fused version if
                there is one; a ``torch.optim.Optimizer``; or a function from parameters to an optimizer.
            loss: a name (``"categorical_crossentropy"``, ``"mse"``, ...); a ``torch.nn`` loss or a function, called as
                ``(output, target)``; or a list or dict of them, one for each output.
            metrics: names (``"acc"``, ...), functions ``(output, target)``, ``torchmetrics`` objects, or a list of
                them; for several outputs, a list of lists, or a dict by output.
            loss_weights: a factor for each loss, as a list or dict.
            jit_compile: compile forward pass, loss and backward pass with ``torch.compile``, which takes some seconds
                at the first batch. If the model cannot be compiled, a warning says why and training continues without.
            autocast: ``"bfloat16"`` or ``"float16"``: run the forward pass in this precision where PyTorch considers it
                safe (``torch.autocast``). Weights, outputs, loss and metrics stay in float32. With float16, the loss is
                scaled (``torch.amp.GradScaler``).
            accumulate: number of batches in one optimizer step; its gradient is the mean over their samples. The last
                step of an epoch takes the batches that are left. ``on_gradients`` is called once for each step.
            clipnorm: the largest norm of all gradients together, by ``torch.nn.utils.clip_grad_norm_``.
            clipvalue: the largest absolute value of an element of a gradient, by ``clip_grad_value_``, applied before
                ``clipnorm``. Callbacks in ``on_gradients`` see the gradients before both.
            strategy: how several processes (``torchrun``) train the model. ``"ddp"``, the default: each has the whole
                model (``DistributedDataParallel``). ``"fsdp"``: from the first training on, each has a part of the
                weights, of their gradients and of the optimizer's state (``fully_shard``); save it as ``.dcp``.

        Raises:
            ValueError: a name is unknown (the message lists similar ones), or an option cannot be used.
            TypeError: an argument is neither a name nor callable.
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
        """Make the optimizer, unless a layer has not learned its size yet, or there is nothing to train."""
        weights = list(self.parameters())
        if self._make_optimizer is not None and weights and not any(is_lazy(weight) for weight in weights):
            dense = not any(getattr(module, "sparse", False) for module in self.modules())
            self._optimizer = self._make_optimizer(self.parameters(), dense)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer.

        Raises:
            RuntimeError: ``conjure`` was not called, a layer has not learned its size yet, or there are no parameters.
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
        """The names of the values that ``evaluate`` returns: ``loss``, then the metrics."""
        return self._conjured("metrics_names").names

    def _conjured(self, method: str) -> Objective:
        if self._objective is None:
            raise RuntimeError(f"{method}: call model.conjure(optimizer=..., loss=...) first")
        return self._objective

    def _computation_for(self, targets: Any, device: torch.device) -> Computation:
        """Return model and objective on ``device``; with several targets, one named loss becomes one for each."""
        self._objective = objective = self._conjured("training").for_targets(targets)
        objective.to(device)
        wanted = (objective, self._options, device, world_size())
        made = self._computation
        if made is None or (made.objective, made.options, made.device, made.ranks) != wanted:
            self._computation = made = Computation(self, self._options, device, objective)
        return made

    def _describe_conjured(self) -> dict[str, Any] | None:
        """Return the arguments of :meth:`conjure` as plain data; None if it was not called."""
        return training_config.describe(self)
