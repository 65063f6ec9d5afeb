"""Initializers by the names that Keras documents. Each is PyTorch's own function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from cthulhu_core.names import look_up

Initializer = Callable[[Tensor], object]
"""Fills a tensor in place, as the functions of ``torch.nn.init`` do."""

INITIALIZERS: dict[str, Initializer] = {
    "zeros": nn.init.zeros_,
    "ones": nn.init.ones_,
    "uniform": partial(nn.init.uniform_, a=-0.05, b=0.05),
    "random_uniform": partial(nn.init.uniform_, a=-0.05, b=0.05),
    "normal": partial(nn.init.normal_, std=0.05),
    "random_normal": partial(nn.init.normal_, std=0.05),
    "truncated_normal": partial(nn.init.trunc_normal_, std=0.05, a=-0.1, b=0.1),
    "glorot_uniform": nn.init.xavier_uniform_,
    "glorot_normal": nn.init.xavier_normal_,
    "he_uniform": partial(nn.init.kaiming_uniform_, nonlinearity="relu"),
    "he_normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "lecun_uniform": partial(nn.init.kaiming_uniform_, nonlinearity="linear"),
    "lecun_normal": partial(nn.init.kaiming_normal_, nonlinearity="linear"),
    "orthogonal": nn.init.orthogonal_,
    "identity": nn.init.eye_,
}


def initializer(given: str | Initializer) -> Initializer:
    """Return the initializer of this name, or ``given`` if it is a function.

    Raises:
        ValueError: there is no initializer of this name.
        TypeError: ``given`` is neither a name nor callable.
    """
    if isinstance(given, str):
        return look_up("initializer", given, INITIALIZERS)
    if not callable(given):
        raise TypeError(f"initializer is {given!r}: expected a name or a function that fills a tensor in place")
    return given
