"""Validation in ``summon``: splits, data, steps and frequency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from regressions import Journal, X, Y, regression

pytestmark = pytest.mark.usefixtures("no_plugins")


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
