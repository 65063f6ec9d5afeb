"""The part of the data that each process of a distributed training has. All have the same number of batches.

A global batch is split into one part for each process, of ``batch_size`` samples. The last one may be smaller: its
parts are as equal as possible, and an empty part holds one row that does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from cthulhu_core.distributed.agreement import broadcast_from_main, sum_over_ranks
from cthulhu_core.distributed.part import Part
from cthulhu_core.distributed.ranks import rank, world_size

Item = TypeVar("Item")
Drawn = TypeVar("Drawn")

_SAMPLERS = (RandomSampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler)


class Shard(NamedTuple):
    """Part number ``rank`` of ``ranks``."""

    rank: int = 0
    ranks: int = 1

    @classmethod
    def here(cls) -> Shard:
        """Return the part of this process."""
        return cls(rank(), world_size())

    def steps(self, samples: int, batch_size: int) -> int:
        """Return the number of batches, including the last one."""
        return -(-samples // (batch_size * self.ranks))

    def rows(self, order: Tensor, batch_size: int) -> Tensor:
        """Return the rows in ``order`` that belong to this part, including a row that does not count."""
        of_all = batch_size * self.ranks
        whole = len(order) // of_all * of_all
        own = order[:whole].reshape(-1, self.ranks, batch_size)[:, self.rank].reshape(-1)
        begin, end = self._last(len(order) - whole)
        return torch.cat([own, order[whole:][begin : max(end, begin + 1)]]) if len(order) > whole else own

    def last(self, item: Any, samples: int, batch_size: int) -> Any:
        """Return the last batch, as a :class:`Part` if the parts of ``samples`` differ in size."""
        of_all = samples % (batch_size * self.ranks)
        if of_all % self.ranks == 0:
            return item
        begin, end = self._last(of_all)
        return Part.of(item, end - begin, of_all / self.ranks)

    def samples(self, samples: int, batch_size: int) -> int:
        """Return how many of ``samples`` belong to this part."""
        of_all = batch_size * self.ranks
        begin, end = self._last(samples % of_all)
        return samples // of_all * batch_size + end - begin

    def _last(self, samples: int) -> tuple[int, int]:
        """Return where its part of the last batch begins and ends."""
        return samples * self.rank // self.ranks, samples * (self.rank + 1) // self.ranks


WHOLE = Shard()


def drawn_from(state: Tensor, draw: Callable[[], Drawn]) -> Drawn:
    """Return what the main process draws from ``state``; the generators of the others are unchanged."""
    if rank() == 0:
        return draw()
    here = torch.get_rng_state()
    torch.set_rng_state(state)
    try:
        return draw()
    finally:
        torch.set_rng_state(here)


class ShardedSampler(Sampler[list[int]]):
    """Yields the batches of one part as lists of indices, in an order that the main process draws for all."""

    def __init__(self, sampler: Sampler[int], batch_size: int, drop_last: bool, shard: Shard) -> None:
        self._sampler, self._shard = sampler, shard
        self.batch_size, self.drop_last = batch_size, drop_last
        self.samples = len(sampler)  # type: ignore[arg-type]  # all of these have a length
        if drop_last:
            self.samples -= self.samples % (batch_size * shard.ranks)

    def __iter__(self) -> Iterator[list[int]]:
        length = len(self._sampler)  # type: ignore[arg-type]
        order = torch.tensor(list(self._sampler)) if rank() == 0 else torch.empty(length, dtype=torch.int64)
        for rows in self._shard.rows(broadcast_from_main(order)[: self.samples], self.batch_size).split(
            self.batch_size
        ):
            yield rows.tolist()

    def __len__(self) -> int:
        return self._shard.steps(self.samples, self.batch_size)


def sharded(loader: Any, shard: Shard) -> Any:
    """Return a loader of this part of the data; ``loader`` itself if it has its own way to make batches."""
    if (
        shard.ranks == 1
        or type(loader) is not DataLoader
        or isinstance(loader.dataset, IterableDataset)
        or type(loader.sampler) not in _SAMPLERS
        or type(loader.batch_sampler) is not BatchSampler
    ):
        return loader
    own: Any = loader.batch_sampler
    sampler = ShardedSampler(own.sampler, own.batch_size, own.drop_last, shard)
    return DataLoader(
        loader.dataset,
        batch_sampler=sampler,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
    )


def together(source: Iterable[Item]) -> Iterator[Item]:
    """Yield the items of ``source`` while all processes have one; costs a message for each."""
    for item in source:
        if sum_over_ranks([1.0])[0] < world_size():
            return
        yield item
    sum_over_ranks([0.0])
