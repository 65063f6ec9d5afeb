"""``summon`` in two processes beside a handwritten loop with ``DistributedDataParallel``, and the messages of a step.

Both variants alternate in the same two processes and train for one epoch and for four: the difference is the time of
three epochs of steps. The median of the ratios of neighbouring runs is printed.

    python benchmarks/distributed.py [--rounds 15] [--check]

``--check`` exits with an error when a budget is exceeded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch
import torch.distributed
from alternating import alternate, ratio
from budgets import Budgets
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from cthulhu.models import Lump

BATCH, BATCHES, EPOCHS = 64, 45, 4


def network() -> torch.nn.Module:
    """Return a network whose gradients fill a bucket."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10))


def by_hand(x: torch.Tensor, y: torch.Tensor, epochs: int) -> float:
    """Return the seconds of a training in which each process has half of the rows of every epoch."""
    model = torch.nn.parallel.DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
    half = slice(torch.distributed.get_rank(), None, 2)
    torch.distributed.barrier()
    begin = perf_counter()
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(epoch))[half]
        total = torch.zeros((), dtype=torch.float64)
        for rows in order.split(BATCH):
            loss = functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        torch.distributed.all_reduce(total)
    return perf_counter() - begin


def by_summon(x: torch.Tensor, y: torch.Tensor, epochs: int) -> float:
    """Return the seconds of the same training."""
    model = Lump(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
    model.conjure(optimizer, functional.cross_entropy)
    torch.distributed.barrier()
    begin = perf_counter()
    model.summon(x, y, BATCH, epochs, verbose=0)
    return perf_counter() - begin


def step(train: Callable[[torch.Tensor, torch.Tensor, int], float], x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the seconds of a step, without the setup of a training."""
    once = train(x, y, 1)
    return (train(x, y, EPOCHS) - once) / (BATCHES * (EPOCHS - 1))


def messages(train: Callable[[torch.Tensor, torch.Tensor, int], float], x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the number of messages per step, including those of the engine."""
    few, more = BATCH * 2 * 4, BATCH * 2 * 12
    counts = []
    for samples in (few, more):
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            train(x[:samples], y[:samples], 1)
        counts.append(sum(event.name.startswith("gloo:") for event in profiled.events()))
    return (counts[1] - counts[0]) / 8


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="the overhead of training in two processes")
    parser.add_argument("--rounds", type=int, default=15, help="alternating rounds (default 15)")
    parser.add_argument("--check", action="store_true", help="fail when a budget is exceeded")
    options = parser.parse_args()
    if "RANK" not in os.environ:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run([*command, *sys.argv[1:]], env=environment, check=False, cwd=Path.cwd()).returncode
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    torch.manual_seed(1)
    x, y = torch.randn(BATCH * 2 * BATCHES, 784), torch.randint(0, 10, (BATCH * 2 * BATCHES,))
    hand, summon = alternate(lambda: step(by_hand, x, y), lambda: step(by_summon, x, y), rounds=options.rounds)
    by_engine, all_of_them = messages(by_hand, x, y), messages(by_summon, x, y)
    code = 0
    if torch.distributed.get_rank() == 0:
        budgets = Budgets("distributed")
        budgets.compare("summon", ratio(summon, hand))
        budgets.compare("messages_a_step_beyond_gradients", all_of_them - by_engine, gradients=by_engine)
        code = budgets.exit_code(options.check)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    return code


if __name__ == "__main__":
    sys.exit(main())
