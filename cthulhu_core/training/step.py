"""One step of training: backward pass and optimizer. Forward pass and loss are in ``computation.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cthulhu_core.run.run import Run
from cthulhu_core.training.computation import Computation
from cthulhu_core.training.objective import Objective
from cthulhu_core.training.options import Options

_engine: Any = torch.autograd.Variable._execution_engine


class Step:
    """Trains a model on one batch after the other, and records the results in its run.

    If several batches make one optimizer step, their gradient is the mean over their samples, as if they were one
    batch. A smaller last batch, and a last step of fewer batches, have the correct weight.

    Args:
        run: has model and optimizer, and records the results.
        computation: computes outputs and loss.
        objective: computes the metrics.
        options: accumulation and clipping.

    Raises:
        ValueError: the optimizer evaluates the loss itself, which these options do not allow.
    """

    def __init__(self, run: Run, computation: Computation, objective: Objective, options: Options) -> None:
        assert run.optimizer is not None
        self._run = run
        self._optimizer = run.optimizer
        self._computation = computation
        self._measure = objective.measure
        self._options = options
        self._accumulates = options.accumulate > 1
        self._clips = options.clipnorm is not None or options.clipvalue is not None
        self._scaler = computation.scaler
        self._asks_again = isinstance(run.optimizer, torch.optim.LBFGS)
        if self._asks_again and (self._accumulates or self._clips or self._scaler is not None):
            raise ValueError(
                "LBFGS computes gradients itself, as often as it likes: accumulate, clipnorm, clipvalue and "
                "autocast='float16' need an optimizer that does not, e.g. 'adam'"
            )
        special = self._accumulates or self._clips or self._asks_again or self._scaler is not None
        self._is_plain = not special and computation.ranks == 1
        # The gradient of the loss with respect to itself.
        self._one: Tensor | None = None
        # Batches whose gradients are not applied yet, and their samples, in units of the first batch; the mean over all
        # processes, because gradients are averaged over them.
        self._batches = 0
        self._weight = 0.0
        self._unit = 1.0

    def __call__(self, inputs: Any, targets: Any, weights: Tensor | None) -> None:
        """Run forward pass, loss, backward pass and optimizer."""
        run, optimizer = self._run, self._optimizer
        if not self._batches:
            clear_gradients(optimizer)
        if self._is_plain:
            outputs, loss, parts = self._computation.loss(inputs, targets, weights)
            self._backward_of(loss)
            run.gradients()
            optimizer.step()
        else:
            is_due = self._batches + 1 >= self._options.accumulate or run.is_last_batch
            with nullcontext() if is_due else self._computation.unsummed():
                outputs, loss, parts = self._computation.loss(inputs, targets, weights)
                self._backward(loss)
            if is_due:
                self._update(partial(self._again, inputs, targets, weights) if self._asks_again else None)
        run.record(outputs=outputs, loss=loss, **parts, **self._measure(outputs, targets, run.current.size > 0))

    def _backward_of(self, loss: Tensor) -> None:
        """Run ``loss.backward()`` without its overhead, which takes as long as a small layer."""
        one = self._one
        if one is None or type(loss) is not Tensor or loss.shape != one.shape or loss.dtype is not one.dtype:
            loss.backward()
            # backward() is what compiles the backward pass.
            self._one = None if loss.ndim or self._options.jit_compile else torch.ones_like(loss)
        else:
            _engine.run_backward((loss,), (one,), False, False, (), allow_unreachable=True, accumulate_grad=True)

    def finish(self) -> None:
        """Apply the remaining gradients, if it was not known which batch is the last."""
        if self._batches:
            self._computation.sum_up(self._optimizer)
            self._update()

    def _backward(self, loss: Tensor) -> None:
        batch = self._run.current
        if not self._batches:
            self._unit, self._weight = batch.mean_size, 0.0
        share = batch.size / self._unit
        self._weight += batch.mean_size / self._unit
        if share != 1.0:
            loss = loss * share
        if self._scaler is not None:
            loss = self._scaler.scale(loss)
        loss.backward()
        self._batches += 1

    def _update(self, again: Callable[[], Any] | None = None) -> None:
        optimizer, scaler = self._optimizer, self._scaler
        if scaler is not None:
            scaler.unscale_(optimizer)
        if self._batches > 1:
            for gradient in gradients(optimizer):
                gradient.div_(self._weight)
        self._run.gradients()
        if self._clips:
            self._clip()
        self._batches = 0
        if scaler is not None:
            scaler.step(optimizer)
            scaler.update()
        elif again is not None:
            optimizer.step(again)
        else:
            optimizer.step()

    def _clip(self) -> None:
        clipped = [each for group in self._optimizer.param_groups for each in group["params"]]
        if self._options.clipvalue is not None:
            nn.utils.clip_grad_value_(clipped, self._options.clipvalue)
        if self._options.clipnorm is not None:
            nn.utils.clip_grad_norm_(clipped, self._options.clipnorm)

    def _again(self, inputs: Any, targets: Any, weights: Tensor | None) -> Tensor:
        """Return the loss again, with its gradients, for an optimizer with line search."""
        clear_gradients(self._optimizer)
        _, loss, _ = self._computation.loss(inputs, targets, weights)
        loss.backward()
        return loss

    # --- what a checkpoint keeps --------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the gradients that are not applied yet, and the scale of the loss."""
        named = self._run.model.named_parameters() if self._batches else ()
        return {
            "batches": self._batches,
            "weight": self._weight,
            "unit": self._unit,
            "gradients": {name: weight.grad for name, weight in named if weight.grad is not None},
            "scaler": None if self._scaler is None else self._scaler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that :meth:`state_dict` returned."""
        self._batches, self._weight, self._unit = state["batches"], state["weight"], state["unit"]
        for name, weight in self._run.model.named_parameters():
            if name in state["gradients"]:
                weight.grad = state["gradients"][name].to(weight.device, copy=True)
        if self._scaler is not None and state["scaler"] is not None:
            self._scaler.load_state_dict(state["scaler"])


def gradients(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """Yield the gradients of the weights that ``optimizer`` trains."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            if weight.grad is not None:
                yield weight.grad


def clear_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Run ``optimizer.zero_grad()`` without its overhead, which takes longer than a small layer."""
    if type(optimizer).zero_grad is not torch.optim.Optimizer.zero_grad:
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = None
