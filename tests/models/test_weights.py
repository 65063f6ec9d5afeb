"""Weights by layer, as files have them, and putting them into another model."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Lump, Pile
from cthulhu_core import Checkpoint, CheckpointError
from cthulhu_core.distributed.unwrap import inner


def pile() -> Pile:
    return Pile(
        [TheHydra(7, 3, input_length=2), nn.Flatten(), Daoloth(4, activation="relu", name="top"), Azatoth("tanh")]
    )


class Net(nn.Module):
    """Weights of its own, those of a child of a child, and buffers."""

    def __init__(self, units: int = 2) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(3))
        self.register_buffer("steps", torch.tensor(5))
        self.register_buffer("cache", torch.zeros(9), persistent=False)
        self.block = nn.Sequential(nn.Linear(3, units), nn.Sequential(Daoloth(2, input_dim=units), nn.BatchNorm1d(2)))


class Extra(nn.Linear):
    """Says more about itself than its tensors."""

    def __init__(self) -> None:
        super().__init__(2, 1)
        self.seen: dict[str, Any] = {"samples": 0}

    def get_extra_state(self) -> dict[str, Any]:
        return self.seen

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.seen = state


def shapes(checkpoint: Checkpoint) -> dict[str, dict[str, tuple[int, ...]]]:
    return {
        layer: {name: tuple(weight.shape) for name, weight in weights.items()}
        for layer, weights in checkpoint.weights.items()
    }


def test_layers_of_a_pile_have_names_and_shapes_of_keras() -> None:
    assert shapes(Checkpoint.of(pile(), weights_only=True)) == {
        "thehydra_1": {"embeddings": (7, 3)},
        "flatten_1": {},
        "top": {"kernel": (6, 4), "bias": (4,)},
        "azatoth_1": {},
    }


def test_other_modules_have_the_names_of_their_parameters_and_buffers() -> None:
    assert shapes(Checkpoint.of(Net(), weights_only=True)) == {
        "net": {"scale": (3,), "steps": ()},
        "block": {
            "0.weight": (2, 3),
            "0.bias": (2,),
            "1.0.kernel": (2, 2),
            "1.0.bias": (2,),
            "1.1.weight": (2,),
            "1.1.bias": (2,),
            "1.1.running_mean": (2,),
            "1.1.running_var": (2,),
            "1.1.num_batches_tracked": (),
        },
    }


def test_tensors_are_the_models_own_and_copies_are_not() -> None:
    model = Net()
    checkpoint = Checkpoint.of(model, weights_only=True)
    copied = checkpoint.copied()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(2.5)
    assert checkpoint.weights["block"]["1.0.kernel"].tolist() == [[2.5, 2.5], [2.5, 2.5]]
    assert 2.5 not in copied.weights["block"]["1.0.kernel"]
    assert copied.weights["net"]["steps"].item() == 5


def test_layer_that_the_module_itself_is_gets_a_name_that_no_child_has() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))
            self.scale = nn.Linear(1, 1)

    assert list(Checkpoint.of(Scale(), weights_only=True).weights) == ["scale_", "scale"]


def test_subclass_of_a_layer_keeps_what_it_adds() -> None:
    class Counting(Daoloth):
        def __init__(self) -> None:
            super().__init__(2, input_dim=3)
            self.register_buffer("calls", torch.tensor(3))

    assert shapes(Checkpoint.of(Pile([Counting()]), weights_only=True)) == {
        "counting_1": {"kernel": (3, 2), "bias": (2,), "calls": ()}
    }


@pytest.mark.parametrize(
    "wrap",
    [Lump, nn.DataParallel, lambda module: torch.compile(module, backend="eager"), lambda m: Lump(nn.DataParallel(m))],
    ids=["Lump", "DataParallel", "compiled", "both"],
)  # fmt: skip
def test_what_is_wrapped_around_a_module_is_not_in_its_names(wrap: Any) -> None:
    module = Net()
    assert inner(wrap(module)) is module
    other = Net()
    Checkpoint.of(module, weights_only=True).load_into(wrap(other))
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), other.parameters(), strict=True))


def test_every_weight_and_buffer_comes_back_equal_and_in_its_place() -> None:
    first, second = Net(), Net()
    places = {name: weight.data_ptr() for name, weight in second.state_dict().items()}
    Checkpoint.of(first, weights_only=True).load_into(second)
    for name, weight in second.state_dict().items():
        assert torch.equal(weight, first.state_dict()[name]), name
        assert weight.data_ptr() == places[name]


def test_layers_that_are_called_otherwise_are_matched_by_their_order() -> None:
    first, second = pile(), Pile([TheHydra(7, 3, input_length=2, name="words"), nn.Flatten(), Daoloth(4, name="dense")])
    Checkpoint.of(first, weights_only=True).load_into(second)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_mismatches_are_listed_all_at_once_and_the_model_is_as_it_was() -> None:
    model = Pile([Daoloth(4, input_dim=3, name="a"), Daoloth(2, name="b"), Daoloth(1, name="c")])
    other = Pile([Daoloth(4, input_dim=3, name="a"), Daoloth(3, name="b"), Daoloth(1, name="d")])
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.of(other, weights_only=True).load_into(model)
    assert str(caught.value).splitlines() == [
        "its weights are those of another architecture; the model is unchanged:",
        "  b/kernel: (4, 2) here, (4, 3) in the checkpoint",
        "  b/bias: (2,) here, (3,) in the checkpoint",
        "  c/kernel: (2, 1) here, not in the checkpoint",
        "  c/bias: (1,) here, not in the checkpoint",
        "  d/kernel: not here, (3, 1) in the checkpoint",
        "  d/bias: not here, (1,) in the checkpoint",
    ]
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))


def test_layer_that_has_seen_no_data_has_nothing_to_save_or_to_load_into() -> None:
    model = Pile([Daoloth(4), Daoloth(2)])
    with pytest.raises(CheckpointError, match=r"daoloth_1\.weight, daoloth_1\.bias, .* have no size yet.*input size"):
        Checkpoint.of(model)


def test_extra_state_comes_back() -> None:
    first, second = Extra(), Extra()
    first.seen["samples"] = 7
    checkpoint = Checkpoint.of(nn.Sequential(first), weights_only=True)
    assert checkpoint.extra == {"0._extra_state": {"samples": 7}}
    checkpoint.load_into(nn.Sequential(second))
    assert second.seen == {"samples": 7}


def test_extra_state_on_one_side_only_is_a_mismatch() -> None:
    plain = Checkpoint.of(nn.Sequential(nn.Linear(2, 1)), weights_only=True)
    with pytest.raises(CheckpointError, match=r"0\._extra_state: only here"):
        plain.load_into(nn.Sequential(Extra()))
    with pytest.raises(CheckpointError, match=r"0\._extra_state: only in the checkpoint"):
        Checkpoint.of(nn.Sequential(Extra()), weights_only=True).load_into(nn.Sequential(nn.Linear(2, 1)))
