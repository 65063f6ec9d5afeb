"""Lightning: ``Trainer.fit`` without logger, checkpoints, progress bar and summary. It takes no arrays."""

from __future__ import annotations

import logging
import warnings
from time import perf_counter
from typing import Any

import lightning
import torch
from request import RATE, Request
from torch.nn import functional

# Hide its messages about the hardware and about loaders without workers, which suit data in memory.
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
warnings.filterwarnings("ignore")


class Module(lightning.LightningModule):
    """The network with its loss."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: Any, index: int) -> Any:
        inputs, targets = batch
        return functional.cross_entropy(self.network(inputs), targets)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=RATE, fused=True)


class LossHistory(lightning.Callback):
    """Keeps the loss of every batch."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self.losses.append(outputs["loss"].item())


def train(request: Request) -> float:
    """Return the seconds of the training."""
    module, loader = Module(request.network()), request.loader()
    callbacks: list[Any] = [LossHistory() for _ in range(request.callbacks)]
    begin = perf_counter()
    trainer = lightning.Trainer(
        accelerator="gpu" if request.device == "cuda" else "cpu", devices=1, max_epochs=request.epochs,
        callbacks=callbacks, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, loader)
    request.finish()
    return perf_counter() - begin
