"""The trainings of which the pictures are: scans of handwritten digits, and points in a plane."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from cthulhu.callbacks import History
from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Pile


class Digits(NamedTuple):
    """Rows of 64 numbers in [0, 1] and one-hot rows: ``train``, and ``test`` for the validation."""

    train: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
    test: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def digits(samples: int) -> Digits:
    """``samples`` scans to train with; few of them are soon known by heart."""
    scans = load_digits()
    x, y = (scans.data / 16).astype("float32"), np.eye(10, dtype="float32")[scans.target]
    x, x_test, y, y_test = train_test_split(x, y, train_size=samples, random_state=0, stratify=scans.target)
    return Digits((x, y), (x_test, y_test))


def train(callbacks: Any, *, samples: int = 1200, optimizer: Any = "rmsprop", **arguments: Any) -> History:
    """Train a small classifier with ``callbacks``; ``arguments`` are those of ``summon``."""
    torch.manual_seed(0)
    data = digits(samples)
    model = Pile([Daoloth(64, input_dim=64, activation="relu"), Daoloth(10), Azatoth("softmax")])
    model.conjure(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    history: History = model.summon(
        *data.train, **{"validation_data": data.test, "verbose": 0, **arguments}, callbacks=callbacks
    )
    return history


def fit_line(callbacks: Any, *, rate: float, **arguments: Any) -> History:
    """Fit a linear model to noisy measurements with plain gradient descent: its noise grows with the rate."""
    torch.manual_seed(0)
    x = torch.randn(1000, 20)
    y = x @ torch.randn(20, 1) + 0.1 * torch.randn(1000, 1)
    model = Pile([Daoloth(1, input_dim=20)])
    model.conjure(lambda parameters: torch.optim.SGD(parameters, lr=rate), "mse")
    history: History = model.summon(
        x, y, validation_split=0.4, verbose=0, batch_size=8, callbacks=callbacks, **arguments
    )
    return history


def sgd(rate: float) -> Any:
    """An optimizer with momentum, for ``conjure``."""
    return lambda parameters: torch.optim.SGD(parameters, lr=rate, momentum=0.9)
