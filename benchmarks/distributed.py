"""``summon`` in two processes beside a loop by hand with ``DistributedDataParallel``, and the messages of a step.

Both variants alternate in the same two processes. Printed is the median of the ratios of neighbours.

    python benchmarks/distributed.py [--rounds 9] [--check]

``--check`` exits with an error when a budget is exceeded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
import torch.distributed
from alternating import alternate, ratio
from budgets import Budgets
from torch.nn import functional

from cthulhu.models import Lump

BATCH, BATCHES, EPOCHS = 64, 45, 3


def network() -> torch.nn.Module:
    """A network whose gradients fill a bucket."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10))


def by_hand(x: torch.Tensor, y: torch.Tensor) -> float:
    """Seconds of a training: each process has its half of the rows of every epoch."""
    model = torch.nn.parallel.DistributedDataParallel(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
    half = slice(torch.distributed.get_rank(), None, 2)
    torch.distributed.barrier()
    begin = perf_counter()
    for epoch in range(EPOCHS):
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


def by_summon(x: torch.Tensor, y: torch.Tensor) -> float:
    """Seconds of the same training."""
    model = Lump(network())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, fused=True)
    model.conjure(optimizer, functional.cross_entropy)
    torch.distributed.barrier()
    begin = perf_counter()
    model.summon(x, y, BATCH, EPOCHS, verbose=0)
    return perf_counter() - begin


def messages(x: torch.Tensor, y: torch.Tensor) -> float:
    """How many collectives a step takes beyond the buckets of gradients, which the engine sends by itself."""
    count = 0
    collectives = ("all_reduce", "broadcast", "all_gather", "barrier", "all_gather_into_tensor")
    kept: dict[str, Any] = {name: getattr(torch.distributed, name) for name in collectives}

    def counted(name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            return kept[name](*arguments, **named)

        return call

    model = Lump(network())
    model.conjure("sgd", functional.cross_entropy)
    for name in collectives:
        setattr(torch.distributed, name, counted(name))
    try:
        model.summon(x, y, BATCH, 1, verbose=0)
        once = count
        more = BATCH * 2 * 4
        model.summon(torch.cat([x, x[:more]]), torch.cat([y, y[:more]]), BATCH, 1, verbose=0)
    finally:
        for name in collectives:
            setattr(torch.distributed, name, kept[name])
    return (count - once - once) / 4


def main() -> int:
    """Measure, print, and compare with the budgets if asked to."""
    parser = argparse.ArgumentParser(description="training in two processes")
    parser.add_argument("--rounds", type=int, default=9, help="alternating rounds (default 9)")
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
    hand, summon = alternate(lambda: by_hand(x, y), lambda: by_summon(x, y), rounds=options.rounds)
    beyond = messages(x, y)
    code = 0
    if torch.distributed.get_rank() == 0:
        budgets = Budgets("distributed")
        budgets.compare("summon", ratio(summon, hand))
        budgets.compare("messages_a_step_beyond_gradients", beyond)
        code = budgets.exit_code(options.check)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    return code


if __name__ == "__main__":
    sys.exit(main())
