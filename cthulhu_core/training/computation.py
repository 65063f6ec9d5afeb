"""Forward pass and loss, in any precision, compiled or not. Backward pass and optimizer are in ``step.py``."""

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
    """The model cannot be compiled, and is trained without ``jit_compile``."""


class Forward:
    """The forward pass of a model.

    Args:
        model: the model.
        options: precision, and whether to compile.
        device: the device of the model.

    Warns:
        CompileWarning: the model cannot be compiled; raised at the first call, with the reason.
    """

    def __init__(self, model: nn.Module, options: Options, device: torch.device) -> None:
        self.options = options
        self.device = device
        self._model = self._trained = model
        self._dtype = None if options.autocast is None else PRECISIONS[options.autocast]
        self.outputs: Callable[[Any], Any] = self._maybe_compiled(self._outputs)

    def _outputs(self, inputs: Any) -> Any:
        # Only in training: a module that reduces gradients sends messages, which other processes do not expect.
        model = self._trained if torch.is_grad_enabled() else self._model
        if self._dtype is None:
            return call(model, inputs)
        with torch.autocast(self.device.type, self._dtype):
            outputs = call(model, inputs)
        return in_single_precision(outputs)

    def _maybe_compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _Compiled(function) if self.options.jit_compile else function


class Computation(Forward):
    """The forward pass of a model, and its loss.

    It is kept from one training to the next, because compiling takes long and the scale of the loss remains suitable.
    Takes the arguments of :class:`Forward`, and:

    Args:
        objective: computes the loss.

    Attributes:
        scaler: scales the loss so that float16 gradients do not underflow; None in other precisions.
    """

    def __init__(self, model: nn.Module, options: Options, device: torch.device, objective: Objective) -> None:
        super().__init__(model, options, device)
        self.objective = objective
        self.ranks = world_size()
        # With an optimizer that is not fused, it waits for the device in each step.
        self.scaler = torch.amp.GradScaler(device.type) if options.autocast == "float16" else None
        self.loss: Callable[[Any, Any, Tensor | None], tuple[Any, Tensor, dict[str, Tensor]]]
        self.loss = self._maybe_compiled(self._loss)

    def _loss(self, inputs: Any, targets: Any, weights: Tensor | None) -> tuple[Any, Tensor, dict[str, Tensor]]:
        """Return the outputs, their loss, and the loss of each output by name if there are several."""
        outputs = self._outputs(inputs)
        loss, parts = self.objective.loss(outputs, targets, weights)
        return outputs, loss, parts

    @contextmanager
    def summed(self) -> Iterator[None]:
        """Reduce gradients over all processes of a distributed training inside this block.

        The module that does it must be gone before the processes part, or Python exits with an error.
        """
        self._trained = distributed(self._model, self.device)
        try:
            yield
        finally:
            self._trained = self._model

    def unsummed(self) -> AbstractContextManager[None]:
        """Accumulate gradients in each process, without reducing them, inside this block."""
        return unsummed(self._trained)

    def sum_up(self, optimizer: torch.optim.Optimizer) -> None:
        """Reduce gradients that were accumulated without reducing them."""
        sum_up(optimizer)


class _Compiled:
    """A function that is compiled, unless that fails."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._call: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        try:
            # Not earlier, because importing the compiler takes seconds, and may fail, too.
            self._call = self._call or torch.compile(self._function)
            return self._call(*arguments)
        except Exception as error:  # noqa: BLE001 - what is not the compiler's is raised again in the next line
            results = self._function(*arguments)
            self._call = self._function
            reason = next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__)
            warnings.warn(
                f"jit_compile: torch.compile cannot compile the model, so training continues without it: {reason}",
                CompileWarning,
                stacklevel=2,
            )
            return results


def call(model: nn.Module, inputs: Any) -> Any:
    """Return the outputs of ``model``. A list or tuple becomes positional arguments, a dict keyword arguments."""
    if isinstance(inputs, Tensor):
        return model(inputs)
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, (list, tuple)):
        return model(*inputs)
    return model(inputs)
