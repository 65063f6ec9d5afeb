"""BinCounts: a histogram of values, counted piece by piece on their device."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# The number of values counted at once, which bounds the memory for large layers.
_PIECE = 2**22


@functools.cache
def limits() -> tuple[float, ...]:
    """Return the limits between buckets, from -1e20 through 0 to 1e20, each 10 % further from 0 than the one before.

    They are the limits of TensorFlow's histograms, rounded to float32, so that values of any dtype compare exactly.
    """
    import numpy as np

    steps = [1e-12]
    while steps[-1] * 1.1 < 1e20:
        steps.append(steps[-1] * 1.1)
    positive = np.asarray(steps, dtype=np.float32).astype(float).tolist()
    return (*(-step for step in reversed(positive)), 0.0, *positive)


class Histogram(NamedTuple):
    """A histogram as TensorBoard stores it. Non-finite values count only in ``not_finite``.

    A value v is in bucket ``i`` if ``upper[i - 1] <= v < upper[i]``. Empty buckets at both ends are left out.
    """

    min: float
    max: float
    num: int
    sum: float
    sum_squares: float
    upper: list[float]
    counts: list[int]
    not_finite: int


class BinCounts:
    """Counts the values of tensors without keeping them, in constant memory.

    Except inside PyTorch's ``bincount``, it never waits for the device. :func:`histograms` reads the counts.

    Example:
        >>> tally = BinCounts()
        >>> tally.add(torch.tensor([1.0, 2.0]))
        >>> tally.add(torch.tensor([4.0]))
        >>> (histogram,) = histograms([tally])
        >>> histogram.num, histogram.sum, histogram.max
        (3, 7.0, 4.0)
    """

    def __init__(self) -> None:
        self.counts: Tensor | None = None
        self.moments: Tensor | None = None
        """min, max, sum and sum of squares of the finite values."""

    def add(self, values: Tensor) -> None:
        """Count the values of a real tensor of any shape and dtype. Complex tensors are left out."""
        import torch

        values = values.detach()
        if values.is_complex():
            return
        if values.layout is not torch.strided:
            values = values.to_dense()
        for piece in values.reshape(-1).split(_PIECE):
            self._add(piece)

    def _add(self, piece: Tensor) -> None:
        import torch

        if not piece.numel():
            return
        wide = torch.float32 if piece.device.type == "mps" else torch.float64  # MPS has no float64.
        piece = piece.to(wide if not piece.is_floating_point() or piece.dtype is torch.float64 else torch.float32)
        limit = _limits_on(piece.device, piece.dtype)
        odd = ~piece.isfinite()
        # One bucket more than limits, and one for non-finite values.
        bucket = torch.bucketize(piece, limit, out_int32=True, right=True).masked_fill_(odd, len(limit) + 1)
        counts = torch.bincount(bucket, minlength=len(limit) + 2)
        piece = piece.to(wide)
        finite, infinity = piece.masked_fill(odd, 0), float("inf")
        low, high = piece.masked_fill(odd, infinity).amin(), piece.masked_fill(odd, -infinity).amax()
        moments = torch.stack([low, high, finite.sum(), finite.square().sum()])
        if self.counts is None or self.moments is None:
            self.counts, self.moments = counts, moments
            return
        self.counts += counts.to(self.counts.device)
        old, new = self.moments, moments.to(self.moments.device)
        self.moments = torch.stack([old[0].minimum(new[0]), old[1].maximum(new[1]), old[2] + new[2], old[3] + new[3]])


@functools.cache
def _limits_on(device: torch.device, dtype: torch.dtype) -> Tensor:
    import torch

    return torch.tensor(limits(), dtype=dtype, device=device)


def histograms(tallies: Sequence[BinCounts]) -> list[Histogram]:
    """Return the histograms, reading the device once for all of them."""
    import torch

    found = [Histogram(0.0, 0.0, 0, 0.0, 0.0, [], [], 0)] * len(tallies)
    devices: dict[torch.device, list[int]] = {}
    for index, tally in enumerate(tallies):
        if tally.counts is not None:
            devices.setdefault(tally.counts.device, []).append(index)
    for indices in devices.values():
        counts = torch.stack([_counts(tallies[index]) for index in indices]).cpu()
        moments = torch.stack([_moments(tallies[index]) for index in indices]).cpu()
        for index, own_counts, own_moments in zip(indices, counts, moments, strict=True):
            found[index] = _histogram(own_counts, own_moments)
    return found


def _counts(tally: BinCounts) -> Tensor:
    assert tally.counts is not None
    return tally.counts


def _moments(tally: BinCounts) -> Tensor:
    assert tally.moments is not None
    return tally.moments


def _histogram(counts: Tensor, moments: Tensor) -> Histogram:
    not_finite = int(counts[-1])
    counts = counts[:-1]
    filled = counts.nonzero().flatten().tolist()
    if not filled:
        return Histogram(0.0, 0.0, 0, 0.0, 0.0, [], [], not_finite)
    # TensorBoard assumes that the first bucket begins at the smallest value, so it must contain it.
    first, last = filled[0], filled[-1] + 1
    upper = [*limits(), sys.float_info.max][first:last]
    low, high, total, squares = moments.tolist()
    return Histogram(low, high, int(counts.sum()), total, squares, upper, counts[first:last].tolist(), not_finite)
