"""The known classes of PyTorch come back with their arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

from architectures import rebuilt, shapes
from cthulhu.models import Pile
from cthulhu_core.models.architecture import describe
from cthulhu_core.models.serialization.allowed import CLASSES

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
