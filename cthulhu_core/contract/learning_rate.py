"""Read and set the learning rate of an optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Stored in a parameter group, and so in the optimizer's state_dict, while the rates are 0.
_RATIO = "lr_ratio"


def learning_rate(optimizer: torch.optim.Optimizer | None) -> float:
    """Return the learning rate of the first parameter group.

    Args:
        optimizer: the optimizer of a run; None is an error.

    Raises:
        ValueError: ``optimizer`` is None; the message says how to pass one to a run.

    Example:
        >>> learning_rate(torch.optim.SGD([torch.zeros(1)], lr=0.1))
        0.1
    """
    return float(_groups(optimizer)[0]["lr"])


def set_learning_rate(optimizer: torch.optim.Optimizer | None, lr: float) -> None:
    """Set the learning rate of the first parameter group; the others keep their ratio to it.

    The ratios survive a rate of 0 that was set here, so that a warm-up may start from it. If the rate of the first
    group is 0 and no ratio is known, all groups get ``lr``. A rate that is a tensor is filled in place.

    Args:
        optimizer: the optimizer of a run.
        lr: the new rate.

    Raises:
        ValueError: ``optimizer`` is None.

    Example:
        >>> weights, biases = {"params": [torch.zeros(1)], "lr": 0.1}, {"params": [torch.zeros(1)], "lr": 0.2}
        >>> optimizer = torch.optim.SGD([weights, biases])
        >>> set_learning_rate(optimizer, 0.05)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.05, 0.1]
    """
    groups = _groups(optimizer)
    first = float(groups[0]["lr"])
    if first == lr == 0:
        return
    # All ratios before any rate, because groups may share one tensor.
    ratios = [_ratio(group, first) for group in groups]
    for group, ratio in zip(groups, ratios, strict=True):
        rate = lr * ratio
        if hasattr(group["lr"], "fill_"):
            group["lr"].detach().fill_(rate)
        else:
            group["lr"] = rate
        if lr == 0:
            group[_RATIO] = ratio
        else:
            group.pop(_RATIO, None)


def _ratio(group: dict[str, Any], first: float) -> float:
    rate = float(group["lr"])
    if first != 0:
        return rate / first
    return float(group.get(_RATIO, 1.0)) if rate == 0 else 1.0


def _groups(optimizer: torch.optim.Optimizer | None) -> list[dict[str, Any]]:
    if optimizer is None:
        raise ValueError(
            "this run has no optimizer whose learning rate could change: pass it, Run(model, optimizer=...)"
        )
    return optimizer.param_groups
