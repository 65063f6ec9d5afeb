"""What RemoteMonitor costs: training with it beside the same training without it, whatever the server does.

The servers are processes of their own, real ones, that misbehave as servers do. Two trainings of a small model go on in
one process, an epoch of the one and an epoch of the other, so that a change in the machine's speed meets both. Printed
is, for each server, the median of the ratios of neighbouring epochs: in an epoch with RemoteMonitor, the event of the
one before it is sent, or tried to be. The first line, of two trainings without it, says how much of that is noise.
Beside it stands the share of the time in which the sender's thread had a processor, which is more exact, and the most
that it can take from the training. The end of training, which waits for what is not sent yet, is not in it.

    python benchmarks/remote.py [--pairs 60] [--batches 1500] [--check]

``--check`` exits with an error when the budget is exceeded. Needs cthulhu-remote and trustme, and Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import torch

from cthulhu.callbacks import Callback, RemoteMonitor
from cthulhu_core import Run

BATCH = 64
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


def training(batches: list[tuple[torch.Tensor, torch.Tensor]], callbacks: list[Callback]) -> Iterator[None]:
    """Train without end, an epoch each time that it is asked for; the end of an epoch is the begin of the next."""
    torch.manual_seed(0)
    model = torch.nn.Linear(16, 4)
    optimizer, criterion = torch.optim.SGD(model.parameters(), lr=0.01), torch.nn.CrossEntropyLoss()
    with Run(model, optimizer=optimizer, epochs=sys.maxsize, callbacks=callbacks) as run:
        for _ in run.epochs():
            for x, y in run.batches(batches):
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                run.record(loss=loss)
            yield


def senders() -> list[threading.Thread]:
    """The threads of RemoteMonitor: one, where there is one."""
    return [thread for thread in threading.enumerate() if thread.name == "RemoteMonitor"]


def processor_time() -> float:
    """Seconds in which they have had a processor."""
    files = [Path(f"/proc/self/task/{thread.native_id}/schedstat") for thread in senders()]
    return sum(int(file.read_text().split()[0]) / 1e9 for file in files)


def measure(
    batches: list[tuple[torch.Tensor, torch.Tensor]], pairs: int, callbacks: list[Callback]
) -> tuple[float, float, float]:
    """The median of the ratios, the share of the sender's thread, and seconds an epoch without RemoteMonitor."""
    trainings = (training(batches, []), training(batches, callbacks))
    for each in trainings:
        next(each)  # what training begins with
    ratios, plain = [], []
    begun, had = perf_counter(), processor_time()
    for pair in range(pairs):
        took = [0.0, 0.0]
        for variant in (pair % 2, 1 - pair % 2):
            start = perf_counter()
            next(trainings[variant])
            took[variant] = perf_counter() - start
        ratios.append(took[1] / took[0])
        plain.append(took[0])
    share = (processor_time() - had) / (perf_counter() - begun)
    for each in trainings:
        each.close()  # type: ignore[attr-defined]
    for thread in senders():
        thread.join()  # the next one is measured alone
    return statistics.median(ratios), share, statistics.median(plain)


def main() -> int:
    """Measure, print, and compare with the budget if asked to."""
    parser = argparse.ArgumentParser(description="the cost of RemoteMonitor")
    parser.add_argument("--pairs", type=int, default=60, help="pairs of epochs (default 60)")
    parser.add_argument("--batches", type=int, default=1500, help="batches in an epoch (default 1500)")
    parser.add_argument("--check", action="store_true", help="fail when the budget is exceeded")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    batches = [(torch.randn(BATCH, 16), torch.randint(0, 4, (BATCH,))) for _ in range(options.batches)]
    # What the servers do is known here.
    warnings.simplefilter("ignore")

    print(f"torch {torch.__version__}, one thread, Linear(16, 4), batch {BATCH}, {options.batches} batches in an epoch")
    print(f"{options.pairs} pairs of epochs with and without RemoteMonitor; budget {BUDGET:.2f}")
    print(f"{'server':<22}{'ratio':>8}{'sender':>10}{'epoch':>12}")

    def report(name: str, callbacks: list[Callback]) -> tuple[float, float]:
        ratio, share, epoch = measure(batches, options.pairs, callbacks)
        print(f"{name:<22}{ratio:8.4f}{share:10.2%}{epoch * 1e3:9.0f} ms", flush=True)
        return ratio, share

    noise = abs(report("(without)", [])[0] - 1)
    over = False
    with tempfile.TemporaryDirectory() as folder:
        for kind, spool in [*((kind, None) for kind in KINDS), ("absent", Path(folder, "unsent.sqlite3"))]:
            name = kind if spool is None else f"{kind}, with a spool"
            with server(kind) as url:
                ratio, share = report(name, [RemoteMonitor(url, flush_timeout=0, spool=spool, timeout=2)])
            over |= ratio > BUDGET + noise or share > BUDGET - 1
    if options.check and over:
        print("over budget")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
