"""The architecture of a Pile as plain data: what is built again is the same, and nothing else can be asked for."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Lump, Pile
from cthulhu_core.checkpoints.packing import pack, unpack
from cthulhu_core.models.activations import ACTIVATIONS
from cthulhu_core.models.architecture import Indescribable, build, describe
from cthulhu_core.models.serialization.allowed import CLASSES


def rebuilt(model: Pile, custom_objects: dict[str, Any] | None = None) -> Pile:
    """``model`` described, written as text, read and built again."""
    text, tensors = pack(describe(model))
    return build(unpack(text, tensors), custom_objects)


def shapes(model: nn.Module) -> dict[str, tuple[Any, ...]]:
    return {name: (tuple(weight.shape), weight.dtype) for name, weight in model.state_dict().items()}


# --- our layers -------------------------------------------------------------------------------------------------------


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


# --- activations and initializers -------------------------------------------------------------------------------------


def own(x: torch.Tensor) -> torch.Tensor:
    return x * 2


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


# --- PyTorch's layers -------------------------------------------------------------------------------------------------

_CONV: dict[str, Any] = {
    "kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False, "padding_mode": "zeros",
}  # fmt: skip
_RNN: dict[str, Any] = {
    "input_size": 3, "hidden_size": 4, "num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.25,
    "bidirectional": True,
}  # fmt: skip
_POOL: dict[str, Any] = {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}
_BATCH: dict[str, Any] = {"num_features": 3, "eps": 0.1, "momentum": None, "track_running_stats": False}
_WEIGHT = torch.tensor([0.5, 2.0])

ARGUMENTS: dict[str, dict[str, Any]] = {
    "Linear": {"in_features": 2, "out_features": 3, "bias": False},
    "Bilinear": {"in1_features": 2, "in2_features": 3, "out_features": 4, "bias": False},
    "Flatten": {"start_dim": 2, "end_dim": 3},
    "Unflatten": {"dim": 1, "unflattened_size": (2, 3)},
    "Embedding": {"num_embeddings": 5, "embedding_dim": 2, "padding_idx": 1, "max_norm": 2.0, "sparse": True},
    "EmbeddingBag": {"num_embeddings": 5, "embedding_dim": 2, "mode": "sum", "include_last_offset": True},
    "LSTM": {**_RNN, "proj_size": 2},
    "GRU": _RNN,
    "RNN": {**_RNN, "nonlinearity": "relu"},
    **{f"Conv{n}d": {"in_channels": 2, "out_channels": 4, **_CONV, "padding_mode": "circular"} for n in (1, 2, 3)},
    **{
        f"ConvTranspose{n}d": {"in_channels": 2, "out_channels": 4, **_CONV, "output_padding": 1, "dilation": 1}
        for n in (1, 2, 3)
    },
    "Fold": {"output_size": (4, 5), "kernel_size": 2, "dilation": 2, "padding": 1, "stride": 3},
    "Unfold": {"kernel_size": (2, 3), "dilation": 2, "padding": 1, "stride": 3},
    **{f"MaxPool{n}d": {**_POOL, "dilation": 2, "return_indices": True} for n in (1, 2, 3)},
    **{f"AvgPool{n}d": {**_POOL, "count_include_pad": False} for n in (1, 2, 3)},
    **{f"LPPool{n}d": {"norm_type": 3.0, "kernel_size": 3, "stride": 2, "ceil_mode": True} for n in (1, 2, 3)},
    **{f"MaxUnpool{n}d": {"kernel_size": 3, "stride": 2, "padding": 1} for n in (1, 2, 3)},
    "FractionalMaxPool2d": {"kernel_size": 2, "output_size": (3, 4), "return_indices": True},
    "FractionalMaxPool3d": {"kernel_size": 2, "output_ratio": (0.5, 0.6, 0.7)},
    "AdaptiveAvgPool1d": {"output_size": 5},
    "AdaptiveAvgPool2d": {"output_size": (None, 3)},
    "AdaptiveAvgPool3d": {"output_size": (2, 3, 4)},
    **{f"AdaptiveMaxPool{n}d": {"output_size": 3, "return_indices": True} for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": _BATCH for n in (1, 2, 3)},
    **{f"InstanceNorm{n}d": {**_BATCH, "affine": True, "track_running_stats": True} for n in (1, 2, 3)},
    "LayerNorm": {"normalized_shape": (2, 3), "eps": 0.1, "bias": False},
    "GroupNorm": {"num_groups": 2, "num_channels": 4, "eps": 0.1, "affine": False},
    "RMSNorm": {"normalized_shape": [2, 3], "eps": 0.1, "elementwise_affine": False},
    "LocalResponseNorm": {"size": 3, "alpha": 0.1, "beta": 0.2, "k": 2.0},
    **{
        name: {"p": 0.125, "inplace": True}
        for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")
    },
    **{
        f"{kind}Pad{n}d": {"padding": tuple(range(1, 2 * n + 1))}
        for kind in ("Reflection", "Replication", "Zero", "Circular") for n in (1, 2, 3)
    },
    **{f"ConstantPad{n}d": {"padding": 2, "value": 0.5} for n in (1, 2, 3)},
    "Upsample": {"scale_factor": (2.0, 3.0), "mode": "bilinear", "align_corners": True, "recompute_scale_factor": True},
    "UpsamplingNearest2d": {"size": (4, 5)},
    "UpsamplingBilinear2d": {"scale_factor": 2.0},
    "PixelShuffle": {"upscale_factor": 3},
    "PixelUnshuffle": {"downscale_factor": 3},
    "ChannelShuffle": {"groups": 3},
    "CELU": {"alpha": 2.0, "inplace": True},
    "ELU": {"alpha": 2.0, "inplace": True},
    "GELU": {"approximate": "tanh"},
    "GLU": {"dim": 1},
    "Hardshrink": {"lambd": 0.25},
    "Hardtanh": {"min_val": -2.0, "max_val": 3.0, "inplace": True},
    "LeakyReLU": {"negative_slope": 0.3, "inplace": True},
    "PReLU": {"num_parameters": 3, "init": 0.5},
    "RReLU": {"lower": 0.2, "upper": 0.4, "inplace": True},
    **{name: {"inplace": True} for name in ("Hardsigmoid", "Hardswish", "Mish", "ReLU", "ReLU6", "SELU", "SiLU")},
    **{name: {"dim": 1} for name in ("LogSoftmax", "Softmax", "Softmin")},
    "Softplus": {"beta": 2.0, "threshold": 10.0},
    "Softshrink": {"lambd": 0.25},
    "Threshold": {"threshold": 0.1, "value": 20.0, "inplace": True},
    "BCELoss": {"weight": _WEIGHT, "reduction": "sum"},
    "BCEWithLogitsLoss": {"weight": _WEIGHT, "pos_weight": _WEIGHT * 2, "reduction": "sum"},
    "CTCLoss": {"blank": 2, "reduction": "sum", "zero_infinity": True},
    "CosineEmbeddingLoss": {"margin": 0.5, "reduction": "sum"},
    "CrossEntropyLoss": {"weight": _WEIGHT, "ignore_index": 3, "reduction": "sum", "label_smoothing": 0.1},
    "GaussianNLLLoss": {"full": True, "eps": 0.1, "reduction": "sum"},
    "HingeEmbeddingLoss": {"margin": 0.5, "reduction": "sum"},
    "HuberLoss": {"reduction": "sum", "delta": 2.0},
    "KLDivLoss": {"reduction": "batchmean", "log_target": True},
    "MarginRankingLoss": {"margin": 0.5, "reduction": "sum"},
    "MultiLabelSoftMarginLoss": {"weight": _WEIGHT, "reduction": "sum"},
    "MultiMarginLoss": {"p": 2, "margin": 0.5, "weight": _WEIGHT, "reduction": "sum"},
    "NLLLoss": {"weight": _WEIGHT, "ignore_index": 3, "reduction": "sum"},
    "PoissonNLLLoss": {"log_input": False, "full": True, "eps": 0.1, "reduction": "sum"},
    "SmoothL1Loss": {"reduction": "sum", "beta": 2.0},
    "TripletMarginLoss": {"margin": 0.5, "p": 1.0, "eps": 0.1, "swap": True, "reduction": "sum"},
    **{name: {"reduction": "sum"} for name in ("L1Loss", "MSELoss", "MultiLabelMarginLoss", "SoftMarginLoss")},
    **{name: {} for name in ("Identity", "LogSigmoid", "Sigmoid", "Softmax2d", "Softsign", "Tanh", "Tanhshrink")},
}  # fmt: skip

NAMES = [name.removeprefix("torch.nn.") for name in CLASSES if name.startswith("torch.nn.")]


def plain_attributes(module: nn.Module) -> dict[str, Any]:
    kinds = (bool, int, float, str, tuple, list)
    return {name: each for name, each in vars(module).items() if isinstance(each, kinds) and "_flat_weight" not in name}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "Sequential" and "Lazy" not in name])
def test_every_known_class_comes_back_with_the_arguments_it_was_given(name: str) -> None:
    layer = getattr(nn, name)(**ARGUMENTS[name])
    model = Pile([layer])
    assert json.loads(json.dumps(describe(model), default=str))
    other = rebuilt(model)
    (made,) = other.layers
    assert type(made) is type(layer)
    assert repr(made) == repr(layer)
    assert shapes(other) == shapes(model)
    assert plain_attributes(made) == plain_attributes(layer)
    if isinstance(getattr(layer, "weight", None), torch.Tensor) and name.endswith("Loss"):
        assert made.weight.tolist() == layer.weight.tolist()


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith(("Conv", "Linear", "BatchNorm", "LSTM"))])
def test_biases_that_are_there_come_back(name: str) -> None:
    arguments = {key: each for key, each in ARGUMENTS[name].items() if key not in ("bias", "track_running_stats")}
    model = Pile([getattr(nn, name)(**arguments)])
    assert any("bias" in weight for weight in model.state_dict())
    assert shapes(rebuilt(model)) == shapes(model)


@pytest.mark.parametrize(
    "layer",
    [nn.LazyLinear(3, bias=False), nn.LazyConv2d(4, 3, stride=2), nn.LazyBatchNorm2d(eps=0.1), nn.LazyInstanceNorm1d()],
)
def test_pytorchs_lazy_layers_learn_their_sizes_again(layer: nn.Module) -> None:
    model = Pile([layer])
    x = torch.rand(2, 3, 8, 8) if "2d" in repr(layer) else torch.rand(2, 3, 8)
    other = rebuilt(model)
    assert type(other.layers[0]) is type(layer)
    model(x)
    other(x)
    assert repr(other) == repr(model)
    assert shapes(other) == shapes(rebuilt(model)) == shapes(model)


# --- frozen parameters, dtypes, generators ----------------------------------------------------------------------------


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


# --- classes of the user's --------------------------------------------------------------------------------------------


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


# --- malformed descriptions -------------------------------------------------------------------------------------------


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
