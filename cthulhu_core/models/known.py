"""The classes and functions of PyTorch, and our own, that a file may name: what is not here comes from the user.

Names that this version of PyTorch does not have are left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import nn, optim
from torch.nn import functional

from cthulhu_core.models.activations import ACTIVATIONS
from cthulhu_core.models.initializers import INITIALIZERS
from cthulhu_core.models.layers import Azatoth, Daoloth, TheHydra
from cthulhu_core.models.lump import Lump
from cthulhu_core.models.pile import Pile
from cthulhu_core.training.metrics import METRICS


def _of(module: ModuleType, prefix: str, *names: str) -> dict[str, Any]:
    """From full name to object, for those of ``names`` that ``module`` has."""
    found = vars(module)
    return {f"{prefix}.{name}": found[name] for line in names for name in line.split() if name in found}


CLASSES: Mapping[str, type[nn.Module]] = {
    "cthulhu.models.Pile": Pile,
    "cthulhu.models.Lump": Lump,
    "cthulhu.layers.Daoloth": Daoloth,
    "cthulhu.layers.Azatoth": Azatoth,
    "cthulhu.layers.TheHydra": TheHydra,
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

ATTRIBUTES: Mapping[type[nn.Module], Mapping[str, str]] = {
    Daoloth: {
        "units": "units", "input_shape": "input_shape", "activation": "activation_given", "use_bias": "bias",
        "kernel_initializer": "kernel_initializer_given", "bias_initializer": "bias_initializer_given", "name": "name",
    },
    Azatoth: {"activation": "activation_given", "name": "name"},
    TheHydra: {
        "input_dim": "num_embeddings", "output_dim": "embedding_dim", "input_length": "input_length",
        "embeddings_initializer": "embeddings_initializer_given", "name": "name",
    },
    nn.LSTM: {name: name for name in (*_RECURRENT, "proj_size")},
    nn.GRU: {name: name for name in _RECURRENT},
    nn.RNN: {name: name for name in (*_RECURRENT, "nonlinearity")},
    nn.Identity: {},
    Lump: {"module": "module"},
}  # fmt: skip
"""From constructor argument to attribute, where the signature does not say it: see :func:`parameters_of`."""

OBSOLETE = ("device", "dtype", "size_average", "reduce", "min_value", "max_value")
"""Arguments that are told elsewhere, or in other words."""


def name_of(found: Any, table: Mapping[str, Any]) -> str | None:
    """What ``table`` calls this very object, or None."""
    return next((name for name, each in table.items() if each is found), None)
