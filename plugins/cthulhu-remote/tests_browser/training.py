"""A training that a test lets go on, epoch by epoch: ``python training.py ROOT NAME EPOCHS FILE``.

It begins an epoch when the number in FILE is larger than the epoch's index.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import torch

from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_core import Callback
from cthulhu_remote import RemoteMonitor

BATCHES = 10
HOSTILE = "<img src=x onerror=alert(2)>"


class Paced(Callback):
    """Waits until the test lets training go on, and logs a metric whose name is a trap."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def on_epoch_begin(self, epoch, logs):
        while int(self.file.read_text() or 0) <= epoch:
            time.sleep(0.02)

    def on_epoch_end(self, epoch, logs):
        logs[HOSTILE] = 1 / (epoch + 1)


def main(root: str, name: str, epochs: int, file: Path) -> None:
    """Learn whether the sum of four numbers is positive."""
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(40 * BATCHES, 4)).astype("float32")
    y = (x.sum(1, keepdims=True) > 0).astype("float32")
    model = Pile([Daoloth(8, activation="relu", input_shape=(4,)), Daoloth(1, activation="sigmoid")])
    model.conjure("adam", "binary_crossentropy", metrics=["acc"])
    monitor = RemoteMonitor(root, every="batch", name=name)
    model.summon(x, y, batch_size=32, epochs=epochs, verbose=0, validation_split=0.2, callbacks=[Paced(file), monitor])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
