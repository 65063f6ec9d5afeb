"""A training that was interrupted and resumed ends as one that was not."""

from __future__ import annotations

import copy

import pytest
import torch

from cthulhu.callbacks import Callback, EarlyStopping

# The best epoch is 3; with a patience of 4, training stops in epoch 8, because epoch 5 has no value.
VALUES = [5.0, 4.0, 6.0, 3.0, 3.5, None, 3.2, 3.1, 3.3, 2.0]
STOPPED = 8


class Save(Callback):
    """Copies the states of the model and of a callback after so many epochs."""

    def __init__(self, stop, epochs):
        self.stop, self.epochs, self.states = stop, epochs, None

    def on_epoch_end(self, epoch, logs):
        if epoch + 1 == self.epochs:
            self.states = copy.deepcopy((self.model.state_dict(), self.stop.state_dict()))


class Resume(Callback):
    """Loads a state into a callback as soon as training has begun."""

    def __init__(self, callback, state):
        self.callback, self.state = callback, state

    def on_train_begin(self, logs):
        self.callback.load_state_dict(self.state)


def outcome(stop, model):
    counters = (stop.best, stop.best_epoch, stop.wait, stop.stopped, stop.stopped_epoch)
    return *counters, stop.best_weights["weight"].tolist(), model.epochs


@pytest.mark.parametrize("epochs", range(1, STOPPED + 2))
def test_training_resumed_after_any_epoch_ends_as_if_nothing_had_happened(train, model, epochs):
    whole, resumed = (EarlyStopping(patience=4, restore_best_weights=True) for _ in range(2))
    save = Save(whole, epochs)
    train(whole, VALUES, after=[save])
    expected = outcome(whole, model)
    assert expected == (3.0, 3, 4, True, STOPPED, [4.0, 4.0], (4.0, 4))
    weights, state = save.states
    model.load_state_dict(weights)
    train(resumed, VALUES, initial_epoch=epochs, after=[Resume(resumed, state)])
    assert outcome(resumed, model) == expected


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
