"""The loops of ``summon``, ``evaluate`` and ``predict``, which read as the pseudocode of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from cthulhu_core.distributed.strategies import share_buffers
from cthulhu_core.run.run import Run
from cthulhu_core.training.batches import Batches, Triple
from cthulhu_core.training.computation import Computation, Forward
from cthulhu_core.training.step import Step


def train(
    run: Run,
    computation: Computation,
    data: Batches,
    validation: Batches | None = None,
    validation_is_due: Callable[[int], bool] = lambda epoch: True,
) -> None:
    """Train ``run.model`` with ``run.optimizer`` for the epochs of ``run``."""
    model, objective = run.model, computation.objective
    step = Step(run, computation, objective, computation.options)
    run.keep("step", step)
    model.train()
    with computation.summed(), run:
        for epoch in run.epochs():
            objective.reset()
            for inputs, targets, weights in run.batches(data):
                step(inputs, targets, weights)
            step.finish()
            if validation is not None and validation_is_due(epoch):
                share_buffers(model)
                test(run, computation, validation)
            if epoch + 1 < run.params["epochs"] and not model.stop_training and data.ended():
                run.stop()


def test(run: Run, computation: Computation, data: Iterable[Triple]) -> None:
    """Compute loss and metrics over ``data`` into ``run.test_logs``, without changing the state of training."""
    objective = computation.objective.fresh()
    with evaluating(run.model), torch.no_grad():
        for inputs, targets, weights in run.test(data):
            outputs, loss, parts = computation.loss(inputs, targets, weights)
            measured = objective.measure(outputs, targets, run.current.size > 0)
            run.record(outputs=outputs, loss=loss, **parts, **measured)


def predict(run: Run, forward: Forward, data: Iterable[Triple]) -> Iterator[Any]:
    """Yield the outputs for each batch of ``data``."""
    with evaluating(run.model), torch.no_grad():
        for inputs, _, _ in run.predict(data):
            outputs = forward.outputs(inputs)
            run.record(outputs=outputs)
            yield outputs


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put ``model`` into evaluation mode inside this block, and restore the mode of every module."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
