"""Folders ``.dcp``, as one process writes and reads them: whole or not at all, and refused where they are damaged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cthulhu.callbacks import LumpCheckpoint
from cthulhu.models import Lump
from cthulhu_core import CheckpointError


def small() -> Lump:
    torch.manual_seed(0)
    model = Lump(torch.nn.Linear(3, 2))
    model.conjure("adam", "mse")
    return model


DATA = np.ones((8, 3), dtype=np.float32), np.ones((8, 2), dtype=np.float32)


def test_one_process_writes_and_resumes_it(tmp_path: Path) -> None:
    expected = small().summon(*DATA, epochs=3, verbose=0).history["loss"]
    checkpoint = LumpCheckpoint(tmp_path / "m.dcp")
    small().summon(*DATA, epochs=2, verbose=0, callbacks=[checkpoint])
    model = small()
    assert model.summon(*DATA, epochs=3, verbose=0, callbacks=[checkpoint], resume_from=tmp_path).history["loss"] == (
        expected
    )


def damage_index(folder: Path) -> None:
    (folder / "checkpoint.json").write_text('{"folder": "../.."')


def remove_index(folder: Path) -> None:
    (folder / "checkpoint.json").unlink()


def leave_the_folder(folder: Path) -> None:
    index = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**index, "folder": "../elsewhere"}))


def come_from_the_future(folder: Path) -> None:
    index = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**index, "cthulhu_checkpoint": 99}))


def remove_tensors(folder: Path) -> None:
    next(folder.glob("*/whole.safetensors")).unlink()


def truncate_tensors(folder: Path) -> None:
    path = next(folder.glob("*/whole.safetensors"))
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_index, "checkpoint.json is damaged"),
        (remove_index, "it has no checkpoint.json"),
        (leave_the_folder, "checkpoint.json is damaged"),
        (come_from_the_future, "it has format 99"),
        (remove_tensors, "it is damaged: "),
        (truncate_tensors, "it is damaged: "),
    ],
)
def test_damaged_one_is_refused_with_its_name_and_the_reason(tmp_path: Path, damage: object, reason: str) -> None:
    small().save(tmp_path / "m.dcp")
    assert callable(damage)
    damage(tmp_path / "m.dcp")
    with pytest.raises(CheckpointError, match=reason) as raised:
        small().load_weights(tmp_path / "m.dcp")
    assert str(tmp_path / "m.dcp") in str(raised.value)


def test_newest_folder_that_is_whole_is_taken(tmp_path: Path) -> None:
    checkpoint = LumpCheckpoint(tmp_path / "{epoch}.dcp")
    small().summon(*DATA, epochs=2, verbose=0, callbacks=[checkpoint])
    truncate_tensors(tmp_path / "2.dcp")
    os.utime(tmp_path / "2.dcp")
    with pytest.warns(UserWarning, match=r"2\.dcp.*an older checkpoint is used.*1\.dcp"):
        history = small().summon(
            *DATA, epochs=3, verbose=0, callbacks=[LumpCheckpoint(tmp_path / "{epoch}.dcp")], resume_from="auto"
        )
    assert history.epoch == [0, 1, 2]


KILLED = """
import os, signal, sys
import torch
import cthulhu_checkpoint.distributed_format as parts
from cthulhu.models import Lump

torch.manual_seed(0)
model = Lump(torch.nn.Linear(3, 2))
model.conjure("adam", "mse")
model.save(sys.argv[1])
torch.nn.init.zeros_(model.module.weight)
parts.atomic_write = lambda path: os.kill(os.getpid(), signal.SIGKILL)  # the moment before it counts
model.save(sys.argv[1])
"""


def test_one_that_is_killed_leaves_the_last_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.dcp"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len([each for each in path.iterdir() if each.is_dir()]) == 2
    model = small()
    torch.nn.init.ones_(model.module.weight)
    model.load_weights(path)
    assert torch.equal(model.module.weight, small().module.weight)
    model.save(path)
    assert len([each for each in path.iterdir() if each.is_dir()]) == 1
