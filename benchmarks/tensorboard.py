"""The cost of TensorBoard: training with it beside the same training without it.

Two variants alternate in one process, so that a change in the machine's speed affects both. Medians over neighbouring
runs are printed: of their ratio, and for ``update_freq="batch"`` of their difference from a run that reads the values
of each batch without writing them.

    python benchmarks/tensorboard.py [--pairs 20] [--batches 5000] [--memory 100000] [--check]

``--check`` exits with an error when a budget is exceeded. Needs cthulhu-tensorboard.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, NamedTuple

import torch
from budgets import Budgets

from cthulhu.callbacks import Callback, TensorBoard
from cthulhu.models import Lump

BATCH = 64


class Cost(NamedTuple):
    """Wall-clock and processor seconds of a training."""

    clock: float
    processor: float


class Read(Callback):
    """Reads the values of each batch from the device."""

    def on_batch_end(self, batch: int, logs: Any) -> None:
        """Do nothing: the benchmark measures only the read."""


class Stopwatch(Callback):
    """Times the last epoch, end included. By then the setup of training, such as writing the graph, is over."""

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        """Start the clock."""
        self._begun = Cost(perf_counter(), thread_time())

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        """Stop the clock. Callbacks earlier in the list have run."""
        self.cost = Cost(perf_counter() - self._begun.clock, thread_time() - self._begun.processor)


class Memory(Callback):
    """Records the memory of the process in MiB, ten times in a run of ``batches``."""

    def __init__(self, batches: int) -> None:
        self._every = batches // 10
        self.noted: list[float] = []

    def on_batch_begin(self, batch: int, logs: Any) -> None:
        if batch % self._every == 0:
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.noted.append(pages * 4096 / 2**20)


class Pairs(NamedTuple):
    """The costs of two variants in neighbouring runs."""

    first: list[Cost]
    second: list[Cost]

    def ratio(self, of: Callable[[Cost], float]) -> float:
        """Return the median of second / first."""
        return statistics.median(of(b) / of(a) for a, b in zip(self.first, self.second, strict=True))

    def fastest(self, of: Callable[[Cost], float]) -> float:
        """Return the ratio of the fastest runs, which a busy machine disturbs least."""
        return min(map(of, self.second)) / min(map(of, self.first))

    def difference(self, of: Callable[[Cost], float]) -> float:
        """Return the median of second - first."""
        return statistics.median(of(b) - of(a) for a, b in zip(self.first, self.second, strict=True))


CLOCK, PROCESSOR = attrgetter("clock"), attrgetter("processor")


def train(x: torch.Tensor, y: torch.Tensor, callbacks: list[Callback]) -> Cost:
    """Return the cost of the second epoch of a small model. The smaller the model, the greater a callback's share."""
    torch.manual_seed(0)
    model = Lump(torch.nn.Linear(16, 4))
    model.conjure(torch.optim.SGD(model.parameters(), lr=0.01), torch.nn.CrossEntropyLoss(), ["acc"])
    stopwatch = Stopwatch()
    model.summon(x, y, batch_size=BATCH, epochs=2, verbose=0, callbacks=[*callbacks, stopwatch])
    return stopwatch.cost


def alternate(run: Callable[[list[Callback]], Cost], pairs: int, *variants: Callable[[], list[Callback]]) -> Pairs:
    """Run two variants in pairs, swapping their order after each pair."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for pair in range(pairs + 1):
        for variant in (pair % 2, 1 - pair % 2):
            costs[variant].append(run(variants[variant]()))
    return Pairs(costs[0][1:], costs[1][1:])  # The first pair also imports.


def memory(batches: int, folder: Path) -> float:
    """Return the growth of the process in MiB while it writes the values of ``batches`` batches, but for a tenth."""
    data, noted = torch.zeros(batches, 1), Memory(batches)
    model = Lump(torch.nn.Linear(1, 1))
    model.conjure("sgd", "mse")
    callbacks = [TensorBoard(folder, update_freq="batch"), noted]
    model.summon(data, data, batch_size=1, verbose=0, callbacks=callbacks)
    return noted.noted[-1] - noted.noted[1]


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="the cost of TensorBoard")
    parser.add_argument("--pairs", type=int, default=20, help="alternating pairs of runs (default 20)")
    parser.add_argument("--batches", type=int, default=5000, help="batches in an epoch (default 5000)")
    parser.add_argument("--memory", type=int, default=100_000, help="batches of the run whose memory is measured")
    parser.add_argument("--check", action="store_true", help="fail when a budget is exceeded")
    options = parser.parse_args()
    # Python searches the folder of a script first, so `import tensorboard` would find this file.
    sys.path = [folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent]
    torch.set_num_threads(1)
    torch.manual_seed(1)
    x, y = torch.randn(BATCH * options.batches, 16), torch.randint(0, 4, (BATCH * options.batches,))

    with tempfile.TemporaryDirectory() as folder:
        run, logs = partial(train, x, y), Path(folder)

        def writing(update_freq: Any) -> list[Callback]:
            return [TensorBoard(logs / str(update_freq), update_freq=update_freq)]

        epoch = alternate(run, options.pairs, list, lambda: writing("epoch"))
        samples = alternate(run, options.pairs, list, lambda: writing(100 * BATCH))
        batch = alternate(run, options.pairs, lambda: [*writing("epoch"), Read()], lambda: writing("batch"))
        grown = memory(options.memory, logs / "memory")

    budgets = Budgets("tensorboard")
    each = statistics.median(cost.clock for cost in epoch.first) / options.batches * 1e6
    beyond = batch.difference(CLOCK) / options.batches * 1e6
    print(f"torch {torch.__version__}, one thread, Linear(16, 4), batch {BATCH}, {options.batches} batches in an epoch")
    print(f"without TensorBoard         {each:.1f} us a batch, {options.pairs} pairs")
    budgets.compare("update_freq_epoch", epoch.ratio(CLOCK))
    print(f"  of processor time         {epoch.ratio(PROCESSOR):.4f}")
    print(f"  of the fastest runs       {epoch.fastest(CLOCK):.4f}")
    print(f"update_freq={100 * BATCH:<15} {samples.ratio(CLOCK):.4f} of that")
    print(f"  of processor time         {samples.ratio(PROCESSOR):.4f}")
    budgets.compare("update_freq_batch_us", beyond, beyond="reading the values")
    print(f"  of processor time         {batch.difference(PROCESSOR) / options.batches * 1e6:.1f} us")
    budgets.compare("memory_mib", grown, batches=options.memory)
    return budgets.exit_code(options.check)


if __name__ == "__main__":
    sys.exit(main())
