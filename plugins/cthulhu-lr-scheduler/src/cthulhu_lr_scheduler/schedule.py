"""The arguments and the return value of a schedule, checked."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any


def of_epoch_and_rate(schedule: Callable[..., Any]) -> Callable[[int, float], Any]:
    """Return ``schedule`` as a function of epoch and rate, whether it takes both or only the epoch.

    Raises:
        TypeError: If it takes anything else. The message shows its signature.

    Example:
        >>> of_epoch_and_rate(lambda epoch: 0.1 / (epoch + 1))(1, 0.1)
        0.05
    """
    expected = "expected a function of (epoch, lr) or (epoch)"
    if not callable(schedule):
        raise TypeError(f"LearningRateScheduler(schedule={schedule!r}): {expected}, e.g. lambda epoch, lr: lr * 0.9")
    try:
        signature = inspect.signature(schedule)
    except ValueError:
        raise TypeError(
            f"LearningRateScheduler(schedule={schedule!r}): {expected}, but the signature of this one is unknown: "
            "wrap it in lambda epoch, lr: ..."
        ) from None
    if _takes(signature, 2):
        return schedule
    if _takes(signature, 1):
        return lambda epoch, rate: schedule(epoch)
    name = getattr(schedule, "__name__", type(schedule).__name__)
    raise TypeError(f"LearningRateScheduler(schedule={name}): {expected}, but it takes {signature}")


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def as_rate(value: Any, epoch: int) -> float:
    """Return what a schedule returned for ``epoch`` as a float.

    Raises:
        ValueError: If it is not a finite number of at least 0. The message shows it and the epoch.

    Example:
        >>> as_rate(1, epoch=0)
        1.0
    """
    number = value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        problem = f"a {type(value).__name__}: expected a number"
    elif math.isnan(number) or math.isinf(number) or number < 0:
        problem = "not a learning rate: expected a finite number of at least 0"
    else:
        return float(number)
    raise ValueError(
        f"LearningRateScheduler: the schedule returned {value!r} for epoch {epoch} (from 0), which is {problem}"
    )
