"""A training that was interrupted and resumed ends as one that was not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cthulhu.callbacks import ReduceLROnPlateau

SCRIPT = Path(__file__).with_name("training.py")


@pytest.fixture(scope="module")
def training():
    spec = importlib.util.spec_from_file_location("training_of_reduce_lr", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True, scope="module")
def _no_plugins():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTHULHU_DISABLE", "*")
        yield


@pytest.fixture(scope="module")
def whole(training):
    """How the training ends that nobody interrupts."""
    outcome = training.train()[1]
    assert outcome["lr"][0] < 0.2 / 4
    return outcome


def test_training_goes_on_in_a_new_process_as_if_nothing_had_happened(training, whole, tmp_path):
    epochs = 9
    state = training.train(epochs)[0]
    assert state["reduce_lr"]["cooldown_counter"] or state["reduce_lr"]["wait"]
    torch.save({"state": state, "epochs": epochs}, tmp_path / "state.pt")
    resumed = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "state.pt")], capture_output=True, text=True, check=True
    )
    assert json.loads(resumed.stdout) == whole


def test_training_may_be_interrupted_after_any_epoch(training, whole):
    for epochs in range(training.EPOCHS - 2):
        assert training.train(state=training.train(epochs)[0], initial_epoch=epochs)[1] == whole, epochs


def test_state_is_plain_data(train):
    reduce_lr = ReduceLROnPlateau(patience=1, cooldown=3)
    train(reduce_lr, [2.0, 1.0, 1.0])
    assert reduce_lr.state_dict() == {
        "monitor": {"monitor": "val_loss", "best": 1.0, "direction": "min"},
        "wait": 0,
        "cooldown_counter": 3,
    }


def test_state_of_another_quantity_is_refused():
    with pytest.raises(ValueError, match="the state is that of 'loss', but 'val_loss' is monitored"):
        ReduceLROnPlateau().load_state_dict(ReduceLROnPlateau("loss").state_dict())
