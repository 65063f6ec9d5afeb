"""Losses are what their definitions say, by name and as PyTorch's own objects, with weights and without."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, nn
from torch.nn import functional

from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core.training.losses import LOSSES, loss

Formula = Callable[[np.ndarray, np.ndarray], np.ndarray]

EPS = 1e-7


def signs(t: np.ndarray) -> np.ndarray:
    return 2 * t - 1 if np.isin(t, (0, 1)).all() else t


def unit(a: np.ndarray) -> np.ndarray:
    return a / np.sqrt((a**2).sum(-1, keepdims=True))


def clipped(p: np.ndarray) -> np.ndarray:
    return np.clip(p, EPS, 1 - EPS)


def huber(o: np.ndarray, t: np.ndarray) -> np.ndarray:
    error = np.abs(o - t)
    return np.where(error <= 1, 0.5 * error**2, error - 0.5).mean(-1)


# From (output, target) of shape (N, C) in float64 to the loss of each sample, as Keras defines it.
DEFINITIONS: dict[tuple[str, ...], Formula] = {
    ("mean_squared_error", "mse"): lambda o, t: ((o - t) ** 2).mean(-1),
    ("mean_absolute_error", "mae"): lambda o, t: np.abs(o - t).mean(-1),
    ("mean_absolute_percentage_error", "mape"): lambda o, t: (
        100 * np.abs((t - o) / np.maximum(np.abs(t), EPS)).mean(-1)
    ),
    ("mean_squared_logarithmic_error", "msle"): lambda o, t: (
        (np.log(np.maximum(o, EPS) + 1) - np.log(np.maximum(t, EPS) + 1)) ** 2
    ).mean(-1),
    ("hinge",): lambda o, t: np.maximum(1 - signs(t) * o, 0).mean(-1),
    ("squared_hinge",): lambda o, t: (np.maximum(1 - signs(t) * o, 0) ** 2).mean(-1),
    ("categorical_hinge",): lambda o, t: np.maximum(((1 - t) * o).max(-1) - (t * o).sum(-1) + 1, 0),
    ("logcosh",): lambda o, t: np.log(np.cosh(o - t)).mean(-1),
    ("huber", "huber_loss"): huber,
    ("kullback_leibler_divergence", "kld"): lambda o, t: (
        np.clip(t, EPS, 1) * np.log(np.clip(t, EPS, 1) / np.clip(o, EPS, 1))
    ).sum(-1),
    ("poisson",): lambda o, t: (o - t * np.log(o + EPS)).mean(-1),
    ("cosine_proximity", "cosine_similarity"): lambda o, t: -(unit(o) * unit(t)).sum(-1),
    ("categorical_crossentropy",): lambda o, t: -(t * np.log(clipped(o / o.sum(-1, keepdims=True)))).sum(-1),
    ("binary_crossentropy",): lambda o, t: -(t * np.log(clipped(o)) + (1 - t) * np.log(1 - clipped(o))).mean(-1),
}
CASES = [pytest.param(name, formula, id=name) for names, formula in DEFINITIONS.items() for name in names]

POSITIVE = ("poisson", "categorical_crossentropy", "binary_crossentropy", "kld", "kullback_leibler_divergence")
ONE_HOT = ("categorical_hinge", "categorical_crossentropy", "hinge", "squared_hinge", "binary_crossentropy")

rows = st.tuples(st.integers(1, 5), st.integers(2, 4))


def draw(data: st.DataObject, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Outputs and targets from where the loss is defined."""
    shape = data.draw(rows)
    low = 1 / 64 if name in POSITIVE else -4.0
    high = 63 / 64 if name in POSITIVE else 4.0
    output = data.draw(arrays.arrays(np.float32, shape, elements=st.floats(low, high, width=16)))
    if name in ONE_HOT:
        target = np.eye(shape[1], dtype=np.float32)[
            data.draw(arrays.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))
        ]
    else:
        target = data.draw(arrays.arrays(np.float32, shape, elements=st.floats(0.0625, 4.0, width=16)))
    if "cosine" in name:
        output[:, 0] += 8.0  # no zero vectors, which have no direction
    return output, target


