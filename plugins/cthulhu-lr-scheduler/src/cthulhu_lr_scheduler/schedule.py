"""What a schedule may take and what it may give."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any


def of_epoch_and_rate(schedule: Callable[..., Any]) -> Callable[[int, float], Any]:
    """``schedule`` as a function of epoch and rate, whether it takes both or the epoch alone.

    Raises:
        TypeError: it takes something else; the message shows its signature.

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
            f"LearningRateScheduler(schedule={schedule!r}): {expected}, and this one does not say what it takes: "
            "write lambda epoch, lr: ... around it"
        ) from None
    if _takes(signature, 2):
        return schedule
    if _takes(signature, 1):
        return lambda epoch, rate: schedule(epoch)
    name = getattr(schedule, "__name__", type(schedule).__name__)
    raise TypeError(f"LearningRateScheduler(schedule={name}): {expected}, it takes {signature}")


def _takes(signature: inspect.Signature, count: int) -> bool:
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True


def as_rate(value: Any, epoch: int) -> float:
    """What a schedule gave for ``epoch``, as a rate.

    Raises:
        ValueError: it is not one finite number of at least 0; the message shows it and the epoch.

    Example:
        >>> as_rate(1, epoch=0)
        1.0
    """
    number = value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
    if not isinstance(number, (int, float)) or isinstance(number, bool):
        problem = f"a {type(value).__name__}: expected one number"
    elif math.isnan(number) or math.isinf(number) or number < 0:
        problem = "no learning rate: expected a finite number of at least 0"
    else:
        return float(number)
    raise ValueError(
        f"LearningRateScheduler: the schedule gave {value!r} for epoch {epoch} (from 0), which is {problem}"
    )
