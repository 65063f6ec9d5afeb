"""The cost of the loop beside a handwritten loop that measures as much, and the cost of a hook.

Both variants alternate in one process, so that a change in the machine's speed affects both. Medians of the ratios of
neighbouring runs are printed. Single times are only informative.

    python benchmarks/overhead.py [--pairs 15] [--batches 1000] [--check]

``--check`` exits with an error when a budget is exceeded.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import timeit
from collections.abc import Callable
from time import perf_counter

import torch
from alternating import alternate, difference, ratio
from budgets import Budgets, line
from torch.nn import functional

from cthulhu.callbacks import Callback
from cthulhu.models import Lump
from cthulhu_core import Run

BATCH = 64


class LossHistory(Callback):
    """The documentation's example."""

    def on_train_begin(self, logs={}):  # noqa: B006 - as documented
        self.losses = []

    def on_batch_end(self, batch, logs={}):  # noqa: B006 - as documented
        self.losses.append(logs.get("loss"))


class NoOp(Callback):
    """Overrides a batch hook and does nothing."""

    def on_batch_end(self, batch, logs):
        pass


def by_hand(x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the seconds per batch of a minimal loop: index slicing, loss, accuracy, five lists of losses."""
    torch.manual_seed(0)
    model = torch.nn.Linear(16, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    histories: list[list[float]] = [[] for _ in range(5)]
    samples = len(x)
    begin = perf_counter()
    order = torch.randperm(samples)
    loss_sum = right_sum = 0.0
    for start in range(0, samples, BATCH):
        rows = order[start : start + BATCH]
        inputs, targets = x[rows], y[rows]
        outputs = model(inputs)
        loss = functional.cross_entropy(outputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            accuracy = (outputs.argmax(-1) == targets).float().mean()
        value = loss.item()
        loss_sum += value * len(inputs)
        right_sum += accuracy.item() * len(inputs)
        for losses in histories:
            losses.append(value)
    return (perf_counter() - begin) / (samples / BATCH)


def by_summon(x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the seconds per batch of ``summon`` on the same work, with five callbacks that read the loss."""
    torch.manual_seed(0)
    model = Lump(torch.nn.Linear(16, 4))
    model.conjure(torch.optim.SGD(model.parameters(), lr=0.01), torch.nn.CrossEntropyLoss(), ["acc"])
    callbacks = [LossHistory() for _ in range(5)]
    begin = perf_counter()
    model.summon(x, y, batch_size=BATCH, verbose=0, callbacks=callbacks)
    return (perf_counter() - begin) / (len(x) / BATCH)


def per_call(callbacks: list[Callback], name: str = "batch_end") -> Callable[[], float]:
    """Return a function that returns the seconds of one call of a hook with these callbacks."""
    run = Run(torch.nn.Linear(1, 1), callbacks=callbacks)
    run.train_begin()
    hooks = run._hooks._untimed
    run.batch_begin(0, (torch.zeros(1), None))
    # The call as Run makes it, without the code around it.
    statement = "hook = hooks.get(name)\nif hook is not None: hook(run, 0, logs)"
    timer = timeit.Timer(statement, globals={"hooks": hooks, "name": name, "run": run, "logs": {"loss": 1.0}})
    return lambda: timer.timeit(20_000) / 20_000


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="the overhead of the loop and of a hook")
    parser.add_argument("--pairs", type=int, default=15, help="alternating pairs of runs (default 15)")
    parser.add_argument("--batches", type=int, default=1000, help="batches in a run (default 1000)")
    parser.add_argument("--check", action="store_true", help="fail when a budget is exceeded")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    x, y = torch.randn(BATCH * options.batches, 16), torch.randint(0, 4, (BATCH * options.batches,))

    print(f"torch {torch.__version__}, one thread, Linear(16, 4), batch {BATCH}, medians of {options.pairs} pairs")
    budgets = Budgets("overhead")
    hand, summon = alternate(lambda: by_hand(x, y), lambda: by_summon(x, y), rounds=options.pairs)
    budgets.compare("summon", ratio(summon, hand))
    print(line("  loop by hand", f"{statistics.median(hand) * 1e6:.1f} us"))
    print(line("  summon", f"{statistics.median(summon) * 1e6:.1f} us"))
    without, with_ten = alternate(per_call([]), per_call([NoOp() for _ in range(10)]), rounds=options.pairs)
    bodies = statistics.median(timeit.repeat("f(0, None)", "def f(batch, logs): pass", number=20_000)) / 20_000 * 10
    budgets.compare("ten_callbacks_us", (difference(with_ten, without) - bodies) * 1e6)
    unused = statistics.median(per_call([], "gradients")() for _ in range(options.pairs))
    budgets.compare("unused_hook_us", unused * 1e6)
    return budgets.exit_code(options.check)


if __name__ == "__main__":
    sys.exit(main())
