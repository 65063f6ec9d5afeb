"""ignite: an ``Engine`` made by ``create_supervised_trainer``. It takes no arrays."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from ignite.engine import Engine, Events, create_supervised_trainer
from request import RATE, Request
from torch.nn import functional


class LossHistory:
    """Keeps the loss of every batch. The engine has read it."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def __call__(self, engine: Engine) -> None:
        self.losses.append(engine.state.output)  # type: ignore[arg-type]


def train(request: Request) -> float:
    """Return the seconds of the training."""
    model = request.network()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, fused=True)
    loss: Any = functional.cross_entropy
    # Without a transform, it reads the loss of every batch even if nothing needs it.
    options: dict[str, Any] = {} if request.callbacks else {"output_transform": lambda *_: None}
    engine = create_supervised_trainer(model, optimizer, loss, request.device, non_blocking=True, **options)
    for _ in range(request.callbacks):
        engine.add_event_handler(Events.ITERATION_COMPLETED, LossHistory())
    loader = request.loader()
    begin = perf_counter()
    engine.run(loader, max_epochs=request.epochs)
    request.finish()
    return perf_counter() - begin
