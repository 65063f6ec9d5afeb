"""Layers are called as checkpoints call them, however a model is wrapped."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Lump, Pile
from cthulhu_core import Checkpoint, inner
from cthulhu_tensorboard.layers import call, layers, modules, tensors, unknown


class Subclass(Lump):
    def __init__(self):
        super().__init__()
        self.module = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))

    def forward(self, x):
        return self.module(x)


def sequential():
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (sequential(), ["0", "1"]),
        (Lump(sequential()), ["0", "1"]),
        (Lump(nn.Linear(2, 1)), ["linear"]),
        (nn.DataParallel(Lump(sequential())), ["0", "1"]),
        (Lump(torch.compile(sequential(), backend="eager")), ["0", "1"]),
        (Subclass(), ["module"]),
        (
            Pile([TheHydra(5, 2), Daoloth(3, input_dim=2), Azatoth("relu", name="last")]),
            ["thehydra_1", "daoloth_1", "last"],
        ),
    ],
    ids=["module", "Lump", "single layer", "parallel", "compiled", "subclass", "Pile"],
)
def test_names_are_those_of_the_checkpoint(model, names):
    assert list(layers(model)) == list(Checkpoint.of(model, weights_only=True).weights) == names


def test_lists_of_modules_are_replaced_by_what_is_in_them():
    model = nn.Module()
    model.blocks = nn.ModuleList([nn.Linear(1, 1), nn.ModuleDict({"a": nn.ReLU()})])
    model.head = nn.Linear(1, 1)
    assert layers(model) == {"blocks.0": model.blocks[0], "blocks.1.a": model.blocks[1]["a"], "head": model.head}


def test_modules_deeper_down_have_dotted_names():
    model = Lump(nn.Sequential(OrderedDict(encoder=nn.Sequential(OrderedDict(embed=nn.Embedding(3, 2))))))
    assert list(modules(model)) == ["encoder", "encoder.embed"]
    assert modules(model)["encoder.embed"] is model.module.encoder.embed
    assert list(modules(nn.Embedding(3, 2))) == ["embedding"]


def test_what_is_not_wrapped_is_itself():
    model = Subclass()
    assert inner(model) is model


def test_unknown_names_are_listed_with_the_close_ones():
    assert unknown(["a"], ["a", "b"], "names") is None
    error = unknown(["thehydra1", "x"], ["thehydra_1", "daoloth_1"], "embeddings_layer_names")
    assert str(error) == (
        "embeddings_layer_names: there is no layer 'thehydra1': did you mean 'thehydra_1'?; "
        "there is no layer 'x': there are thehydra_1, daoloth_1"
    )


def test_tensors_of_an_output_are_called_by_their_place():
    a, b, c = torch.zeros(1), torch.ones(1), torch.ones(2)
    assert tensors(a) == {"": a}
    assert tensors((a, (b, None), {"c": c})) == {"_0": a, "_1_0": b, "_2_c": c}
    assert tensors("text") == {}


@pytest.mark.parametrize("inputs", [2, (2, 3), [2, 3], {"y": 3, "x": 2}])
def test_several_inputs_are_passed_by_place_and_those_of_a_dict_by_name(inputs):
    def model(x, y=3):
        return x, y

    assert call(model, inputs) == (2, 3)
