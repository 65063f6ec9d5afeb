"""``summon``: its arguments, what it logs and returns, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import cthulhu
from cthulhu.callbacks import Callback, History
from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Lump, Pile

pytestmark = pytest.mark.usefixtures("no_plugins")

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=20).astype(np.float32)


def regression(metrics: Any = None) -> Lump:
    torch.manual_seed(0)
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse", metrics)
    return model


class Journal(Callback):
    """Writes down every call, with what was logged."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_train_begin(self, logs: Any) -> None:
        self.calls.append(("train begin", dict(logs)))

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.calls.append(("epoch begin", epoch, dict(logs)))

    def on_batch_begin(self, batch: int, logs: Any) -> None:
        self.calls.append(("batch begin", batch, dict(logs)))

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.calls.append(("batch end", batch, dict(logs)))

    def on_test_begin(self, logs: Any) -> None:
        self.calls.append(("test begin", dict(logs)))

    def on_test_end(self, logs: Any) -> None:
        self.calls.append(("test end", dict(logs)))

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.calls.append(("epoch end", epoch, dict(logs)))

    def on_train_end(self, logs: Any) -> None:
        self.calls.append(("train end", dict(logs)))

    @property
    def names(self) -> list[str]:
        return [" ".join(map(str, call[:-1])) for call in self.calls]


class Stops(Callback):
    """Asks for the end in one hook, at one index."""

    def __init__(self, hook: str, at: int) -> None:
        self.at = at
        setattr(self, hook, self.stop)
        self.epochs: list[int] = []
        self.batches = 0

    def stop(self, index: int, logs: Any) -> None:
        if index == self.at:
            self.model.stop_training = True

    def on_gradients(self, batch: int) -> None:
        self.batches += 1


# --- the documentation ------------------------------------------------------------------------------------------------


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


# --- logs -------------------------------------------------------------------------------------------------------------


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


# --- epochs -----------------------------------------------------------------------------------------------------------


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


# --- validation -------------------------------------------------------------------------------------------------------


def test_split_takes_the_last_rows_before_shuffling() -> None:
    model = regression()
    history = model.summon(X, Y, batch_size=20, validation_split=0.25, verbose=0)
    assert history.history["val_loss"] == [pytest.approx(model.evaluate(X[15:], Y[15:], verbose=0), rel=1e-6)]
    other = regression()
    other.summon(X[:15], Y[:15], batch_size=20, verbose=0)
    assert np.allclose(other.get_weights()[0], model.get_weights()[0], atol=1e-7)


def test_split_of_lists_and_dicts_of_arrays() -> None:
    class Sum(Lump):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 1)

        def forward(self, a: Any, b: Any) -> Any:
            return self.linear(a + b)

    model = Sum()
    model.conjure("sgd", "mse")
    for x in ([X, X], {"a": X, "b": X}):
        model.summon(x, Y, validation_split=0.5, verbose=0)
        tail = [X[10:], X[10:]]
        assert model.history is not None
        assert model.history.history["val_loss"] == [pytest.approx(model.evaluate(tail, Y[10:], verbose=0), rel=1e-6)]


def test_given_validation_data_win_over_the_split() -> None:
    model = regression()
    history = model.summon(X, Y, validation_split=0.5, validation_data=(X[:3], Y[:3]), verbose=0)
    assert history.params["samples"] == 20
    assert history.history["val_loss"] == [pytest.approx(model.evaluate(X[:3], Y[:3], verbose=0), rel=1e-6)]


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        [X, Y],
        (X.tolist(), Y.tolist()),
        (X, Y, np.ones(20)),
        TensorDataset(torch.tensor(X), torch.tensor(Y)),
        DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), 7),
        [(X[:11], Y[:11]), (X[11:], Y[11:])],
        [[X[:11], Y[:11]], [X[11:], Y[11:]]],
    ],
    ids=["tuple", "list", "lists", "weights", "TensorDataset", "loader", "batches", "batches as lists"],
)
def test_validation_data_of_every_kind(data: Any) -> None:
    model = regression()
    history = model.summon(X, Y, validation_data=data, verbose=0)
    assert history.history["val_loss"] == [pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)]


def test_validation_steps_cut_the_validation() -> None:
    model = regression()
    history = model.summon(X, Y, batch_size=4, validation_data=(X, Y), validation_steps=2, verbose=0)
    assert history.history["val_loss"] == [pytest.approx(model.evaluate(X[:8], Y[:8], verbose=0), rel=1e-6)]


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [(1, [0, 1, 2, 3, 4, 5]), (2, [1, 3, 5]), (4, [3]), (np.int64(3), [2, 5]), ([1, 4], [0, 3]), ({6}, [5]),
     (range(2, 4), [1, 2]), (np.array([2, 6]), [1, 5]), ([], [])],
)  # fmt: skip
def test_validation_frequency_counts_epochs_or_names_them(frequency: Any, expected: list[int]) -> None:
    journal = Journal()
    history = regression().summon(
        X, Y, batch_size=20, epochs=6, verbose=0, validation_data=(X, Y), validation_freq=frequency, callbacks=journal
    )
    ends = {call[1]: call[2] for call in journal.calls if call[0] == "epoch end"}
    assert [epoch for epoch, logs in ends.items() if "val_loss" in logs] == expected
    if expected:
        assert history.epochs_of("val_loss") == expected


