"""Trainings that log what a test says, of a model whose weights tell in which epoch they were made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from cthulhu_core import Callback, Run


class Counter(torch.nn.Module):
    """A parameter and a buffer that hold how many epochs they were trained."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.register_buffer("statistics", torch.zeros(1, dtype=torch.int64))

    def train_an_epoch(self) -> None:
        with torch.no_grad():
            self.weight.add_(1)
            self.statistics.add_(1)

    @property
    def epochs(self) -> tuple[float, int]:
        """What parameter and buffer say; equal unless only one of them was restored."""
        return self.weight[0].item(), self.statistics.item()


class Log(Callback):
    """Logs the value of each epoch under a name; None is not logged."""

    def __init__(self, name: str, values: Sequence[float | None]) -> None:
        self.name, self.values = name, values

    def on_epoch_end(self, epoch, logs):
        if self.values[epoch] is not None:
            logs[self.name] = self.values[epoch]


@pytest.fixture
def model() -> Counter:
    return Counter()


@pytest.fixture
def train(model: Counter, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """``train(stop, [value of an epoch, ...])``: a training that logs these, with callbacks ``after`` ``stop``."""
    monkeypatch.setenv("CTHULHU_DISABLE", "*")

    def train(stop: Callback, values: Sequence[float | None], after: Any = (), **arguments: Any) -> Run:
        callbacks = [Log(stop.monitor, values), stop, *after]
        run = Run(model, epochs=len(values), callbacks=callbacks, validation=True, **arguments)
        with run:
            for _ in run.epochs():
                model.train_an_epoch()
        return run

    return train
