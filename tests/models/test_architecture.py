"""The architecture of a Pile as plain data: layers, activations, frozen parameters, dtypes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from architectures import own, rebuilt, shapes
from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Lump, Pile
from cthulhu_core.models.activations import ACTIVATIONS
from cthulhu_core.models.architecture import Indescribable, build, describe


def test_pile_of_our_layers_takes_the_weights_and_gives_the_same_outputs() -> None:
    model = Pile(
        [
            TheHydra(10, 4, input_length=3, embeddings_initializer="normal"),
            nn.Flatten(),
            Daoloth(5, activation="relu", kernel_initializer="he_normal", name="hidden"),
            Daoloth(2, use_bias=False, bias_initializer="ones"),
            Azatoth("softmax", name="probabilities"),
        ],
        name="words",
    )
    other = rebuilt(model)
    other.load_state_dict(model.state_dict())
    x = torch.tensor([[1, 2, 3], [7, 8, 9]])
    assert torch.equal(other(x), model(x))
    assert repr(other) == repr(model)
    assert other.name == "words"
    assert [layer.name for layer in other.layers if hasattr(layer, "name")] == [None, "hidden", None, "probabilities"]
    assert other.layers[2].activation_given == "relu"
    assert other.layers[2].kernel_initializer_given == "he_normal"
    assert other.layers[3].bias_initializer_given == "ones"
    assert other.layers[0].input_length == 3


def test_learned_number_of_inputs_is_restored_and_the_given_shape_stays_what_it_was() -> None:
    model = Pile([Daoloth(3, input_shape=(5, 4)), Daoloth(2), nn.Flatten(), Daoloth(1)])
    other = rebuilt(model)
    assert shapes(other) == shapes(model)
    assert [getattr(layer, "input_shape", "none") for layer in other.layers] == [(5, 4), None, "none", None]
    assert other.layers[3].in_features == 10


def test_layers_that_have_seen_no_data_wait_for_it_again() -> None:
    model = Pile([Daoloth(3), Daoloth(2)])
    other = rebuilt(model)
    assert all(layer.has_uninitialized_params() for layer in other.layers)
    assert other(torch.zeros(1, 7)).shape == (1, 2)


def test_names_of_layers_are_those_that_they_had_in_the_pile() -> None:
    layer = nn.Linear(2, 2)
    layer.name = "named"
    model = Pile([nn.Linear(2, 2), layer, nn.Linear(2, 2)])
    del layer.name
    assert list(rebuilt(model).state_dict()) == list(model.state_dict())


def test_nested_piles_and_sequences_keep_the_names_of_their_layers() -> None:
    inner = Pile([Daoloth(3, input_dim=2, name="inside")], name="inner")
    sequence = nn.Sequential()
    sequence.add_module("first", nn.Linear(3, 3))
    sequence.add_module("second", nn.Sequential(nn.ReLU(), nn.BatchNorm1d(3)))
    model = Pile([inner, sequence, Lump(nn.Linear(3, 1))])
    other = rebuilt(model)
    assert shapes(other) == shapes(model)
    assert repr(other) == repr(model)


def test_empty_pile_is_built_again() -> None:
    assert rebuilt(Pile()).layers == []


def fills(tensor: torch.Tensor) -> None:
    tensor.fill_(7.0)


@pytest.mark.parametrize("function", [torch.relu, functional.mish, ACTIVATIONS["leaky_relu"], ACTIVATIONS["softmax"]])
def test_functions_of_pytorch_and_our_own_come_back_as_they_are(function: Any) -> None:
    model = Pile([Daoloth(2, input_dim=2, activation=function, kernel_initializer=nn.init.orthogonal_)])
    other = rebuilt(model)
    assert other.layers[0].activation_given is function
    assert other.layers[0].kernel_initializer_given is nn.init.orthogonal_


def test_module_as_activation_is_made_anew_with_its_arguments() -> None:
    model = Pile([Daoloth(2, input_dim=2, activation=nn.PReLU(2, init=0.1)), Azatoth(nn.Hardtanh(-2.0, 3.0))])
    other = rebuilt(model)
    assert shapes(other) == shapes(model)
    assert other.layers[0].activation_given is not model.layers[0].activation_given
    assert (other.layers[1].activation_given.min_val, other.layers[1].activation_given.max_val) == (-2.0, 3.0)


def test_other_functions_are_looked_up_by_their_name() -> None:
    model = Pile([Daoloth(2, input_dim=2, activation=own, kernel_initializer=fills)])
    other = rebuilt(model, {"own": own, "fills": fills})
    assert other.layers[0].activation_given is own
    assert other.layers[0].weight.tolist() == [[7.0, 7.0], [7.0, 7.0]]
    with pytest.raises(ValueError, match=r"layer 'daoloth_1': activation: there is no function 'own': pass custom_obj"):
        rebuilt(model, {"fills": fills})


def test_partial_of_a_function_comes_back_with_its_named_arguments() -> None:
    other = rebuilt(Pile([Azatoth(partial(functional.elu, alpha=2.0))]))
    assert other(torch.tensor([-1.0])).item() == functional.elu(torch.tensor([-1.0]), alpha=2.0).item()


@pytest.mark.parametrize("function", [lambda x: x, partial(own, torch.ones(1)), nn.ReLU().forward, nn.ReLU])
def test_functions_without_a_name_cannot_be_described(function: Any) -> None:
    with pytest.raises(Indescribable, match="layer 'azatoth_1': argument 'activation' of Azatoth is "):
        describe(Pile([Azatoth(function)]))


def test_frozen_parameters_are_frozen_again() -> None:
    model = Pile([Daoloth(3, input_dim=2), Daoloth(1)])
    model.layers[0].weight.requires_grad_(False)
    assert describe(model)["frozen"] == ["daoloth_1.weight"]
    other = rebuilt(model)
    assert [weight.requires_grad for weight in other.parameters()] == [False, True, True, True]


def test_weights_have_the_dtypes_they_had_whatever_is_the_default() -> None:
    model = Pile([Daoloth(3, input_dim=2), nn.BatchNorm1d(3)]).double()
    model.layers[1].to(torch.bfloat16)
    assert shapes(rebuilt(model)) == shapes(model)
    single = Pile([nn.Linear(2, 2)])
    description = describe(single)
    torch.set_default_dtype(torch.float64)
    try:
        other = build(description)
    finally:
        torch.set_default_dtype(torch.float32)
    assert shapes(other) == shapes(single)


def test_building_leaves_random_generators_as_they_were() -> None:
    description = describe(Pile([Daoloth(3, input_dim=2), nn.Linear(3, 3)]))
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    build(description)
    assert torch.equal(torch.rand(2), expected)


def test_softmax_that_was_added_leaves_its_logits_again() -> None:
    model = rebuilt(Pile([nn.Linear(2, 3, bias=False), nn.Softmax(dim=-1)]))
    with torch.no_grad():
        model.layers[0].weight.copy_(torch.tensor([[1000.0, 0.0], [0.0, 1000.0], [-1000.0, 0.0]]))
    model.conjure("sgd", "categorical_crossentropy")
    assert model.evaluate(np.eye(2), np.eye(3)[[2, 1]], verbose=0) == 1000.0
