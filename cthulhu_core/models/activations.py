"""Activations by the names Keras documents, each of them PyTorch's own function.

``softmax`` and ``sigmoid`` leave on their result what they were computed from, so that a loss can be computed from
the logits, which is exact where the logarithm of a probability is not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from cthulhu_core.names import look_up

Activation = Callable[[Tensor], Tensor]


def linear(x: Tensor) -> Tensor:
    """``x`` itself."""
    return x


def softmax(x: Tensor) -> Tensor:
    """Softmax over the last dimension."""
    return keep_logits(functional.softmax(x, dim=-1), x, "softmax")


def sigmoid(x: Tensor) -> Tensor:
    """Logistic function of each element."""
    return keep_logits(torch.sigmoid(x), x, "sigmoid")


def hard_sigmoid(x: Tensor) -> Tensor:
    """``0.2 x + 0.5`` cut to [0, 1], as Keras 2.3 defines it (PyTorch's has slope 1/6)."""
    return torch.clamp(0.2 * x + 0.5, 0.0, 1.0)


Probabilities = Literal["softmax", "sigmoid"]


def keep_logits(probabilities: Tensor, logits: Tensor, kind: Probabilities) -> Tensor:
    """Leave on ``probabilities`` the ``logits`` that they are the softmax or the sigmoid of."""
    setattr(probabilities, f"_cthulhu_{kind}_of", logits)
    return probabilities


def logits_of(output: Any, kind: Probabilities) -> Tensor | None:
    """The logits that ``output`` is the softmax or the sigmoid of, if its activation left them."""
    return getattr(output, f"_cthulhu_{kind}_of", None)


def keep_logits_of(module: nn.Module) -> None:
    """Have ``nn.Softmax`` or ``nn.Sigmoid``, as ``module`` or at the end of a ``nn.Sequential``, leave its logits."""
    while isinstance(module, nn.Sequential) and len(module):
        module = module[-1]
    if isinstance(module, (nn.Softmax, nn.Sigmoid)):
        module.register_forward_hook(_leave_logits)


def _leave_logits(module: nn.Module, inputs: tuple[Tensor], probabilities: Tensor) -> None:
    if not isinstance(module, nn.Softmax):
        keep_logits(probabilities, inputs[0], "sigmoid")
    elif module.dim in (-1, probabilities.ndim - 1):
        keep_logits(probabilities, inputs[0], "softmax")


ACTIVATIONS: dict[str, Activation] = {
    "linear": linear,
    "softmax": softmax,
    "sigmoid": sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "relu": functional.relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "tanh": torch.tanh,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "exponential": torch.exp,
    "swish": functional.silu,
    "gelu": functional.gelu,
    "leaky_relu": partial(functional.leaky_relu, negative_slope=0.3),
}


def activation(given: str | Activation | None) -> Activation:
    """The activation of this name, or ``given`` itself if it is a function; None is ``linear``.

    Raises:
        ValueError: there is no activation of this name.
        TypeError: ``given`` is neither a name nor callable.
    """
    if given is None:
        return linear
    if isinstance(given, str):
        return look_up("activation", given, ACTIVATIONS)
    if not callable(given):
        raise TypeError(f"activation is {given!r}: expected a name or a function from tensor to tensor")
    return given
