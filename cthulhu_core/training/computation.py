"""Forward and loss: in which precision, and compiled or not. What is done with the loss is in step.py."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cthulhu_core.distributed.ranks import world_size
from cthulhu_core.distributed.strategies import distributed, sum_up, unsummed
from cthulhu_core.training.logits import in_single_precision
from cthulhu_core.training.objective import Objective
from cthulhu_core.training.options import PRECISIONS, Options


class CompileWarning(UserWarning):
    """``jit_compile`` was asked for, and the model is trained without."""


class Forward:
    """What a model gives for inputs.

    Args:
        model: the model.
        options: in which precision, and whether compiled.
        device: where the model is.

    Warns:
        CompileWarning: it cannot be compiled, when it is called for the first time; says why.
    """

    def __init__(self, model: nn.Module, options: Options, device: torch.device) -> None:
        self.options = options
        self.device = device
        self._model = self._trained = model
        self._dtype = None if options.autocast is None else PRECISIONS[options.autocast]
        self.outputs: Callable[[Any], Any] = self._maybe_compiled(self._outputs)

    def _outputs(self, inputs: Any) -> Any:
        # What sums up gradients sends messages, which nobody expects from a test.
        model = self._trained if torch.is_grad_enabled() else self._model
        if self._dtype is None:
            return call(model, inputs)
        with torch.autocast(self.device.type, self._dtype):
            outputs = call(model, inputs)
        return in_single_precision(outputs)

    def _maybe_compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _Compiled(function) if self.options.jit_compile else function


class Computation(Forward):
    """What a model gives for inputs, and its loss.

    It is kept from one training to the next: to compile takes longer than many a training, and a scale of the loss that
    has been found is as good for the next. Arguments as :class:`Forward`.

    Args:
        objective: what gives the loss.

    Attributes:
        scaler: what scales the loss, so that gradients of float16 are no zeros; None in other precisions.
    """

    def __init__(self, model: nn.Module, options: Options, device: torch.device, objective: Objective) -> None:
        super().__init__(model, options, device)
        self.objective = objective
        self.ranks = world_size()
        # On an optimizer that is not fused, it waits for the device in each step.
        self.scaler = torch.amp.GradScaler(device.type) if options.autocast == "float16" else None
        self.loss: Callable[[Any, Any, Tensor | None], tuple[Any, Tensor, dict[str, Tensor]]]
        self.loss = self._maybe_compiled(self._loss)

    def _loss(self, inputs: Any, targets: Any, weights: Tensor | None) -> tuple[Any, Tensor, dict[str, Tensor]]:
        """The outputs, their loss, and the losses of the outputs by name if there are several."""
        outputs = self._outputs(inputs)
        loss, parts = self.objective.loss(outputs, targets, weights)
        return outputs, loss, parts

    @contextmanager
    def summed(self) -> Iterator[None]:
        """Where gradients are summed up over the processes of a distributed training.

        What does that must be gone before the processes part: Python would end with an error otherwise.
        """
        self._trained = distributed(self._model, self.device)
        try:
            yield
        finally:
            self._trained = self._model

    def unsummed(self) -> AbstractContextManager[None]:
        """Where gradients are computed and not summed up over the processes of a distributed training."""
        return unsummed(self._trained)

    def sum_up(self, optimizer: torch.optim.Optimizer) -> None:
        """Sum up gradients that were left as they are."""
        sum_up(optimizer)


class _Compiled:
    """A function that is compiled as long as that works."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._call: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        try:
            # Not before it is needed: to import the compiler takes seconds, and may fail as well.
            self._call = self._call or torch.compile(self._function)
            return self._call(*arguments)
        except Exception as error:  # noqa: BLE001 - what is not the compiler's is raised again in the next line
            results = self._function(*arguments)
            self._call = self._function
            reason = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
            warnings.warn(
                f"jit_compile: torch.compile cannot compile the model, and it goes on without: {reason}",
                CompileWarning,
                stacklevel=2,
            )
            return results


def call(model: nn.Module, inputs: Any) -> Any:
    """The outputs of ``model``: a list or tuple of inputs is passed by place, a dict by name."""
    if isinstance(inputs, Tensor):
        return model(inputs)
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, (list, tuple)):
        return model(*inputs)
    return model(inputs)
