"""The cost of saving a model, beside writing the same bytes with plain h5py: time, memory, and concurrent training.

The model has 100 million float32 parameters, half of them in a Daoloth, whose kernel is transposed while it is written.
Plain h5py gets them in the layout of the file. Both end with the file on the disk (fsync). The variants alternate in
one process, and medians of the ratios of neighbouring runs are printed. Memory is the peak of a process that builds and
saves the model.

    python benchmarks/checkpoint.py [--pairs 9] [--size 7000] [--check]

``--check`` exits with an error when a budget is exceeded.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import h5py
import torch
from alternating import alternate, ratio
from budgets import Budgets, line

from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_checkpoint import writer
from cthulhu_core import Checkpoint


def model(size: int) -> Pile:
    """Return a model with 100 million parameters at the default size: half in a Daoloth, half in an nn.Linear."""
    return Pile([Daoloth(size, input_dim=size), torch.nn.Linear(size, size + 286)])


def timed(action: Callable[[], object], path: Path) -> Callable[[], float]:
    """Return a function that returns the seconds ``action`` takes to write the file, which does not exist before."""

    def run() -> float:
        begin = perf_counter()
        action()
        end = perf_counter()
        path.unlink(missing_ok=True)
        return end - begin

    return run


def plain(checkpoint: Checkpoint, path: Path, sync: bool) -> Callable[[], None]:
    """Return a function that writes with plain h5py, from arrays in the layout of the file."""
    arrays = {
        f"{layer}/{name}": weight.contiguous().numpy()
        for layer, weights in checkpoint.weights.items()
        for name, weight in weights.items()
    }

    def write() -> None:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file.create_dataset(name, data=array)
        if sync:
            with path.open("rb+") as written:
                os.fsync(written.fileno())

    return write


def peak_of_saving(size: int, path: Path) -> float:
    """Return the peak memory of a process that saves, as a multiple of its weights."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); "
        f"import checkpoint; print(checkpoint.peak({size}, {str(path)!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    path.unlink()
    return float(ended.stdout)


def peak(size: int, path: str) -> float:
    """Return how far the peak memory exceeds the memory before the model, as a multiple of the model."""
    warm_up = Pile([Daoloth(300, input_dim=300)])
    writer.save(Checkpoint.of(warm_up, weights_only=True), path)
    before = memory("VmRSS")
    big = model(size)
    weights = sum(weight.numel() * weight.element_size() for weight in big.parameters())
    # Building the model has a peak of its own, which does not count.
    Path("/proc/self/clear_refs").write_text("5")
    checkpoint = Checkpoint.of(big, weights_only=True)
    writer.save(checkpoint, path)
    return (memory("VmHWM") - before) / weights


def memory(name: str) -> int:
    """Return ``VmRSS``, the memory of this process in bytes, or ``VmHWM``, its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def steps_while(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the median seconds of a small training step alone, and during ``work`` in a second thread."""
    layer = torch.nn.Linear(256, 256)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.001)
    data = torch.randn(64, 256)

    def step() -> float:
        begin = perf_counter()
        for _ in range(20):
            optimizer.zero_grad()
            layer(data).square().mean().backward()
            optimizer.step()
        return perf_counter() - begin

    alone = [step() for _ in range(100)]
    worker = threading.Thread(target=work)
    worker.start()
    during = []
    while worker.is_alive():
        during.append(step())
    worker.join()
    return statistics.median(alone), statistics.median(during)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="the cost of saving a model")
    parser.add_argument("--pairs", type=int, default=9, help="alternating pairs of runs (default 9)")
    parser.add_argument("--size", type=int, default=7000, help="width of the layers (default 7000)")
    parser.add_argument("--folder", help="where to write (default: the temporary folder)")
    parser.add_argument("--check", action="store_true", help="fail when a budget is exceeded")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, h5py {h5py.__version__}, one thread of torch, medians of {options.pairs} pairs")
    # Saving uses a second processor, plain h5py does not: the ratio means little if none is free.
    print(f"load of the machine {os.getloadavg()[0]:.1f}, on {os.cpu_count()} processors")
    budgets = Budgets("checkpoint")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measure(options.size, options.pairs, Path(folder) / "model.h5", budgets)
    return budgets.exit_code(options.check)


def measure(size: int, pairs: int, path: Path, budgets: Budgets) -> None:
    """Measure, and compare with the budgets."""
    checkpoint = Checkpoint.of(model(size), weights_only=True)
    h5, ours = alternate(
        timed(plain(checkpoint, path, sync=True), path),
        timed(lambda: writer.save(checkpoint, path), path),
        rounds=pairs,
    )
    budgets.compare("saving_beside_h5py", ratio(ours, h5), both="with fsync")
    print(line("  plain h5py", f"{statistics.median(h5):.3f} s"))
    print(line("  saving", f"{statistics.median(ours):.3f} s"))
    (cached,) = alternate(timed(plain(checkpoint, path, sync=False), path), rounds=pairs)
    print(line("  plain h5py that leaves it in the page cache", f"{statistics.median(cached):.3f} s"))
    budgets.compare("peak_memory_beside_weights", peak_of_saving(size, path))

    def later() -> float:
        """Return the seconds of the call alone, then wait for the background write."""
        begin = perf_counter()
        writing = writer.save_later(checkpoint.copied(), path)
        end = perf_counter()
        writing.result()
        return end - begin

    def copy() -> float:
        begin = perf_counter()
        copied = checkpoint.copied()
        end = perf_counter()
        del copied
        return end - begin

    copies, calls = alternate(copy, later, rounds=pairs)
    budgets.compare("background_call_beside_copy", ratio(calls, copies))
    print(line("  copy in host memory", f"{statistics.median(copies):.3f} s"))
    print(line("  call", f"{statistics.median(calls):.3f} s"))
    copied = checkpoint.copied()
    alone, during = steps_while(lambda: writer.save_later(copied, path).result())
    _, sleeping = steps_while(lambda: sleep(1))
    print(line("20 training steps, alone", f"{alone * 1e3:.2f} ms"))
    print(line("  while a thread sleeps", f"{sleeping * 1e3:.2f} ms"))
    print(line("  while the model is written", f"{during * 1e3:.2f} ms"))


if __name__ == "__main__":
    sys.exit(main())
