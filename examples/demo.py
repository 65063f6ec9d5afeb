"""Train a Pile on scans of handwritten digits, with every installed callback package.

    python examples/demo.py [FOLDER]

The files go to FOLDER, ``demo-output`` by default. During training, a page in the browser shows the curves. Needs
scikit-learn (which contains the scans), matplotlib, and ``cthulhu-remote[server]`` for the page.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Pile
from cthulhu_core import Callback
from cthulhu_core.installed import registry

EPOCHS = 30
ENOUGH = 0.95


def settings(folder: Path, address: str) -> dict[str, Callable[[Any], Callback]]:
    """Return how this demo uses each documented callback. The last ones see the logs that the others add."""
    losses = (folder / "losses.jsonl").open("w", buffering=1)
    return {
        "EarlyStopping": lambda EarlyStopping: EarlyStopping(patience=8, restore_best_weights=True, verbose=1),
        "LearningRateScheduler": lambda LearningRateScheduler: LearningRateScheduler(
            lambda epoch, lr: 0.0005 if epoch == 0 else 0.001 if epoch == 1 else lr  # a short warm-up
        ),
        "LuKthuCallback": lambda LuKthuCallback: LuKthuCallback(
            on_epoch_end=lambda epoch, logs: losses.write(json.dumps({"epoch": epoch, "loss": logs["loss"]}) + "\n"),
            on_train_end=lambda logs: losses.close(),
        ),
        "LumpCheckpoint": lambda LumpCheckpoint: LumpCheckpoint(folder / "best.hdf5", save_best_only=True),
        "ProgbarLogger": lambda ProgbarLogger: ProgbarLogger(count_mode="samples"),
        "ReduceLROnPlateau": lambda ReduceLROnPlateau: ReduceLROnPlateau(factor=0.5, patience=4, verbose=1),
        "TensorBoard": lambda TensorBoard: TensorBoard(folder / "tensorboard"),
        "TerminateOnNaN": lambda TerminateOnNaN: TerminateOnNaN(),
        "RemoteMonitor": lambda RemoteMonitor: RemoteMonitor(address, every=10),
        "CSVLogger": lambda CSVLogger: CSVLogger(folder / "log.csv"),
    }


def discovered() -> list[str]:
    """Print the installed packages and return the names of their callbacks."""
    print("Discovered through entry points:")
    for row in registry.rows():
        print(f"  {row.record.name:24} {row.record.package:32} {row.record.kind:9} {row.state}")
    return [row.record.name for row in registry.rows() if row.record.kind == "callback"]


@contextlib.contextmanager
def page(store: Path) -> Iterator[str]:
    """Run ``cthulhu-monitor`` and yield its address. At a terminal, wait at the end until the user has looked at it."""
    command = [sys.executable, "-m", "cthulhu_remote.server.command", "--port", "0", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as monitor:
        try:
            assert monitor.stdout is not None
            found = re.search(r"http://\S+", monitor.stdout.readline())
            if found is None:
                raise SystemExit("cthulhu-monitor did not start: its message is above")
            yield found[0].rstrip("/")
            if sys.stdin.isatty():
                input(f"\nThe page stays at {found[0]} until you press Enter. ")
        finally:
            monitor.terminate()


def digits() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return training and test data: scans of 8 x 8 pixels as rows of 64 numbers in [0, 1], and one-hot digits."""
    scans = load_digits()
    x, y = scans.data / 16, np.eye(10)[scans.target]
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0, stratify=scans.target)
    return (x_train, y_train), (x_test, y_test)


def draw(log: Path, picture: Path) -> None:
    """Draw the curves in a CSV log."""
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "acc"), strict=True):
        for column, label in ((name, "training"), (f"val_{name}", "validation")):
            axes.plot([int(row["epoch"]) + 1 for row in rows], [float(row[column]) for row in rows], label=label)
        axes.set(title=name, xlabel="epoch")
        axes.legend()
    figure.savefig(picture, dpi=120)


def main() -> int:
    """Train, test, and list the files. Return 1 if the accuracy is too low."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output")
    folder.mkdir(parents=True, exist_ok=True)
    with page(folder / "monitor.sqlite3") as address:
        return train(folder, address)


def train(folder: Path, address: str) -> int:
    """Train while the page at ``address`` shows it. Return 1 if a check fails."""
    names = discovered()
    known = settings(folder, address)
    if missing := set(names) - set(known):
        print(f"This demo has no use for {', '.join(sorted(missing))}: say one in settings()")
        return 1
    callbacks = [use(registry.callback(name)) for name, use in known.items() if name in names]

    torch.manual_seed(0)
    (x_train, y_train), (x_test, y_test) = digits()
    model = Pile([Daoloth(64, input_dim=64, activation="relu"), Daoloth(10), Azatoth("softmax")])
    model.conjure(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
    print(f"\nTraining on {len(x_train)} scans. To watch it, open {address}/ in a browser.")
    history = model.summon(x_train, y_train, epochs=EPOCHS, validation_split=0.1, callbacks=callbacks)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"\nTest accuracy on {len(x_test)} other scans: {accuracy:.4f} (loss {loss:.4f})")

    draw(folder / "log.csv", folder / "curves.png")
    print("\nWritten:")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        print(f"  {path} ({path.stat().st_size:,} bytes)")
    with urlopen(f"{address}/api/runs") as answer:
        run = json.load(answer)["runs"][0]
    print(f"\nThe page at {address}/ shows the run {run['name']!r}: {run['state']}, epoch {run['epoch'] + 1}.")
    print(f"To look again later: cthulhu-monitor --store {folder / 'monitor.sqlite3'}")
    if accuracy < ENOUGH:
        print(f"The accuracy should be at least {ENOUGH}")
        return 1
    if run["epoch"] != history.epoch[-1]:
        print(f"The page should show epoch {history.epoch[-1] + 1}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
