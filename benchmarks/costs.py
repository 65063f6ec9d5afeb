"""What it costs that every run measures what its callbacks cost.

A batch is a wait of fixed length, so that nothing of torch varies; five callbacks override two hooks of it. A run as it
is and one that never times a batch alternate in one process. Printed are medians of the ratios of neighbouring runs.

    python benchmarks/costs.py [--pairs 41] [--check]

``--check`` exits with an error when the budget is exceeded.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from time import perf_counter
from types import SimpleNamespace
from typing import Any

from cthulhu_core import Callback, Run

BUDGET = 0.005
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
    """Seconds that a batch takes."""
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
    """By how much a batch takes longer, as a share of it."""
    ratios = []
    for pair in range(pairs):
        order = (True, False) if pair % 2 else (False, True)
        took = {timing: per_batch(wait, timing) for timing in order}
        ratios.append(took[True] / took[False] - 1)
    return statistics.median(ratios)


def main() -> int:
    """Measure, print, and compare with the budget if asked to."""
    parser = argparse.ArgumentParser(description="what measuring costs costs")
    parser.add_argument("--pairs", type=int, default=41, help="alternating pairs of runs (default 41)")
    parser.add_argument("--check", action="store_true", help="fail when the budget is exceeded")
    options = parser.parse_args()
    measured = {wait: overhead(wait, options.pairs) for wait in SECONDS}
    for wait, share in measured.items():
        print(f"batches of {wait * 1e3:4.1f} ms: {share:+.2%} (budget {BUDGET:.1%})")
    return int(options.check and any(share > BUDGET for share in measured.values()))


if __name__ == "__main__":
    sys.exit(main())
