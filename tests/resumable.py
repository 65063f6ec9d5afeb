"""A training that can be resumed, for tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from cthulhu.models import Lump
from cthulhu_core import Callback

# A file format as somebody else may write it: this one keeps what would be in the file, as text and tensors.
FORMAT = """
    import os

    from cthulhu_core import Checkpoint, hookimpl
    from cthulhu_core.checkpoints.packing import pack, unpack

    saved = {}

    @hookimpl
    def cthulhu_save_model(run, model, filepath, weights_only):
        if os.fspath(filepath).endswith(".mem"):
            checkpoint = Checkpoint.of(model, run, weights_only).copied()
            saved[os.fspath(filepath)] = checkpoint.weights, checkpoint.extra, pack(checkpoint.state)
            return True

    @hookimpl
    def cthulhu_load_checkpoint(filepath):
        if os.fspath(filepath).endswith(".mem"):
            weights, extra, state = saved[os.fspath(filepath)]
            return Checkpoint(weights, extra, unpack(*state))
"""


EPOCHS, BATCHES = 3, 4


EPOCHS, BATCHES = 3, 4


X = torch.randn(30, 6, generator=torch.Generator().manual_seed(1))


Y = (X.sum(1) > 0).long()


class Save(Callback):
    """Saves at every save point, as ``<epoch>-<batch>.mem``."""

    def on_save_point(self) -> None:
        self.run.save("{}-{}.mem".format(*self.run.next_batch))


class Drift(Callback):
    """Changes the rate at each batch, from what it remembers."""

    def on_train_begin(self, logs: Any) -> None:
        self.seen = 0

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.seen += 1
        self.model.optimizer.param_groups[0]["lr"] *= 0.99 + 0.001 * (self.seen % 3)

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.model.optimizer.param_groups[0]["lr"] *= 1.1

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        logs["seen"] = self.seen

    def state_dict(self) -> dict[str, Any]:
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seen = state["seen"]


def new_model(metrics: Any = None, **options: Any) -> Lump:
    model = Lump(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 2)))
    model.conjure(
        lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9),
        nn.CrossEntropyLoss(),
        metrics or ["acc"],
        **options,
    )
    return model


class Noisy(Dataset[Any]):
    """Draws from all generators whenever a sample is read."""

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> Any:
        noise = random.random() + np.random.rand() + torch.rand(1).item()
        return X[index] + 0.01 * noise, Y[index]


def batches_for_ever() -> Iterator[Any]:
    number = 0
    while True:
        yield X[number % 3 :: 4], Y[number % 3 :: 4]
        number += 1


DATA: dict[str, Callable[[], dict[str, Any]]] = {
    "arrays": lambda: {"x": X, "y": Y, "batch_size": 8, "validation_split": 0.1},
    "arrays in order": lambda: {"x": X, "y": Y, "batch_size": 8, "shuffle": False},
    "loader": lambda: {"x": DataLoader(TensorDataset(X, Y), batch_size=8, shuffle=True)},
    "loader that draws": lambda: {"x": DataLoader(Noisy(), batch_size=8, shuffle=True)},
    "loader with workers": lambda: {"x": DataLoader(Noisy(), batch_size=8, shuffle=True, num_workers=1)},
    "generator": lambda: {"x": batches_for_ever(), "steps_per_epoch": BATCHES},
}


def seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number)
    random.seed(number)


def outcome(model: Lump, history: dict[str, Any]) -> dict[str, Any]:
    return {
        "history": history,
        "weights": {name: weight.tolist() for name, weight in model.state_dict().items()},
        "optimizer": {
            number: state["momentum_buffer"].tolist() for number, state in model.optimizer.state_dict()["state"].items()
        },
        "lr": model.optimizer.param_groups[0]["lr"],
        "random": (random.random(), np.random.rand(), torch.rand(1).item()),
    }


def summon(data: Callable[[], dict[str, Any]], callbacks: list[Callback], metrics: Any = None, **arguments: Any) -> Any:
    model = new_model(metrics)
    history = model.summon(**data(), epochs=EPOCHS, verbose=0, callbacks=callbacks, **arguments)
    return outcome(model, history.history)
