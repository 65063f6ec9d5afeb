"""Where batches come from: arrays that are cut into slices, and iterables that give batches of their own.

Both are iterated once an epoch and give ``(inputs, targets, weights)`` on the device of the model. What a loop
does with them is in loop.py, which of the two it is in data.py.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from cthulhu_core.generators import random_state, set_random_state
from cthulhu_core.training.distributed import least, of_main
from cthulhu_core.training.memory_map import Pages
from cthulhu_core.training.shards import WHOLE, Shard, ShardedSampler, drawn_from, together
from cthulhu_core.training.structure import apply, as_tensor, flatten
from cthulhu_core.training.transfer import moved, one_ahead
from cthulhu_core.training.weights import ClassWeights

Triple = tuple[Any, Any, "Tensor | None"]

# Rows are gathered for many batches at once: one gather, one transfer, and the batches are slices of it.
_BLOCK_BYTES = 4 * 2**20


class Batches(Protocol):
    """Batches of an epoch. ``None`` where a number cannot be known beforehand."""

    samples: int | None
    steps: int | None
    batch_size: int | None
    is_one_pass: bool
    """Whether all epochs together are one pass, as over a generator."""

    def __iter__(self) -> Iterator[Triple]: ...

    def first(self) -> Triple:
        """A batch to learn shapes from; it is still part of the next epoch."""

    def ended(self) -> bool:
        """Whether there is nothing for another epoch."""

    def pass_state(self) -> Any:
        """What is needed to go on in the midst of the pass that is under way: plain data."""

    def resumed(self, state: Any, batch: int, step: int) -> Iterator[Triple]:
        """The rest of that pass, after ``batch`` batches of it, and ``step`` in all epochs.

        All that it draws to get there it draws before it returns.
        """


class Placement:
    """Where tensors must be, and in which precision, to go into a model."""

    def __init__(self, model: torch.nn.Module) -> None:
        weights = [*model.parameters(), *model.buffers()]
        self.device = weights[0].device if weights else torch.empty(0).device
        self.dtype = next((w.dtype for w in weights if w.is_floating_point()), torch.get_default_dtype())

    def inputs(self, leaf: Any) -> Tensor:
        """An input of the model."""
        return as_tensor(leaf, self.device, self.dtype)

    def targets(self, leaf: Any) -> Tensor:
        """What an output is compared with: not less precise than the default."""
        return as_tensor(leaf, self.device, torch.promote_types(self.dtype, torch.get_default_dtype()))


class ArrayBatches:
    """Slices of arrays, shuffled by index at each epoch.

    Args:
        inputs: array, or lists, tuples or dicts of arrays, with one row for each sample.
        targets: likewise, or None.
        weights: one for each sample, or None.
        batch_size: rows in a batch; the last one of an epoch may be smaller.
        shuffle: whether each epoch draws a new order, ``torch.randperm`` of PyTorch's own generator.
        steps: batches in an epoch; all by default.
        placement: where the model is.
        shard: which part of the rows is cut.
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
        # Fewer than there are, where steps were asked for.
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
                f"the data has {whole} batches of {batch_size} samples, {steps} steps were asked for: "
                f"epochs end after {whole}",
                stacklevel=2,
            )

    def __iter__(self) -> Iterator[Triple]:
        self._drawn_from = of_main(torch.get_rng_state()) if self._shuffle else None
        return self._slices(self._order(), 0)

    def _order(self) -> Tensor | None:
        """The rows of this part in the order of this epoch; None where it is all of them as they stand."""
        order = None
        if self._drawn_from is not None:
            order = drawn_from(self._drawn_from, lambda: torch.randperm(self._rows))
        if self._shard.ranks == 1:
            return order
        return self._shard.rows((torch.arange(self._rows) if order is None else order)[: self._end], self._size)

    def pass_state(self) -> Tensor | None:
        """The state of PyTorch's generator from which the order was drawn, None without shuffling."""
        return self._drawn_from

    def resumed(self, state: Tensor | None, batch: int, step: int) -> Iterator[Triple]:
        """The slices from number ``batch`` on, in the order that is drawn from ``state``."""
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
        """The first rows of the data."""
        rows = slice(0, min(self._size, self._rows))
        columns = (self._inputs, self._targets, self._weights)
        inputs, targets, weights = (next(iter(column.batches(rows, self._size))) for column in columns)
        return inputs, targets, weights

    def ended(self) -> bool:
        """Never: rows can be read again."""
        return False


