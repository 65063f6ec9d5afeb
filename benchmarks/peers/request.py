"""A request to a trainer, and its data."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset
from works import WORKS, Work

RATE = 0.01


@dataclass(frozen=True)
class Request:
    """One training.

    Args:
        name: name of the work.
        callbacks: number of callbacks that read the loss of every batch and keep it.
        epochs: number of epochs.
        data: ``"arrays"`` or ``"loader"``.
        options: options of ``conjure``, for trainers that support them.
        device: device of the training.
    """

    name: str
    callbacks: int = 0
    epochs: int = 1
    data: str = "arrays"
    options: dict[str, Any] = field(default_factory=dict)
    device: str = "cpu"

    @property
    def work(self) -> Work:
        return WORKS[self.name]

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and classes, for trainers that take arrays."""
        return _arrays(self.name)

    @property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return them as tensors, which share their memory."""
        x, y = self.arrays
        return torch.from_numpy(x), torch.from_numpy(y)

    def loader(self) -> DataLoader[Any]:
        """Return them as a loader, also for trainers that take no arrays."""
        dataset = TensorDataset(*self.tensors)
        return DataLoader(dataset, self.work.batch_size, shuffle=True, pin_memory=self.device == "cuda")

    def network(self) -> torch.nn.Module:
        """Return the network, always with the same initial weights."""
        torch.manual_seed(0)
        return self.work.network().to(self.device)

    def finish(self) -> None:
        """Wait for the device."""
        if self.device == "cuda":
            torch.cuda.synchronize()


@cache
def _arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    return WORKS[name].data()
