"""The cost of RemoteMonitor: epochs in which it sends beside epochs in which it does not, for good and bad servers.

The servers are real ones, in processes of their own, that misbehave as servers do. In the training of a small model,
RemoteMonitor sees every other epoch: it sends the event, or tries to, during the epoch that follows. For each server,
the median of the ratios of such an epoch to its neighbour is printed, so that a change in the machine's speed affects
both. The first line, of a training without RemoteMonitor, shows how much of that is noise. Beside the ratio stands the
processor time of the sender's thread as a share of the epochs in which it sends. It is more exact, and the most that
the sender can take from the training. The end of training, which waits for unsent events, does not count.

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
from budgets import Budgets

from cthulhu.callbacks import Callback, RemoteMonitor
from cthulhu_core import Logs, Run

BATCH = 64
SERVERS = Path(__file__).parents[1] / "plugins" / "cthulhu-remote" / "tests" / "servers.py"
KINDS = ("takes", "monitor", "slow", "recovers", "fails", "resets", "hangs", "untrusted", "absent")


@contextlib.contextmanager
def server(kind: str) -> Iterator[str]:
    """Run a server of this kind and yield its address."""
    if kind == "absent":
        yield "http://127.0.0.1:9"  # No process listens on the port of "discard".
        return
    command = [sys.executable, str(SERVERS), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


class EveryOtherEpoch(RemoteMonitor):
    """A RemoteMonitor that sees every other epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        """Skip every other epoch."""
        if epoch % 2 == 0:
            super().on_epoch_end(epoch, logs)


def training(batches: list[tuple[torch.Tensor, torch.Tensor]], callbacks: list[Callback]) -> Iterator[None]:
    """Train forever, one epoch per ``next``. The end of an epoch is the beginning of the next."""
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
    """Return the threads of RemoteMonitor: one or none."""
    return [thread for thread in threading.enumerate() if thread.name == "RemoteMonitor"]


def processor_time() -> float:
    """Return their processor time in seconds."""
    files = [Path(f"/proc/self/task/{thread.native_id}/schedstat") for thread in senders()]
    return sum(int(file.read_text().split()[0]) / 1e9 for file in files)


def measure(
    batches: list[tuple[torch.Tensor, torch.Tensor]], pairs: int, callbacks: list[Callback]
) -> tuple[float, float, float]:
    """Return the median of the ratios, the share of the sender's thread, and the seconds of a quiet epoch."""
    epochs = training(batches, callbacks)
    next(epochs)  # Skip the setup of training.
    sending: list[float] = []
    plain: list[float] = []
    had = processor_time()
    for _ in range(pairs):
        for took in (sending, plain):
            start = perf_counter()
            next(epochs)
            took.append(perf_counter() - start)
    share = (processor_time() - had) / sum(sending)
    epochs.close()  # type: ignore[attr-defined]
    for thread in senders():
        thread.join()  # Measure the next one alone.
    ratios = [one / other for one, other in zip(sending, plain, strict=True)]
    return statistics.median(ratios), share, statistics.median(plain)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="the cost of RemoteMonitor")
    parser.add_argument("--pairs", type=int, default=60, help="pairs of epochs (default 60)")
    parser.add_argument("--batches", type=int, default=1500, help="batches in an epoch (default 1500)")
    parser.add_argument("--check", action="store_true", help="fail when the budget is exceeded")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    batches = [(torch.randn(BATCH, 16), torch.randint(0, 4, (BATCH,))) for _ in range(options.batches)]
    # The misbehaviour of the servers is intended.
    warnings.simplefilter("ignore")

    print(f"torch {torch.__version__}, one thread, Linear(16, 4), batch {BATCH}, {options.batches} batches in an epoch")
    print(f"{options.pairs} pairs of epochs in which an event is sent, and is not")
    print(f"{'server':<22}{'ratio':>8}{'sender':>10}{'epoch':>12}")

    def report(name: str, callbacks: list[Callback]) -> tuple[float, float]:
        ratio, share, epoch = measure(batches, options.pairs, callbacks)
        print(f"{name:<22}{ratio:8.4f}{share:10.2%}{epoch * 1e3:9.0f} ms", flush=True)
        return ratio, share

    budgets = Budgets("remote")
    noise = abs(report("(without)", [])[0] - 1)
    beyond, shares = [], []
    with tempfile.TemporaryDirectory() as folder:
        for kind, spool in [*((kind, None) for kind in KINDS), ("absent", Path(folder, "unsent.sqlite3"))]:
            name = kind if spool is None else f"{kind}, with a spool"
            with server(kind) as url:
                ratio, share = report(name, [EveryOtherEpoch(url, flush_timeout=0, spool=spool, timeout=2)])
            beyond.append(ratio - noise)
            shares.append(share)
    budgets.compare("epoch_beyond_noise", max(beyond))
    budgets.compare("sender_of_processor_time", max(shares))
    return budgets.exit_code(options.check)


if __name__ == "__main__":
    sys.exit(main())
