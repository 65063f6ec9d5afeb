"""Two variants of a training, run in turn in one process, so that a change in the machine's speed meets both.

What is to be quoted are medians over neighbouring runs; single times say nothing on a machine that others use, too.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from operator import attrgetter
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import torch

from cthulhu.callbacks import Callback
from cthulhu.models import Lump

BATCH = 64


class Cost(NamedTuple):
    """Seconds of a training, by the clock and of the processor."""

    clock: float
    processor: float


class Stopwatch(Callback):
    """Takes the time of the last epoch, its end included: what training begins with, the graph for one, is over."""

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        """Begin, or begin again."""
        self._begun = Cost(perf_counter(), thread_time())

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        """It has ended, for those before this one in the list too."""
        self.cost = Cost(perf_counter() - self._begun.clock, thread_time() - self._begun.processor)


class Pairs(NamedTuple):
    """What two variants cost in neighbouring runs."""

    first: list[Cost]
    second: list[Cost]

    def ratio(self, of: Callable[[Cost], float]) -> float:
        """The median of second / first."""
        return statistics.median(of(b) / of(a) for a, b in zip(self.first, self.second, strict=True))

    def fastest(self, of: Callable[[Cost], float]) -> float:
        """The ratio of the fastest runs, which a busy machine disturbs least."""
        return min(map(of, self.second)) / min(map(of, self.first))

    def difference(self, of: Callable[[Cost], float]) -> float:
        """The median of second - first."""
        return statistics.median(of(b) - of(a) for a, b in zip(self.first, self.second, strict=True))


CLOCK, PROCESSOR = attrgetter("clock"), attrgetter("processor")


def train(x: torch.Tensor, y: torch.Tensor, callbacks: list[Callback]) -> Cost:
    """What the second epoch of a small model takes: the smaller it is, the more a callback weighs."""
    torch.manual_seed(0)
    model = Lump(torch.nn.Linear(16, 4))
    model.conjure(torch.optim.SGD(model.parameters(), lr=0.01), torch.nn.CrossEntropyLoss(), ["acc"])
    stopwatch = Stopwatch()
    model.summon(x, y, batch_size=BATCH, epochs=2, verbose=0, callbacks=[*callbacks, stopwatch])
    return stopwatch.cost


def alternate(run: Callable[[list[Callback]], Cost], pairs: int, *variants: Callable[[], list[Callback]]) -> Pairs:
    """Pairs of runs of two variants, each of which is first in every other one."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for pair in range(pairs + 1):
        for variant in (pair % 2, 1 - pair % 2):
            costs[variant].append(run(variants[variant]()))
    return Pairs(costs[0][1:], costs[1][1:])  # the first pair also imports
