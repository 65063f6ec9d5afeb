"""The classes and functions that a file may name: PyTorch's, and those of this project.

Everything else comes from the user's ``custom_objects``. Names that this version of PyTorch does not have are left out.
Classes of this project add themselves with :func:`known_as`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import nn, optim
from torch.nn import functional

from cthulhu_core.models.activations import ACTIVATIONS
from cthulhu_core.models.initializers import INITIALIZERS
from cthulhu_core.training.metrics import METRICS

M = TypeVar("M", bound=nn.Module)


def _of(module: ModuleType, prefix: str, *names: str) -> dict[str, Any]:
    """Return the objects in ``module`` by their full names, for those of ``names`` that it has."""
    found = vars(module)
    return {f"{prefix}.{name}": found[name] for line in names for name in line.split() if name in found}


CLASSES: dict[str, type[nn.Module]] = {
    **_of(
        nn, "torch.nn",
        "Sequential Identity Linear Bilinear Flatten Unflatten Embedding EmbeddingBag LSTM GRU RNN",
        "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Fold Unfold",
        "MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d LPPool1d LPPool2d LPPool3d",
        "MaxUnpool1d MaxUnpool2d MaxUnpool3d FractionalMaxPool2d FractionalMaxPool3d",
        "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d",
        "BatchNorm1d BatchNorm2d BatchNorm3d InstanceNorm1d InstanceNorm2d InstanceNorm3d",
        "LayerNorm GroupNorm RMSNorm LocalResponseNorm",
        "LazyLinear LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d",
        "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
        "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout",
        "ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d",
        "ZeroPad1d ZeroPad2d ZeroPad3d ConstantPad1d ConstantPad2d ConstantPad3d",
        "CircularPad1d CircularPad2d CircularPad3d",
        "Upsample UpsamplingNearest2d UpsamplingBilinear2d PixelShuffle PixelUnshuffle ChannelShuffle",
        "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax Mish PReLU",
        "RReLU ReLU ReLU6 SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink Softsign Tanh Tanhshrink",
        "Threshold",
        "BCELoss BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss CrossEntropyLoss GaussianNLLLoss HingeEmbeddingLoss",
        "HuberLoss KLDivLoss L1Loss MSELoss MarginRankingLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss",
        "MultiMarginLoss NLLLoss PoissonNLLLoss SmoothL1Loss SoftMarginLoss TripletMarginLoss",
    ),
}  # fmt: skip

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **_of(torch, "torch", "abs cos exp relu selu sigmoid sin softmax log_softmax square tanh"),
    **_of(
        functional, "torch.nn.functional",
        "celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_softmax logsigmoid mish normalize",
        "relu relu6 rrelu selu sigmoid silu softmax softmin softplus softshrink softsign tanh tanhshrink",
        "binary_cross_entropy binary_cross_entropy_with_logits cosine_similarity cross_entropy gaussian_nll_loss",
        "hinge_embedding_loss huber_loss kl_div l1_loss mse_loss multi_margin_loss multilabel_margin_loss",
        "multilabel_soft_margin_loss nll_loss pairwise_distance poisson_nll_loss smooth_l1_loss soft_margin_loss",
    ),
    **_of(
        nn.init, "torch.nn.init",
        "dirac_ eye_ kaiming_normal_ kaiming_uniform_ normal_ ones_ orthogonal_ trunc_normal_ uniform_",
        "xavier_normal_ xavier_uniform_ zeros_",
    ),
    **{f"cthulhu.activations.{name}": function for name, function in ACTIVATIONS.items()},
    **{f"cthulhu.metrics.{name}": metric for name, metric in METRICS.items() if inspect.isfunction(metric)},
    **{f"cthulhu.initializers.{name}": function for name, function in INITIALIZERS.items()},
}  # fmt: skip

OPTIMIZERS: Mapping[str, type[optim.Optimizer]] = _of(
    optim, "torch.optim",
    "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS Muon NAdam RAdam RMSprop Rprop SGD SparseAdam",
)  # fmt: skip

_RECURRENT = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")

ATTRIBUTES: dict[type[nn.Module], Mapping[str, str]] = {
    nn.LSTM: {name: name for name in (*_RECURRENT, "proj_size")},
    nn.GRU: {name: name for name in _RECURRENT},
    nn.RNN: {name: name for name in (*_RECURRENT, "nonlinearity")},
    nn.Identity: {},
}  # fmt: skip
"""The attribute that holds each constructor argument, for classes whose attributes have other names."""

CONTAINERS: dict[type[nn.Module], tuple[str, ...]] = {nn.Sequential: ()}
"""Classes that are described by their children, and the constructor arguments that they have besides."""

WRAPPERS: set[type[nn.Module]] = set()
"""Classes whose weights belong to modules that they are given."""


def known_as(
    name: str,
    attributes: Mapping[str, str] | None = None,
    *,
    container: tuple[str, ...] | None = None,
    wrapper: bool = False,
) -> Callable[[type[M]], type[M]]:
    """Return a class decorator that lets files name the class.

    Args:
        name: the full name in files.
        attributes: the attribute that holds each constructor argument; by default, attributes have the same names.
        container: set for a class that is described by its children: the constructor arguments that it has besides.
        wrapper: whether its weights belong to modules that it is given.
    """

    def register(cls: type[M]) -> type[M]:
        CLASSES[name] = cls
        if attributes is not None:
            ATTRIBUTES[cls] = attributes
        if container is not None:
            CONTAINERS[cls] = container
        if wrapper:
            WRAPPERS.add(cls)
        return cls

    return register


OBSOLETE = ("device", "dtype", "size_average", "reduce", "min_value", "max_value")
"""Arguments that are deprecated or stored elsewhere."""


def name_of(found: Any, table: Mapping[str, Any]) -> str | None:
    """Return the name of this very object in ``table``, or None."""
    return next((name for name, each in table.items() if each is found), None)
