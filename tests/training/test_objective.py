"""Several inputs and outputs: losses, weights, metrics and their names; what does not agree is an error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from cthulhu.models import Lump
from cthulhu_core.training.objective import Objective

pytestmark = pytest.mark.usefixtures("no_plugins")

RANDOM = np.random.default_rng(0)
A, B = RANDOM.normal(size=(10, 3)).astype(np.float32), RANDOM.normal(size=(10, 2)).astype(np.float32)
NUMBER, KIND = RANDOM.normal(size=(10, 1)).astype(np.float32), RANDOM.integers(0, 4, 10)


class Two(Lump):
    """Two inputs ``a`` and ``b``, two outputs: a number and a kind."""

    def __init__(self, outputs: type = tuple) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.number, self.kind = nn.Linear(5, 1), nn.Linear(5, 4)
        self.outputs = outputs

    def forward(self, a: Tensor, b: Tensor) -> Any:
        x = torch.cat([a, b], 1)
        found = {"number": self.number(x), "kind": self.kind(x)}
        return found if self.outputs is dict else self.outputs(found.values())


def by_hand(model: Two) -> tuple[float, float, float]:
    """Loss of the numbers, loss of the kinds, and accuracy of the kinds."""
    with torch.no_grad():
        number, kind = (
            list(model(torch.tensor(A), torch.tensor(B)).values())
            if model.outputs is dict
            else model(torch.tensor(A), torch.tensor(B))
        )
        return (
            functional.mse_loss(number, torch.tensor(NUMBER)).item(),
            functional.cross_entropy(kind, torch.tensor(KIND)).item(),
            (kind.argmax(1) == torch.tensor(KIND)).float().mean().item(),
        )


@pytest.mark.parametrize("outputs", [tuple, list])
@pytest.mark.parametrize("structure", [list, tuple])
def test_lists_and_tuples_go_by_place(outputs: type, structure: type) -> None:
    model = Two(outputs)
    model.conjure("sgd", ["mse", nn.CrossEntropyLoss()], metrics=["acc"], loss_weights=[1.0, 0.5])
    number, kind, accuracy = by_hand(model)
    assert model.metrics_names == ["loss", "output_1_loss", "output_2_loss", "output_1_acc", "output_2_acc"]
    found = model.evaluate(structure([A, B]), structure([NUMBER, KIND]), batch_size=4, verbose=0)
    assert found == pytest.approx([number + 0.5 * kind, number, kind, 0.0, accuracy], rel=1e-5)


def test_dicts_go_by_name() -> None:
    model = Two(dict)
    model.conjure(
        "sgd",
        {"kind": nn.CrossEntropyLoss(), "number": "mse"},
        metrics={"kind": ["acc"], "number": ["mae"]},
        loss_weights={"kind": 2.0},
    )
    number, kind, accuracy = by_hand(model)
    assert model.metrics_names == ["loss", "kind_loss", "number_loss", "kind_acc", "number_mae"]
    found = model.evaluate({"b": B, "a": A}, {"number": NUMBER, "kind": KIND}, verbose=0)
    assert found[:4] == pytest.approx([number + 2 * kind, kind, number, accuracy], rel=1e-5)
    predicted = model.predict({"a": A, "b": B}, batch_size=3)
    assert {name: values.shape for name, values in predicted.items()} == {"number": (10, 1), "kind": (10, 4)}


def test_training_step_is_that_of_the_weighted_sum() -> None:
    model, other = Two(), Two()
    model.conjure("sgd", ["mse", nn.CrossEntropyLoss()], loss_weights=[0.25, 1.0])
    model.summon([A, B], [NUMBER, KIND], batch_size=10, shuffle=False, verbose=0)
    number, kind = other(torch.tensor(A), torch.tensor(B))
    loss = 0.25 * functional.mse_loss(number, torch.tensor(NUMBER)) + functional.cross_entropy(kind, torch.tensor(KIND))
    loss.backward()
    torch.optim.SGD(other.parameters(), lr=0.01).step()
    for mine, by_hand_too in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.allclose(mine, by_hand_too, atol=1e-7)


def test_one_name_is_taken_for_every_output() -> None:
    model = Two()
    model.conjure("sgd", "mse", metrics=["mae"])
    kinds = np.eye(4, dtype=np.float32)[KIND]
    history = model.summon([A, B], [NUMBER, kinds], verbose=0, validation_split=0.2).history
    names = ["loss", "output_1_loss", "output_2_loss", "output_1_mae", "output_2_mae"]
    assert list(history) == [*names, *(f"val_{name}" for name in names)]
    assert history["loss"][0] == pytest.approx(history["output_1_loss"][0] + history["output_2_loss"][0])
    assert model.metrics_names == names
    assert len(model.evaluate([A, B], [NUMBER, kinds], verbose=0)) == 5


def test_output_without_a_loss_is_left_out() -> None:
    model = Two()
    model.conjure("sgd", [None, nn.CrossEntropyLoss()])
    before = model.number.weight.clone()
    assert model.metrics_names == ["loss", "output_2_loss"]
    model.summon([A, B], [NUMBER, KIND], verbose=0)
    assert torch.equal(before, model.number.weight)


def test_metric_objects_of_several_outputs_do_not_share_their_state() -> None:
    model = Two()
    model.conjure("sgd", ["mse", "mse"], metrics=[torchmetrics.MeanSquaredError()])
    kinds = np.eye(4, dtype=np.float32)[KIND]
    _, first, second, metric_of_first, metric_of_second = model.evaluate([A, B], [NUMBER, kinds], verbose=0)
    assert (metric_of_first, metric_of_second) == (pytest.approx(first), pytest.approx(second))


def test_python_list_of_numbers_is_one_target_not_several() -> None:
    model = Lump(nn.Linear(2, 1))
    model.conjure("sgd", "mse")
    assert list(model.summon([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0], verbose=0).history) == ["loss"]


def test_sample_weights_count_for_every_output() -> None:
    model = Two()
    model.conjure("sgd", ["mse", nn.CrossEntropyLoss()])
    weights = np.zeros(10)
    weights[3] = 10.0
    found = model.evaluate([A, B], [NUMBER, KIND], batch_size=10, sample_weight=weights, verbose=0)
    alone = model.evaluate([A[3:4], B[3:4]], [NUMBER[3:4], KIND[3:4]], verbose=0)
    assert found == pytest.approx(alone, rel=1e-5)


class Rows(Dataset):  # type: ignore[type-arg]
    def __len__(self) -> int:
        return 10

    def __getitem__(self, row: int) -> Any:
        return {"a": A[row], "b": B[row]}, (NUMBER[row], KIND[row])


def test_loader_of_dicts_and_tuples_gives_the_same_as_arrays() -> None:
    model = Two()
    model.conjure("sgd", ["mse", nn.CrossEntropyLoss()])
    expected = model.evaluate([A, B], [NUMBER, KIND], batch_size=5, verbose=0)
    assert model.evaluate(DataLoader(Rows(), batch_size=5), verbose=0) == expected
    assert model.evaluate(Rows(), batch_size=5, verbose=0) == expected


# --- what does not agree ----------------------------------------------------------------------------------------------


def test_number_of_losses_and_outputs_must_agree() -> None:
    model = Two()
    for losses, targets in ((["mse"], [NUMBER]), (["mse"] * 3, [NUMBER] * 3)):
        model.conjure("sgd", losses)
        with pytest.raises(
            ValueError, match=f"the model's outputs are 2 of them, .* losses for {len(losses)}: pass one"
        ):
            model.summon([A, B], targets, verbose=0)


def test_number_of_targets_must_agree() -> None:
    model = Two()
    model.conjure("sgd", ["mse", "mse"])
    with pytest.raises(ValueError, match="the targets are a single Tensor, .* losses for 2"):
        model.summon([A, B], NUMBER, verbose=0)


def test_names_of_outputs_must_agree() -> None:
    model = Two(dict)
    model.conjure("sgd", {"numbre": "mse"})
    with pytest.raises(ValueError, match="the model's outputs have no 'numbre': they have 'number', 'kind'"):
        model.summon([A, B], {"numbre": NUMBER}, verbose=0)


def test_one_loss_for_a_model_of_several_outputs_says_to_pass_several() -> None:
    model = Two()
    model.conjure("sgd", "mse")
    with pytest.raises(ValueError, match="the model returns a tuple of 2.*a list or dict of losses"):
        model.summon([A, B], NUMBER, verbose=0)


def test_weights_and_metrics_must_agree_with_losses() -> None:
    model = Two()
    with pytest.raises(ValueError, match=r"loss_weights is \[1.0\]: expected a list of 2 numbers"):
        model.conjure("sgd", ["mse", "mse"], loss_weights=[1.0])
    with pytest.raises(ValueError, match="no output 'a': outputs are number, kind"):
        model.conjure("sgd", {"number": "mse", "kind": "mse"}, loss_weights={"a": 1.0})
    with pytest.raises(ValueError, match="no output 'a': outputs are number, kind"):
        model.conjure("sgd", {"number": "mse", "kind": "mse"}, metrics={"a": ["acc"]})
    with pytest.raises(ValueError, match="need a loss for each output"):
        model.conjure("sgd", "mse", loss_weights=[1.0])
    with pytest.raises(ValueError, match="every loss is None"):
        model.conjure("sgd", [None, None])


def test_list_of_lists_names_the_metrics_of_each_output() -> None:
    objective = Objective(["mse", "mse"], metrics=[["mae"], []])
    assert objective.names == ["loss", "output_1_loss", "output_2_loss", "output_1_mae"]
    with pytest.raises(ValueError, match="metrics is a list of 1 lists: expected one list for each of 2 outputs"):
        Objective(["mse", "mse"], metrics=[["mae"]])
