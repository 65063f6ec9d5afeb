"""Metrics: every name's value, which accuracy 'acc' is, callables, and objects that keep their own state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor, nn
from torch.nn import functional

from cthulhu.callbacks import Callback
from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core.training.losses import LOSSES, loss
from cthulhu_core.training.metrics import METRICS, metrics

pytestmark = pytest.mark.usefixtures("no_plugins")

OUTPUT = torch.tensor([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6], [0.5, 0.4, 0.1]])
NUMBERS = torch.tensor([1, 0, 0, 2])


def value(name: Any, output: Tensor, target: Tensor, criterion: Any = "mse") -> float:
    (metric,) = metrics(name, loss(criterion))
    return float(metric.value(output, target))


# --- by name ----------------------------------------------------------------------------------------------------------


def test_every_name_is_known() -> None:
    own = {name for name in METRICS if name not in LOSSES}
    assert own == {
        "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy", "top_k_categorical_accuracy",
        "sparse_top_k_categorical_accuracy", "cosine",
    }  # fmt: skip


def test_binary_accuracy_counts_elements_on_the_right_side_of_one_half() -> None:
    output = torch.tensor([[0.2, 0.8], [0.5, 0.51]])
    assert value("binary_accuracy", output, torch.tensor([[0, 1], [0, 1]])) == 1.0
    assert value("binary_accuracy", output, torch.tensor([[1, 1], [1, 1]])) == 0.5


@given(
    p=arrays.arrays(np.float32, (7, 3), elements=st.floats(0, 1, width=16)),
    t=arrays.arrays(np.int64, (7, 3), elements=st.integers(0, 1)),
)
@settings(max_examples=30, deadline=None)
def test_binary_accuracy_is_the_share_of_equal_rounded_values(p: np.ndarray, t: np.ndarray) -> None:
    assert value("binary_accuracy", torch.tensor(p), torch.tensor(t)) == pytest.approx((np.round(p) == t).mean())


def test_categorical_accuracies_compare_the_largest_output() -> None:
    assert value("categorical_accuracy", OUTPUT, functional.one_hot(NUMBERS)) == 0.5
    assert value("sparse_categorical_accuracy", OUTPUT, NUMBERS) == 0.5
    assert value("sparse_categorical_accuracy", OUTPUT, NUMBERS.reshape(4, 1).float()) == 0.5


@given(seed=st.integers(0, 10_000), classes=st.integers(2, 8))
@settings(max_examples=30, deadline=None)
def test_top_k_accuracies_look_at_five_outputs(seed: int, classes: int) -> None:
    random = np.random.default_rng(seed)
    output, numbers = random.permuted(np.tile(np.arange(classes), (6, 1)), axis=1), random.integers(0, classes, 6)
    ranks = (output > output[np.arange(6), numbers][:, None]).sum(1)
    expected = (ranks < 5).mean()
    scores = torch.tensor(output, dtype=torch.float32)
    assert value("sparse_top_k_categorical_accuracy", scores, torch.tensor(numbers)) == pytest.approx(expected)
    one_hot = torch.tensor(np.eye(classes)[numbers])
    assert value("top_k_categorical_accuracy", scores, one_hot) == pytest.approx(expected)


@pytest.mark.parametrize("name", sorted(name for name in LOSSES if not name.startswith("cosine")))
def test_losses_are_metrics_with_the_same_value(name: str) -> None:
    target = NUMBERS if name.startswith("sparse") else functional.one_hot(NUMBERS).float()
    assert value(name, OUTPUT, target) == loss(name)(OUTPUT, target).item()


@pytest.mark.parametrize("name", ["cosine", "cosine_proximity", "cosine_similarity"])
def test_cosine_is_maximised_as_a_metric_and_minimised_as_a_loss(name: str) -> None:
    output, target = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[4.0, 3.0], [0.0, 2.0]])
    assert value(name, output, target) == pytest.approx((24 / 25 + 0) / 2)
    (metric,) = metrics(name, loss("mse"))
    assert metric.direction == "max"


def test_names_are_logged_as_written() -> None:
    names = [metric.name for metric in metrics(["accuracy", "mae", "mean_absolute_error"], loss("mse"))]
    assert names == ["acc", "mae", "mean_absolute_error"]
    assert metrics("acc", loss("mse"))[0].name == "acc"


# --- which accuracy ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("criterion", "output", "target", "expected"),
    [
        ("binary_crossentropy", [[0.9], [0.2], [0.6], [0.4]], [1, 0, 0, 0], 0.75),
        ("binary_crossentropy", [[0.9], [0.2], [0.6], [0.4]], [[1], [0], [0], [0]], 0.75),
        ("binary_crossentropy", [0.9, 0.2, 0.6, 0.4], [1, 0, 0, 0], 0.75),
        ("mse", [0.9, 0.2, 0.6, 0.4], [[1], [0], [0], [0]], 0.75),
        (nn.BCELoss(), [[0.9], [0.2], [0.6], [0.4]], [[1.0], [0.0], [0.0], [0.0]], 0.75),
        (nn.BCEWithLogitsLoss(), [[0.4], [-3.0], [0.1], [-0.1]], [[1.0], [0.0], [0.0], [0.0]], 0.75),
        (functional.binary_cross_entropy_with_logits, [0.4, -3.0, 0.1, -0.1], [1.0, 0.0, 0.0, 0.0], 0.75),
    ],
    ids=["(N, 1) and (N,)", "(N, 1)", "(N,)", "(N,) and (N, 1)", "BCELoss", "logits", "logits by function"],
)
def test_acc_of_one_output_is_binary(criterion: Any, output: Any, target: Any, expected: float) -> None:
    assert value("acc", torch.tensor(output), torch.tensor(target), criterion) == expected


@pytest.mark.parametrize(
    ("criterion", "shift"),
    [("binary_crossentropy", 0.5), (nn.BCELoss(), 0.5), (nn.BCEWithLogitsLoss(), 0.0)],
    ids=["by name", "BCELoss", "logits"],
)
def test_acc_of_several_labels_is_binary_and_elementwise(criterion: Any, shift: float) -> None:
    output = torch.tensor([[0.4, 0.4, -0.4], [-0.4, -0.4, 0.4]]) + shift
    assert value("acc", output, torch.tensor([[1, 1, 0], [0, 1, 0]]), criterion) == pytest.approx(4 / 6)


@pytest.mark.parametrize("criterion", ["categorical_crossentropy", "mse", nn.CrossEntropyLoss()])
def test_acc_of_one_hot_targets_is_categorical(criterion: Any) -> None:
    assert value("acc", OUTPUT, functional.one_hot(NUMBERS).float(), criterion) == 0.5


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
@pytest.mark.parametrize("criterion", ["sparse_categorical_crossentropy", nn.CrossEntropyLoss(), nn.NLLLoss()])
def test_acc_of_class_numbers_is_sparse(criterion: Any, shape: tuple[int, ...]) -> None:
    assert value("acc", OUTPUT, NUMBERS.reshape(shape), criterion) == 0.5


def test_acc_of_sequences_has_classes_last_by_name_and_second_for_torch() -> None:
    numbers = torch.tensor([[0, 1, 2], [2, 2, 0]])
    guess = torch.tensor([[0, 1, 1], [2, 0, 0]])
    last = functional.one_hot(guess, 3).float()
    second = last.movedim(-1, 1)
    one_hot = functional.one_hot(numbers, 3).float()
    expected = pytest.approx(4 / 6)
    assert value("acc", last, numbers, "sparse_categorical_crossentropy") == expected
    assert value("acc", last, one_hot, "categorical_crossentropy") == expected
    assert value("acc", second, numbers, nn.CrossEntropyLoss()) == expected
    assert value("acc", second, one_hot.movedim(-1, 1), nn.CrossEntropyLoss()) == expected
    assert value("acc", second, one_hot.movedim(-1, 1), functional.cross_entropy) == expected


# --- callables --------------------------------------------------------------------------------------------------------


def test_callable_is_called_as_torch_does_and_logged_by_its_name() -> None:
    def above(output: Tensor, target: Tensor) -> Tensor:
        return (output > target).float()

    (metric,) = metrics([above], loss("mse"))
    assert metric.name == "above"
    assert float(metric.value(OUTPUT, torch.full((4, 3), 0.45))) == pytest.approx(4 / 12)


def test_object_is_logged_by_its_name_or_class() -> None:
    class Bias:
        def __call__(self, output: Tensor, target: Tensor) -> Tensor:
            return (output - target).mean()

    named = Bias()
    named.name = "offset"  # type: ignore[attr-defined]
    assert [metric.name for metric in metrics([Bias(), named, nn.L1Loss()], loss("mse"))] == [
        "Bias",
        "offset",
        "L1Loss",
    ]


def test_metric_mistakes_are_answered() -> None:
    with pytest.raises(ValueError, match="no metric 'acuracy': did you mean 'accuracy'"):
        metrics(["acuracy"], loss("mse"))
    with pytest.raises(TypeError, match=r"class MeanMetric: expected an instance, MeanMetric\(...\)"):
        metrics([torchmetrics.MeanMetric], loss("mse"))
    with pytest.raises(TypeError, match="metric is 5: expected a name"):
        metrics([5], loss("mse"))
    with pytest.raises(ValueError, match="more than one value would be logged as 'acc'"):
        metrics(["acc", "accuracy"], loss("mse"))


# --- over an epoch ----------------------------------------------------------------------------------------------------


class BatchLogs(Callback):
    """Keeps the logs of batches and of epochs."""

    def on_train_begin(self, logs: Any) -> None:
        self.batches: list[dict[str, Any]] = []
        self.epochs: list[dict[str, Any]] = []

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.batches.append(logs)

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.epochs.append(dict(logs))


class Identity(Lump):
    """Gives its inputs, and has a weight so that it can be trained; with lr 0 nothing ever moves."""

    def __init__(self) -> None:
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.zero


def still(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.0)


X = np.array([1.0, 2.0, 3.0, 5.0, 8.0], np.float32)
Y = np.array([0.0, 2.0, 1.0, 5.0, 4.0], np.float32)


def test_epoch_values_are_weighted_by_the_size_of_batches() -> None:
    model, logs = Identity(), BatchLogs()
    model.conjure(still, "mse", ["mae"])
    model.summon(X, Y, batch_size=2, shuffle=False, verbose=0, callbacks=logs, validation_data=(X, Y))
    assert [each["mae"] for each in logs.batches] == [0.5, 1.0, 4.0]
    assert [each["loss"] for each in logs.batches] == [0.5, 2.0, 16.0]
    assert logs.epochs == [
        {"loss": 21 / 5, "mae": 7 / 5, "val_loss": 21 / 5, "val_mae": 7 / 5},
    ]
    assert model.evaluate(X, Y, batch_size=2, verbose=0) == [21 / 5, 7 / 5]


def test_torchmetrics_object_runs_over_the_epoch_and_is_reset_with_the_next() -> None:
    model, logs = Identity(), BatchLogs()
    metric = torchmetrics.MeanAbsoluteError()
    model.conjure(still, "mse", [metric])
    model.summon(X, Y, batch_size=2, epochs=2, shuffle=False, verbose=0, callbacks=logs, validation_data=(X[:2], Y[:2]))
    assert [each["MeanAbsoluteError"] for each in logs.batches] == pytest.approx([0.5, 0.75, 1.4] * 2)
    assert [each["MeanAbsoluteError"] for each in logs.epochs] == pytest.approx([1.4, 1.4])
    assert [each["val_MeanAbsoluteError"] for each in logs.epochs] == [0.5, 0.5]
    # The object is the user's own, and validation has left it alone.
    assert metric.compute().item() == pytest.approx(1.4)


def test_metric_object_is_computed_over_the_epoch_not_averaged() -> None:
    # R2 of an epoch is not the mean of the R2 of its batches.
    model = Identity()
    model.conjure(still, "mse", [torchmetrics.R2Score()])
    history = model.summon(X, Y, batch_size=2, shuffle=False, verbose=0, callbacks=[]).history
    expected = 1 - ((X - Y) ** 2).sum() / ((Y - Y.mean()) ** 2).sum()
    assert history["R2Score"] == [pytest.approx(expected, rel=1e-5)]


def test_collection_logs_each_of_its_metrics() -> None:
    model = Pile([Daoloth(2, input_dim=1, activation="softmax")])
    collection = torchmetrics.MetricCollection(
        [
            torchmetrics.classification.MulticlassAccuracy(2, average="micro"),
            torchmetrics.classification.MulticlassRecall(2),
        ]
    )
    model.conjure(still, "sparse_categorical_crossentropy", [collection, "acc"])
    assert model.metrics_names == ["loss", "MulticlassAccuracy", "MulticlassRecall", "acc"]
    x, y = np.array([[1.0], [-1.0], [2.0]], np.float32), np.array([0, 1, 1])
    model.set_weights([np.array([[1.0, -1.0]]), np.zeros(2)])
    _, micro, recall, acc = model.evaluate(x, y, batch_size=2, verbose=0)
    assert (micro, recall, acc) == (pytest.approx(2 / 3), pytest.approx(0.75), pytest.approx(2 / 3))


def test_objects_state_their_direction() -> None:
    directions: list[dict[str, str]] = []

    class Spy(Callback):
        def on_train_begin(self, logs: Any) -> None:
            directions.append(self.run.directions)

    model = Identity()
    model.conjure(still, "mse", [torchmetrics.MeanAbsoluteError(), torchmetrics.R2Score(), "mae"])
    model.summon(X, Y, verbose=0, callbacks=Spy())
    assert directions == [{"MeanAbsoluteError": "min", "R2Score": "max"}]


def test_evaluate_in_a_batch_leaves_the_training_metric_alone() -> None:
    class Evaluates(Callback):
        def on_batch_end(self, batch: int, logs: Any) -> None:
            self.found = self.model.evaluate(X[:2], Y[:2], verbose=0)

    for use in (Evaluates(), None):
        model = Identity()
        model.conjure(still, "mse", [torchmetrics.MeanAbsoluteError()])
        history = model.summon(X, Y, batch_size=2, shuffle=False, verbose=0, callbacks=use or [])
        assert history.history["MeanAbsoluteError"] == [pytest.approx(1.4)]
        if use is not None:
            assert use.found == [0.5, 0.5]


def test_metrics_take_no_part_in_gradients() -> None:
    seen: list[bool] = []

    def spy(output: Tensor, target: Tensor) -> Tensor:
        seen.append(torch.is_grad_enabled())
        return output.mean()

    model = Identity()
    model.conjure(still, "mse", [spy])
    model.summon(X, Y, verbose=0)
    assert seen == [False]


def test_metric_may_give_a_number() -> None:
    def constant(output: Tensor, target: Tensor) -> float:
        return 0.25

    model, logs = Identity(), BatchLogs()
    model.conjure(still, "mse", [constant])
    history = model.summon(X, Y, batch_size=2, verbose=0, callbacks=logs)
    assert history.history["constant"] == [0.25]
