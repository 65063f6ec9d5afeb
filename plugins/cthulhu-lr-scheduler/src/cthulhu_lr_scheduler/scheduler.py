"""LearningRateScheduler. See schedule.py for what a schedule may be; cthulhu-core sets the rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cthulhu_core import Callback, Logs, learning_rate, set_learning_rate
from cthulhu_lr_scheduler.schedule import as_rate, of_epoch_and_rate


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch with a function of the epoch.

    The rate of each epoch is logged as ``lr`` at its end. With several parameter groups, the first group gets the rate
    and the others keep their ratio to it. In distributed training, every process sets it.

    Args:
        schedule: function of the index of the epoch, from 0, and the current rate. It returns the new rate: an int, a
            float, or a zero-dimensional array or tensor. It may also take the epoch alone: a function that can take
            two positional arguments gets both.
        verbose: 0 is silent, 1 prints a message each epoch.

    Raises:
        TypeError: If ``schedule`` takes neither an epoch and a rate nor an epoch.
        ValueError: Before training, if the run has no optimizer. During training, if the schedule returns anything but
            a finite number of at least 0. Errors inside the schedule are raised unchanged.

    Example:
        >>> halve = LearningRateScheduler(lambda epoch, lr: lr / 2 if epoch else lr, verbose=1)
        >>> model.summon(X_train, Y_train, callbacks=[halve])
    """

    logged = ("lr",)

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        self.schedule = schedule
        self.verbose = verbose
        self._rate = of_epoch_and_rate(schedule)

    def on_train_begin(self, logs: Logs, /) -> None:
        # Raises without an optimizer: here, before the first epoch.
        learning_rate(self.run.optimizer)

    def on_epoch_begin(self, epoch: int, logs: Logs, /) -> None:
        rate = as_rate(self._rate(epoch, learning_rate(self.run.optimizer)), epoch)
        set_learning_rate(self.run.optimizer, rate)
        if self.verbose and self.run.is_main:
            print(f"Epoch {epoch + 1:05d}: LearningRateScheduler setting learning rate to {rate}.")  # noqa: T201

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        logs["lr"] = learning_rate(self.run.optimizer)
