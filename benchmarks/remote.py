"""What RemoteMonitor costs: epochs in which it sends beside epochs in which it does not, whatever the server does.

The servers are processes of their own, real ones, that misbehave as servers do. In the training of a small model,
RemoteMonitor is told of every other epoch: its event is sent, or tried to be, in the epoch that follows. Printed is,
for each server, the median of the ratios of such an epoch to its neighbour, so that a change in the machine's speed
meets both. The first line, of a training without RemoteMonitor, says how much of that is noise. Beside it stands the
time in which the sender's thread had a processor, as a share of the epochs in which it sends: it is more exact, and the
most that the sender can take from the training. The end of training, which waits for what is not sent yet, is not in
it.

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
    """The address of a server of this kind."""
    if kind == "absent":
        yield "http://127.0.0.1:9"  # nobody listens on the port of "discard"
        return
    command = [sys.executable, str(SERVERS), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


class EveryOtherEpoch(RemoteMonitor):
    """Is told of every other epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        """Tell of it, or not."""
        if epoch % 2 == 0:
            super().on_epoch_end(epoch, logs)


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
    """The median of the ratios, the share of the sender's thread, and seconds of an epoch in which nothing is sent."""
    epochs = training(batches, callbacks)
    next(epochs)  # what training begins with
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
        thread.join()  # the next one is measured alone
    ratios = [one / other for one, other in zip(sending, plain, strict=True)]
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
