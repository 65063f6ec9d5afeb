"""Trainings that log what a test says, with an optimizer whose rate is to be lowered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from cthulhu_core import Callback, Run


class Log(Callback):
    """Logs the value of each epoch under a name; None is not logged."""

    def __init__(self, name: str, values: Sequence[float | None]) -> None:
        self.name, self.values = name, values

    def on_epoch_end(self, epoch, logs):
        if self.values[epoch] is not None:
            logs[self.name] = self.values[epoch]


def sgd(*rates: Any) -> torch.optim.SGD:
    """An optimizer with a parameter group for each rate."""
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


@pytest.fixture
def optimizer() -> Callable[..., torch.optim.SGD]:
    """``optimizer(rate, ...)``: one with a parameter group for each rate."""
    return sgd


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[float]]:
    """``train(reduce_lr, [value of an epoch, ...], rate or optimizer)``: the ``lr`` that each epoch logged."""
    monkeypatch.setenv("CTHULHU_DISABLE", "*")

    def train(
        reduce_lr: Any, values: Sequence[float | None], optimizer: Any = 1.0, before: Any = (), **arguments: Any
    ) -> list[float]:
        optimizer = optimizer if isinstance(optimizer, torch.optim.Optimizer) else sgd(optimizer)
        callbacks = [Log(reduce_lr.monitor, values), *before, reduce_lr]
        run = Run(torch.nn.Linear(1, 1), optimizer, len(values), callbacks, validation=True, **arguments)
        with run:
            for _ in run.epochs():
                pass
        return run.history.history["lr"]

    return train
