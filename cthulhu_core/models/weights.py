"""All weights of a module as arrays, and back: kernels of Daoloth in Keras' layout, everything else as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cthulhu_core.training.structure import as_numpy


def get_weights(module: nn.Module) -> list[np.ndarray]:
    """All weights, in the order of ``state_dict``; kernels of Daoloth are of shape (in, units)."""
    return [weight for part in _parts(module) for weight in _weights_of(part)]


def set_weights(module: nn.Module, weights: Sequence[Any]) -> None:
    """Take weights of the number and shapes that :func:`get_weights` gives.

    Raises:
        ValueError: their number or shapes differ; nothing is changed.
    """
    expected = [weight.shape for weight in get_weights(module)]
    given = [np.shape(weight) for weight in weights]
    if given != expected:
        raise ValueError(f"weights of shapes {given} do not fit this model: expected {expected}")
    remaining = list(weights)
    for part in _parts(module):
        count = len(_weights_of(part))
        _set_weights_of(part, remaining[:count])
        del remaining[:count]


def _parts(module: nn.Module) -> Iterator[nn.Module | Tensor]:
    """What holds the weights of ``module``, in the order of its ``state_dict``.

    That is layers that have a layout of their own, and the parameters and buffers of all others.
    """
    yield from (value for name, value in module.state_dict().items() if "." not in name and isinstance(value, Tensor))
    for child in module.children():
        if hasattr(child, "get_weights"):
            yield child
        else:
            yield from _parts(child)


def _weights_of(part: Any) -> list[np.ndarray]:
    return [as_numpy(part).copy()] if isinstance(part, Tensor) else part.get_weights()


def _set_weights_of(part: Any, weights: Sequence[Any]) -> None:
    if isinstance(part, Tensor):
        part.copy_(torch.as_tensor(np.asarray(weights[0])))
    else:
        part.set_weights(weights)
