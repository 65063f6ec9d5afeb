"""The loop of ``summon``, and those of ``evaluate`` and ``predict``: they read as the pseudocode of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cthulhu_core.run import Run
from cthulhu_core.training.batches import Batches, Triple
from cthulhu_core.training.objective import Objective


def train(
    run: Run,
    objective: Objective,
    data: Batches,
    validation: Batches | None = None,
    validation_is_due: Callable[[int], bool] = lambda epoch: True,
) -> None:
    """Train ``run.model`` with ``run.optimizer`` for the epochs of ``run``."""
    model, optimizer = run.model, run.optimizer
    assert optimizer is not None
    model.train()
    with run:
        for epoch in run.epochs():
            objective.reset()
            for inputs, targets, weights in run.batches(data):
                step(run, model, objective, optimizer, inputs, targets, weights)
            if validation is not None and validation_is_due(epoch):
                test(run, objective, validation)
            if epoch + 1 < run.params["epochs"] and not model.stop_training and data.ended():
                run.stop()


def step(
    run: Run,
    model: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    inputs: Any,
    targets: Any,
    weights: Tensor | None,
) -> None:
    """Forward, loss, backward, optimizer; what came of it is recorded in ``run``."""
    outputs = call(model, inputs)
    loss, parts = objective.loss(outputs, targets, weights)
    optimizer.zero_grad()
    loss.backward()
    run.gradients()
    if isinstance(optimizer, torch.optim.LBFGS):
        optimizer.step(partial(_again, model, objective, optimizer, inputs, targets, weights))
    else:
        optimizer.step()
    run.record(outputs=outputs, loss=loss, **parts, **objective.measure(outputs, targets))


def _again(
    model: nn.Module,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    inputs: Any,
    targets: Any,
    weights: Tensor | None,
) -> Tensor:
    """The loss where an optimizer that searches along a line has gone, with its gradients."""
    optimizer.zero_grad()
    loss, _ = objective.loss(call(model, inputs), targets, weights)
    loss.backward()
    return loss


def test(run: Run, objective: Objective, data: Iterable[Triple]) -> None:
    """Loss and metrics over ``data``, as ``run.test_logs``; training state and training metrics are left alone."""
    objective = objective.fresh()
    with evaluating(run.model), torch.no_grad():
        for inputs, targets, weights in run.test(data):
            outputs = call(run.model, inputs)
            loss, parts = objective.loss(outputs, targets, weights)
            run.record(outputs=outputs, loss=loss, **parts, **objective.measure(outputs, targets))


def predict(run: Run, data: Iterable[Triple]) -> Iterator[Any]:
    """The outputs for each batch of ``data``."""
    with evaluating(run.model), torch.no_grad():
        for inputs, _, _ in run.predict(data):
            outputs = call(run.model, inputs)
            run.record(outputs=outputs)
            yield outputs


def call(model: nn.Module, inputs: Any) -> Any:
    """The outputs of ``model``: a list or tuple of inputs is passed by place, a dict by name."""
    if isinstance(inputs, Tensor):
        return model(inputs)
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, (list, tuple)):
        return model(*inputs)
    return model(inputs)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put ``model`` into evaluation mode and every module of it back into the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
