"""The cost of timing callbacks, which every run does.

A batch is a wait of fixed length, so that torch adds no noise. Five callbacks override two of its hooks. Runs with and
without timing alternate in one process, and medians of the ratios of neighbouring runs are printed.

    python benchmarks/costs.py [--pairs 41] [--check]

``--check`` exits with an error when the budget is exceeded.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from alternating import alternate, ratio
from budgets import Budgets

from cthulhu_core import Callback, Run

SECONDS = (0.0001, 0.001, 0.01)
RUN = 0.5
"""Seconds that a run takes."""


class NoOp(Callback):
    """Overrides two hooks of a batch and does nothing."""

    def on_batch_begin(self, batch, logs):
        pass

    def on_batch_end(self, batch, logs):
        pass


def per_batch(wait: float, timing: bool) -> float:
    """Return the seconds of a batch."""
    model: Any = SimpleNamespace()
    run = Run(model, callbacks=[NoOp() for _ in range(5)])
    if not timing:
        run._costs.batches_to_skip = lambda: sys.maxsize  # type: ignore[method-assign]
    batches = int(RUN / wait)
    with run:
        run.epoch_begin(0)
        begin = perf_counter()
        for _ in run.batches(range(batches)):
            end = perf_counter() + wait
            while perf_counter() < end:
                pass
        return (perf_counter() - begin) / batches


def overhead(wait: float, pairs: int) -> float:
    """Return how much longer a batch takes with timing, as a fraction of it."""
    without, timed = alternate(partial(per_batch, wait, False), partial(per_batch, wait, True), rounds=pairs)
    return ratio(timed, without) - 1


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="the cost of timing callbacks")
    parser.add_argument("--pairs", type=int, default=41, help="alternating pairs of runs (default 41)")
    parser.add_argument("--check", action="store_true", help="fail when the budget is exceeded")
    options = parser.parse_args()
    budgets = Budgets("costs")
    for wait in SECONDS:
        budgets.compare(f"timing_of_batches_of_{wait * 1e3:g}_ms", overhead(wait, options.pairs))
    return budgets.exit_code(options.check)


if __name__ == "__main__":
    sys.exit(main())