def test_every_name_has_a_definition_here() -> None:
    assert {name for names in DEFINITIONS for name in names} | {"sparse_categorical_crossentropy"} == set(LOSSES)


@pytest.mark.parametrize(("name", "formula"), CASES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_named_loss_is_the_mean_of_its_definition(name: str, formula: Formula, data: st.DataObject) -> None:
    output, target = draw(data, name)
    expected = formula(output.astype(np.float64), target.astype(np.float64))
    found = loss(name)(torch.tensor(output), torch.tensor(target))
    assert found.ndim == 0
    assert found.item() == pytest.approx(expected.mean(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("name", "formula"), CASES)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_weighted_loss_is_the_weighted_sum_divided_by_the_number_of_samples(
    name: str, formula: Formula, data: st.DataObject
) -> None:
    output, target = draw(data, name)
    weights = data.draw(arrays.arrays(np.float32, len(output), elements=st.floats(0, 8, width=16)))
    expected = (weights * formula(output.astype(np.float64), target.astype(np.float64))).sum() / len(output)
    found = loss(name)(torch.tensor(output), torch.tensor(target), torch.tensor(weights))
    assert found.item() == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_hinge_takes_zeros_and_ones_as_minus_one_and_one() -> None:
    output = torch.tensor([[0.6], [-0.7], [-0.5]])
    for target in ([[-1.0], [1.0], [1.0]], [[0.0], [1.0], [1.0]]):
        assert loss("hinge")(output, torch.tensor(target)).item() == pytest.approx((1.6 + 1.7 + 1.5) / 3)
        squares = loss("squared_hinge")(output, torch.tensor(target)).item()
        assert squares == pytest.approx((1.6**2 + 1.7**2 + 1.5**2) / 3)


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_sparse_crossentropy_takes_class_numbers_with_or_without_a_last_dimension(shape: tuple[int, ...]) -> None:
    output = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    expected = -np.log([0.7, 0.8, 0.3])
    for dtype in (torch.int64, torch.int32, torch.uint8, torch.float32):
        target = torch.tensor([0, 1, 0], dtype=dtype).reshape(shape)
        found = loss("sparse_categorical_crossentropy")
        assert found(output, target).item() == pytest.approx(expected.mean(), rel=1e-5)
        weights = torch.tensor([2.0, 0.0, 1.0])
        assert found(output, target, weights).item() == pytest.approx((2 * expected[0] + expected[2]) / 3, rel=1e-5)


def test_sequences_of_classes_have_their_classes_last() -> None:
    logits = torch.randn(2, 5, 3)
    numbers = torch.randint(0, 3, (2, 5))
    one_hot = functional.one_hot(numbers, 3).float()
    expected = functional.cross_entropy(logits.reshape(10, 3), numbers.reshape(10)).item()
    for output in (Azatoth("softmax")(logits), logits.softmax(-1)):
        assert loss("categorical_crossentropy")(output, one_hot).item() == pytest.approx(expected, rel=1e-5)
        assert loss("sparse_categorical_crossentropy")(output, numbers).item() == pytest.approx(expected, rel=1e-5)
        weighted = loss("sparse_categorical_crossentropy")(output, numbers, torch.tensor([0.0, 2.0]))
        second = functional.cross_entropy(logits[1], numbers[1]).item()
        assert weighted.item() == pytest.approx(second, rel=1e-5)


# --- from logits ------------------------------------------------------------------------------------------------------

LOGITS = np.array([[1000.0, 0.0, -1000.0], [-1000.0, 1000.0, 0.0]])


def ending_in(kind: str, how: str) -> Pile:
    """A model whose logits are LOGITS for the inputs np.eye(2)."""
    last = {"daoloth": None, "azatoth": Azatoth(kind), "module": nn.Softmax(-1) if kind == "softmax" else nn.Sigmoid()}
    model = Pile([Daoloth(3, input_dim=2, activation=kind if how == "daoloth" else None)])
    model.set_weights([LOGITS, np.zeros(3)])
    if last[how] is not None:
        model.add(last[how])
    return model


@pytest.mark.parametrize("how", ["daoloth", "azatoth", "module"])
def test_categorical_crossentropy_of_softmax_is_exact_where_probabilities_are_zero(how: str) -> None:
    model = ending_in("softmax", how)
    model.conjure("sgd", "categorical_crossentropy")
    assert model.evaluate(np.eye(2), np.eye(3)[[2, 1]], verbose=0) == 1000.0
    model.conjure("sgd", "sparse_categorical_crossentropy")
    assert model.evaluate(np.eye(2), np.array([1, 0]), verbose=0) == 1500.0


@pytest.mark.parametrize("how", ["daoloth", "azatoth", "module"])
def test_binary_crossentropy_of_sigmoid_is_exact_where_probabilities_are_zero(how: str) -> None:
    model = ending_in("sigmoid", how)
    model.conjure("sgd", "binary_crossentropy")
    target = np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])
    expected = (1000 + np.log(2) + 1000 + 0 + 0 + np.log(2)) / 6
    assert model.evaluate(np.eye(2), target, verbose=0) == pytest.approx(expected, rel=1e-6)


