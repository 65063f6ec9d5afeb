"""What RemoteMonitor costs: training with it beside the same training without it, whatever the server does.

The servers are processes of their own, real ones, that misbehave as servers do. Two variants run in turn (see
alternating.py). Printed are medians over neighbouring runs: of the ratio of an epoch, in which the event of the epoch
before it is sent, or tried to be. The end of training is not in it, which waits for what is not sent yet.

    python benchmarks/remote.py [--pairs 20] [--batches 5000] [--check]

``--check`` exits with an error when the budget is exceeded. Needs cthulhu-remote and trustme.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from alternating import BATCH, CLOCK, PROCESSOR, Pairs, alternate, train

from cthulhu.callbacks import Callback, RemoteMonitor

BUDGET = 1.01
SERVERS = Path(__file__).parents[1] / "plugins" / "cthulhu-remote" / "tests" / "servers.py"
KINDS = ("takes", "monitor", "slow", "recovers", "fails", "resets", "hangs", "untrusted", "absent")


@contextlib.contextmanager
def server(kind: str) -> Iterator[str]:
    """The address of a server of this kind."""
    if kind == "absent":
        yield "http://127.0.0.1:9"  # nobody listens on the port of "discard"
        return
    command = [sys.executable, str(SERVERS), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


def report(name: str, costs: Pairs) -> float:
    """Print a line, and give the ratio."""
    ratio = costs.ratio(CLOCK)
    print(f"{name:<22} {ratio:9.4f} {costs.fastest(CLOCK):9.4f} {costs.ratio(PROCESSOR):11.4f}")
    return ratio


def main() -> int:
    """Measure, print, and compare with the budget if asked to."""
    parser = argparse.ArgumentParser(description="the cost of RemoteMonitor")
    parser.add_argument("--pairs", type=int, default=20, help="alternating pairs of runs (default 20)")
    parser.add_argument("--batches", type=int, default=5000, help="batches in an epoch (default 5000)")
    parser.add_argument("--check", action="store_true", help="fail when the budget is exceeded")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    x, y = torch.randn(BATCH * options.batches, 16), torch.randint(0, 4, (BATCH * options.batches,))
    run = partial(train, x, y)
    # What the servers do is known here.
    warnings.simplefilter("ignore")

    print(f"torch {torch.__version__}, one thread, Linear(16, 4), batch {BATCH}, {options.batches} batches in an epoch")
    print(f"{options.pairs} pairs; ratio of an epoch with RemoteMonitor to one without   budget {BUDGET:.2f}")
    print(f"{'server':<22} {'median':>9} {'fastest':>9} {'processor':>11}")
    ratios = []
    for kind in KINDS:
        with server(kind) as url:

            def reporting(url: str = url) -> list[Callback]:
                return [RemoteMonitor(url, flush_timeout=0)]

            costs = alternate(run, options.pairs, list, reporting)
            ratios.append(report(kind, costs))
    with tempfile.TemporaryDirectory() as folder, server("absent") as url:

        def spooling() -> list[Callback]:
            return [RemoteMonitor(url, flush_timeout=0, spool=Path(folder, "unsent.sqlite3"))]

        ratios.append(report("absent, with a spool", alternate(run, options.pairs, list, spooling)))
    each = statistics.median(cost.clock for cost in costs.first) / options.batches * 1e6
    print(f"without RemoteMonitor  {each:.1f} us a batch")
    if options.check and max(ratios) > BUDGET:
        print("over budget")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