def test_frequency_counts_from_the_first_epoch_of_all_not_of_this_call() -> None:
    history = regression().summon(X, Y, epochs=6, initial_epoch=3, verbose=0, validation_data=(X, Y), validation_freq=3)
    assert history.epochs_of("val_loss") == [5]


@pytest.mark.parametrize("y", [np.repeat([0, 1, 2], [8, 8, 4]), np.eye(3)[np.repeat([0, 1, 2], [8, 8, 4])]])
def test_split_warns_of_classes_that_training_would_never_see(y: np.ndarray) -> None:
    model = Pile([Daoloth(3, input_dim=3, activation="softmax")])
    model.conjure("sgd", "categorical_crossentropy" if y.ndim == 2 else "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="classes that the rows for training lack: 2; shuffle the data before"):
        model.summon(X, y, validation_split=0.2, verbose=0)


def test_split_of_numbers_that_are_no_classes_warns_of_nothing() -> None:
    # Warnings are errors in these tests.
    y = np.zeros((20, 2))
    y[:16, 0], y[16:, 1] = 0.7, 1.2
    model = Pile([Daoloth(2, input_dim=3)])
    model.conjure("sgd", "mse")
    model.summon(X, y, validation_split=0.2, verbose=0)
    regression().summon(X, np.arange(20.0), validation_split=0.2, verbose=0)


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_stop_in_a_batch_ends_batch_and_epoch_and_keeps_its_validation() -> None:
    stops, journal = Stops("on_batch_end", 1), Journal()
    model = regression()
    history = model.summon(X, Y, batch_size=4, epochs=9, verbose=0, validation_data=(X, Y), callbacks=[stops, journal])
    assert stops.batches == 2
    assert (history.epoch, list(history.history)) == ([0], ["loss", "val_loss"])
    assert journal.names[-4:] == ["test begin", "test end", "epoch end 0", "train end"]
    assert model.stop_training


@pytest.mark.parametrize(
    ("hook", "epochs", "batches"), [("on_epoch_begin", [0, 1, 2], 11), ("on_epoch_end", [0, 1, 2], 15)]
)
def test_stop_at_an_epoch_ends_training_with_it(hook: str, epochs: list[int], batches: int) -> None:
    stops = Stops(hook, 2)
    history = regression().summon(X, Y, batch_size=4, epochs=9, verbose=0, callbacks=stops)
    assert (history.epoch, stops.batches) == (epochs, batches)


def test_stop_asked_in_the_last_batch_survives_validation() -> None:
    stops = Stops("on_batch_end", 4)
    history = regression().summon(X, Y, batch_size=4, epochs=9, verbose=0, validation_data=(X, Y), callbacks=[stops])
    assert (history.epoch, stops.batches) == ([0], 5)


def test_stop_of_the_last_training_does_not_stop_the_next() -> None:
    model = regression()
    model.summon(X, Y, epochs=5, verbose=0, callbacks=Stops("on_epoch_end", 0))
    assert model.summon(X, Y, epochs=3, verbose=0).epoch == [0, 1, 2]


# --- inside callbacks -------------------------------------------------------------------------------------------------


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


# --- interrupts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", ["on_batch_end", "on_epoch_begin", "on_gradients"])
def test_interrupt_in_a_callback_keeps_the_epochs_done(hook: str) -> None:
    class Interrupts(Callback):
        epochs = 0

        def __init__(self) -> None:
            setattr(self, hook, self.interrupt)
            self.ended: list[str] = []

        def interrupt(self, *arguments: Any) -> None:
            if self.run.epoch == 2:
                raise KeyboardInterrupt

        def on_exception(self, error: BaseException) -> None:
            self.ended.append(type(error).__name__)

        def on_train_end(self, logs: Any) -> None:
            self.ended.append("train end")

        def on_teardown(self) -> None:
            self.ended.append("teardown")

    model, interrupts = regression(), Interrupts()
    if hook == "on_gradients":
        interrupts.on_gradients = lambda batch: interrupts.interrupt()  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        model.summon(X, Y, epochs=9, verbose=0, callbacks=interrupts)
    assert model.history is not None
    assert model.history.epoch == [0, 1]
    assert len(model.history.history["loss"]) == 2
    assert interrupts.ended == ["KeyboardInterrupt", "train end", "teardown"]
    assert model.summon(X, Y, verbose=0).epoch == [0]


INTERRUPTED = """
    import signal
    import numpy as np
    from torch import nn
    from cthulhu.callbacks import Callback
    from cthulhu.models import Lump

    # What runs in the background is born deaf to it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    class Says(Callback):
        def on_epoch_end(self, epoch, logs):
            print("epoch", epoch, flush=True)

        def on_train_end(self, logs):
            print("train end", flush=True)

    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    try:
        model.summon(np.ones((2000, 3)), np.ones(2000), batch_size=2, epochs=10**9, verbose=0, callbacks=Says())
    except KeyboardInterrupt:
        print("interrupted", model.history.epoch == list(range(len(model.history.history["loss"]))), flush=True)
"""


def test_control_c_ends_training_with_its_books_in_order() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "CTHULHU_DISABLE": "*"},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line == "epoch 1\n":
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=60)
    assert out.splitlines()[-2:] == ["train end", "interrupted True"]
    assert process.returncode == 0
