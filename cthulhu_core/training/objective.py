"""The losses and metrics of a model with one output or several."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cthulhu_core.training.losses import Loss, loss
from cthulhu_core.training.metrics import Metric, metrics, to_device
from cthulhu_core.training.structure import is_several


class Head(NamedTuple):
    """One output of the model."""

    name: str
    """Empty if it is the only output."""
    position: int
    number: int
    """The number of outputs, if they have positions and no names."""
    loss: Loss
    weight: float
    metrics: list[Metric]


class Objective:
    """The losses and metrics that ``conjure`` was given.

    Args:
        loss: one loss, or a list or dict of them, one for each output.
        metrics: a list that applies to every output, or a list of such lists, or a dict of them by output.
        loss_weights: a factor for each loss, as a list or dict; 1 by default.

    Raises:
        ValueError, TypeError: as :func:`loss` and :func:`metrics`; or the names or the number of outputs disagree.
    """

    def __init__(self, loss: Any, metrics: Any = None, loss_weights: Any = None) -> None:
        self.given = (loss, metrics, loss_weights)
        self._several = isinstance(loss, (list, tuple, dict))
        self.heads = self._heads(loss)
        self._measures = any(head.metrics for head in self.heads)

    def _heads(self, losses: Any) -> list[Head]:
        _, measured, weights = self.given
        if not self._several:
            if isinstance(measured, dict) or weights is not None:
                raise ValueError(
                    "metrics by output, and loss_weights, need a loss for each output: pass loss=[...] or loss={...}"
                )
            single = loss(losses)
            return [Head("", 0, 1, single, 1.0, metrics(measured, single))]
        if not isinstance(losses, dict):
            losses = {f"output_{number}": each for number, each in enumerate(losses, 1)}
        if weights is None:
            weights = {}
        elif not isinstance(weights, dict):
            if not isinstance(weights, (list, tuple)) or len(weights) != len(losses):
                raise ValueError(
                    f"loss_weights is {weights!r}: expected a list of {len(losses)} numbers, one for each loss, "
                    "or a dict"
                )
            weights = dict(zip(losses, weights, strict=True))
        for name in {*weights, *(measured if isinstance(measured, dict) else ())} - set(losses):
            raise ValueError(f"there is no output {name!r}: outputs are {', '.join(losses)}")
        heads = []
        for position, (name, each) in enumerate(losses.items()):
            if each is None:
                continue
            own = _metrics_of(measured, name, position, len(losses))
            single = loss(each)
            heads.append(Head(name, position, len(losses), single, float(weights.get(name, 1.0)), metrics(own, single)))
        if not heads:
            raise ValueError("every loss is None: at least one output must have a loss to be trained by")
        return heads

    def for_targets(self, targets: Any) -> Objective:
        """Return the objective for these targets: one named loss for several targets applies to each of them."""
        given, measured, weights = self.given
        if self._several or not isinstance(given, str) or not is_several(targets):
            return self
        each = dict.fromkeys(targets, given) if isinstance(targets, dict) else [given] * len(targets)
        return Objective(each, measured, weights)

    def __reduce__(self) -> tuple[Any, ...]:
        # The arguments make an equal objective; the functions made from them cannot be pickled.
        return Objective, self.given

    @property
    def names(self) -> list[str]:
        """The names of all values of a batch, ``loss`` first."""
        names = ["loss"]
        if self._several:
            names += [f"{head.name}_loss" for head in self.heads]
        return names + [_logged(head, metric) for head in self.heads for metric in head.metrics]

    @property
    def stateful(self) -> dict[str, Any]:
        """The metrics that keep their own state, by name."""
        return {_logged(h, m): m.state for h in self.heads for m in h.metrics if m.state is not None}

    @property
    def directions(self) -> dict[str, str]:
        """``"max"`` or ``"min"`` for metrics that state a direction."""
        return {_logged(h, m): m.direction for h in self.heads for m in h.metrics if m.direction is not None}

    def loss(self, outputs: Any, targets: Any, weights: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a batch, and the loss of each output by name if there are several."""
        if not self._several:
            return self.heads[0].loss(outputs, targets, weights), {}
        total: Tensor | None = None
        parts = {}
        for head in self.heads:
            output, target = _pick(outputs, head, "the model's outputs"), _pick(targets, head, "the targets")
            part = head.loss(output, target, weights)
            parts[f"{head.name}_loss"] = part
            weighted = part if head.weight == 1.0 else part * head.weight
            total = weighted if total is None else total + weighted
        assert total is not None
        return total, parts

    def measure(self, outputs: Any, targets: Any, counts: bool = True) -> dict[str, Any]:
        """Return the metrics of a batch, without gradients.

        Args:
            outputs: the outputs of the model.
            targets: the targets.
            counts: False for a placeholder row in an empty part: stateful metrics ignore it.
        """
        values: dict[str, Any] = {}
        if not self._measures:
            return values
        with torch.no_grad():
            for head in self.heads:
                if not head.metrics:
                    continue
                output, target = outputs, targets
                if self._several:
                    output, target = _pick(outputs, head, "the model's outputs"), _pick(targets, head, "the targets")
                for metric in head.metrics:
                    left_out = metric.state is not None and not counts
                    values[_logged(head, metric)] = metric.state if left_out else metric.value(output, target)
        return values

    def reset(self) -> None:
        """Reset the stateful metrics."""
        for head in self.heads:
            for metric in head.metrics:
                if metric.state is not None:
                    metric.state.reset()

    def to(self, device: torch.device) -> None:
        """Move the stateful metrics to ``device``."""
        for head in self.heads:
            to_device(head.metrics, device)

    def fresh(self) -> Objective:
        """Return the same objective with stateful metrics of its own, so that these are unchanged."""
        if not self.stateful:
            return self
        other = Objective(*self.given)
        other.heads = [
            head._replace(metrics=[metric._replace(state=copy.deepcopy(metric.state)) for metric in head.metrics])
            for head in self.heads
        ]
        other.reset()
        return other


def _metrics_of(measured: Any, name: str, position: int, number: int) -> Any:
    """Return the metrics that ``conjure(metrics=...)`` names for one output."""
    if isinstance(measured, dict):
        return measured.get(name)
    if not isinstance(measured, (list, tuple)) or not any(isinstance(each, (list, tuple)) for each in measured):
        return copy.deepcopy(measured)  # for every output, each with its own state
    if len(measured) != number:
        raise ValueError(f"metrics is a list of {len(measured)} lists: expected one list for each of {number} outputs")
    return measured[position]


def _logged(head: Head, metric: Metric) -> str:
    return f"{head.name}_{metric.name}" if head.name else metric.name


def _pick(values: Any, head: Head, what: str) -> Any:
    """Return the element of ``values`` that belongs to ``head``: by name in a dict, else by position."""
    if isinstance(values, Mapping):
        if head.name in values:
            return values[head.name]
        raise ValueError(f"{what} have no {head.name!r}: they have {', '.join(map(repr, values))}")
    if isinstance(values, Sequence) and len(values) == head.number:
        return values[head.position]
    found = f"{len(values)} of them" if isinstance(values, Sequence) else f"a single {type(values).__name__}"
    raise ValueError(
        f"{what} are {found}, but conjure() was given losses for {head.number}: pass one for each, in a list or dict "
        "(None for an output without a loss)"
    )
