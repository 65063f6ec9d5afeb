"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cthulhu_checkpoint import LumpCheckpoint
from cthulhu_core.testing import PackageContract


class TestPackage(PackageContract):
    callback = LumpCheckpoint
    plugins = {"checkpoint": "cthulhu_checkpoint.plugin"}

    def test_import_brings_neither_torch_nor_numpy_nor_h5py(self):
        code = (
            "import sys, cthulhu_checkpoint, cthulhu_checkpoint.plugin\n"
            "print(sorted({'h5py', 'torch', 'numpy'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout == "[]\n"

    def test_takes_part_in_the_main_process_and_its_failures_end_training(self):
        assert (LumpCheckpoint.on_error, LumpCheckpoint.ranks) == ("raise", "main")

    def test_example_of_the_callback_in_the_readme_runs(self, folder, capsys):
        namespace = self.run_readme(0)
        printed = capsys.readouterr().out.splitlines()
        assert len(printed) == 8
        assert printed[0].startswith("Epoch 00001: val_loss improved from inf to ")
        assert printed[7].startswith("Epoch 00008: val_loss ")
        losses = namespace["model"].history.history["val_loss"]
        assert len(losses) == 8  # those of the first part, too
        names = {path.name for path in Path("run/all").iterdir()}
        assert {f"0{epoch}-{loss:.3f}.hdf5" for epoch, loss in ((7, losses[6]), (8, losses[7]))} <= names
        assert len(names) <= 3

    def test_example_of_saving_and_loading_in_the_readme_runs(self, folder):
        namespace = self.run_readme(1)
        assert len(namespace["same"].history.epoch) == 3
        assert {path.name for path in folder.iterdir()} == {"model.h5", "weights.h5"}
