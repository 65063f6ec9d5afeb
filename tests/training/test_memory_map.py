"""Data larger than memory: a file is trained on from the disk, and what was read of it does not stay."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from cthulhu.models import Lump
from cthulhu_core.training.memory_map import Pages, shared_mapping

needs_madvise = pytest.mark.skipif(sys.platform == "win32", reason="Windows takes pages back by itself")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    np.arange(4000, dtype=np.float32).tofile(path)
    return path


@needs_madvise
def test_mapping_is_found_behind_every_view_of_it(file: Path) -> None:
    for mode in ("r", "r+"):
        array: Any = np.memmap(file, np.float32, mode, shape=(1000, 4))
        views = [array, array[3:], array[::2, 1:], np.asarray(array), np.asarray(array)[5:].reshape(-1), array.T]
        assert [shared_mapping(view) is array.base for view in views] == [True] * len(views)


def test_what_has_no_shared_mapping_is_left_alone(file: Path) -> None:
    private = np.memmap(file, np.float32, "c", shape=(1000, 4))
    for array in (private, private[3:], np.ones((3, 2)), np.asarray([1.0]), None):
        assert shared_mapping(array) is None


@needs_madvise
def test_pages_given_back_lose_nothing_that_was_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pages, "most", 0)
    array = np.memmap(file, np.float32, "r+", shape=(1000, 4))
    array[:] = np.arange(4000).reshape(1000, 4) * 2
    Pages(array).have_been_read(1, in_order=True)
    assert np.array_equal(array, np.arange(4000).reshape(1000, 4) * 2)


@pytest.mark.usefixtures("no_plugins")
@pytest.mark.parametrize("shuffle", [True, False])
def test_training_from_a_file_is_that_from_memory(file: Path, monkeypatch: pytest.MonkeyPatch, shuffle: bool) -> None:
    import torch

    monkeypatch.setattr(Pages, "most", 100)
    losses = []
    array = np.memmap(file, np.float32, "r", shape=(1000, 4))
    for x in (array, np.array(array)):
        torch.manual_seed(0)
        model = Lump(nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 1)))
        model.conjure("sgd", "mse")
        losses.append(model.summon(x, np.ones(1000), epochs=2, shuffle=shuffle, verbose=0).history["loss"])
    assert losses[0] == losses[1]


TWENTY_GIGABYTES = """
    import os, sys
    import numpy as np
    from torch import nn
    from cthulhu.callbacks import Callback
    from cthulhu.models import Lump
    from cthulhu_core.training.memory_map import Pages

    path, shuffle, Pages.most = sys.argv[1], sys.argv[2] == "True", int(sys.argv[3])
    rows = 20 * 2**30 // (784 * 4)
    with open(path, "wb") as file:
        file.truncate(rows * 784 * 4)  # it takes no room on the disk: there is nothing in it
    x, y = np.memmap(path, np.float32, "r", shape=(rows, 784)), np.zeros(rows, np.int64)

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    class Measures(Callback):
        def on_train_begin(self, logs):
            self.sizes = []

        def on_gradients(self, batch):
            self.sizes.append(resident())

    measures = Measures()
    model = Lump(nn.Linear(784, 10))
    model.conjure("sgd", "sparse_categorical_crossentropy")
    steps = 60 if shuffle else 300
    model.summon(x, y, 128, verbose=0, shuffle=shuffle, steps_per_epoch=steps, callbacks=measures)
    print(max(measures.sizes) - measures.sizes[5])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the size of the process from /proc")
@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [True, False])
def test_resident_size_does_not_grow_with_what_is_read_of_a_file_of_20_gigabytes(tmp_path: Path, shuffle: bool) -> None:
    def grown(most: int) -> float:
        command = [
            sys.executable,
            "-c",
            textwrap.dedent(TWENTY_GIGABYTES),
            str(tmp_path / "data"),
            str(shuffle),
            str(most),
        ]
        return float(subprocess.run(command, capture_output=True, text=True, check=True, timeout=200).stdout)

    # 115 MiB are read in order, and 460 MiB come into memory for rows from anywhere.
    assert grown(64 * 2**20) < 80
    assert grown(2**40) > 100
