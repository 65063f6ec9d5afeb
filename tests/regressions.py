"""A regression for tests of ``summon``, and callbacks that watch and stop it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from cthulhu.callbacks import Callback
from cthulhu.models import Lump

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)


Y = np.random.default_rng(1).normal(size=20).astype(np.float32)


def regression(metrics: Any = None) -> Lump:
    torch.manual_seed(0)
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse", metrics)
    return model


class Journal(Callback):
    """Writes down every call, with what was logged."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_train_begin(self, logs: Any) -> None:
        self.calls.append(("train begin", dict(logs)))

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.calls.append(("epoch begin", epoch, dict(logs)))

    def on_batch_begin(self, batch: int, logs: Any) -> None:
        self.calls.append(("batch begin", batch, dict(logs)))

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.calls.append(("batch end", batch, dict(logs)))

    def on_test_begin(self, logs: Any) -> None:
        self.calls.append(("test begin", dict(logs)))

    def on_test_end(self, logs: Any) -> None:
        self.calls.append(("test end", dict(logs)))

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.calls.append(("epoch end", epoch, dict(logs)))

    def on_train_end(self, logs: Any) -> None:
        self.calls.append(("train end", dict(logs)))

    @property
    def names(self) -> list[str]:
        return [" ".join(map(str, call[:-1])) for call in self.calls]


class Stops(Callback):
    """Asks for the end in one hook, at one index."""

    def __init__(self, hook: str, at: int) -> None:
        self.at = at
        setattr(self, hook, self.stop)
        self.epochs: list[int] = []
        self.batches = 0

    def stop(self, index: int, logs: Any) -> None:
        if index == self.at:
            self.model.stop_training = True

    def on_gradients(self, batch: int) -> None:
        self.batches += 1
