"""The learning rate of an optimizer, read and set. When it changes, and to what, is the business of callbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Kept in a parameter group, and so in the optimizer's state_dict, while the rates are 0.
_RATIO = "lr_ratio"


def learning_rate(optimizer: torch.optim.Optimizer | None) -> float:
    """The learning rate of the first parameter group.

    Args:
        optimizer: the optimizer of a run. None, which a ``Run`` without one has, is an error.

    Raises:
        ValueError: there is no optimizer; the message says how to give one to a run.

    Example:
        >>> learning_rate(torch.optim.SGD([torch.zeros(1)], lr=0.1))
        0.1
    """
    return float(_groups(optimizer)[0]["lr"])


def set_learning_rate(optimizer: torch.optim.Optimizer | None, lr: float) -> None:
    """Give the first parameter group the learning rate ``lr``; the others keep their ratio to the first.

    The ratios outlast a rate of 0 that was set here, so that a warm-up may start from it. Where the first group's
    rate was 0 already and no ratio is known, all groups get ``lr``; if ``lr`` is 0 too, nothing changes. A rate that
    is a tensor stays that tensor and is filled in place.

    Args:
        optimizer: the optimizer of a run.
        lr: the new rate.

    Raises:
        ValueError: there is no optimizer.

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
    # All ratios before any rate: groups may share one tensor.
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
