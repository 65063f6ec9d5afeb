"""Models that are described and built again, for tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cthulhu.models import Pile
from cthulhu_core.checkpoints.packing import pack, unpack
from cthulhu_core.models.architecture import build, describe


def rebuilt(model: Pile, custom_objects: dict[str, Any] | None = None) -> Pile:
    """``model`` described, written as text, read and built again."""
    text, tensors = pack(describe(model))
    return build(unpack(text, tensors), custom_objects)


def shapes(model: nn.Module) -> dict[str, tuple[Any, ...]]:
    return {name: (tuple(weight.shape), weight.dtype) for name, weight in model.state_dict().items()}


def own(x: torch.Tensor) -> torch.Tensor:
    return x * 2