def test_gradients_reach_a_saturated_softmax() -> None:
    model = ending_in("softmax", "daoloth")
    model.conjure(lambda parameters: torch.optim.SGD(parameters, lr=1.0), "categorical_crossentropy")
    model.train_on_batch(np.eye(2)[:1], np.eye(3)[[2]])
    # The gradient of the logits is probability minus target: (1, 0, -1).
    assert model.get_weights()[1].tolist() == [-1.0, 0.0, 1.0]


def test_binary_crossentropy_of_softmax_compares_probabilities() -> None:
    model = Pile([Daoloth(2, input_dim=2, activation="softmax")])
    model.conjure("sgd", "binary_crossentropy")
    x = np.array([[1.0, 2.0], [-1.0, 0.5]], np.float32)
    y = np.eye(2)
    p = model.predict(x)
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_categorical_crossentropy_of_sigmoid_normalises_probabilities() -> None:
    model = Pile([Daoloth(3, input_dim=2, activation="sigmoid")])
    model.conjure("sgd", "categorical_crossentropy")
    x = np.array([[1.0, 2.0], [-1.0, 0.5]], np.float32)
    y = np.eye(3)[[0, 2]]
    p = model.predict(x)
    expected = -(y * np.log(p / p.sum(1, keepdims=True))).sum(1).mean()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_probabilities_from_elsewhere_are_clipped() -> None:
    zero, one = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    assert loss("categorical_crossentropy")(zero, one).item() == pytest.approx(-np.log(1e-7), rel=1e-5)
    assert loss("sparse_categorical_crossentropy")(zero, torch.tensor([0])).item() == pytest.approx(16.118096, rel=1e-5)
    assert loss("binary_crossentropy")(torch.tensor([[0.0]]), torch.tensor([[1.0]])).item() == pytest.approx(
        16.118096, rel=1e-5
    )


def test_sigmoid_of_torch_as_activation_is_exact_too() -> None:
    for given_activation in (torch.sigmoid, functional.sigmoid, nn.Sigmoid(), "sigmoid"):
        layer = Daoloth(1, input_dim=1, activation=given_activation)
        layer.set_weights([np.array([[-1000.0]]), np.zeros(1)])
        assert loss("binary_crossentropy")(layer(torch.ones(1, 1)), torch.ones(1, 1)).item() == 1000.0


# --- PyTorch's own ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "output", "target"),
    [
        (nn.MSELoss(), torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [4.0]])),
        (functional.l1_loss, torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [4.0]])),
        (nn.CrossEntropyLoss(), torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([0, 1])),
        (nn.BCEWithLogitsLoss(), torch.tensor([[1.0], [-2.0]]), torch.tensor([[1.0], [1.0]])),
        (nn.CrossEntropyLoss(), torch.randn(2, 3, 4), torch.randint(0, 3, (2, 4))),
    ],
    ids=["module", "function", "crossentropy", "logits", "classes second"],
)
def test_losses_of_torch_are_called_as_they_are_and_can_be_weighted(
    criterion: Callable[[Tensor, Tensor], Tensor], output: Tensor, target: Tensor
) -> None:
    found = loss(criterion)
    assert found(output, target).item() == criterion(output, target).item()
    each = [criterion(output[i : i + 1], target[i : i + 1]).item() for i in range(2)]
    assert found(output, target, torch.tensor([3.0, 0.5])).item() == pytest.approx((3 * each[0] + 0.5 * each[1]) / 2)


