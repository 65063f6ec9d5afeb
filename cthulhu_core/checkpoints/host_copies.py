"""Tensors as arrays, and copies of tensors, in the memory of the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    """Return ``tensor`` as an array in host memory; bfloat16, which NumPy lacks, as float32."""
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def host_copy(data: Any) -> Any:
    """Return ``data``, nested in any way, with its tensors and arrays copied to host memory.

    A tensor that occurs several times is copied once.
    """
    return _host_copy(data, {})


def _host_copy(data: Any, copies: dict[int, Any]) -> Any:
    if isinstance(data, torch.Tensor):
        if id(data) not in copies:
            copies[id(data)] = data.detach().to("cpu", copy=True)
        return copies[id(data)]
    if isinstance(data, np.ndarray):
        return data.copy()
    if isinstance(data, dict):
        return {key: _host_copy(value, copies) for key, value in data.items()}
    if type(data) in (list, tuple):
        return type(data)(_host_copy(value, copies) for value in data)
    return data
