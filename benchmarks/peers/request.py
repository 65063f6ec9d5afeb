"""Request: what a trainer is asked to do once, and the data that it is given for it."""

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
        name: the work.
        callbacks: how many callbacks read the loss of every batch and keep it.
        epochs: how many.
        data: ``"arrays"`` or ``"loader"``.
        options: those of ``conjure``, for trainers that know them.
        device: where.
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
        """Inputs and classes, for trainers that take arrays."""
        return _arrays(self.name)

    @property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The same as tensors, which share their memory."""
        x, y = self.arrays
        return torch.from_numpy(x), torch.from_numpy(y)

    def loader(self) -> DataLoader[Any]:
        """The same as a loader, also for trainers that take no arrays."""
        dataset = TensorDataset(*self.tensors)
        return DataLoader(dataset, self.work.batch_size, shuffle=True, pin_memory=self.device == "cuda")

    def network(self) -> torch.nn.Module:
        """The network, which always begins with the same weights."""
        torch.manual_seed(0)
        return self.work.network().to(self.device)

    def finish(self) -> None:
        """Wait for what was left to the device."""
        if self.device == "cuda":
            torch.cuda.synchronize()


@cache
def _arrays(name: str) -> tuple[np.ndarray, np.ndarray]:
    return WORKS[name].data()
