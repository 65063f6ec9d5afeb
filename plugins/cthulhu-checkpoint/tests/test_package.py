"""The package: its entry points, what importing it imports, the examples in its README."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from cthulhu_core.registry import rows

import cthulhu_checkpoint
from cthulhu.callbacks import LumpCheckpoint

README = Path(__file__).parents[1] / "README.md"


def test_entry_points_offer_the_documented_name_and_the_services():
    assert LumpCheckpoint is cthulhu_checkpoint.LumpCheckpoint
    found = {row.record.name: row for row in rows() if row.record.distribution == "cthulhu-checkpoint"}
    assert {name: (row.record.kind, row.record.value, row.state) for name, row in found.items()} == {
        "LumpCheckpoint": ("callback", "cthulhu_checkpoint:LumpCheckpoint", "offered"),
        "checkpoint": ("plugin", "cthulhu_checkpoint.plugin", "on"),
    }


def test_import_brings_neither_torch_nor_numpy_nor_h5py():
    code = """
import sys, cthulhu_checkpoint, cthulhu_checkpoint.plugin
print(sorted({'h5py', 'torch', 'numpy'} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_takes_part_in_the_main_process_and_its_failures_end_training():
    assert (LumpCheckpoint.on_error, LumpCheckpoint.ranks) == ("raise", "main")


def run_example(number):
    """The names that an example of the README has defined."""
    examples = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 2
    namespace = {"__name__": "readme"}
    exec(compile(examples[number], str(README), "exec"), namespace)
    return namespace


def test_example_of_the_callback_in_the_readme_runs(folder, capsys):
    namespace = run_example(0)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 8
    assert printed[0].startswith("Epoch 00001: val_loss improved from inf to ")
    assert printed[7].startswith("Epoch 00008: val_loss ")
    losses = namespace["model"].history.history["val_loss"]
    assert len(losses) == 8  # those of the first part, too
    names = {path.name for path in Path("run/all").iterdir()}
    assert {f"0{epoch}-{loss:.3f}.hdf5" for epoch, loss in ((7, losses[6]), (8, losses[7]))} <= names
    assert len(names) <= 3


def test_example_of_saving_and_loading_in_the_readme_runs(folder):
    namespace = run_example(1)
    assert len(namespace["same"].history.epoch) == 3
    assert {path.name for path in folder.iterdir()} == {"model.h5", "weights.h5"}
