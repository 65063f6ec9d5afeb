"""The device and precision that a model needs its tensors in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cthulhu_core.training.structure import as_tensor


class Placement:
    """The device and dtype of tensors that go into a model."""

    def __init__(self, model: torch.nn.Module) -> None:
        weights = [*model.parameters(), *model.buffers()]
        self.device = weights[0].device if weights else torch.empty(0).device
        self.dtype = next((w.dtype for w in weights if w.is_floating_point()), torch.get_default_dtype())

    def inputs(self, leaf: Any) -> Tensor:
        """Return an input of the model."""
        return as_tensor(leaf, self.device, self.dtype)

    def targets(self, leaf: Any) -> Tensor:
        """Return a target, in at least the default precision."""
        return as_tensor(leaf, self.device, torch.promote_types(self.dtype, torch.get_default_dtype()))