class _Columns:
    """The arrays of one part of a batch, and how they become tensors."""

    def __init__(self, structure: Any, place: Callable[[Any], Tensor]) -> None:
        self.leaves: list[np.ndarray | Tensor] = []
        self._place = place
        if structure is not None:
            self.leaves, self._build = flatten(structure)
        self._pages = [Pages(leaf) for leaf in self.leaves]
        self.row_bytes = sum(leaf[:1].nbytes for leaf in self.leaves)

    def batches(self, rows: slice | Tensor, size: int) -> Any:
        """The batches of these rows, as an iterable."""
        if not self.leaves:
            return itertools.repeat(None)
        columns = [
            self._place(_gather(*column, rows)).split(size) for column in zip(self.leaves, self._pages, strict=True)
        ]
        if len(columns) == 1 and self._build([0]) == 0:
            return columns[0]
        return [self._build(list(leaves)) for leaves in zip(*columns, strict=True)]


def _gather(leaf: np.ndarray | Tensor, pages: Pages, rows: slice | Tensor) -> np.ndarray | Tensor:
    """A copy of these rows: what a model does to its inputs in place must not reach the user's data."""
    if isinstance(leaf, Tensor):
        return leaf[rows].clone() if isinstance(rows, slice) else leaf.index_select(0, moved(rows, leaf.device))
    in_order = isinstance(rows, slice)
    copied = np.array(leaf[rows]) if isinstance(rows, slice) else np.asarray(leaf[rows.numpy()])
    pages.have_been_read(len(copied), in_order)
    return copied


