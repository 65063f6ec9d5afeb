"""Batches from an iterable: a ``DataLoader``, a list of batches, a generator."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from cthulhu_core.distributed.agreement import min_over_ranks
from cthulhu_core.distributed.data_shards import Shard, ShardedSampler, together
from cthulhu_core.run.random_state import random_state, set_random_state
from cthulhu_core.training.batches import Triple
from cthulhu_core.training.placement import Placement
from cthulhu_core.training.sample_weights import ClassWeights
from cthulhu_core.training.structure import apply


class IterableBatches:
    """The batches of an iterable.

    Args:
        data: yields ``(inputs, targets)`` or ``(inputs, targets, weights)``, or only inputs for ``predict``.
        steps: batches in an epoch; required for a generator, whose length is unknown.
        class_weights: factors by class, or None.
        placement: device and dtype of the model.
        what: the name of ``data`` in messages.

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
                f"{what} is a generator of unknown length: pass "
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
            # If one process does not know, none does, and they agree on each batch.
            fewest = min_over_ranks(-1 if self.steps is None else self.steps)
            self.steps = self._asked = None if fewest < 0 else fewest
        self.samples = len(dataset) if steps is None and dataset is not None and hasattr(dataset, "__len__") else None
        if self._sampler is not None and self.samples is not None:
            self.batch_size = self._sampler.batch_size
            self.samples = shard.samples(self._sampler.samples, self._sampler.batch_size)
        elif self.samples is not None and getattr(data, "drop_last", False):
            self.samples -= self.samples % data.batch_size
        # A batch taken from a generator in advance, which must still be trained on.
        self._looked_at: list[Any] = []
        self._exhausted = False
        self._random: dict[str, Any] | None = None
        self._class_weights = class_weights
        self._placement = placement
        self._what = what
        # A DataLoader makes new batches; others may yield their own tensors, which a model must not change in place.
        self._copy = not isinstance(data, DataLoader)

    def __iter__(self) -> Iterator[Triple]:
        # For a generator, all epochs are one pass.
        if self._once is None or self._random is None:
            self._random = random_state()
        return self._batches(self._source(), 0)

    def pass_state(self) -> dict[str, Any] | None:
        """Return the random generators as they were when the pass began."""
        return self._random

    def resumed(self, state: dict[str, Any], batch: int, step: int) -> Iterator[Triple]:
        """Return the batches from number ``batch`` on; those before it are drawn again and skipped."""
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
        """Return the first batch of the next epoch; a generator's is kept for that epoch."""
        found = self._looked_at or list(itertools.islice(self._data, 1))
        if not found:
            raise self._no_batch()
        if self._once is not None:
            self._looked_at = found
        return self._triple(found[0])

    def ended(self) -> bool:
        """Return whether a generator is exhausted; a batch taken to find out is kept for the next epoch."""
        if self._once is None or self._exhausted:
            return self._exhausted
        self._looked_at = self._looked_at or list(itertools.islice(self._once, 1))
        if not self._looked_at:
            self._exhausted = True
            self._warn_of_end("with an epoch before the last")
        return self._exhausted

    def _no_batch(self) -> ValueError:
        return ValueError(f"{self._what} yielded no batch: expected at least one")

    def _warn_of_end(self, when: str) -> None:
        cure = ", and a generator cannot begin again: let it yield more, or request fewer batches"
        warnings.warn(f"{self._what} ended {when}{cure if self._exhausted else ''}", stacklevel=3)

    def _triple(self, item: Any) -> Triple:
        targets, weights = None, None
        if not isinstance(item, (tuple, list)):
            inputs = item
        elif 1 <= len(item) <= 3:
            inputs, targets, weights = (*item, None, None)[:3]
        else:
            raise ValueError(
                f"{self._what} yielded a {type(item).__name__} of {len(item)}: expected (inputs, targets) or "
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
    """Return whether ``data`` is a DataLoader whose dataset has no length."""
    return isinstance(getattr(data, "dataset", None), IterableDataset)
