"""A script that nobody edits, with callbacks of several packages attached to it by a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu import callbacks
from cthulhu_core import ConfigError, Run
from cthulhu_core.installed.annotations import hints
from cthulhu_core.installed.config import read
from cthulhu_core.installed.registry import OFFICIAL

SCRIPT = """
import numpy as np
from cthulhu.layers import Daoloth
from cthulhu.models import Pile

x = np.random.default_rng(0).normal(size=(64, 4))
model = Pile([Daoloth(1, input_dim=4)])
model.conjure("sgd", "mse", metrics=["mae"])
history = model.summon(x, x.sum(1, keepdims=True), epochs=3, verbose=0, validation_split=0.25)
model.evaluate(x, x.sum(1, keepdims=True), verbose=0)
print([type(callback).__name__ for callback in history.run.callbacks])
"""

CONFIG = """
[run]
manifest = "manifest.json"

[callbacks.CSVLogger]
filename = "log.csv"
separator = ";"

[callbacks.LumpCheckpoint]
filepath = "checkpoints/{epoch}.h5"
keep = 1

[callbacks.RemoteMonitor]
root = "http://me:p4ss@127.0.0.1:9"
timeout = [0.1, 0.1]
flush_timeout = 0.2
[callbacks.RemoteMonitor.headers]
Authorization = "Bearer t0k3n"

[callbacks.ReduceLROnPlateau]
factor = 0
patience = 1

[callbacks.TensorBoard]
log_dir = "logs"
update_freq = 16

[[callbacks.EarlyStopping]]
patience = 2
[[callbacks.EarlyStopping]]
monitor = "loss"
patience = 5

[callbacks.TerminateOnNaN]
"""


def test_callbacks_of_six_packages_are_attached_to_a_script(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env={**os.environ, "CTHULHU_CONFIG": "run.toml"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str([
        "BaseLogger", "CSVLogger", "LumpCheckpoint", "RemoteMonitor", "ReduceLROnPlateau", "TensorBoard",
        "EarlyStopping", "EarlyStopping", "TerminateOnNaN", "History",
    ])  # fmt: skip
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch;loss;mae;val_loss;val_mae"
    assert [line[0] for line in lines[1:]] == ["0", "1", "2"]
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["3.h5"]
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["train", "validation"]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    told = {each["name"]: each["arguments"] for each in manifest["participants"] if each["name"] in OFFICIAL}
    assert told["RemoteMonitor"] == {
        "root": "http://127.0.0.1:9",
        "timeout": [0.1, 0.1],
        "flush_timeout": 0.2,
        "headers": "(secret)",
    }
    assert told["CSVLogger"] == {"filename": "log.csv", "separator": ";"}
    assert {"cthulhu-csv", "cthulhu-checkpoint", "torch", "python"} <= set(manifest["packages"])
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "run.toml":
            assert b"t0k3n" not in path.read_bytes(), path
            assert b"p4ss" not in path.read_bytes(), path


@pytest.mark.parametrize("name", OFFICIAL)
def test_types_of_all_documented_arguments_are_known(name: str) -> None:
    unknown = {argument for argument, annotation in hints(getattr(callbacks, name)).items() if annotation is Any}
    # Any array may be embedded.
    assert unknown <= {"embeddings_data"}


def test_functions_cannot_be_configured_and_the_error_says_so(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("[callbacks.LearningRateScheduler]\nschedule = 'lambda epoch: 0.1'")
    with pytest.raises(ConfigError) as raised:
        read(config)
    assert str(raised.value) == (
        f"{config} [callbacks.LearningRateScheduler]: schedule is 'lambda epoch: 0.1': expected a Callable, which only "
        "Python can make: pass it in the script"
    )


def test_progress_bar_that_is_attached_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run.toml").write_text("[callbacks.ProgbarLogger]\ncount_mode = 'steps'")
    monkeypatch.setenv("CTHULHU_CONFIG", str(tmp_path / "run.toml"))
    model: Any = SimpleNamespace()
    names = [type(callback).__name__ for callback in Run(model, verbose=1).callbacks]
    assert names == ["BaseLogger", "ProgbarLogger", "History"]
