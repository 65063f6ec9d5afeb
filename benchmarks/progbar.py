"""The cost of the progress bar: training with ``verbose=1`` on a terminal, beside the same training with ``verbose=0``.

Both variants alternate in one process, so that a change in the machine's speed affects both. The median of the ratios
of neighbouring runs is printed. The bar is drawn on a pseudo-terminal that another process reads.

    python benchmarks/progbar.py [--pairs 40] [--batches 2000] [--check]

``--check`` exits with an error when the budget is exceeded. Needs cthulhu-progbar, and a system with pseudo-terminals.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import pty
import statistics
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from time import perf_counter, thread_time
from typing import NamedTuple

import torch
from budgets import Budgets

from cthulhu.models import Lump

BATCH = 64


# The terminal is another process, so that it does not share an interpreter with the training.
_READER = """
import os, sys
drawn = 0
try:
    while block := os.read(0, 65536):
        drawn += block.count(b"\\r")
except OSError:  # what the end of a pseudo-terminal looks like
    pass
print(drawn)
"""


class Terminal:
    """A pseudo-terminal of 80 columns, and a process that reads it."""

    def __init__(self) -> None:
        reader, writer = pty.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.stream = os.fdopen(writer, "w")
        self._reader = subprocess.Popen(
            [sys.executable, "-c", _READER], stdin=reader, stdout=subprocess.PIPE, text=True
        )
        os.close(reader)

    def close(self) -> int:
        """Return the number of drawings."""
        self.stream.close()
        return int(self._reader.communicate()[0])

    @contextlib.contextmanager
    def as_stdout(self) -> Iterator[None]:
        """Print to this terminal."""
        with contextlib.redirect_stdout(self.stream):
            yield


class Cost(NamedTuple):
    """Wall-clock and processor seconds of a training."""

    clock: float
    processor: float


def train(x: torch.Tensor, y: torch.Tensor, verbose: int, terminal: Terminal) -> Cost:
    """Train a small model for an epoch. The smaller the model, the greater the share of the bar."""
    torch.manual_seed(0)
    model = Lump(torch.nn.Linear(16, 4))
    model.conjure(torch.optim.SGD(model.parameters(), lr=0.01), torch.nn.CrossEntropyLoss(), ["acc"])
    with terminal.as_stdout():
        clock, processor = perf_counter(), thread_time()
        model.summon(x, y, batch_size=BATCH, verbose=verbose)
        return Cost(perf_counter() - clock, thread_time() - processor)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="the cost of the progress bar")
    parser.add_argument("--pairs", type=int, default=40, help="alternating pairs of runs (default 40)")
    parser.add_argument("--batches", type=int, default=2000, help="batches in a run (default 2000)")
    parser.add_argument("--check", action="store_true", help="fail when the budget is exceeded")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    x, y = torch.randn(BATCH * options.batches, 16), torch.randint(0, 4, (BATCH * options.batches,))

    terminal = Terminal()
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for pair in range(options.pairs + 1):
        for verbose in (pair % 2, 1 - pair % 2):
            costs[verbose].append(train(x, y, verbose, terminal))
    drawn = terminal.close() / (options.pairs + 1)
    silent, shown = costs[0][1:], costs[1][1:]  # The first pair also imports.
    ratio = statistics.median(v.clock / s.clock for s, v in zip(silent, shown, strict=True))
    processor = statistics.median(v.processor / s.processor for s, v in zip(silent, shown, strict=True))

    print(f"torch {torch.__version__}, one thread, Linear(16, 4), batch {BATCH}, {options.batches} batches in a run")
    budgets = Budgets("progbar")
    budgets.compare("verbose_1", ratio, pairs=options.pairs)
    print(f"  of processor time               {processor:.4f}")
    for verbose, times in enumerate((silent, shown)):
        each = statistics.median(time.clock for time in times) / options.batches
        print(f"  verbose={verbose}                       {each * 1e6:.1f} us a batch")
    print(f"  drawn                           {drawn:.1f} times a run")
    return budgets.exit_code(options.check)


if __name__ == "__main__":
    sys.exit(main())
