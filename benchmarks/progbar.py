"""What the progress bar costs: training at ``verbose=1``, on a terminal, beside the same training at ``verbose=0``.

Both variants run in one process and alternate, so that a change in the machine's speed meets both. Printed is the
median of the ratios of neighbouring runs. The bar is drawn on a pseudo-terminal that somebody reads.

    python benchmarks/progbar.py [--pairs 15] [--batches 5000] [--check]

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
import sys
import termios
import threading
from collections.abc import Iterator
from time import perf_counter

import torch

from cthulhu.models import Lump

BATCH = 64
BUDGET = 1.03


class Terminal:
    """A pseudo-terminal of 80 columns, and a thread that reads what is written to it."""

    def __init__(self) -> None:
        reader, writer = pty.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.stream = os.fdopen(writer, "w")
        self.drawn = 0
        threading.Thread(target=self._read, args=(reader,), daemon=True).start()

    def _read(self, reader: int) -> None:
        while block := os.read(reader, 65536):
            self.drawn += block.count(b"\r")

    @contextlib.contextmanager
    def as_stdout(self) -> Iterator[None]:
        """Print to this terminal."""
        with contextlib.redirect_stdout(self.stream):
            yield


def train(x: torch.Tensor, y: torch.Tensor, verbose: int, terminal: Terminal) -> float:
    """Seconds of an epoch of a small model: the smaller it is, the more a bar weighs."""
    torch.manual_seed(0)
    model = Lump(torch.nn.Linear(16, 4))
    model.conjure(torch.optim.SGD(model.parameters(), lr=0.01), torch.nn.CrossEntropyLoss(), ["acc"])
    with terminal.as_stdout():
        begin = perf_counter()
        model.summon(x, y, batch_size=BATCH, verbose=verbose)
        return perf_counter() - begin


def main() -> int:
    """Measure, print, and compare with the budget if asked to."""
    parser = argparse.ArgumentParser(description="the cost of the progress bar")
    parser.add_argument("--pairs", type=int, default=15, help="alternating pairs of runs (default 15)")
    parser.add_argument("--batches", type=int, default=5000, help="batches in a run (default 5000)")
    parser.add_argument("--check", action="store_true", help="fail when the budget is exceeded")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    x, y = torch.randn(BATCH * options.batches, 16), torch.randint(0, 4, (BATCH * options.batches,))

    terminal = Terminal()
    for verbose in (0, 1):
        train(x, y, verbose, terminal)
    terminal.drawn = 0
    silent, shown = [], []
    for pair in range(options.pairs):
        for verbose in (pair % 2, 1 - pair % 2):
            (shown if verbose else silent).append(train(x, y, verbose, terminal))
    ratios = [s / q for q, s in zip(silent, shown, strict=True)]
    ratio = statistics.median(ratios)

    low, _, high = statistics.quantiles(ratios, n=4)
    print(f"torch {torch.__version__}, one thread, Linear(16, 4), batch {BATCH}, {options.batches} batches in a run")
    print(
        f"verbose=1 / verbose=0           {ratio:.4f}   budget {BUDGET:.2f}, quartiles {low:.4f} {high:.4f}, {options.pairs} pairs"
    )
    print(f"  verbose=0                     {statistics.median(silent) / options.batches * 1e6:.1f} us a batch")
    print(f"  verbose=1                     {statistics.median(shown) / options.batches * 1e6:.1f} us a batch")
    print(f"  drawn                         {terminal.drawn / options.pairs:.0f} times a run")
    if options.check and ratio > BUDGET:
        print("over budget")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
