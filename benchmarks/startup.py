"""The cost of starting: imports, the command line, a training, and many installed packages.

Each figure is the median of differences or ratios of neighbouring processes, or of neighbouring runs in one process.

    python benchmarks/startup.py [--rounds 7] [--check]

``--check`` exits with an error when a budget is exceeded. Needs cthulhu-tensorboard.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

import torch
from alternating import alternate, difference, ratio
from budgets import Budgets

from cthulhu.models import Lump

PACKAGES = 200
BATCH = 64

_CLOCK = "from time import perf_counter\n{before}\nbegin = perf_counter()\n{code}\nprint(perf_counter() - begin)"

_COMMAND = """
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()):
    from cthulhu_core.cli.main import main
    main(["plugins"])
"""

# The first training of a process discovers the installed packages; later ones reuse the result.
_TRAININGS = """
import torch
from time import perf_counter
from cthulhu.models import Lump

torch.set_num_threads(1)

def training():
    model = Lump(torch.nn.Linear(16, 4))
    model.conjure("sgd", "mse")
    begin = perf_counter()
    model.summon(torch.zeros(1, 16), torch.zeros(1, 4), verbose=0)
    return perf_counter() - begin

training_of_torch = torch.nn.Linear(16, 4)(torch.zeros(1, 16)).sum().backward()
first = training()
later = sorted(training() for _ in range(50))[25]
print(first, later)
"""


def process(code: str, folder: str = "") -> list[float]:
    """Run ``code`` in a process with ``folder`` on its path, and return the numbers it prints."""
    path = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return [float(number) for number in printed.stdout.split()]


def seconds(code: str, before: str = "") -> float:
    """Return the seconds of ``code`` in a process of its own, after ``before``."""
    return process(_CLOCK.format(before=before, code=code))[0]


def whole(code: str) -> float:
    """Return the seconds from the start of a process to its end."""
    begin = perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return perf_counter() - begin


def install(folder: Path) -> None:
    """Write packages that provide a callback each, as pip installs them."""
    for number in range(PACKAGES):
        name = f"dummy_{number}"
        (folder / f"{name}.py").write_text(
            "from cthulhu.callbacks import Callback\n\n\nclass Dummy(Callback):\n    pass\n"
        )
        metadata = folder / f"{name}-1.0.dist-info"
        metadata.mkdir()
        requires = "Requires-Dist: cthulhu-core<1,>=0.1\nRequires-Dist: requests>=2\n"
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{requires}")
        (metadata / "entry_points.txt").write_text(f"[cthulhu.callbacks]\nDummy{number} = {name}:Dummy\n")
        (metadata / "RECORD").write_text(f"{name}.py,,\n{name}-1.0.dist-info/METADATA,,\n")


def training(batches: int, epochs: int) -> Callable[[], float]:
    """Return a function that returns the seconds per batch of a training."""
    x, y = torch.zeros(batches * BATCH, 16), torch.zeros(batches * BATCH, 4)

    def run() -> float:
        model = Lump(torch.nn.Linear(16, 4))
        model.conjure("sgd", "mse", ["mae"])
        begin = perf_counter()
        model.summon(x, y, BATCH, epochs, verbose=0)
        return (perf_counter() - begin) / (batches * epochs)

    return run


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="the cost of starting")
    parser.add_argument("--rounds", type=int, default=7, help="alternating rounds (default 7)")
    parser.add_argument("--check", action="store_true", help="fail when a budget is exceeded")
    options = parser.parse_args()
    torch.set_num_threads(1)
    budgets = Budgets("startup")

    importing = [seconds("import cthulhu") for _ in range(options.rounds + 1)][1:]
    budgets.compare("import_cthulhu_ms", statistics.median(importing) * 1e3)
    nothing, listing = alternate(partial(whole, "pass"), partial(whole, _COMMAND), rounds=options.rounds)
    budgets.compare("command_plugins_ms", difference(listing, nothing) * 1e3)
    code = "from cthulhu.callbacks import TensorBoard"
    named = [seconds(code, "import torch") for _ in range(options.rounds + 1)][1:]
    budgets.compare("import_tensorboard_after_torch_ms", statistics.median(named) * 1e3)

    with tempfile.TemporaryDirectory() as folder:
        install(Path(folder))
        few, many = zip(
            *((process(_TRAININGS), process(_TRAININGS, folder)) for _ in range(options.rounds)), strict=True
        )
    first = [[each[0] for each in times] for times in (few, many)]
    later = [[each[1] for each in times] for times in (few, many)]
    budgets.compare("first_training_for_200_packages_ms", difference(first[1], first[0]) * 1e3)
    budgets.compare("later_training_with_200_packages", ratio(later[1], later[0]))
    budgets.compare("later_training_ms", statistics.median(later[0]) * 1e3)

    once, batches, epochs = alternate(training(500, 1), training(500 * 16, 1), training(500, 16), rounds=options.rounds)
    budgets.compare("batch_with_16_times_the_batches", ratio(batches, once))
    budgets.compare("batch_with_16_times_the_epochs", ratio(epochs, once))
    return budgets.exit_code(options.check)


if __name__ == "__main__":
    sys.exit(main())
