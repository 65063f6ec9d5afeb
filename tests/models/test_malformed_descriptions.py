"""Malformed descriptions of an architecture are rejected with the reason."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from architectures import own, shapes
from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Lump, Pile
from cthulhu_core.models.architecture import Indescribable, build, describe
from cthulhu_core.models.serialization.allowed import CLASSES


def pile_of(**layer: Any) -> dict[str, Any]:
    return {"class": "cthulhu.models.Pile", "children": [["layer", layer]]}


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (None, "the description of the model is None: expected that of a Pile"),
        ({"class": "torch.nn.Linear"}, "expected that of a Pile"),
        ({**pile_of(), "frozen": 3}, "frozen is 3: expected a list of names"),
        ({**pile_of(**{"class": "torch.nn.ReLU"}), "frozen": ["x"]}, "no parameter 'x' to freeze"),
        ({**pile_of(**{"class": "torch.nn.ReLU"}), "dtypes": {"x": "float32"}}, "has no weight 'x'"),
        ({**pile_of(**{"class": "torch.nn.ReLU"}), "dtypes": {"x": "int8"}}, "the dtype of 'x' is 'int8'"),
        ({**pile_of(), "surprise": 1}, r"there is no part \['surprise'\] of a description"),
        ({"class": "cthulhu.models.Pile", "children": {"a": 1}}, "expected pairs of name and layer"),
        ({"class": "cthulhu.models.Pile", "children": [["a", 1]]}, "layer 'a' is 1: expected a dict with a class"),
        (pile_of(**{"class": "os.system"}), r"no class 'os.system': pass custom_objects={'os.system': system}"),
        (pile_of(**{"class": "torch.nn.Novel"}), "no class 'torch.nn.Novel': .*, or a newer PyTorch"),
        (
            pile_of(**{"class": "torch.nn.ReLU", "arguments": {"inplane": True}}),
            "torch.nn.ReLU takes no argument 'inplane': known are inplace",
        ),
        (
            pile_of(**{"class": "torch.nn.Linear", "arguments": {"in_features": -2, "out_features": 3}}),
            "layer 'layer': torch.nn.Linear cannot be made with {'in_features': -2, 'out_features': 3}: RuntimeError",
        ),
        (pile_of(**{"class": "torch.nn.Linear", "arguments": {"in_features": 2}}), "cannot be made with .*TypeError"),
        (pile_of(**{"class": "torch.nn.Linear", "arguments": [1]}), r"arguments are \[1\]: expected a dict by name"),
        (pile_of(**{"class": "torch.nn.ReLU", "inputs": 3}), "has inputs: expected a Daoloth"),
        (pile_of(**{"class": "torch.nn.ReLU", "children": [["a", {}]]}), "has children: expected none"),
        (
            pile_of(**{"class": "cthulhu.layers.Daoloth", "arguments": {"units": 2, "input_shape": [3]}, "inputs": 4}),
            "inputs is 4: expected 3, as the input_shape says",
        ),
        (pile_of(**{"class": "cthulhu.layers.Azatoth", "functions": {"activation": 3}}), "found 3 where the name of a"),
        (
            pile_of(**{"class": "torch.nn.LSTM", "arguments": {"num_layers": 10**9, "hidden_size": 1}}),
            "num_layers is 1000000000: expected 1 to 1000",
        ),
        (pile_of(**{"class": "functools.partial"}), "functools.partial cannot be made with {}"),
        (
            pile_of(**{"class": "functools.partial", "functions": {"func": "torch.relu"}}),
            "layer 'layer' is a partial: expected a torch.nn.Module",
        ),
        (pile_of(**{"class": "cthulhu.models.Pile", "arguments": {"name": 3}}), "name of a Pile is 3"),
    ],
)
def test_malformed_descriptions_are_refused_with_the_reason(description: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(description)


def test_name_that_a_pile_cannot_have_is_refused() -> None:
    for name in ("", "a.b", "forward"):
        with pytest.raises(ValueError, match=f"layer '{name}' cannot be added"):
            build({"class": "cthulhu.models.Pile", "children": [[name, {"class": "torch.nn.ReLU"}]]})


def test_modules_in_modules_without_end_are_refused() -> None:
    model: nn.Module = nn.ReLU()
    description: dict[str, Any] = {"class": "torch.nn.ReLU"}
    for _ in range(40):
        model = nn.Sequential(model)
        description = {"class": "torch.nn.Sequential", "children": [["0", description]]}
    with pytest.raises(Indescribable, match="is nested in more than 25 modules"):
        describe(Pile([model]))
    with pytest.raises(ValueError, match="is nested in more than 25 modules"):
        build(pile_of(**description))


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (Pile([nn.Linear(10, 20)]), 4 * 220),
        (Pile([nn.Linear(10, 20)]).half(), 2 * 220),
        (Pile([Daoloth(20, input_dim=10, kernel_initializer="orthogonal", activation=own)]), 4 * 220),
        (Pile([TheHydra(10, 20), nn.Flatten(), Daoloth(3)]), 4 * (200 + 63)),
        (Pile([Azatoth(nn.PReLU(7)), Lump(nn.Sequential(nn.Conv2d(2, 3, 2)))]), 4 * (7 + 27)),
    ],
)
def test_weights_may_take_as_many_bytes_as_is_said_and_no_more(model: Pile, size: int) -> None:
    description = describe(model)
    assert shapes(build(description, {"own": own}, max_bytes=size)) == shapes(model)
    with pytest.raises(ValueError, match="asks for more bytes of weights than there can be"):
        build(description, {"own": own}, max_bytes=size - 1)


@pytest.mark.parametrize(
    "layer",
    [
        {"class": "torch.nn.Linear", "arguments": {"in_features": 2**30, "out_features": 2**30}},
        {"class": "torch.nn.Linear", "arguments": {"in_features": 2**70, "out_features": 1}},
        {"class": "cthulhu.layers.Daoloth", "arguments": {"units": 2**30, "input_shape": (2**30,)}},
        {"class": "cthulhu.layers.Daoloth", "arguments": {"units": 2**30}, "inputs": 2**30},
        {"class": "cthulhu.layers.TheHydra", "arguments": {"input_dim": 2**30, "output_dim": 2**30}},
        {"class": "torch.nn.LSTM", "arguments": {"input_size": 1, "hidden_size": 2**30, "num_layers": 1000}},
        {
            "class": "cthulhu.layers.Azatoth",
            "objects": {"activation": {"class": "torch.nn.PReLU", "arguments": {"num_parameters": 2**50}}},
        },
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_allocated(layer: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="layer 'layer'"):
        build(pile_of(**layer), max_bytes=10**9)


def test_shape_of_an_input_makes_no_input() -> None:
    first = {"class": "cthulhu.layers.Daoloth", "arguments": {"units": 1, "input_shape": [2**50, 3]}}
    second = {"class": "cthulhu.layers.Daoloth", "arguments": {"units": 1}}
    description = {"class": "cthulhu.models.Pile", "children": [["first", first], ["second", second]]}
    assert build(description, max_bytes=100).layers[0].input_shape == (2**50, 3)


VALID = describe(
    Pile(
        [
            TheHydra(10, 4, input_length=3),
            nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4)),
            Pile([Daoloth(5, input_dim=4, activation=torch.relu)]),
            nn.Unflatten(1, (5, 1)),
            nn.Conv1d(5, 2, 1),
            nn.LSTM(1, 2, num_layers=2),
            Azatoth(nn.PReLU(2)),
            Azatoth(partial(functional.elu, alpha=2.0)),
        ]
    )
)


VALUES = (
    st.none() | st.booleans() | st.integers() | st.integers(-4, 4) | st.floats() | st.text(max_size=3)
    | st.sampled_from([*CLASSES, "torch.relu", 2**31, 2**62, 2**64, [], {}, [1, -1], (2, 2), ["a", {}], {"class": "x"}])
)  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """All containers in ``value``, each with each of its keys."""
    if not isinstance(value, (dict, list)):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_other_description_is_built_or_a_value_error(data: st.DataObject) -> None:
    description = copy.deepcopy(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(description)))
        change = data.draw(st.sampled_from(["set", "remove", "add"]))
        if change == "remove":
            del container[key]
        elif change == "add" and isinstance(container, dict):
            container[data.draw(st.text(max_size=3) | st.sampled_from(["inputs", "bias", "padding", "name"]))] = (
                copy.deepcopy(data.draw(VALUES))
            )
        else:
            container[key] = copy.deepcopy(data.draw(VALUES))
    try:
        model = build(description, max_bytes=10_000)
    except ValueError:
        return
    assert type(model) is Pile
