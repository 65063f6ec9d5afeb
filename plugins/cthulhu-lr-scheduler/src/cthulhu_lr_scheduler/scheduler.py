"""LearningRateScheduler, the callback. How a rate is set is in cthulhu-core, what a schedule may be in schedule.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cthulhu_core import Callback, Logs, learning_rate, set_learning_rate
from cthulhu_lr_scheduler.schedule import as_rate, of_epoch_and_rate


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch, to what a function of the epoch gives.

    The rate of an epoch is logged as ``lr`` at its end. Of an optimizer with several parameter groups the first one
    gets the rate, and the others keep their ratio to it. In distributed training every process sets it.

    Args:
        schedule: from the index of the epoch, which counts from 0, and the current rate to the new rate: an int, a
            float, or an array or tensor of one number without dimensions. A function of the epoch alone will do;
            which of the two it is, its signature says, once: one that can take two positional arguments gets two.
        verbose: 0 is quiet, 1 prints a message each epoch.

    Raises:
        TypeError: ``schedule`` cannot be called with an epoch and a rate, nor with an epoch.
        ValueError: before training: the run has no optimizer. While training: the schedule gave something else
            than a finite number that is not negative. What the schedule itself raises is raised as it is.

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
        # Without an optimizer this is an error that says the cure, and here it comes before the first epoch.
        learning_rate(self.run.optimizer)

    def on_epoch_begin(self, epoch: int, logs: Logs, /) -> None:
        rate = as_rate(self._rate(epoch, learning_rate(self.run.optimizer)), epoch)
        set_learning_rate(self.run.optimizer, rate)
        if self.verbose and self.run.is_main:
            print(f"Epoch {epoch + 1:05d}: LearningRateScheduler setting learning rate to {rate}.")  # noqa: T201

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        logs["lr"] = learning_rate(self.run.optimizer)
