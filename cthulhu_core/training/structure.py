"""Nested lists, tuples and dicts of arrays, for models with several inputs or outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from cthulhu_core.training.transfer import moved


def flatten(structure: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Return the leaves of nested lists, tuples and dicts, and a function that builds the same structure again.

    A list of numbers is one leaf.

    Example:
        >>> leaves, build = flatten({"a": [1.0, 2.0]})
        >>> leaves
        [[1.0, 2.0]]
        >>> build([5])
        {'a': 5}
    """
    if isinstance(structure, Mapping):
        keys = list(structure)
        parts = [flatten(structure[key]) for key in keys]
        return _join(parts, lambda values: dict(zip(keys, values, strict=True)))
    if is_several(structure):
        kind = tuple if isinstance(structure, tuple) else list
        return _join([flatten(each) for each in structure], kind)
    return [structure], _only


def is_several(structure: Any) -> bool:
    """Return whether this is a list, tuple or dict of arrays, rather than one array of numbers."""
    return isinstance(structure, Mapping) or (isinstance(structure, (list, tuple)) and any(map(_is_array, structure)))


def _only(leaves: list[Any]) -> Any:
    return leaves[0]


def _join(
    parts: list[tuple[list[Any], Callable[[list[Any]], Any]]], kind: Callable[[list[Any]], Any]
) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    def build(leaves: list[Any]) -> Any:
        remaining = iter(leaves)
        return kind([build_part([next(remaining) for _ in own]) for own, build_part in parts])

    return [leaf for own, _ in parts for leaf in own], build


def _is_array(value: Any) -> bool:
    """Return whether ``value`` has or contains a shape; else a list of such values is one array."""
    if isinstance(value, (list, tuple, Mapping)):
        return any(_is_array(each) for each in (value.values() if isinstance(value, Mapping) else value))
    return hasattr(value, "shape") and len(value.shape) > 0


def apply(function: Callable[[Any], Any], structure: Any) -> Any:
    """Apply ``function`` to every leaf, and return the same structure."""
    if isinstance(structure, Mapping):
        return {key: apply(function, value) for key, value in structure.items()}
    if is_several(structure):
        return (tuple if isinstance(structure, tuple) else list)(apply(function, each) for each in structure)
    return function(structure)


def as_array(leaf: Any, what: str) -> np.ndarray | torch.Tensor:
    """Return ``leaf`` as an array or tensor of numbers. Arrays and memory maps are not copied.

    Raises:
        TypeError: its elements are not numbers; ``what`` names it in the message.
        ValueError: it has no dimension.
    """
    if not isinstance(leaf, (np.ndarray, torch.Tensor)):
        # pandas objects convert themselves.
        leaf = leaf.to_numpy() if hasattr(leaf, "to_numpy") else np.asarray(leaf)
    array: np.ndarray | torch.Tensor = leaf
    if isinstance(array, np.ndarray) and array.dtype.kind not in "biufc":
        raise TypeError(
            f"{what} has values of type {array.dtype}: expected numbers; convert them, e.g. .astype('float32')"
        )
    if array.ndim == 0:
        raise ValueError(f"{what} is a single number: expected an array with one row for each sample")
    return array


def as_tensor(leaf: Any, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return ``leaf`` as a tensor on ``device``; floating-point numbers are converted to ``dtype``, others kept."""
    tensor = leaf if isinstance(leaf, torch.Tensor) else _from_numpy(leaf)
    return moved(tensor, device, dtype if tensor.is_floating_point() else None)


def _from_numpy(leaf: Any) -> torch.Tensor:
    """Return a tensor of anything that NumPy understands; it may share the memory of ``leaf``."""
    array = np.asarray(leaf) if np.isscalar(leaf) else as_array(leaf, "a batch")
    if isinstance(array, torch.Tensor):
        return array
    # PyTorch supports unsigned integers above 8 bits only in part, and foreign byte orders not at all.
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return torch.from_numpy(np.ascontiguousarray(array)) if array.flags.writeable else torch.tensor(array)
