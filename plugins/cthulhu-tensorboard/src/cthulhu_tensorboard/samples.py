"""Samples: the inputs of a model, a few rows at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


class Samples:
    """The inputs of a model: an array with a row for each sample, or a list or dict of arrays for several inputs.

    Args:
        data: NumPy arrays, tensors, or anything convertible to an array.

    Raises:
        ValueError: If there are no data, they are not numeric, or their lengths differ.

    Example:
        >>> samples = Samples([np.zeros((4, 2)), np.zeros((4, 3))])
        >>> len(samples)
        4
        >>> [part.shape for part in samples.rows(slice(0, 2), nn.Linear(2, 1))]
        [torch.Size([2, 2]), torch.Size([2, 3])]
    """

    def __init__(self, data: Any) -> None:
        if data is None:
            raise ValueError(
                "embeddings_data is None: expected the data whose embeddings to write, an array, or a list of arrays "
                "for several inputs"
            )
        self._names: list[Any] | None = list(data) if isinstance(data, Mapping) else None
        self._several = isinstance(data, Mapping) or _is_several(data)
        parts = data.values() if isinstance(data, Mapping) else data if self._several else [data]
        self._parts = [_array(part) for part in parts]
        lengths = [len(part) for part in self._parts]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"embeddings_data has arrays of {', '.join(map(str, lengths))} samples: expected the same number in all"
            )
        if not lengths or not lengths[0]:
            raise ValueError("embeddings_data is empty: expected at least one sample")

    def __len__(self) -> int:
        return len(self._parts[0])

    def __str__(self) -> str:
        return " and ".join(f"shape {tuple(part.shape)}" for part in self._parts)

    def rows(self, rows: slice, model: nn.Module) -> Any:
        """Return some samples on the device of ``model``. Floating-point numbers get its dtype, others keep theirs."""
        import torch

        weight = next((weight for weight in model.parameters() if weight.is_floating_point()), torch.empty(0))
        parts = [_tensor(part[rows], weight) for part in self._parts]
        if self._names is not None:
            return dict(zip(self._names, parts, strict=True))
        return parts if self._several else parts[0]


def _is_several(data: Any) -> bool:
    return isinstance(data, (list, tuple)) and any(len(getattr(each, "shape", ())) > 0 for each in data)


def _array(part: Any) -> Any:
    """Return ``part`` as an array or tensor, without a copy if it is one."""
    import numpy as np
    from torch import Tensor

    if isinstance(part, Tensor):
        array: Any = part
    else:
        array = part.to_numpy() if hasattr(part, "to_numpy") else np.asarray(part)
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"embeddings_data has values of type {array.dtype}: expected numbers; convert them, e.g. "
                ".astype('float32')"
            )
    if not array.ndim:
        raise ValueError("embeddings_data is a single number: expected an array with one row for each sample")
    return array


def _tensor(rows: Any, weight: Tensor) -> Tensor:
    import numpy as np
    import torch

    if not isinstance(rows, torch.Tensor):
        if rows.dtype.kind == "u" and rows.dtype.itemsize > 1:  # Only parts of PyTorch support these dtypes.
            rows = rows.astype(np.int64)
        rows = torch.from_numpy(np.array(rows, dtype=rows.dtype.newbyteorder("=")))
    tensor: Tensor = rows.to(weight.device, weight.dtype if rows.is_floating_point() else None, copy=True)
    return tensor
