"""What cannot be trained on is refused before training, with a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cthulhu.callbacks import Callback
from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile

pytestmark = pytest.mark.usefixtures("no_plugins")

X = np.ones((10, 3), np.float32)
Y = np.ones(10, np.float32)


@pytest.fixture
def model() -> Iterator[Lump]:
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    yield model
    assert model.history is None, "training had begun"


def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    while True:
        yield X, Y


def test_unknown_names_are_answered_with_close_ones() -> None:
    model = Lump(nn.Linear(3, 1))
    with pytest.raises(ValueError, match="no loss 'mean_square_error': did you mean 'mean_squared_error'"):
        model.conjure("sgd", "mean_square_error")
    with pytest.raises(ValueError, match="no metric 'acurracy': did you mean 'accuracy'"):
        model.conjure("sgd", "mse", ["acurracy"])
    with pytest.raises(ValueError, match="no optimizer 'adma': did you mean 'adam"):
        model.conjure("adma", "mse")
    with pytest.raises(ValueError, match="no loss 'xyz': known are binary_crossentropy, "):
        model.conjure("sgd", "xyz")


def test_summon_before_conjure() -> None:
    for train in (
        lambda model: model.summon(X, Y),
        lambda model: model.evaluate(X, Y),
        lambda model: model.train_on_batch(X, Y),
        lambda model: model.test_on_batch(X, Y),
        lambda model: model.metrics_names,
    ):
        with pytest.raises(RuntimeError, match=r"call model.conjure\(optimizer=..., loss=...\) first"):
            train(Lump(nn.Linear(3, 1)))


def test_no_loss() -> None:
    with pytest.raises(ValueError, match=r"conjure\(\) needs a loss: a name, e.g. loss='mse'"):
        Lump(nn.Linear(3, 1)).conjure("sgd")


def test_arrays_of_different_lengths(model: Lump) -> None:
    with pytest.raises(ValueError, match="different numbers of samples: x has 10, y has 9; row i of each"):
        model.summon(X, Y[:9])
    with pytest.raises(ValueError, match=r"x\[0\] has 10, x\[1\] has 9, y has 10"):
        model.summon([X, X[:9]], Y)
    with pytest.raises(ValueError, match="validation x has 10, validation y has 4"):
        model.summon(X, Y, validation_data=(X, Y[:4]))


def test_empty_data(model: Lump) -> None:
    with pytest.raises(ValueError, match="x has no samples: expected at least one row"):
        model.summon(X[:0], Y[:0])
    with pytest.raises(ValueError, match="the data is empty: expected at least one batch"):
        model.summon(DataLoader(TensorDataset(torch.ones(2, 3), torch.ones(2)), 4, drop_last=True))
    with pytest.raises(ValueError, match="x has no samples"):
        model.evaluate(X[:0], Y[:0])
    with pytest.raises(ValueError, match="x has no samples"):
        model.predict(X[:0])


def test_data_that_gives_nothing_to_learn_sizes_from() -> None:
    for data in (iter([]), (batch for batch in ())):
        model = Pile([Daoloth(1)])
        model.conjure("sgd", "mse")
        with pytest.raises(ValueError, match="the data yielded no batch: expected at least one"):
            model.summon(data, steps_per_epoch=2)


def test_no_data(model: Lump) -> None:
    with pytest.raises(ValueError, match="x is None: expected arrays, a Dataset, a DataLoader or an iterable"):
        model.summon()
    with pytest.raises(TypeError, match="x is a int: expected arrays"):
        model.summon(5)


def test_no_targets() -> None:
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    with pytest.raises(ValueError, match="there are no targets to compare the model's outputs with: pass y"):
        model.summon(X)
    with pytest.raises(ValueError, match="validation_data has no targets: expected"):
        model.summon(X, Y, validation_data=X)


def test_values_that_are_no_numbers(model: Lump) -> None:
    with pytest.raises(TypeError, match="y has values of type <U3: expected numbers; convert them"):
        model.summon(X, np.array(["cat"] * 10))
    with pytest.raises(TypeError, match="x has values of type object"):
        model.summon(pandas.DataFrame({"a": [1] * 10, "b": ["x"] * 10}), Y)
    with pytest.raises(ValueError, match="y is a single number: expected an array with one row for each sample"):
        model.summon(X, 3.0)


@pytest.mark.parametrize("share", [1.0, 1.5, -0.1, float("nan")])
def test_split_outside_of_zero_and_one(model: Lump, share: float) -> None:
    with pytest.raises(ValueError, match=f"validation_split is {share}: expected a share between 0 and 1, e.g. 0.2"):
        model.summon(X, Y, validation_split=share)


@pytest.mark.parametrize(
    ("share", "message"),
    [(0.01, "leaves 10 for training and 0 for validation"), (0.99, "leaves 0 for training and 10 for validation")],
)
def test_split_that_leaves_a_part_empty(model: Lump, share: float, message: str) -> None:
    if share == 0.01:
        # As Keras rounds: the part for training is rounded down, so that small shares leave one row.
        history = Lump(nn.Linear(3, 1))
        history.conjure("sgd", "mse")
        assert history.summon(X, Y, validation_split=share, verbose=0).params["samples"] == 9
        return
    with pytest.raises(ValueError, match=f"validation_split={share} of 10 samples {message}: both need at least one"):
        model.summon(X, Y, validation_split=share)


def test_split_of_what_cannot_be_cut(model: Lump) -> None:
    with pytest.raises(ValueError, match="cannot take rows from a generator: pass validation_data instead"):
        model.summon(batches(), steps_per_epoch=1, validation_split=0.2)


def test_steps_missing_for_a_generator(model: Lump) -> None:
    with pytest.raises(ValueError, match="the data is a generator of unknown length: pass steps_per_epoch"):
        model.summon(batches())
    with pytest.raises(ValueError, match="validation data is a generator of unknown length: pass validation_steps"):
        model.summon(X, Y, validation_data=batches())


@pytest.mark.parametrize("frequency", [0, -1, 1.5, True, "2", None])
def test_validation_frequency(model: Lump, frequency: Any) -> None:
    with pytest.raises(
        ValueError, match=f"validation_freq is {frequency!r}: expected an integer of at least 1, or a list"
    ):
        model.summon(X, Y, validation_data=(X, Y), validation_freq=frequency)


@pytest.mark.parametrize("name", ["batch_size", "epochs", "initial_epoch", "steps_per_epoch", "validation_steps"])
@pytest.mark.parametrize("value", [-1, 2.5, "3", True])
def test_counts(model: Lump, name: str, value: Any) -> None:
    least = 0 if "epoch" in name and not name.startswith("steps") else 1
    with pytest.raises(ValueError, match=f"{name} is {value!r}: expected an integer of at least {least}"):
        model.summon(X, Y, **{name: value})


def test_shuffle(model: Lump) -> None:
    with pytest.raises(ValueError, match="shuffle is 'batch': expected True or False"):
        model.summon(X, Y, shuffle="batch")  # type: ignore[arg-type]


def test_arguments_for_arrays_beside_batches(model: Lump) -> None:
    with pytest.raises(ValueError, match="y is given beside a list: its batches carry their own; leave it out"):
        model.summon([(X, Y)], Y)
    with pytest.raises(ValueError, match="sample_weight is given beside a list"):
        model.summon([(X, Y)], sample_weight=Y)
    with pytest.raises(
        ValueError, match="batch_size is given beside a list, which makes its own batches: leave it out"
    ):
        model.summon([(X, Y)], batch_size=4)
    with pytest.raises(ValueError, match="TensorDataset of 2.*neither y nor sample_weight beside it"):
        model.summon(TensorDataset(torch.ones(4, 3), torch.ones(4)), Y[:4])


def test_batches_of_too_many_parts() -> None:
    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    with pytest.raises(ValueError, match=r"the data yielded a tuple of 4: expected \(inputs, targets\)"):
        model.summon(iter([(X, Y, Y, Y)]), steps_per_epoch=1)


def test_callbacks_that_are_none_are_refused_before_training(model: Lump) -> None:
    with pytest.raises(TypeError, match=r"Journal is a class, not an instance: write Journal\(...\)"):
        model.summon(X, Y, callbacks=[type("Journal", (Callback,), {})])
    with pytest.raises(TypeError, match="no installed package offers a callback 'csv'"):
        model.summon(X, Y, callbacks="csv")


def test_wrong_models() -> None:
    with pytest.raises(TypeError, match="Lump wraps a torch.nn.Module: got <function"):
        Lump(lambda x: x)  # type: ignore[arg-type]
    with pytest.raises(
        NotImplementedError, match=r"Net has no forward: write one, or wrap a module with Lump\(module\)"
    ):
        type("Net", (Lump,), {})()(torch.ones(1))


def test_inputs_of_the_wrong_size_are_torchs_own_error() -> None:
    model = Pile([Daoloth(1, input_dim=4)])
    model.conjure("sgd", "mse")
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        model.summon(X, Y, verbose=0)
