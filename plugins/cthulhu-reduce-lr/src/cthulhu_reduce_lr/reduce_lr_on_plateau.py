"""ReduceLROnPlateau. ``cthulhu_core.Monitor`` compares values.

PyTorch's scheduler of this name counts differently: its patience and its cooldown both last one epoch longer.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from cthulhu_core import Callback, Logs, Monitor, check_epochs, learning_rate, set_learning_rate


class ReduceLROnPlateau(Callback):
    """Lowers the learning rate when a monitored quantity no longer improves.

    Models often benefit from a rate that falls by a factor of 2 to 10 once learning stagnates. After ``patience``
    epochs without improvement, the rate becomes ``max(lr * factor, min_lr)``. A value is an improvement if it beats the
    best one so far by more than ``min_delta``. NaN never does. Epochs that do not produce the quantity change nothing.

    Each epoch logs its rate as ``lr``. Parameter groups keep the ratios between their rates; ``lr`` and ``min_lr``
    refer to the first group. Rates that are tensors stay the same tensors. In distributed training it runs in every
    process.

    Args:
        monitor: name of the quantity in the logs of an epoch, e.g. ``"val_loss"`` or ``"loss"``.
        factor: number by which the rate is multiplied, at least 0 and less than 1.
        patience: number of epochs in a row without improvement after which the rate is lowered. With 0 and with 1 it is
            lowered at the first one. Epochs without the quantity, as with ``validation_freq=5``, do not count.
        verbose: 0 is silent. With 1 or more, prints each reduction.
        mode: ``"min"`` if the quantity should fall, ``"max"`` if it should rise. ``"auto"`` uses the direction that the
            metric object declares or that its name implies (see :class:`cthulhu_core.Monitor`).
        min_delta: smallest change that counts as an improvement, in units of the quantity. Its sign does not matter.
        cooldown: number of epochs after a reduction before ``patience`` counts again. The counter drops at the start of
            the check, so ``cooldown=c`` leaves ``c - 1`` epochs uncounted.
        min_lr: lower bound of the rate of the first parameter group.

    Attributes:
        wait: number of counted epochs since the last improvement or reduction.
        best: best value so far. ±inf before the first improvement.
        cooldown_counter: number of epochs left of the cooldown.

    Raises:
        ValueError: If ``factor`` is not in [0, 1), ``mode`` is none of the three, ``patience`` or ``cooldown`` is
            negative or not a number, ``min_delta`` is not finite, or ``min_lr`` is not a finite number of at least 0.
            Before training, if the run has no optimizer. On loading a state, if it belongs to another ``monitor``.
        TypeError: During training, if the value logged under the monitored name is not a number.

    Warns:
        MonitorWarning: Once per training, if an epoch that should log the quantity does not. Lists similar names.

    Example:
        >>> reduce_lr = ReduceLROnPlateau(monitor="val_loss", factor=0.2, patience=5, min_lr=0.001)
        >>> history = model.summon(x, y, validation_split=0.2, epochs=100, callbacks=[reduce_lr])
        >>> history.history["lr"]
    """

    logged = ("lr",)

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: float = 10,
        verbose: int = 0,
        mode: Literal["auto", "min", "max"] = "auto",
        min_delta: float = 0.0001,
        cooldown: float = 0,
        min_lr: float = 0,
    ) -> None:
        # A chained comparison also rejects NaN.
        if not 0 <= factor < 1:
            raise ValueError(f"factor is {factor!r}: it multiplies the rate; expected 0 <= factor < 1, e.g. 0.1")
        check_epochs(patience=patience, cooldown=cooldown)
        least: Any = min_lr
        if isinstance(least, (list, tuple, str, type(None))) or not 0 <= least < math.inf:
            raise ValueError(
                f"min_lr is {least!r}: expected one number, 0 or more, for the first parameter group; "
                "the others keep their ratio to it"
            )
        self._monitor = Monitor(monitor, mode, min_delta)
        self.monitor = monitor
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.mode = mode
        self.min_delta = min_delta
        self.cooldown = cooldown
        self.min_lr = float(least)
        self._start()

    def _start(self) -> None:
        self.wait = 0
        self.cooldown_counter: float = 0

    @property
    def best(self) -> float:
        """Best value so far."""
        return self._monitor.best

    def in_cooldown(self) -> bool:
        """Return whether epochs without improvement do not count yet."""
        return self.cooldown_counter > 0

    def on_train_begin(self, logs: Logs, /) -> None:
        learning_rate(self.run.optimizer)  # Raises without an optimizer: here, not after the first epoch.
        self._monitor.begin(self.run)
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        # An earlier callback that logged the rate knew the one of this epoch; it may have been lowered since.
        logs.setdefault("lr", learning_rate(self.run.optimizer))
        value = self._monitor.read(logs, self.run)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
        if self._monitor.update(value):
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        old = learning_rate(self.run.optimizer)
        new = max(old * self.factor, self.min_lr)
        if new >= old:
            return
        set_learning_rate(self.run.optimizer, new)
        if learning_rate(self.run.optimizer) == old:
            return  # A float32 tensor already holds the number nearest to min_lr.
        self.cooldown_counter = self.cooldown
        self.wait = 0
        if self.verbose > 0 and self.run.is_main:
            message = f"Epoch {epoch + 1:05d}: ReduceLROnPlateau reducing learning rate to {new}."
            print(message)  # noqa: T201 - what verbose asks for

    def state_dict(self) -> dict[str, Any]:
        """Return the counters and the best value. The rate is part of the optimizer's state."""
        return {
            "monitor": self._monitor.state_dict(),
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Continue from :meth:`state_dict`.

        Raises:
            ValueError: If the state belongs to a callback that monitors another quantity.
        """
        self._monitor.load_state_dict(state["monitor"])
        self.wait = state["wait"]
        self.cooldown_counter = state["cooldown_counter"]
