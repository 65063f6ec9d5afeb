"""skorch: ``NeuralNet.fit`` without validation and printing. It takes arrays, and no loaders."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import skorch
import torch
from request import RATE, Request


class LossHistory(skorch.callbacks.Callback):
    """Keeps the loss of every batch."""

    def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:  # noqa: N803 - its names
        self.losses: list[float] = []

    def on_batch_end(self, net: Any, batch: Any = None, training: bool = False, **kwargs: Any) -> None:
        self.losses.append(kwargs["loss"].item())


def train(request: Request) -> float:
    """Return the seconds of the training."""
    net = skorch.NeuralNet(
        request.network(), criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.SGD, optimizer__fused=True,
        lr=RATE, max_epochs=request.epochs, batch_size=request.work.batch_size, iterator_train__shuffle=True,
        train_split=None, verbose=0, device=request.device,
        callbacks=[(f"history{number}", LossHistory()) for number in range(request.callbacks)],
    )  # fmt: skip
    x, y = request.arrays
    begin = perf_counter()
    net.fit(x, y)
    request.finish()
    return perf_counter() - begin
