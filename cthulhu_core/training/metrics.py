"""Metrics by the names that Keras documents, callables with PyTorch's signature, and stateful metric objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from cthulhu_core.names import look_up
from cthulhu_core.training.losses import LOSSES, Loss, class_numbers, match


class Metric(NamedTuple):
    """One metric: a function of each batch, or an object with ``update``, ``compute`` and ``reset``.

    Attributes:
        name: the name in the logs.
        function: maps (output, target) to the value of a batch; None if ``state`` keeps it.
        state: the object that is updated with each batch and computed at the end of the epoch, or None.
        direction: ``"max"`` or ``"min"`` if the metric states one.
    """

    name: str
    function: Callable[[Any, Any], Any] | None
    state: Any = None
    direction: Literal["max", "min"] | None = None

    def value(self, output: Any, target: Any) -> Any:
        """Return the value of a batch: a tensor of one element, a number, or an object with ``compute()``."""
        if self.function is None:
            self.state.update(output.detach(), target)
            return self.state
        value = self.function(output, target)
        return value.mean() if isinstance(value, Tensor) and value.ndim else value


def metrics(given: Any, loss: Loss) -> list[Metric]:
    """Return the metrics that ``conjure(metrics=...)`` names for an output with this loss.

    Raises:
        ValueError: a name is unknown, or two metrics have one name.
        TypeError: an element is not a name, a callable or a metric object.
    """
    if given is None:
        return []
    found = [metric for each in (given if isinstance(given, (list, tuple)) else [given]) for metric in _all(each, loss)]
    names = [metric.name for metric in found]
    for name in names:
        if names.count(name) > 1 or name == "loss":
            raise ValueError(f"metrics: more than one value would be logged as {name!r}: give one of them another name")
    return found


def _all(given: Any, loss: Loss) -> list[Metric]:
    if isinstance(given, str):
        return [_by_name(given, loss)]
    if isinstance(given, type):
        raise TypeError(f"metric is the class {given.__name__}: expected an instance, {given.__name__}(...)")
    if all(hasattr(given, method) for method in ("update", "compute", "reset")):
        if hasattr(given, "items"):  # a collection of metrics
            return [Metric(name, None, metric, _direction(metric)) for name, metric in given.items()]
        return [Metric(_name_of(given), None, given, _direction(given))]
    if not callable(given):
        raise TypeError(f"metric is {given!r}: expected a name, a function (output, target) or a metric object")
    return [Metric(_name_of(given), given)]


def _name_of(given: Any) -> str:
    for name in (getattr(given, "name", None), getattr(given, "__name__", None)):
        if isinstance(name, str):
            return name
    return type(given).__name__


def _direction(metric: Any) -> Literal["max", "min"] | None:
    higher = getattr(metric, "higher_is_better", None)
    return None if higher is None else "max" if higher else "min"


def _by_name(name: str, loss: Loss) -> Metric:
    if name in ("acc", "accuracy"):
        return Metric("acc", lambda output, target: accuracy(output, target, loss))
    known: dict[str, Callable[..., Any]] = {"acc": accuracy, "accuracy": accuracy, **METRICS}
    function = look_up("metric", name, known)
    return Metric(name, function, direction="max" if function is cosine else None)


# --- by name ----------------------------------------------------------------------------------------------------------

_ON_LOGITS = ("BCEWithLogitsLoss", "binary_cross_entropy_with_logits")


def accuracy(output: Tensor, target: Tensor, loss: Loss) -> Tensor:
    """Return the share of correct predictions: binary, class numbers or one-hot, judged by loss and shapes."""
    if (
        output.ndim > 2
        and loss.name not in LOSSES
        and (target.ndim == output.ndim - 1 or loss.name in ("CrossEntropyLoss", "cross_entropy"))
    ):
        # PyTorch's losses expect classes in the second dimension, Keras' in the last.
        classes = target if target.ndim < output.ndim else target.argmax(1)
        return (output.argmax(1) == classes).float().mean()
    several = output.ndim > 1 and output.shape[-1] > 1
    if several and target.numel() * output.shape[-1] == output.numel():
        return sparse_categorical_accuracy(output, target)
    if several and loss.name not in ("binary_crossentropy", "BCELoss", *_ON_LOGITS):
        return categorical_accuracy(output, target)
    return binary_accuracy(output, target, threshold=0.0 if loss.name in _ON_LOGITS else 0.5)


def binary_accuracy(output: Tensor, target: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the share of elements on the correct side of ``threshold``."""
    return ((output > threshold).to(output.dtype) == match(output, target)).float().mean()


def categorical_accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Return the share of samples whose largest output is at the one-hot target."""
    return (output.argmax(-1) == match(output, target).argmax(-1)).float().mean()


def sparse_categorical_accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Return the share of samples whose largest output is at the target's class number."""
    return (output.argmax(-1) == class_numbers(output, target)).float().mean()


def top_k_categorical_accuracy(output: Tensor, target: Tensor, k: int = 5) -> Tensor:
    """Return the share of samples whose one-hot target is among the ``k`` largest outputs."""
    return sparse_top_k_categorical_accuracy(output, match(output, target).argmax(-1), k)


def sparse_top_k_categorical_accuracy(output: Tensor, target: Tensor, k: int = 5) -> Tensor:
    """Return the share of samples whose class number is among the ``k`` largest outputs."""
    largest = output.topk(min(k, output.shape[-1]), dim=-1).indices
    return (largest == class_numbers(output, target).unsqueeze(-1)).any(-1).float().mean()


def cosine(output: Tensor, target: Tensor) -> Tensor:
    """Return the cosine of the angle between output and target, without the sign that it has as a loss."""
    return functional.cosine_similarity(output, match(output, target), dim=-1).mean()


METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy,
    "sparse_categorical_accuracy": sparse_categorical_accuracy,
    "top_k_categorical_accuracy": top_k_categorical_accuracy,
    "sparse_top_k_categorical_accuracy": sparse_top_k_categorical_accuracy,
    **LOSSES,
    **dict.fromkeys(("cosine", "cosine_proximity", "cosine_similarity"), cosine),
}


def to_device(metrics: list[Metric], device: torch.device) -> None:
    """Move the state of metrics to ``device``."""
    for metric in metrics:
        if hasattr(metric.state, "to"):
            metric.state.to(device)
