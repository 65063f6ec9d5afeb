"""Batches cut from arrays."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cthulhu_core.distributed.agreement import broadcast_from_main
from cthulhu_core.distributed.data_shards import WHOLE, Shard, drawn_from
from cthulhu_core.training.batches import Triple
from cthulhu_core.training.memory_map import Pages
from cthulhu_core.training.placement import Placement
from cthulhu_core.training.structure import flatten
from cthulhu_core.training.transfer import moved, one_ahead

# Rows are gathered for many batches at once: one gather and one transfer, of which the batches are slices.
_BLOCK_BYTES = 4 * 2**20


class ArrayBatches:
    """Slices of arrays, shuffled by index in each epoch.

    Args:
        inputs: array, or lists, tuples or dicts of arrays, with one row for each sample.
        targets: the same, or None.
        weights: one for each sample, or None.
        batch_size: rows in a batch; the last one of an epoch may be smaller.
        shuffle: whether each epoch draws a new order with ``torch.randperm`` from PyTorch's default generator.
        steps: batches in an epoch; all by default.
        placement: device and dtype of the model.
        shard: the part of the rows to use.
    """

    def __init__(
        self,
        inputs: Any,
        targets: Any,
        weights: Tensor | None,
        batch_size: int,
        shuffle: bool,
        steps: int | None,
        placement: Placement,
        shard: Shard = WHOLE,
    ) -> None:
        self._inputs = _Columns(inputs, placement.inputs)
        self._targets = _Columns(targets, placement.targets)
        self._weights = _Columns(weights, placement.targets)
        self._rows = len(self._inputs.leaves[0])
        self._size = batch_size
        whole = shard.steps(self._rows, batch_size)
        self.batch_size: int | None = batch_size
        self.steps: int | None = whole if steps is None else min(steps, whole)
        # Fewer than all rows if the number of steps is limited.
        self._end = min(self.steps * batch_size * shard.ranks, self._rows)
        self.samples: int | None = shard.samples(self._end, batch_size)
        self._shard = shard
        self.is_one_pass = False
        self._shuffle = shuffle
        self._is_away = placement.device.type != "cpu"
        self._drawn_from: Tensor | None = None
        row = sum(column.row_bytes for column in (self._inputs, self._targets, self._weights))
        self._block = max(1, _BLOCK_BYTES // (row * batch_size or 1)) * batch_size
        if steps is not None and steps > whole:
            warnings.warn(
                f"the data has {whole} batches of {batch_size} samples, but {steps} steps were requested: epochs end "
                f"after {whole}",
                stacklevel=2,
            )

    def __iter__(self) -> Iterator[Triple]:
        self._drawn_from = broadcast_from_main(torch.get_rng_state()) if self._shuffle else None
        return self._slices(self._order(), 0)

    def _order(self) -> Tensor | None:
        """Return the rows of this part in the order of this epoch; None for all rows in their own order."""
        order = None
        if self._drawn_from is not None:
            order = drawn_from(self._drawn_from, lambda: torch.randperm(self._rows))
        if self._shard.ranks == 1:
            return order
        return self._shard.rows((torch.arange(self._rows) if order is None else order)[: self._end], self._size)

    def pass_state(self) -> Tensor | None:
        """Return the generator state from which the order was drawn; None without shuffling."""
        return self._drawn_from

    def resumed(self, state: Tensor | None, batch: int, step: int) -> Iterator[Triple]:
        """Return the slices from number ``batch`` on, in the order that is drawn from ``state``."""
        if (state is None) == self._shuffle:
            raise ValueError(f"shuffle is {self._shuffle}, and it was {not self._shuffle} when this epoch began")
        self._drawn_from = state
        if state is not None:
            torch.set_rng_state(state)
        return self._slices(self._order(), batch * self._size)

    def _slices(self, order: Tensor | None, first: int) -> Iterator[Triple]:
        slices = self._cut(order, first)
        if self._shard.ranks == 1:
            return slices
        numbered = enumerate(slices, first // self._size + 1)
        return (
            self._shard.last(each, self._end, self._size) if number == self.steps else each for number, each in numbered
        )

    def _cut(self, order: Tensor | None, first: int) -> Iterator[Triple]:
        end = self._end if order is None or self._shard.ranks == 1 else len(order)
        blocks = (
            self._gathered(order, slice(start, min(start + self._block, end)))
            for start in range(first, end, self._block)
        )
        return itertools.chain.from_iterable(one_ahead(blocks) if self._is_away else blocks)

    def _gathered(self, order: Tensor | None, rows: slice) -> Iterator[Triple]:
        chosen = rows if order is None else order[rows]
        return zip(
            self._inputs.batches(chosen, self._size),
            self._targets.batches(chosen, self._size),
            self._weights.batches(chosen, self._size),
            strict=False,
        )

    def first(self) -> Triple:
        """Return the first rows of the data."""
        rows = slice(0, min(self._size, self._rows))
        columns = (self._inputs, self._targets, self._weights)
        inputs, targets, weights = (next(iter(column.batches(rows, self._size))) for column in columns)
        return inputs, targets, weights

    def ended(self) -> bool:
        """Return False: rows can be read again."""
        return False


class _Columns:
    """The arrays of inputs, targets or weights, and how they become tensors."""

    def __init__(self, structure: Any, place: Callable[[Any], Tensor]) -> None:
        self.leaves: list[np.ndarray | Tensor] = []
        self._place = place
        if structure is not None:
            self.leaves, self._build = flatten(structure)
        self._pages = [Pages(leaf) for leaf in self.leaves]
        self.row_bytes = sum(leaf[:1].nbytes for leaf in self.leaves)

    def batches(self, rows: slice | Tensor, size: int) -> Any:
        """Return the batches of these rows as an iterable."""
        if not self.leaves:
            return itertools.repeat(None)
        columns = [
            self._place(_gather(*column, rows)).split(size) for column in zip(self.leaves, self._pages, strict=True)
        ]
        if len(columns) == 1 and self._build([0]) == 0:
            return columns[0]
        return [self._build(list(leaves)) for leaves in zip(*columns, strict=True)]


def _gather(leaf: np.ndarray | Tensor, pages: Pages, rows: slice | Tensor) -> np.ndarray | Tensor:
    """Return a copy of these rows, because a model may change its inputs in place."""
    if isinstance(leaf, Tensor):
        return leaf[rows].clone() if isinstance(rows, slice) else leaf.index_select(0, moved(rows, leaf.device))
    in_order = isinstance(rows, slice)
    copied = np.array(leaf[rows]) if isinstance(rows, slice) else np.asarray(leaf[rows.numpy()])
    pages.have_been_read(len(copied), in_order)
    return copied