def test_weighing_leaves_the_given_loss_as_it_was() -> None:
    criterion = nn.MSELoss()
    loss(criterion)(torch.ones(2, 1), torch.zeros(2, 1), torch.ones(2))
    assert criterion.reduction == "mean"


def test_callable_that_gives_one_number_per_sample_is_averaged() -> None:
    def distance(output: Tensor, target: Tensor) -> Tensor:
        return (output - target).abs().sum(1)

    output, target = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.zeros(2, 2)
    assert loss(distance)(output, target).item() == 5.0
    assert loss(nn.MSELoss(reduction="none"))(output, target).item() == 7.5


def test_weights_with_a_callable_that_gives_one_number_say_what_to_do() -> None:
    found = loss(lambda output, target: (output - target).mean())
    with pytest.raises(ValueError, match="one number for a whole batch.*reduction='none'"):
        found(torch.ones(2, 1), torch.zeros(2, 1), torch.ones(2))


def test_keras_and_class_mistakes_are_answered() -> None:
    with pytest.raises(ValueError, match="no loss 'mean_squared_eror': did you mean 'mean_squared_error'"):
        loss("mean_squared_eror")
    with pytest.raises(TypeError, match=r"class MSELoss: expected an instance, MSELoss\(\)"):
        loss(nn.MSELoss)
    with pytest.raises(TypeError, match="loss is 3: expected a name"):
        loss(3)


# --- shapes -----------------------------------------------------------------------------------------------------------


def test_targets_of_one_column_may_lack_it() -> None:
    assert loss("mse")(torch.tensor([[1.0], [2.0]]), torch.tensor([3, 5])).item() == (4 + 9) / 2
    assert loss("mse")(torch.tensor([1.0, 2.0]), torch.tensor([[3], [5]])).item() == (4 + 9) / 2


def test_targets_whose_dimensions_are_exchanged_are_refused() -> None:
    with pytest.raises(ValueError, match=r"targets have shape \(4, 3, 2\), the model returns \(4, 2, 3\)"):
        loss("mse")(torch.zeros(4, 2, 3), torch.zeros(4, 3, 2))


def test_wrong_kind_of_targets_names_the_loss_for_them() -> None:
    with pytest.raises(ValueError, match=r"\(2,\), the model returns \(2, 3\).*sparse_categorical_crossentropy"):
        loss("categorical_crossentropy")(torch.ones(2, 3), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"\(2, 3\).*one-hot targets use loss='categorical_crossentropy'"):
        loss("sparse_categorical_crossentropy")(torch.ones(2, 3), torch.eye(3)[:2])


def test_missing_targets_and_several_outputs_are_told_apart() -> None:
    with pytest.raises(ValueError, match="there are no targets"):
        loss("mse")(torch.zeros(2, 1), None)
    with pytest.raises(ValueError, match="model returns a tuple of 2.*a list or dict of losses"):
        loss("mse")((torch.zeros(2, 1), torch.zeros(2, 1)), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="targets are a tuple of 2.*a list or dict of losses"):
        loss("sparse_categorical_crossentropy")(torch.zeros(2, 1), (torch.zeros(2), torch.zeros(2)))


def test_wrapped_model_trains_on_a_loss_of_torch() -> None:
    torch.manual_seed(0)
    model = Lump(nn.Linear(2, 3))
    model.conjure("sgd", nn.CrossEntropyLoss())
    x, y = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2])
    expected = functional.cross_entropy(model(torch.tensor(x)), torch.tensor(y)).item()
    assert model.evaluate(x, y, batch_size=6, verbose=0) == expected
