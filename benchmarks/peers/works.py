"""The works of the comparison: five small networks, their data, and their numbers of batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn


class Work(NamedTuple):
    """A network and its data.

    Attributes:
        title: title in the report.
        batch_size: number of samples per batch.
        batches: number of batches per epoch.
        shape: shape of a sample.
        classes: number of classes.
        tokens: size of the vocabulary if samples are sequences of tokens, else 0.
        network: returns the ``torch.nn`` module.
        keras_layers: returns the layers of the same network, given ``keras.layers``.
    """

    title: str
    batch_size: int
    batches: int
    shape: tuple[int, ...]
    classes: int
    tokens: int
    network: Callable[[], nn.Module]
    keras_layers: Callable[[Any], list[Any]]

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and classes of an epoch."""
        random = np.random.default_rng(0)
        samples = self.batch_size * self.batches
        if self.tokens:
            x = random.integers(0, self.tokens, (samples, *self.shape))
        else:
            x = random.standard_normal((samples, *self.shape), dtype=np.float32)
        return x, random.integers(0, self.classes, samples)


class Mean(nn.Module):
    """The mean over the tokens of a sequence."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(1)


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )  # fmt: skip


def _convolution() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(400, 10)
    )


WORKS = {
    "linear-16-4": Work(
        "Linear(16, 4)", 64, 150, (16,), 4, 0, lambda: nn.Linear(16, 4), lambda layers: [layers.Dense(4)]
    ),
    "linear-784-10": Work(
        "Linear(784, 10)", 128, 100, (784,), 10, 0, lambda: nn.Linear(784, 10), lambda layers: [layers.Dense(10)]
    ),
    "mlp": Work(
        "MLP 784-512-512-10", 128, 30, (784,), 10, 0, _mlp,
        lambda layers: [layers.Dense(512, "relu"), layers.Dense(512, "relu"), layers.Dense(10)],
    ),
    "convolution": Work(
        "Convolution 14 x 14", 64, 40, (1, 14, 14), 10, 0, _convolution,
        lambda layers: [
            layers.Conv2D(8, 3, activation="relu", data_format="channels_first"),
            layers.Conv2D(16, 3, strides=2, activation="relu", data_format="channels_first"),
            layers.Flatten(), layers.Dense(10),
        ],
    ),
    "embedding": Work(
        "Embedding(2000, 32)", 64, 80, (20,), 4, 2000,
        lambda: nn.Sequential(nn.Embedding(2000, 32), Mean(), nn.Linear(32, 4)),
        lambda layers: [layers.Embedding(2000, 32), layers.GlobalAveragePooling1D(), layers.Dense(4)],
    ),
}  # fmt: skip
