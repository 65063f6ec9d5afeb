"""class_weight and sample_weight: the loss is the weighted sum divided by the number of samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core.training.sample_weights import ClassWeights

pytestmark = pytest.mark.usefixtures("no_plugins")

X = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
NUMBERS = np.array([0, 1, 2, 1, 1, 0, 2])
ONE_HOT = np.eye(3, dtype=np.float32)[NUMBERS]
CLASS = {0: 1.0, 1: 5.0, 2: 0.5}
BY_CLASS = np.array([CLASS[number] for number in NUMBERS])
BY_SAMPLE = np.array([0.0, 1.0, 2.0, 3.0, 0.5, 0.25, 1.0])


def softmax_model() -> Pile:
    torch.manual_seed(0)
    return Pile([Daoloth(3, input_dim=3, activation="softmax")])


def still(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.0)


def each_loss(model: Lump) -> np.ndarray:
    return -np.log(model.predict(X)[np.arange(7), NUMBERS])


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        ("sparse_categorical_crossentropy", NUMBERS),
        ("sparse_categorical_crossentropy", NUMBERS.reshape(7, 1)),
        ("categorical_crossentropy", ONE_HOT),
    ],
)
def test_classes_and_samples_multiply(loss: str, targets: np.ndarray) -> None:
    model = softmax_model()
    model.conjure(still, loss)
    losses = each_loss(model)
    for arguments, weights in (
        ({}, np.ones(7)),
        ({"class_weight": CLASS}, BY_CLASS),
        ({"sample_weight": BY_SAMPLE}, BY_SAMPLE),
        ({"class_weight": CLASS, "sample_weight": BY_SAMPLE}, BY_CLASS * BY_SAMPLE),
    ):
        # Uneven batches: the epoch's value is the sum over all samples divided by their number.
        history = model.summon(X, targets, batch_size=3, verbose=0, **arguments).history
        assert history["loss"] == [pytest.approx((weights * losses).sum() / 7, rel=1e-5)]


def test_class_weight_acts_on_training_alone() -> None:
    model = softmax_model()
    model.conjure(still, "sparse_categorical_crossentropy")
    history = model.summon(X, NUMBERS, verbose=0, class_weight=CLASS, validation_data=(X, NUMBERS)).history
    losses = each_loss(model)
    assert history["loss"] == [pytest.approx((BY_CLASS * losses).mean(), rel=1e-5)]
    assert history["val_loss"] == [pytest.approx(losses.mean(), rel=1e-5)]


def test_validation_has_sample_weights_of_its_own() -> None:
    model = softmax_model()
    model.conjure(still, "sparse_categorical_crossentropy")
    history = model.summon(X, NUMBERS, verbose=0, validation_data=(X, NUMBERS, BY_SAMPLE)).history
    assert history["val_loss"] == [pytest.approx((BY_SAMPLE * each_loss(model)).mean(), rel=1e-5)]


def test_split_takes_the_weights_of_its_rows() -> None:
    model = softmax_model()
    model.conjure(still, "sparse_categorical_crossentropy")
    history = model.summon(X, NUMBERS, verbose=0, validation_split=0.4, sample_weight=BY_SAMPLE).history
    losses = BY_SAMPLE * each_loss(model)
    assert history["loss"] == [pytest.approx(losses[:4].mean(), rel=1e-5)]
    assert history["val_loss"] == [pytest.approx(losses[4:].mean(), rel=1e-5)]


def test_batches_of_a_loader_are_weighted_too() -> None:
    model = softmax_model()
    model.conjure(still, "sparse_categorical_crossentropy")
    losses = each_loss(model)
    triples = TensorDataset(torch.tensor(X), torch.tensor(NUMBERS), torch.tensor(BY_SAMPLE))
    history = model.summon(DataLoader(triples, batch_size=3), class_weight=CLASS, verbose=0).history
    assert history["loss"] == [pytest.approx((BY_CLASS * BY_SAMPLE * losses).mean(), rel=1e-5)]


def test_weights_reach_losses_of_torch() -> None:
    torch.manual_seed(0)
    model = Lump(nn.Linear(3, 3))
    model.conjure(still, nn.CrossEntropyLoss())
    expected = nn.CrossEntropyLoss(reduction="none")(model(torch.tensor(X)), torch.tensor(NUMBERS)).detach().numpy()
    history = model.summon(X, NUMBERS, class_weight=CLASS, verbose=0).history
    assert history["loss"] == [pytest.approx((BY_CLASS * expected).mean(), rel=1e-5)]


def test_gradient_is_that_of_the_weighted_loss() -> None:
    torch.manual_seed(0)
    module = nn.Linear(3, 1)
    other = nn.Linear(3, 1)
    other.load_state_dict(module.state_dict())
    model = Lump(module)
    model.conjure("sgd", "mse")
    y = np.zeros((7, 1), np.float32)
    model.train_on_batch(X, y, sample_weight=BY_SAMPLE)
    ((other(torch.tensor(X)) ** 2)[:, 0] * torch.tensor(BY_SAMPLE, dtype=torch.float32)).sum().div(7).backward()
    torch.optim.SGD(other.parameters(), lr=0.01).step()
    assert torch.allclose(module.weight, other.weight, atol=1e-6)


def test_weights_of_large_targets_are_looked_up_in_pieces() -> None:
    targets = np.arange(200_000) % 3
    found = ClassWeights(CLASS).of(targets).numpy()
    assert found.shape == (200_000,)
    assert found.sum() == pytest.approx(66_667 * 1.0 + 66_667 * 5.0 + 66_666 * 0.5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({0: 1.0, 1: 2.0}, "class_weight has no weight for class 2: give a weight for every class"),
        ({0: 1.0, 1: math.nan, 2: 1.0}, r"class_weight\[1\] is nan: expected a finite number"),
        ({0: 1.0, 1: -1.0, 2: 1.0}, r"class_weight\[1\] is -1.0"),
        ({0: 1.0, "one": 1.0}, "class_weight has the class 'one'"),
        ([1.0, 2.0, 3.0], r"class_weight is \[1.0, 2.0, 3.0\]: expected a dict"),
        ({}, "class_weight is {}: expected a dict"),
    ],
)
def test_wrong_class_weights_are_refused_before_training(given: Any, message: str) -> None:
    model = softmax_model()
    model.conjure(still, "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=message):
        model.summon(X, NUMBERS, class_weight=given, verbose=0)
    assert model.history is None


def test_class_weight_needs_classes() -> None:
    model = Lump(nn.Linear(3, 1))
    model.conjure(still, "mse")
    with pytest.raises(ValueError, match="the targets hold float64 values that are not integers"):
        model.summon(X, np.full(7, 0.5), class_weight=CLASS, verbose=0)
    with pytest.raises(ValueError, match=r"got \(7, 2, 2\); use sample_weight"):
        model.summon(X, np.zeros((7, 2, 2)), class_weight=CLASS, verbose=0)


@pytest.mark.parametrize("weights", [np.ones(6), np.ones((7, 1)), 1.0])
def test_wrong_sample_weights_are_refused(weights: Any) -> None:
    model = softmax_model()
    model.conjure(still, "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="sample_weight has shape .*: expected one weight for each of 7 samples"):
        model.summon(X, NUMBERS, sample_weight=weights, verbose=0)
