"""A training that is killed and resumed is one run at cthulhu-monitor, with the values of one that was not killed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

TRAINING = """
import os, signal, sys
import numpy as np, torch
from cthulhu.callbacks import LuKthuCallback, LumpCheckpoint, RemoteMonitor
from cthulhu.layers import Daoloth
from cthulhu.models import Pile

url, folder, name, kill = *sys.argv[1:4], int(sys.argv[4])
torch.manual_seed(0)
x = np.random.default_rng(1).normal(size=(96, 4)).astype("float32")
model = Pile([Daoloth(8, input_dim=4, activation="relu"), torch.nn.Dropout(0.3), Daoloth(1)])
model.conjure("sgd", "mse")

def killed(batch, logs):
    if model.optimizer.trained == kill:
        os.kill(os.getpid(), signal.SIGKILL)
    model.optimizer.trained += 1

model.optimizer.trained = 0
model.summon(
    x, x[:, :1], batch_size=16, epochs=4, verbose=0, validation_split=0.25,
    callbacks=[
        RemoteMonitor(url, every="batch", name=name, spool=f"{folder}/unsent.sqlite3"),
        LuKthuCallback(on_batch_end=killed),
        LumpCheckpoint(f"{folder}/{{epoch}}.h5", save_every=2),
    ],
    resume_from=folder if any(file.endswith(".h5") for file in os.listdir(folder)) else None,
)
"""


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "cthulhu_remote.server.command", "--port", "0"]
    command += ["--store", str(tmp_path / "store.sqlite3")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        yield found[0].rstrip("/")
        process.terminate()


def train(url: str, folder: Path, name: str, kill: int = -1) -> int:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", TRAINING, url, str(folder), name, str(kill)]
    return subprocess.run(command, timeout=120).returncode


def get(url: str, path: str):
    with urlopen(url + path) as answer:
        return json.load(answer)


# Five batches in an epoch: in the middle of the second one, between two checkpoints; and right after its first batch.
@pytest.mark.parametrize("kill", [7, pytest.param(5, marks=pytest.mark.slow)])
def test_killed_training_goes_on_as_the_same_run(monitor, tmp_path, kill):
    assert train(monitor, tmp_path / "whole", "whole") == 0
    assert train(monitor, tmp_path / "killed", "killed", kill) == -signal.SIGKILL
    assert train(monitor, tmp_path / "killed", "killed") == 0
    killed, whole = (get(monitor, f"/api/runs/{run['id']}") for run in get(monitor, "/api/runs")["runs"])
    assert (killed["run"]["name"], whole["run"]["name"]) == ("killed", "whole")
    assert (killed["run"]["state"], killed["run"]["part"], whole["run"]["part"]) == ("finished", 2, 1)
    for kind, count in (("epochs", 4), ("batches", 4 * 5)):
        told = [[(point["epoch"], point["batch"], point["values"]) for point in run[kind]] for run in (killed, whole)]
        assert len(told[0]) == count
        assert told[0] == told[1]
