"""``summon``: its arguments, its logs, and what it returns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import cthulhu
from cthulhu.callbacks import Callback, History
from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Pile
from regressions import Journal, Stops, X, Y, regression

pytestmark = pytest.mark.usefixtures("no_plugins")


def test_documented_loss_history_runs_as_printed() -> None:
    class LossHistory(cthulhu.callbacks.Callback):
        def on_train_begin(self, logs={}):  # type: ignore[no-untyped-def]
            self.losses = []

        def on_batch_end(self, batch, logs={}):  # type: ignore[no-untyped-def]
            self.losses.append(logs.get('loss'))  # fmt: skip

    random = np.random.default_rng(0)
    x_train, y_train = random.random((300, 784)), np.eye(10)[random.integers(0, 10, 300)]

    model = Pile()
    model.add(Daoloth(10, input_dim=784, kernel_initializer='uniform'))  # fmt: skip
    model.add(Azatoth('softmax'))  # fmt: skip
    model.conjure(loss='categorical_crossentropy', optimizer='rmsprop')  # fmt: skip

    history = LossHistory()
    model.summon(x_train, y_train, batch_size=128, epochs=20, verbose=0, callbacks=[history])

    assert len(history.losses) == 20 * 3
    assert {type(loss) for loss in history.losses} == {float}
    assert history.losses[0] == pytest.approx(np.log(10), rel=0.1)
    assert history.losses[-1] < history.losses[0]


def test_calls_and_logs_come_in_order() -> None:
    journal = Journal()
    model = regression(["mae"])
    model.summon(X, Y, batch_size=12, epochs=1, verbose=0, validation_data=(X, Y), callbacks=journal)
    assert journal.names == [
        "train begin", "epoch begin 0", "batch begin 0", "batch end 0", "batch begin 1", "batch end 1",
        "test begin", "test end", "epoch end 0", "train end",
    ]  # fmt: skip
    logs = {name: call[-1] for name, call in zip(journal.names, journal.calls, strict=True)}
    assert logs["train begin"] == logs["epoch begin 0"] == logs["test begin"] == {}
    assert logs["batch begin 1"] == {"batch": 1, "size": 8}
    assert list(logs["batch end 0"]) == ["batch", "size", "loss", "mae"]
    assert list(logs["test end"]) == ["loss", "mae"]
    epoch = logs["epoch end 0"]
    assert list(epoch) == ["loss", "mae", "val_loss", "val_mae"]
    assert {type(value) for value in epoch.values()} == {float}
    first, last = logs["batch end 0"], logs["batch end 1"]
    assert epoch["loss"] == pytest.approx((12 * first["loss"] + 8 * last["loss"]) / 20)
    assert epoch["mae"] == pytest.approx((12 * first["mae"] + 8 * last["mae"]) / 20)
    assert [epoch["val_loss"], epoch["val_mae"]] == pytest.approx(model.evaluate(X, Y, verbose=0))


def test_params_say_what_was_asked() -> None:
    journal = Journal()
    regression(["mae"]).summon(
        X, Y, batch_size=8, epochs=3, initial_epoch=1, verbose=0, validation_split=0.2, callbacks=journal
    )
    assert journal.params == {
        "batch_size": 8, "epochs": 3, "steps": 2, "samples": 16, "verbose": 0, "do_validation": True,
        "metrics": ["loss", "mae", "val_loss", "val_mae"],
    }  # fmt: skip


def test_history_is_returned_and_is_the_models() -> None:
    model = regression(["mae"])
    history = model.summon(X, Y, epochs=3, verbose=0)
    assert isinstance(history, History)
    assert model.history is history
    assert history.epoch == [0, 1, 2]
    assert {name: len(values) for name, values in history.history.items()} == {"loss": 3, "mae": 3}
    again = model.summon(X, Y, epochs=5, initial_epoch=3, verbose=0)
    assert (again.epoch, history.epoch) == ([3, 4], [0, 1, 2])


def test_callbacks_may_be_nested_or_one() -> None:
    journals = [Journal() for _ in range(3)]
    regression().summon(X, Y, verbose=0, callbacks=[journals[0], (journals[1], [journals[2]])])
    assert journals[0].names == journals[1].names == journals[2].names != []


@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_without_a_progress_package_nothing_is_printed_but_what_to_install(
    verbose: int, capsys: pytest.CaptureFixture[str]
) -> None:
    regression().summon(X, Y, verbose=verbose)
    printed = capsys.readouterr()
    # Once a process, and it may have been said before.
    assert [line for line in printed.out.splitlines() if not line.endswith("pip install cthulhu-progbar")] == []
    assert printed.err == ""


def test_epochs_is_the_index_at_which_training_ends() -> None:
    journal = Journal()
    regression().summon(X, Y, batch_size=20, epochs=4, initial_epoch=2, verbose=0, callbacks=journal)
    assert [name for name in journal.names if name.startswith("epoch begin")] == ["epoch begin 2", "epoch begin 3"]


def test_no_epoch_left_begins_and_ends_training_only() -> None:
    for arguments in ({"epochs": 0}, {"epochs": 3, "initial_epoch": 3}, {"epochs": 2, "initial_epoch": 5}):
        journal = Journal()
        history = regression().summon(X, Y, verbose=0, callbacks=journal, **arguments)
        assert journal.names == ["train begin", "train end"]
        assert (history.epoch, history.history) == ([], {})


def test_steps_cut_the_epoch_of_arrays_and_loaders() -> None:
    for x, y, size in ((X, Y, 4), (DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), 4), None, None)):
        stops = Stops("on_epoch_end", 99)
        regression().summon(x, y, batch_size=size, steps_per_epoch=3, epochs=2, verbose=0, callbacks=stops)
        assert stops.batches == 6


@pytest.mark.parametrize("hook", ["on_batch_end", "on_epoch_end"])
def test_evaluate_and_predict_in_a_callback_change_nothing_of_the_training(hook: str) -> None:
    class Looks(Callback):
        def __init__(self, active: bool) -> None:
            self.active = active
            setattr(self, hook, self.look)

        def look(self, index: int, logs: Any) -> None:
            if index == 1:
                self.model.stop_training = True
            if self.active:
                loss, mae = self.model.evaluate(X[:7], Y[:7], batch_size=3, verbose=0)
                assert self.model.predict(X[:7]).shape == (7, 1)
                assert self.model.test_on_batch(X[:7], Y[:7]) == [pytest.approx(loss), pytest.approx(mae)]
                assert self.model.stop_training == (index >= 1)

    def train(active: bool) -> tuple[dict[str, list[float]], list[int], list[np.ndarray]]:
        model = regression(["mae"])
        looks = Looks(active)
        history = model.summon(X, Y, batch_size=4, epochs=4, verbose=0, validation_data=(X, Y), callbacks=looks)
        return history.history, history.epoch, model.get_weights()

    history, epochs, weights = train(True)
    expected_history, expected_epochs, expected_weights = train(False)
    assert (history, epochs) == (expected_history, expected_epochs)
    assert all(np.array_equal(a, b) for a, b in zip(weights, expected_weights, strict=True))


def test_modes_of_modules_are_left_as_the_user_set_them() -> None:
    modes: list[tuple[bool, bool]] = []

    class Freezes(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            self.model.layers[1].eval()

        def on_batch_end(self, batch: int, logs: Any) -> None:
            self.model.evaluate(X, Y, verbose=0)
            modes.append((self.model.layers[0].training, self.model.layers[1].training))

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.model.predict(X)
            modes.append((self.model.layers[0].training, self.model.layers[1].training))

    model = Pile([nn.Linear(3, 4), nn.BatchNorm1d(4), Daoloth(1)])
    model.conjure("sgd", "mse")
    model.summon(X, Y, batch_size=10, verbose=0, validation_data=(X, Y), callbacks=Freezes())
    assert modes == [(True, False)] * 3
    assert model.layers[1].num_batches_tracked == 0


def test_nested_training_of_another_model() -> None:
    class Trains(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.other = regression()
            self.other.summon(X, Y, epochs=2, verbose=0)

    history = regression().summon(X, Y, epochs=2, verbose=0, callbacks=Trains())
    assert history.epoch == [0, 1]
