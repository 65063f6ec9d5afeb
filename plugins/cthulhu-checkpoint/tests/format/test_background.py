"""Saving in the background: a copy, in order, and to the end."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_checkpoint import writer
from cthulhu_checkpoint.plugin import cthulhu_save_model
from cthulhu_checkpoint.reader import load
from cthulhu_core import Checkpoint


def counting(n: int, size: int = 1000) -> Checkpoint:
    return Checkpoint({"layer": {"weight": torch.full((size,), float(n))}}, {})


def test_what_is_saved_is_the_model_at_the_call(tmp_path):
    model = Pile([Daoloth(300, input_dim=3000)])
    before = [each.copy() for each in model.get_weights()]
    saved = cthulhu_save_model(None, model, tmp_path / "w.h5", weights_only=True, background=True)
    with torch.no_grad():
        model.layers[0].weight.zero_()
    saved.result()
    model.load_weights(tmp_path / "w.h5")
    assert all((left == right).all() for left, right in zip(model.get_weights(), before, strict=True))


def test_saves_keep_their_order(tmp_path):
    path = tmp_path / "w.h5"
    futures = [writer.save_later(counting(n, 200_000 if n % 2 else 10), path) for n in range(20)]
    assert [future.result() for future in futures] == [None] * 20
    assert float(load(path).weights["layer"]["weight"][0]) == 19


def test_save_at_once_comes_after_those_in_the_background(tmp_path):
    path = tmp_path / "w.h5"
    for n in range(5):
        writer.save_later(counting(n, 500_000), path)
    writer.save(counting(5), path)
    assert float(load(path).weights["layer"]["weight"][0]) == 5


def test_threads_that_save_one_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "w.h5"

    def save(n: int) -> None:
        for _ in range(10):
            writer.save(counting(n, 100_000), path)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(save, range(4))) == [None] * 4
    weight = load(path).weights["layer"]["weight"]
    assert (weight == weight[0]).all()


def test_interpreter_does_not_exit_before_the_last_save(tmp_path):
    code = f"""
import torch
from cthulhu_checkpoint import writer
from cthulhu_core import Checkpoint

for n in range(10):
    weights = {{"layer": {{"weight": torch.full((1_000_000,), float(n))}}}}
    writer.save_later(Checkpoint(weights, {{}}), {str(tmp_path / "w.h5")!r})
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert float(load(tmp_path / "w.h5").weights["layer"]["weight"][0]) == 9


def test_exit_handler_can_save(tmp_path):
    code = f"""
import atexit
import torch
from cthulhu_checkpoint import writer
from cthulhu_core import Checkpoint

checkpoint = Checkpoint({{"layer": {{"weight": torch.ones(1_000_000)}}}}, {{}})
writer.save_later(checkpoint, {str(tmp_path / "early.h5")!r})
atexit.register(writer.save, checkpoint, {str(tmp_path / "late.h5")!r})
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [load(tmp_path / name).weights["layer"]["weight"].sum() for name in ("early.h5", "late.h5")] == [1e6, 1e6]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_forked_process_saves_too(tmp_path):
    code = f"""
import os, sys
import torch
from cthulhu_checkpoint import writer
from cthulhu_core import Checkpoint

def save(n):
    writer.save_later(Checkpoint({{"layer": {{"weight": torch.tensor([n])}}}}, {{}}), {str(tmp_path)!r} + f"/{{n}}.h5")

writer.save_later(Checkpoint({{}}, {{}}), {str(tmp_path / "0.h5")!r}).result()
child = os.fork()
if not child:
    save(1)
    writer.save(Checkpoint({{}}, {{}}), {str(tmp_path / "2.h5")!r})
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.h5", "1.h5", "2.h5"]
