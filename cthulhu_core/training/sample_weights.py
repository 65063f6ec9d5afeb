"""The weight of each sample: from its class, from the caller, or both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

_ROWS = 65_536


class ClassWeights:
    """The factors of ``class_weight``, by class number.

    Args:
        given: weights by class number.

    Raises:
        ValueError: a class is not a number from 0, or a weight is negative, NaN or infinite.
    """

    def __init__(self, given: Any) -> None:
        if not isinstance(given, Mapping) or not given:
            raise ValueError(
                f"class_weight is {given!r}: expected a dict from class number to weight, e.g. {{0: 1, 1: 5}}"
            )
        for number, weight in given.items():
            if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < 0:
                raise ValueError(f"class_weight has the class {number!r}: expected class numbers 0, 1, 2, ...")
            if not isinstance(weight, (int, float, np.number)) or not math.isfinite(weight) or weight < 0:
                raise ValueError(f"class_weight[{number}] is {weight!r}: expected a finite number of at least 0")
        self._table = torch.full((int(max(given)) + 1,), math.nan)
        for number, weight in given.items():
            self._table[int(number)] = float(weight)

    def of(self, targets: Any) -> Tensor:
        """Return the weight of each sample, shape (N,), for class numbers of (N,) or (N, 1), or one-hot rows.

        Raises:
            ValueError: there are several targets, they are not classes, or a class has no weight.
        """
        numbers = class_numbers_of(targets)
        missing = sorted(set(np.unique(numbers)) - set(np.flatnonzero(~torch.isnan(self._table).numpy())))
        if missing:
            raise ValueError(
                f"class_weight has no weight for {_classes(missing)}: give a weight for every class in the targets"
            )
        return self._table[torch.from_numpy(numbers)]


def class_numbers_of(targets: Any) -> np.ndarray:
    """Return the class number of each sample, int64 of shape (N,).

    Raises:
        ValueError: targets are not the classes of one output.
    """
    shape = getattr(targets, "shape", None)
    if shape is None or len(shape) not in (1, 2):
        raise ValueError(
            "class_weight needs targets that are class numbers of shape (N,) or one-hot rows of shape (N, classes): "
            f"got {'several outputs' if shape is None else tuple(shape)}; use sample_weight"
        )
    # In chunks, so that targets on disk are never completely in memory.
    pieces = [_numbers(targets[start : start + _ROWS]) for start in range(0, shape[0], _ROWS)]
    return np.concatenate(pieces) if pieces else np.empty(0, np.int64)


def are_one_hot(targets: Any) -> bool:
    """Return whether all rows of ``targets``, shape (N, classes), are zeros and a single one."""
    pieces = (_on_cpu(targets[start : start + _ROWS]) for start in range(0, targets.shape[0], _ROWS))
    return all(bool((((piece == 0) | (piece == 1)).all()) and (piece.sum(1) == 1).all()) for piece in pieces)


def _on_cpu(rows: Any) -> np.ndarray:
    return np.asarray(rows.detach().cpu() if isinstance(rows, Tensor) else rows)


def _numbers(rows: Any) -> np.ndarray:
    rows = _on_cpu(rows)
    numbers: np.ndarray = rows.argmax(1) if rows.ndim == 2 and rows.shape[1] > 1 else rows.reshape(-1)
    if not np.array_equal(numbers, numbers.astype(np.int64)):
        raise ValueError(
            f"class_weight needs class numbers: the targets hold {rows.dtype} values that are not integers"
        )
    return numbers.astype(np.int64)


def _classes(numbers: list[Any]) -> str:
    return f"class{'es' if len(numbers) > 1 else ''} {', '.join(str(int(number)) for number in numbers)}"


def sample_weights(given: Any, samples: int) -> Tensor:
    """Return ``sample_weight`` as a float tensor of shape (samples,).

    Raises:
        ValueError: it has another shape.
    """
    weights = torch.as_tensor(given if isinstance(given, Tensor) else np.asarray(given, dtype=np.float32))
    if weights.shape != (samples,):
        raise ValueError(
            f"sample_weight has shape {tuple(weights.shape)}: expected one weight for each of {samples} samples"
        )
    return weights.float()
