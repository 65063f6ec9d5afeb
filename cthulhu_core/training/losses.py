"""Losses by the names that Keras documents, and callables with PyTorch's signature.

A loss returns one number for a batch, or one for each sample, to be multiplied with weights. Which output a loss
belongs to is in ``objective.py``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cthulhu_core.names import look_up
from cthulhu_core.training.logits import logits_of

_CLIP = 1e-7

PerElement = Callable[[Tensor, Tensor], Tensor]


class Loss:
    """One loss function.

    Args:
        name: its name in messages.
        function: maps (output, target) to the loss of a batch; of several numbers, the mean is taken.
        per_sample: maps (output, target) to a tensor of shape (N,); None if the function has no such form.
        given: the argument of ``conjure``.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Any, Any], Tensor],
        per_sample: Callable[[Any, Any], Tensor] | None,
        given: Any,
    ) -> None:
        self.name = name
        self.function = function
        self.per_sample = per_sample
        self.given = given

    def __call__(self, output: Any, target: Any, weights: Tensor | None = None) -> Tensor:
        """Return the mean over the batch; with ``weights`` of shape (N,), the weighted sum divided by N.

        Raises:
            ValueError: weights are given, and the function returns one number for the whole batch.
        """
        if weights is None:
            value = self.function(output, target)
            return value.mean() if value.ndim else value
        if self.per_sample is None:
            raise ValueError(
                f"the loss {self.name} returns one number for a whole batch, to which class_weight and sample_weight "
                f"cannot be applied: use a loss with reduction='none', or weigh inside the loss"
            )
        losses = self.per_sample(output, target)
        if losses.shape[:1] != weights.shape:
            raise ValueError(
                f"the loss {self.name} returned shape {tuple(losses.shape)} for {len(weights)} samples: "
                "expected one number for each sample"
            )
        return (_mean_of_samples(losses) * weights.to(losses.dtype)).sum() / len(weights)


def loss(given: Any) -> Loss:
    """Return the loss of this name, or ``given`` wrapped if it is callable as ``(output, target)``.

    Raises:
        ValueError: there is no loss of this name.
        TypeError: ``given`` is neither a name nor callable, or is a class.
    """
    if isinstance(given, Loss):
        return given
    if isinstance(given, str):
        return look_up("loss", given, LOSSES)
    if isinstance(given, type):
        raise TypeError(f"loss is the class {given.__name__}: expected an instance, {given.__name__}()")
    if not callable(given):
        raise TypeError(f"loss is {given!r}: expected a name, a torch.nn loss or a function (output, target)")
    per_sample: Callable[[Any, Any], Tensor] | None = None
    if isinstance(given, torch.nn.Module):
        name = type(given).__name__
        if getattr(given, "reduction", None) in ("mean", "sum", "none"):
            per_sample = copy.copy(given)
            setattr(per_sample, "reduction", "none")  # noqa: B010 - of this copy only, which no type knows
    else:
        name = getattr(given, "__name__", type(given).__name__)
        if hasattr(functional, name) and getattr(functional, name) is given:
            per_sample = partial(given, reduction="none")
    return Loss(name, given, per_sample, given)


# --- by name ----------------------------------------------------------------------------------------------------------

Reducible = Callable[[Tensor, Tensor, str], Tensor]
"""Maps (output, target, reduction) to a loss, as PyTorch's functions do; reduction is "mean" or "none"."""


def _mean_of_samples(losses: Tensor) -> Tensor:
    """Return the mean over all but the first dimension: (N, ...) becomes (N,)."""
    return losses if losses.ndim <= 1 else losses.flatten(1).mean(1)


def match(output: Tensor, target: Tensor) -> Tensor:
    """Return ``target`` in the shape and dtype of ``output``, for (N,) and (N, 1), integers and floats.

    Raises:
        ValueError: their shapes differ in more than dimensions of size 1, or one of them is not a single tensor.
    """
    if not (isinstance(target, Tensor) and isinstance(output, Tensor)):
        raise _not_single(output, target)
    if target.shape != output.shape:
        if [size for size in target.shape if size != 1] != [size for size in output.shape if size != 1]:
            classes = target.numel() == math.prod(output.shape[:-1])
            raise ValueError(
                f"targets have shape {tuple(target.shape)}, the model returns {tuple(output.shape)}: they must agree"
                + ("; for class numbers use loss='sparse_categorical_crossentropy'" if classes else "")
            )
        target = target.reshape(output.shape)
    return target if target.dtype == output.dtype else target.to(output.dtype)


def class_numbers(output: Tensor, target: Tensor) -> Tensor:
    """Return class numbers of shape (N, ...) as int64, from (N, ...) or (N, ..., 1), for outputs of (N, ..., C).

    Raises:
        ValueError: there is not one number for each prediction, or one of the two is not a single tensor.
    """
    if not (isinstance(target, Tensor) and isinstance(output, Tensor)):
        raise _not_single(output, target)
    shape = output.shape[:-1]
    if target.shape == shape and target.dtype == torch.int64:
        return target
    if target.numel() != math.prod(shape):
        raise ValueError(
            f"targets have shape {tuple(target.shape)}, the model returns {tuple(output.shape)}: expected one class "
            f"number for each of {tuple(shape)}; for one-hot targets use loss='categorical_crossentropy'"
        )
    return target.reshape(shape).long()


def _not_single(output: Any, target: Any) -> ValueError:
    if target is None:
        return ValueError("there are no targets to compare the model's outputs with: pass y, or data that has targets")
    which, value = ("the model returns", output) if not isinstance(output, Tensor) else ("the targets are", target)
    number = f" of {len(value)}" if isinstance(value, (tuple, list, dict)) else ""
    return ValueError(
        f"{which} a {type(value).__name__}{number}, where the loss compares one tensor with one: "
        "for several outputs, pass conjure() a list or dict of losses"
    )


