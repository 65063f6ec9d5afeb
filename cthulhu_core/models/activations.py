"""Activations by the names that Keras documents. Each is PyTorch's own function.

``softmax`` and ``sigmoid`` attach their input to their result, so that a loss can be computed from the logits, which is
exact when the logarithm of a probability is not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from cthulhu_core.names import look_up
from cthulhu_core.training.logits import keep_logits

Activation = Callable[[Tensor], Tensor]


def linear(x: Tensor) -> Tensor:
    """Return ``x``."""
    return x


def softmax(x: Tensor) -> Tensor:
    """Return the softmax over the last dimension."""
    return keep_logits(functional.softmax(x, dim=-1), x, "softmax")


def sigmoid(x: Tensor) -> Tensor:
    """Return the logistic function of each element."""
    return keep_logits(torch.sigmoid(x), x, "sigmoid")


def hard_sigmoid(x: Tensor) -> Tensor:
    """Return ``0.2 x + 0.5`` clipped to [0, 1], as Keras 2.3 defines it (PyTorch's has slope 1/6)."""
    return torch.clamp(0.2 * x + 0.5, 0.0, 1.0)


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
    """Return the activation of this name, or ``given`` if it is a function; None means ``linear``.

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
