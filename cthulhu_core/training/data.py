"""Check the data of ``summon``, ``evaluate`` and ``predict``, and make batches of it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from cthulhu_core.distributed.data_shards import WHOLE, Shard, sharded
from cthulhu_core.training.array_batches import ArrayBatches
from cthulhu_core.training.batches import Batches
from cthulhu_core.training.iterable_batches import IterableBatches
from cthulhu_core.training.placement import Placement
from cthulhu_core.training.sample_weights import ClassWeights, are_one_hot, class_numbers_of, sample_weights
from cthulhu_core.training.structure import apply, as_array, flatten, is_several


def is_arrays(x: Any) -> bool:
    """Return whether ``x`` is arrays to be cut, rather than an iterable of batches."""
    if isinstance(x, TensorDataset):
        return True
    if isinstance(x, (DataLoader, Dataset)):
        return False
    leaves, _ = flatten(x)
    return all(hasattr(leaf, "shape") or isinstance(leaf, (list, tuple)) for leaf in leaves) and not are_batches(x)


def are_batches(x: Any) -> bool:
    """Return whether ``x`` is a list of pairs or triples of arrays, which are batches."""
    return isinstance(x, list) and bool(x) and all(_is_batch(each) for each in x)


def _is_batch(x: Any) -> bool:
    return isinstance(x, (tuple, list)) and len(x) in (2, 3) and is_several(x)


def arrays(x: Any, y: Any, weights: Any, what: str) -> tuple[Any, Any, Tensor | None]:
    """Return inputs, targets and weights as arrays of equal length.

    Raises:
        ValueError: they have different lengths, or no rows.
        TypeError: their elements are not numbers.
    """
    if isinstance(x, TensorDataset):
        if y is not None or weights is not None or len(x.tensors) > 3:
            raise ValueError(
                f"{what}x is a TensorDataset of {len(x.tensors)}: expected (inputs, targets) or (inputs, targets, "
                "weights), and neither y nor sample_weight beside it"
            )
        x, y, weights = (*x.tensors, None, None)[:3]
    columns: dict[str, int] = {}
    parts: list[Any] = []
    for name, structure in ((f"{what}x", x), (f"{what}y", y)):
        if structure is None:
            parts.append(None)
            continue
        leaves, build = flatten(structure)
        named = [f"{name}[{number}]" if len(leaves) > 1 else name for number in range(len(leaves))]
        leaves = [as_array(leaf, called) for leaf, called in zip(leaves, named, strict=True)]
        columns.update({called: len(leaf) for called, leaf in zip(named, leaves, strict=True)})
        parts.append(build(leaves))
    if len(set(columns.values())) > 1:
        raise ValueError(
            "arrays have different numbers of samples: "
            + ", ".join(f"{name} has {length}" for name, length in columns.items())
            + "; row i of each must belong to sample i"
        )
    samples = next(iter(columns.values()), 0)
    if samples == 0:
        raise ValueError(f"{what}x has no samples: expected at least one row")
    return parts[0], parts[1], None if weights is None else sample_weights(weights, samples)


def split(x: Any, y: Any, weights: Tensor | None, share: float) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    """Return the first part of the rows for training, and the last ``share`` of them for validation.

    Raises:
        ValueError: ``share`` is not between 0 and 1, or one part would be empty.
    """
    if not 0 < share < 1:
        raise ValueError(f"validation_split is {share!r}: expected a share between 0 and 1, e.g. 0.2")
    samples = len(flatten(x)[0][0])
    at = int(samples * (1 - share))
    if at in (0, samples):
        raise ValueError(
            f"validation_split={share} of {samples} samples leaves {at} for training and {samples - at} for "
            "validation: both need at least one"
        )
    _warn_of_new_classes(y, at)
    parts = (x, y, weights)
    head = tuple(None if part is None else apply(lambda leaf: leaf[:at], part) for part in parts)
    tail = tuple(None if part is None else apply(lambda leaf: leaf[at:], part) for part in parts)
    return head, tail  # type: ignore[return-value]


def _warn_of_new_classes(y: Any, at: int) -> None:
    if not _are_classes(y):
        return
    new = sorted(set(np.unique(class_numbers_of(y[at:]))) - set(np.unique(class_numbers_of(y[:at]))))
    if new:
        warnings.warn(
            f"validation_split takes the last rows, which hold classes that the rows for training lack: "
            f"{', '.join(str(int(number)) for number in new[:10])}; shuffle the data before summon()",
            stacklevel=4,
        )


def _are_classes(y: Any) -> bool:
    """Return whether targets are class numbers, by dtype, or one-hot rows, by value."""
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] > 1:
        return are_one_hot(y)
    if len(shape) not in (1, 2):
        return False
    return y.dtype.kind in "iu" if isinstance(y, np.ndarray) else not (y.is_floating_point() or y.is_complex())


def make_batches(
    x: Any,
    y: Any,
    sample_weight: Any,
    *,
    batch_size: int | None,
    placement: Placement,
    shuffle: bool = False,
    steps: int | None = None,
    class_weight: Any = None,
    what: str = "",
    shard: Shard = WHOLE,
) -> Batches:
    """Return the batches of the data that ``summon``, ``evaluate`` or ``predict`` was given.

    Raises:
        ValueError, TypeError: the data cannot be trained on; the message says why and what to do.
    """
    if x is None:
        raise ValueError(f"{what}x is None: expected arrays, a Dataset, a DataLoader or an iterable of batches")
    class_weights = None if class_weight is None else ClassWeights(class_weight)
    if is_arrays(x):
        x, y, weights = arrays(x, y, sample_weight, what)
        if class_weights is not None:
            by_class = class_weights.of(y)
            weights = by_class if weights is None else by_class * weights
        return ArrayBatches(x, y, weights, 32 if batch_size is None else batch_size, shuffle, steps, placement, shard)
    for name, given in (("y", y), ("sample_weight", sample_weight)):
        if given is not None:
            raise ValueError(
                f"{what}{name} is given beside a {type(x).__name__}: its batches carry their own; leave it out"
            )
    if isinstance(x, Dataset):
        endless = isinstance(x, IterableDataset)
        x = DataLoader(x, batch_size=32 if batch_size is None else batch_size, shuffle=shuffle and not endless)
    elif batch_size is not None:
        raise ValueError(f"batch_size is given beside a {type(x).__name__}, which makes its own batches: leave it out")
    if not hasattr(x, "__iter__"):
        raise TypeError(
            f"{what}x is a {type(x).__name__}: expected arrays, a Dataset, a DataLoader or an iterable of batches"
        )
    x = sharded(x, shard)
    return IterableBatches(x, steps, class_weights, placement, f"{what}data" if what else "the data", shard)


def validation_batches(
    given: Any, batch_size: int | None, placement: Placement, steps: int | None, shard: Shard = WHOLE
) -> Batches:
    """Return the batches of ``validation_data``: ``(x, y)``, ``(x, y, weights)``, or data that makes its own.

    Raises:
        ValueError, TypeError: as :func:`make_batches`; or there are no targets.
    """
    x, y, weights = given, None, None
    if isinstance(given, (tuple, list)) and len(given) in (2, 3) and not are_batches(given) and is_arrays(given[0]):
        x, y, weights = (*given, None)[:3]
    if is_arrays(x) and y is None and not hasattr(x, "tensors"):
        raise ValueError("validation_data has no targets: expected (x, y), (x, y, weights), a Dataset or a DataLoader")
    return make_batches(
        x, y, weights,
        batch_size=batch_size if is_arrays(x) or isinstance(x, Dataset) else None,
        placement=placement, steps=steps, what="validation ", shard=shard,
    )  # fmt: skip


def number_of_samples(x: Any) -> int:
    """Return the number of rows in arrays, at least 1."""
    return max(1, len(flatten(x)[0][0]))