class IterableBatches:
    """Batches that an iterable gives: a DataLoader, a list of batches, a generator.

    Args:
        data: gives ``(inputs, targets)`` or ``(inputs, targets, weights)``, or inputs alone for ``predict``.
        steps: batches in an epoch; needed for a generator, which has no end that can be seen.
        class_weights: factors of the classes, or None.
        placement: where the model is.
        what: what ``data`` is called in messages.

    Raises:
        ValueError: ``data`` is an iterator and ``steps`` is not given, or it is empty.
    """

    def __init__(
        self,
        data: Any,
        steps: int | None,
        class_weights: ClassWeights | None,
        placement: Placement,
        what: str,
        shard: Shard,
    ) -> None:
        length = len(data) if hasattr(data, "__len__") and not _endless(data) else None
        if length == 0:
            raise ValueError(f"{what} is empty: expected at least one batch")
        self._once = iter(data) if not hasattr(data, "__len__") and iter(data) is data else None
        if self._once is not None and steps is None:
            raise ValueError(
                f"{what} is a generator, whose end cannot be seen: pass "
                f"{'validation_steps' if what.startswith('validation') else 'steps_per_epoch'} (steps in evaluate and "
                "predict), the number of batches to take"
            )
        self._data = data
        self.is_one_pass = self._once is not None
        self.steps = steps if length is None or steps is None else min(steps, length)
        self.steps = length if self.steps is None else self.steps
        self._asked = steps
        self.batch_size = getattr(data, "batch_size", None)
        dataset = getattr(data, "dataset", None)
        self._shard = shard
        sampler = getattr(data, "batch_sampler", None)
        self._sampler = sampler if isinstance(sampler, ShardedSampler) else None
        if shard.ranks > 1:
            # Where one does not know, none does: then they agree on each batch.
            fewest = least(-1 if self.steps is None else self.steps)
            self.steps = self._asked = None if fewest < 0 else fewest
        self.samples = len(dataset) if steps is None and dataset is not None and hasattr(dataset, "__len__") else None
        if self._sampler is not None and self.samples is not None:
            self.batch_size = self._sampler.batch_size
            self.samples = shard.samples(self._sampler.samples, self._sampler.batch_size)
        elif self.samples is not None and getattr(data, "drop_last", False):
            self.samples -= self.samples % data.batch_size
        # What was taken from a generator to be looked at, and still has to be trained on.
        self._looked_at: list[Any] = []
        self._exhausted = False
        self._random: dict[str, Any] | None = None
        self._class_weights = class_weights
        self._placement = placement
        self._what = what
        # A DataLoader makes its batches; others may give what they hold, which a model must not change in place.
        self._copy = not isinstance(data, DataLoader)

    def __iter__(self) -> Iterator[Triple]:
        # A generator is one pass in all epochs.
        if self._once is None or self._random is None:
            self._random = random_state()
        return self._batches(self._source(), 0)

    def pass_state(self) -> dict[str, Any] | None:
        """The random generators as they were when the pass began."""
        return self._random

    def resumed(self, state: dict[str, Any], batch: int, step: int) -> Iterator[Triple]:
        """The batches from number ``batch`` on: those before it are drawn again and left out."""
        set_random_state(state)
        self._random = state
        source = self._source()
        for _ in itertools.islice(source, batch if self._once is None else step):
            pass
        return self._batches(source, batch)

    def _source(self) -> Iterator[Any]:
        source = iter(self._data) if self._once is None else itertools.chain(self._looked_at, self._once)
        self._looked_at = []
        return together(source) if self._shard.ranks > 1 and self.steps is None else source

    def _batches(self, source: Iterator[Any], count: int) -> Iterator[Triple]:
        for item in itertools.islice(source, None if self._asked is None else self._asked - count):
            count += 1
            triple = self._triple(item)
            if self._sampler is not None and count == len(self._sampler):
                triple = self._shard.last(triple, self._sampler.samples, self._sampler.batch_size)
            yield triple
        if self._asked is not None and count < self._asked:
            self._exhausted = self._once is not None
            self._warn_of_end(f"after {count} of {self._asked} batches")
        if count == 0 and not self._exhausted:
            raise self._no_batch()

    def first(self) -> Triple:
        """The batch that the next epoch begins with (a generator's is put back), or one like it."""
        found = self._looked_at or list(itertools.islice(self._data, 1))
        if not found:
            raise self._no_batch()
        if self._once is not None:
            self._looked_at = found
        return self._triple(found[0])

    def ended(self) -> bool:
        """Whether a generator has no batch left; the one that is looked at is still part of the next epoch."""
        if self._once is None or self._exhausted:
            return self._exhausted
        self._looked_at = self._looked_at or list(itertools.islice(self._once, 1))
        if not self._looked_at:
            self._exhausted = True
            self._warn_of_end("with an epoch before the last")
        return self._exhausted

    def _no_batch(self) -> ValueError:
        return ValueError(f"{self._what} gave no batch: expected at least one")

    def _warn_of_end(self, when: str) -> None:
        cure = ", and a generator cannot begin again: let it go on, or ask for fewer batches"
        warnings.warn(f"{self._what} ended {when}{cure if self._exhausted else ''}", stacklevel=3)

    def _triple(self, item: Any) -> Triple:
        targets, weights = None, None
        if not isinstance(item, (tuple, list)):
            inputs = item
        elif 1 <= len(item) <= 3:
            inputs, targets, weights = (*item, None, None)[:3]
        else:
            raise ValueError(
                f"{self._what} gave a {type(item).__name__} of {len(item)}: expected (inputs, targets) or "
                "(inputs, targets, weights); several inputs go into a list or dict of their own"
            )
        inputs = apply(self._input, inputs)
        if self._class_weights is not None:
            by_class = self._class_weights.of(targets)
            weights = by_class if weights is None else by_class * torch.as_tensor(weights)
        if targets is not None:
            targets = apply(self._placement.targets, targets)
        if weights is not None:
            weights = self._placement.targets(torch.as_tensor(weights).float())
        return inputs, targets, weights

    def _input(self, leaf: Any) -> Tensor:
        tensor = self._placement.inputs(leaf)
        return tensor.clone() if self._copy else tensor


def _endless(data: Any) -> bool:
    """Whether ``len`` of a DataLoader would ask a dataset that has none."""
    return isinstance(getattr(data, "dataset", None), IterableDataset)
