"""``summon``, as the documentation shows it."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from request import RATE, Request
from torch.nn import functional

from cthulhu.callbacks import Callback
from cthulhu.models import Lump


class LossHistory(Callback):
    """The documentation's example."""

    def on_train_begin(self, logs: Any = {}) -> None:  # noqa: B006 - as documented
        self.losses: list[float] = []

    def on_batch_end(self, batch: int, logs: Any = {}) -> None:  # noqa: B006 - as documented
        self.losses.append(logs.get("loss"))


def train(request: Request) -> float:
    """Return the seconds of the training."""
    model = Lump(request.network())
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, fused=True)
    model.conjure(optimizer, functional.cross_entropy, **request.options)
    callbacks = [LossHistory() for _ in range(request.callbacks)]
    begin = perf_counter()
    if request.data == "loader":
        model.summon(request.loader(), epochs=request.epochs, verbose=0, callbacks=callbacks)
    else:
        model.summon(*request.arrays, request.work.batch_size, request.epochs, verbose=0, callbacks=callbacks)
    request.finish()
    return perf_counter() - begin