def _named(name: str, function: Reducible, prepare: Callable[[Tensor, Tensor], Tensor] = match) -> Loss:
    return Loss(
        name,
        lambda output, target: function(output, prepare(output, target), "mean"),
        lambda output, target: function(output, prepare(output, target), "none"),
        name,
    )


def _reducible(function: Callable[[Tensor, Tensor], Tensor]) -> Reducible:
    def reduced(output: Tensor, target: Tensor, reduction: str) -> Tensor:
        losses = function(output, target)
        return losses.mean() if reduction == "mean" else losses

    return reduced


def _torch(function: Callable[..., Tensor]) -> Reducible:
    return lambda output, target, reduction: function(output, target, reduction=reduction)


def _log_probabilities(output: Tensor) -> Tensor:
    return (output / output.sum(-1, keepdim=True)).clamp(_CLIP, 1 - _CLIP).log()


def _classes_second(x: Tensor) -> Tensor:
    """Move the classes from Keras' (N, ..., C) to PyTorch's (N, C, ...)."""
    return x if x.ndim == 2 else x.movedim(-1, 1)


def _categorical_crossentropy(output: Tensor, target: Tensor, reduction: str) -> Tensor:
    logits = logits_of(output, "softmax")
    if logits is not None:
        return functional.cross_entropy(_classes_second(logits), _classes_second(target), reduction=reduction)
    losses = -(target * _log_probabilities(output)).sum(-1)
    return losses.mean() if reduction == "mean" else losses


def _sparse_categorical_crossentropy(output: Tensor, classes: Tensor, reduction: str) -> Tensor:
    logits = logits_of(output, "softmax")
    if logits is not None:
        return functional.cross_entropy(_classes_second(logits), classes, reduction=reduction)
    return functional.nll_loss(_classes_second(_log_probabilities(output)), classes, reduction=reduction)


def _binary_crossentropy(output: Tensor, target: Tensor, reduction: str) -> Tensor:
    logits = logits_of(output, "sigmoid")
    if logits is not None:
        return functional.binary_cross_entropy_with_logits(logits, target, reduction=reduction)
    return functional.binary_cross_entropy(output.clamp(_CLIP, 1 - _CLIP), target, reduction=reduction)


def _relative_error(output: Tensor, target: Tensor) -> Tensor:
    return 100 * ((target - output) / target.abs().clamp_min(_CLIP)).abs()


def _squared_log_error(output: Tensor, target: Tensor) -> Tensor:
    return (torch.log(output.clamp_min(_CLIP) + 1) - torch.log(target.clamp_min(_CLIP) + 1)).square()


def _signs(target: Tensor) -> Tensor:
    """Return targets of 0 and 1 as -1 and 1; others unchanged."""
    binary = ((target == 0) | (target == 1)).all()
    return torch.where(binary, 2 * target - 1, target)


def _hinge(output: Tensor, target: Tensor) -> Tensor:
    return (1 - _signs(target) * output).clamp_min(0)


def _squared_hinge(output: Tensor, target: Tensor) -> Tensor:
    return _hinge(output, target).square()


def _categorical_hinge(output: Tensor, target: Tensor) -> Tensor:
    right = (target * output).sum(-1)
    wrong = ((1 - target) * output).amax(-1)
    return (wrong - right + 1).clamp_min(0)


def _log_cosh(output: Tensor, target: Tensor) -> Tensor:
    difference = output - target
    return difference + functional.softplus(-2 * difference) - math.log(2)


def _divergence(output: Tensor, target: Tensor) -> Tensor:
    target, output = target.clamp(_CLIP, 1), output.clamp(_CLIP, 1)
    return (target * (target / output).log()).sum(-1)


def _poisson(output: Tensor, target: Tensor, reduction: str) -> Tensor:
    return functional.poisson_nll_loss(output, target, log_input=False, eps=_CLIP, reduction=reduction)


def _cosine(output: Tensor, target: Tensor) -> Tensor:
    return -functional.cosine_similarity(output, target, dim=-1)


_BY_NAME: dict[tuple[str, ...], tuple[Reducible, Callable[[Tensor, Tensor], Tensor]]] = {
    ("mean_squared_error", "mse"): (_torch(functional.mse_loss), match),
    ("mean_absolute_error", "mae"): (_torch(functional.l1_loss), match),
    ("mean_absolute_percentage_error", "mape"): (_reducible(_relative_error), match),
    ("mean_squared_logarithmic_error", "msle"): (_reducible(_squared_log_error), match),
    ("hinge",): (_reducible(_hinge), match),
    ("squared_hinge",): (_reducible(_squared_hinge), match),
    ("categorical_hinge",): (_reducible(_categorical_hinge), match),
    ("logcosh",): (_reducible(_log_cosh), match),
    ("huber", "huber_loss"): (_torch(functional.huber_loss), match),
    ("categorical_crossentropy",): (_categorical_crossentropy, match),
    ("sparse_categorical_crossentropy",): (_sparse_categorical_crossentropy, class_numbers),
    ("binary_crossentropy",): (_binary_crossentropy, match),
    ("kullback_leibler_divergence", "kld"): (_reducible(_divergence), match),
    ("poisson",): (_poisson, match),
    ("cosine_proximity", "cosine_similarity"): (_reducible(_cosine), match),
}

LOSSES: dict[str, Loss] = {
    name: _named(name, function, prepare) for names, (function, prepare) in _BY_NAME.items() for name in names
}
"""The losses by name, for outputs of shape (N, ...) or, with classes, (N, ..., C) as in Keras."""
