"""Optimizers by the names and with the defaults that Keras documents, each of them PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from torch import nn, optim

from cthulhu_core.names import look_up

OptimizerFactory = Callable[[Iterable[nn.Parameter]], optim.Optimizer]

_EPSILON = 1e-7

OPTIMIZERS: dict[str, OptimizerFactory] = {
    "sgd": partial(optim.SGD, lr=0.01),
    "rmsprop": partial(optim.RMSprop, lr=0.001, alpha=0.9, eps=_EPSILON),
    "adagrad": partial(optim.Adagrad, lr=0.01, eps=_EPSILON),
    "adadelta": partial(optim.Adadelta, lr=1.0, rho=0.95, eps=_EPSILON),
    "adam": partial(optim.Adam, lr=0.001, eps=_EPSILON),
    "adamax": partial(optim.Adamax, lr=0.002, eps=_EPSILON),
    "nadam": partial(optim.NAdam, lr=0.002, eps=_EPSILON),
}


def optimizer_factory(given: Any) -> OptimizerFactory:
    """What makes the optimizer once the model has its parameters.

    Args:
        given: a name (``"rmsprop"``), a ``torch.optim.Optimizer``, or a function (or class) from parameters to one.

    Raises:
        ValueError: there is no optimizer of this name.
        TypeError: ``given`` is none of the three.
    """
    if isinstance(given, str):
        return look_up("optimizer", given.lower(), OPTIMIZERS)
    if isinstance(given, optim.Optimizer):
        return partial(_as_given, given)
    if not callable(given):
        raise TypeError(
            f"optimizer is {given!r}: expected a name ({', '.join(map(repr, OPTIMIZERS))}), "
            "a torch.optim.Optimizer, or a function from parameters to one"
        )
    return partial(_made_by, given)


def _as_given(optimizer: optim.Optimizer, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    return optimizer


def _made_by(factory: OptimizerFactory, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    made = factory(parameters)
    if not isinstance(made, optim.Optimizer):
        raise TypeError(f"the optimizer function {factory!r} gave {made!r}: expected a torch.optim.Optimizer")
    return made
