"""Classes of users in an architecture, and the reasons why some cannot be described."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from architectures import rebuilt, shapes
from cthulhu.models import Lump, Pile
from cthulhu_core.models.architecture import Indescribable, build, describe


class Scale(nn.Module):
    """Attributes have the names of the arguments."""

    def __init__(self, size: int, factor: float = 2.0) -> None:
        super().__init__()
        self.size, self.factor = size, factor
        self.weight = nn.Parameter(torch.full((size,), factor))


class Configured(nn.Module):
    """Says itself what it is made of."""

    def __init__(self, sizes: tuple[int, ...], activation: Callable[..., torch.Tensor] = torch.relu) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.function = activation
        self._sizes = sizes

    def get_config(self) -> dict[str, Any]:
        return {"sizes": self._sizes, "activation": self.function}


class FromConfig(Configured):
    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FromConfig:
        made = cls(**config)
        made.came_from_config = True
        return made


class Inheriting(nn.Linear):
    """Has the constructor of PyTorch's."""


class Linear(nn.Module):
    """Has the name of PyTorch's."""


class Hides(nn.Module):
    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = nn.Dropout(rate)


class Forgets(nn.Module):
    def __init__(self, rate: float) -> None:
        super().__init__()


class HasBias(nn.Module):
    def __init__(self, bias: bool) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))


class Forwards(nn.Linear):
    def __init__(self, size: int, **others: Any) -> None:
        super().__init__(size, size, **others)
        self.size = size


class Dtype(nn.Module):
    def __init__(self, kinds: Any) -> None:
        super().__init__()
        self.kinds = kinds


def test_own_class_is_made_with_the_attributes_that_have_the_names_of_its_arguments() -> None:
    model = Pile([Scale(3, factor=0.5)])
    assert describe(model)["children"] == [["scale_1", {"class": "Scale", "arguments": {"size": 3, "factor": 0.5}}]]
    (made,) = rebuilt(model, {"Scale": Scale}).layers
    assert type(made) is Scale
    assert made.weight.tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("cls", [Configured, FromConfig])
def test_own_class_is_made_with_what_its_get_config_gives(cls: type[Configured]) -> None:
    model = Pile([cls((2, 3, 4), functional.mish)])
    other = rebuilt(model, {cls.__name__: cls})
    assert shapes(other) == shapes(model)
    assert other.layers[0].function is functional.mish
    assert hasattr(other.layers[0], "came_from_config") is (cls is FromConfig)


def test_class_with_the_constructor_of_a_known_one_has_its_arguments() -> None:
    model = Pile([Inheriting(2, 3, bias=False)])
    other = rebuilt(model, {"Inheriting": Inheriting})
    assert type(other.layers[0]) is Inheriting
    assert shapes(other) == shapes(model)


def test_class_with_the_name_of_a_known_one_is_not_taken_for_it() -> None:
    model = Pile([Linear()])
    assert type(rebuilt(model, {"Linear": Linear}).layers[0]) is Linear
    with pytest.raises(
        ValueError, match=r"layer 'linear_1': there is no class 'Linear': pass custom_objects={'Linear'"
    ):
        rebuilt(model)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Hides(0.5), "argument 'rate' of Hides is not known: the object has a Dropout of this name"),
        (Forgets(0.5), "argument 'rate' of Forgets is not known: the object has no attribute 'rate'"),
        (HasBias(True), "argument 'bias' of HasBias is not known: the object has a parameter of this name"),
        (Forwards(2, bias=False), "argument 'others' of Forwards is not known: .* takes more than keyword arguments"),
        (Dtype({1, 2}), r"argument 'kinds' of Dtype is a set: expected None, .*; give the class a get_config\(\)"),
        (nn.TransformerEncoderLayer(2, 1, 2), "argument 'd_model' of TransformerEncoderLayer is not known"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "is parametrized: remove that with"),
    ],
)
def test_what_cannot_be_described_is_named_with_the_cure(layer: nn.Module, message: str) -> None:
    with pytest.raises(Indescribable, match=f"the model, layer '[a-z]+_1'.*{message}"):
        describe(Pile([layer]))


def test_errors_of_a_class_of_the_users_name_the_layer() -> None:
    description = describe(Pile([Scale(3)]))
    description["children"][0][1]["arguments"]["size"] = "three"
    with pytest.raises(ValueError, match=r"layer 'scale_1': Scale cannot be made with .*'three'.*TypeError"):
        build(description, {"Scale": Scale})


class MyPile(Pile):
    pass


@pytest.mark.parametrize("model", [Lump(nn.Linear(2, 2)), MyPile(), nn.Linear(2, 2)])
def test_other_models_cannot_be_described(model: nn.Module) -> None:
    with pytest.raises(Indescribable, match=f"the model is a {type(model).__name__}: only the layers of a Pile can be"):
        describe(model)


def test_layers_that_share_weights_cannot_be_described() -> None:
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    b.weight = a.weight
    with pytest.raises(Indescribable, match=r"the weights linear_2.weight are shared with those of another layer"):
        describe(Pile([a, b]))
    with pytest.raises(Indescribable, match="linear_3.weight are shared"):
        describe(Pile([a, nn.ReLU(), nn.Linear(2, 2), a]))
