"""A process that is killed while it saves leaves the old file or the new one, whole."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Each round, a process saves again and again, and says what it has saved, until it is killed.
# It is forked from one that has imported everything.
KILLS = """
import itertools, os, random, signal, sys, time
import torch
from cthulhu_checkpoint import writer
from cthulhu_checkpoint.reader import load
from cthulhu_core import Checkpoint

path, kills = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(1)  # a forked process would wait for the OpenMP threads of its parent for ever
def checkpoint(n):
    layer = {"kernel": torch.full((300, 400), float(n)).t(), "bias": torch.full((100_000,), float(n))}
    return Checkpoint({"layer": layer}, {}, {"counter": n})

def save_for_ever(said):
    for n in itertools.count():
        writer.save(checkpoint(n), path)
        os.write(said, b"%d\\n" % n)

moment = random.Random(kills)
for _ in range(kills):
    heard, said = os.pipe()
    process = os.fork()
    if not process:
        save_for_ever(said)
    os.close(said)
    text = os.read(heard, 4096)
    time.sleep(moment.uniform(0, 0.1))
    os.kill(process, signal.SIGKILL)
    while more := os.read(heard, 4096):
        text += more
    os.close(heard)
    os.waitpid(process, 0)
    last = int(text.split()[-1])
    found = load(path)
    counter = found.state["counter"]
    assert counter in (last, last + 1), (counter, last)
    assert all((tensor == counter).all() for tensor in found.weights["layer"].values())
    print(counter - last, len(os.listdir(os.path.dirname(path))))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.parametrize("kills", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_save_leaves_a_whole_file(kills, tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", KILLS, str(tmp_path / "model.h5"), str(kills)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stderr) == (0, "")
    rounds = [line.split() for line in ended.stdout.splitlines()]
    assert len(rounds) == kills
    # Some were killed in the middle; what they left was removed by the next.
    assert {files for _, files in rounds} == {"1", "2"}
