"""Compare trainers on the same work and write docs/benchmarks.md.

Each trainer is a persistent process. In each round, all of them train in turn, for one epoch and for three: the
difference is two epochs without the setup of a training. Each figure is the median over the rounds of the ratio to the
handwritten loop in the same round.

    python benchmarks/peers/compare.py [--rounds 7] [--works linear-16-4,mlp] [--device cpu] [--check] [--no-report]

``--check`` exits with an error when a budget is exceeded. Needs Keras, Lightning, ignite, skorch and matplotlib.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from works import WORKS

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from alternating import alternate, ratio  # noqa: E402 - from the folder above
from budgets import Budgets  # noqa: E402

TRAINERS = {
    "by_hand": "by hand",
    "with_cthulhu": "cthulhu",
    "with_keras": "Keras",
    "with_lightning": "Lightning",
    "with_ignite": "ignite",
    "with_skorch": "skorch",
}
IMPORTS = {
    "with_cthulhu": "from cthulhu.models import Lump; from cthulhu.callbacks import Callback",
    "with_keras": "import keras",
    "with_lightning": "import lightning",
    "with_ignite": "import ignite.engine",
    "with_skorch": "import skorch",
}
OPTIONS: dict[str, dict[str, Any]] = {
    "jit_compile=True": {"jit_compile": True},
    'autocast="bfloat16"': {"autocast": "bfloat16"},
    "accumulate=4": {"accumulate": 4},
    "clipnorm=1.0": {"clipnorm": 1.0},
}
LONG = 3
"""Epochs of the longer training. The shorter one has one."""


class Worker:
    """A trainer in a process of its own."""

    def __init__(self, trainer: str) -> None:
        environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(HERE / "worker.py"), trainer]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.communicate()

    def ask(self, **request: Any) -> dict[str, float]:
        """Send a request and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a trainer has ended while it was asked for {request}")
        answer: dict[str, float] = json.loads(line)
        return answer


class Cell(NamedTuple):
    """The medians of one trainer for one work.

    Attributes:
        microseconds: time of a step.
        multiple: time of a step as a multiple of the handwritten loop's.
        start: seconds of the setup of a training.
    """

    microseconds: float
    multiple: float
    start: float


def measure(workers: dict[str, Worker], rounds: int, **request: Any) -> dict[str, Cell]:
    """Return a cell for each trainer, including the handwritten loop."""
    batches = WORKS[request["name"]].batches
    short: dict[str, list[float]] = {name: [] for name in workers}
    steps: dict[str, list[float]] = {name: [] for name in workers}
    for number in range(rounds + 1):
        order = list(workers) if number % 2 else list(reversed(workers))
        for name in order:
            once = workers[name].ask(**request, epochs=1)["seconds"]
            more = workers[name].ask(**request, epochs=LONG)["seconds"]
            if number:  # The first round is a warm-up.
                steps[name].append((more - once) / (batches * (LONG - 1)))
                short[name].append(once)
    return {
        name: Cell(
            statistics.median(steps[name]) * 1e6,
            ratio(steps[name], steps["by_hand"]),
            statistics.median(once - step * batches for once, step in zip(short[name], steps[name], strict=True)),
        )
        for name in workers
    }


def imports(rounds: int) -> dict[str, float]:
    """Return the seconds it takes to import each trainer after torch."""

    def seconds(code: str) -> float:
        clock = "import torch\nfrom time import perf_counter\nbegin = perf_counter()\n"
        clock += f"{code}\nprint(perf_counter() - begin)"
        environment = {**os.environ, "KERAS_BACKEND": "torch"}
        printed = subprocess.run(
            [sys.executable, "-c", clock], env=environment, capture_output=True, text=True, check=True
        )
        return float(printed.stdout.split()[-1])

    variants = [lambda code=code: seconds(code) for code in IMPORTS.values()]
    return {
        name: statistics.median(times)
        for name, times in zip(IMPORTS, alternate(*variants, rounds=max(3, rounds // 2)), strict=True)
    }


def peaks(device: str) -> dict[str, float]:
    """Return the peak memory in MiB of a process that trains the MLP for an epoch."""
    found = {}
    for name in TRAINERS:
        with Worker(name) as worker:
            found[name] = worker.ask(name="mlp", callbacks=5, device=device)["peak"]
    return found


def main() -> int:
    """Measure, write the report, and return the exit code."""
    parser = argparse.ArgumentParser(description="compare trainers on the same work")
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")
    parser.add_argument("--works", default=",".join(WORKS), help=f"some of {', '.join(WORKS)} (default: all)")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="where to train (default: cpu)")
    parser.add_argument("--no-report", action="store_true", help="leave docs/benchmarks.md as it is")
    parser.add_argument("--check", action="store_true", help="fail when a budget is exceeded")
    options = parser.parse_args()
    names: Sequence[str] = options.works.split(",")
    if unknown := set(names) - set(WORKS):
        parser.error(f"there is no work {', '.join(sorted(unknown))}: there are {', '.join(WORKS)}")
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name)) for name in TRAINERS}
        loading = {name: worker for name, worker in workers.items() if name != "with_skorch"}
        two = {name: workers[name] for name in ("by_hand", "with_cthulhu")}
        for name in names:
            for title, among, request in [
                *((f"{count} callbacks", workers, {"callbacks": count}) for count in (0, 5, 20)),
                ("DataLoader", loading, {"callbacks": 5, "data": "loader"}),
            ]:
                cells[name, title] = measure(among, options.rounds, name=name, device=options.device, **request)
                print(
                    f"{name:15} {title:13}", *(f"{TRAINERS[w]} {c.multiple:.2f}" for w, c in cells[name, title].items())
                )
        if "mlp" in names:
            for title, told in OPTIONS.items():
                cells["mlp", title] = measure(two, options.rounds, name="mlp", device=options.device, options=told)
                print(f"{'mlp':15} {title:20} cthulhu {cells['mlp', title]['with_cthulhu'].multiple:.2f}")
    if not options.no_report:
        from report import write

        write(cells, imports(options.rounds), peaks(options.device), options.device, options.rounds)
    if set(names) != set(WORKS):
        return 0
    budgets = Budgets("peers")
    for name in names:
        five = cells[name, "5 callbacks"]
        budgets.compare(f"{name}_cthulhu", five["with_cthulhu"].multiple)
        if name.startswith("linear"):
            for peer in ("keras", "lightning", "ignite", "skorch"):
                faster = five[f"with_{peer}"].microseconds / five["with_cthulhu"].microseconds
                budgets.compare(f"{name}_{peer}_at_least", faster)
    return budgets.exit_code(options.check)


if __name__ == "__main__":
    sys.exit(main())
