"""What the loop costs beside the leanest loop by hand, what a hook costs, and importing the names.

Both variants run in one process and alternate, so that a change in the machine's speed meets both. Printed are medians
of the ratios of neighbouring runs; single times are shown to be read, not compared.

    python benchmarks/overhead.py [--pairs 15] [--batches 1000] [--check]

``--check`` exits with an error when a budget is exceeded.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import timeit
from collections.abc import Callable
from time import perf_counter

import torch
from torch.nn import functional

from cthulhu.callbacks import Callback
from cthulhu.models import Lump
from cthulhu_core import Run

BATCH = 64
LOOP_BUDGET = 1.10
TEN_CALLBACKS_BUDGET = 3e-6
UNUSED_HOOK_BUDGET = 0.1e-6
IMPORT_BUDGET = 0.1


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
    """Seconds a batch of a loop with nothing to leave out: index slicing, loss, accuracy, five lists of losses."""
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
    """Seconds a batch of ``summon`` on the same work, with five callbacks that read the loss."""
    torch.manual_seed(0)
    model = Lump(torch.nn.Linear(16, 4))
    model.conjure(torch.optim.SGD(model.parameters(), lr=0.01), torch.nn.CrossEntropyLoss(), ["acc"])
    callbacks = [LossHistory() for _ in range(5)]
    begin = perf_counter()
    model.summon(x, y, batch_size=BATCH, verbose=0, callbacks=callbacks)
    return (perf_counter() - begin) / (len(x) / BATCH)


def alternate(a: Callable[[], float], b: Callable[[], float], pairs: int) -> tuple[list[float], list[float]]:
    """The times of both, taken in turn; the first pair is not counted."""
    a(), b()
    times = [(a(), b()) if pair % 2 else (b(), a())[::-1] for pair in range(pairs)]
    return [first for first, _ in times], [second for _, second in times]


def per_call(callbacks: list[Callback], name: str = "batch_end") -> Callable[[], float]:
    """Seconds that a run spends on calling one hook with these callbacks."""
    run = Run(torch.nn.Linear(1, 1), callbacks=callbacks)
    run.train_begin()
    hooks = run._untimed
    run.batch_begin(0, (torch.zeros(1), None))
    # As Run does it, without what it does around the call.
    statement = "hook = hooks.get(name)\nif hook is not None: hook(run, 0, logs)"
    timer = timeit.Timer(statement, globals={"hooks": hooks, "name": name, "run": run, "logs": {"loss": 1.0}})
    return lambda: timer.timeit(20_000) / 20_000


def process(code: str) -> Callable[[], float]:
    """Seconds that a Python process takes for some code."""

    def run() -> float:
        begin = perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return perf_counter() - begin

    return run


def main() -> int:
    """Measure, print, and compare with the budgets if asked to."""
    parser = argparse.ArgumentParser(description="the overhead of the loop and of a hook")
    parser.add_argument("--pairs", type=int, default=15, help="alternating pairs of runs (default 15)")
    parser.add_argument("--batches", type=int, default=1000, help="batches in a run (default 1000)")
    parser.add_argument("--check", action="store_true", help="fail when a budget is exceeded")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    x, y = torch.randn(BATCH * options.batches, 16), torch.randint(0, 4, (BATCH * options.batches,))

    hand, summon = alternate(lambda: by_hand(x, y), lambda: by_summon(x, y), options.pairs)
    loop = statistics.median(s / h for h, s in zip(hand, summon, strict=True))
    without, with_ten = alternate(per_call([]), per_call([NoOp() for _ in range(10)]), options.pairs)
    ten = statistics.median(b - a for a, b in zip(without, with_ten, strict=True))
    bodies = statistics.median(timeit.repeat("f(0, None)", "def f(batch, logs): pass", number=20_000)) / 20_000 * 10
    unused = statistics.median(per_call([], "gradients")() for _ in range(options.pairs))

    nothing, importing = alternate(process("pass"), process("import cthulhu.callbacks"), options.pairs)
    imported = statistics.median(b - a for a, b in zip(nothing, importing, strict=True))

    rows = [
        ("summon / loop by hand, five callbacks", f"{loop:.3f}", f"{LOOP_BUDGET:.2f}", loop <= LOOP_BUDGET),
        ("  loop by hand", f"{statistics.median(hand) * 1e6:.1f} us a batch", "", True),
        ("  summon", f"{statistics.median(summon) * 1e6:.1f} us a batch", "", True),
        (
            "ten callbacks on batch_end, beyond their bodies",
            f"{(ten - bodies) * 1e6:.2f} us",
            f"{TEN_CALLBACKS_BUDGET * 1e6:.0f} us",
            ten - bodies <= TEN_CALLBACKS_BUDGET,
        ),
        (
            "a hook that nobody uses",
            f"{unused * 1e6:.3f} us",
            f"{UNUSED_HOOK_BUDGET * 1e6:.1f} us",
            unused <= UNUSED_HOOK_BUDGET,
        ),
        (
            "import cthulhu.callbacks",
            f"{imported * 1e3:.0f} ms",
            f"{IMPORT_BUDGET * 1e3:.0f} ms",
            imported <= IMPORT_BUDGET,
        ),
    ]
    print(f"torch {torch.__version__}, one thread, Linear(16, 4), batch {BATCH}, medians of {options.pairs} pairs")
    for name, measured, budget, _ in rows:
        print(f"{name:50} {measured:>20}   {'budget ' + budget if budget else ''}")
    failed = [name for name, _, _, within in rows if not within]
    if options.check and failed:
        print(f"over budget: {', '.join(failed)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
