"""A training that was interrupted and resumed ends as one that was not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cthulhu.callbacks import EarlyStopping

SCRIPT = Path(__file__).with_name("training.py")


@pytest.fixture(scope="module")
def training():
    spec = importlib.util.spec_from_file_location("training_of_early_stopping", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch):
    monkeypatch.setenv("CTHULHU_DISABLE", "*")


@pytest.fixture(scope="module")
def whole(training):
    """How the training ends that nobody interrupts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTHULHU_DISABLE", "*")
        outcome = training.train()[1]
    assert outcome["stopped"]
    assert 3 < outcome["best_epoch"] == outcome["stopped_epoch"] - 4 < training.EPOCHS - 10
    return outcome


def test_training_goes_on_in_a_new_process_as_if_nothing_had_happened(training, whole, tmp_path):
    epochs = whole["best_epoch"] + 3  # the best epoch lies behind, and there is some patience left
    torch.save({"state": training.train(epochs)[0], "epochs": epochs}, tmp_path / "state.pt")
    resumed = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "state.pt")], capture_output=True, text=True, check=True
    )
    assert json.loads(resumed.stdout) == whole


def test_training_may_be_interrupted_after_any_epoch(training, whole):
    for epochs in range(whole["stopped_epoch"] + 1):
        assert training.train(state=training.train(epochs)[0], initial_epoch=epochs)[1] == whole, epochs


def test_training_that_was_over_is_over_when_it_is_resumed(training, whole):
    state = training.train()[0]
    assert training.train(state=state, initial_epoch=whole["stopped_epoch"] + 1)[1] == whole


def test_greater_patience_lets_a_stopped_training_go_on(train):
    first, second = EarlyStopping(patience=2), EarlyStopping(patience=4)
    values = [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    train(first, values)
    state = first.state_dict()
    run = train(second, values, initial_epoch=3, after=[Resume(second, state)])
    assert (state["stopped"], run.history.epoch, second.stopped_epoch) == (True, [3, 4], 4)


@pytest.mark.parametrize(("patience", "epochs"), [(2, []), (4, [3, 4])])
def test_stop_of_the_training_that_is_resumed_holds_unless_patience_is_greater(train, patience, epochs):
    class Stopped(EarlyStopping):
        def on_train_begin(self, logs):
            super().on_train_begin(logs)
            self.model.stop_training = True  # as a resumed run has it

    first, second = EarlyStopping(patience=2), Stopped(patience=patience)
    values = [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    train(first, values)
    run = train(second, values, initial_epoch=3, after=[Resume(second, first.state_dict())])
    assert run.history.epoch == epochs


class Resume(EarlyStopping):
    """Loads a state into another callback as soon as training has begun."""

    def __init__(self, callback, state):
        super().__init__(patience=float("inf"))
        self.callback, self.state = callback, state

    def on_train_begin(self, logs):
        super().on_train_begin(logs)
        self.callback.load_state_dict(self.state)


def test_state_is_plain_data_and_tensors(train):
    stop = EarlyStopping(patience=1, restore_best_weights=True)
    train(stop, [1.0, 2.0])
    state = stop.state_dict()
    weights = state.pop("best_weights")
    assert {type(weight) for weight in weights.values()} == {torch.Tensor}
    assert state == {
        "monitor": {"monitor": "val_loss", "best": 1.0, "direction": "min"},
        "wait": 1,
        "best_epoch": 0,
        "stopped": True,
        "stopped_epoch": 1,
    }


def test_loaded_weights_are_a_copy(train):
    first, second = EarlyStopping(restore_best_weights=True), EarlyStopping(restore_best_weights=True)
    train(first, [1.0])
    second.load_state_dict(first.state_dict())
    assert second.best_weights["weight"].data_ptr() != first.best_weights["weight"].data_ptr()
    assert torch.equal(second.best_weights["weight"], first.best_weights["weight"])


def test_state_of_another_quantity_is_refused():
    with pytest.raises(ValueError, match="the state is that of 'loss', but 'val_loss' is monitored"):
        EarlyStopping().load_state_dict(EarlyStopping("loss").state_dict())


def test_state_without_weights_is_taken_with_a_warning(train):
    first, second = EarlyStopping(), EarlyStopping(restore_best_weights=True)
    train(first, [3.0, 1.0])
    with pytest.warns(UserWarning, match="did not keep the weights of its best epoch, 00002"):
        second.load_state_dict(first.state_dict())
    assert (second.best, second.best_weights) == (1.0, None)
