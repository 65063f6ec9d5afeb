"""ReduceLROnPlateau. Which value is better is said by ``cthulhu_core.Monitor``.

PyTorch's scheduler of this name counts differently: it waits one epoch longer, and its cooldown protects one more.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from cthulhu_core import Callback, Logs, Monitor, check_epochs, learning_rate, set_learning_rate


class ReduceLROnPlateau(Callback):
    """Lowers the learning rate when a monitored quantity no longer improves.

    Models often gain from a rate that is lowered by a factor of 2 to 10 once learning stagnates. After ``patience``
    epochs without improvement the rate becomes ``lr * factor``, but never less than ``min_lr``. An improvement is a
    value that beats the best one so far by more than ``min_delta``; NaN never is one. Epochs that do not produce the
    quantity change nothing.

    Every epoch gets ``lr`` in its logs: the rate with which it was trained. An optimizer with several parameter groups
    keeps the ratios between their rates; ``lr`` and ``min_lr`` are about the first group. Rates that are tensors stay
    the same tensors. Takes part on all ranks of distributed training.

    Args:
        monitor: name of the quantity in the logs of an epoch, e.g. ``"val_loss"`` or ``"loss"``.
        factor: what the rate is multiplied by, at least 0 and less than 1.
        patience: epochs in a row with the quantity and without improvement after which the rate is lowered; 0 and 1
            both lower it at the first of them. ``validation_freq`` greater than one makes epochs without ``val_``
            values, which are not counted.
        verbose: 0 is silent; from 1 on each reduction is printed.
        mode: ``"min"``: the quantity has to fall; ``"max"``: it has to rise; ``"auto"``: as the metric itself states,
            or as its name says (see :class:`cthulhu_core.Monitor`).
        min_delta: smallest change that counts as an improvement, in units of the quantity; its sign does not matter.
        cooldown: epochs to wait after a reduction before epochs without improvement are counted again. The counter
            falls before it is looked at, so that ``cooldown=c`` leaves ``c - 1`` epochs uncounted.
        min_lr: the least rate of the first parameter group.

    Attributes:
        wait: counted epochs since the last improvement or reduction.
        best: the best value so far; ±inf before there was one.
        cooldown_counter: what is left of the cooldown.

    Raises:
        ValueError: when made, if ``factor`` is not in [0, 1), ``mode`` is none of the three, ``patience`` or
            ``cooldown`` is negative or no number, ``min_delta`` is not finite, or ``min_lr`` is no finite number of at
            least 0; before training, if the run has no optimizer; when a state is loaded that belongs to another
            ``monitor``.
        TypeError: in training, if what is logged under the monitored name is not a number.

    Warns:
        MonitorWarning: once a training, if the quantity is not in the logs although it was due; names the close ones.

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
        # Written so that NaN is refused as well.
        if not 0 <= factor < 1:
            raise ValueError(f"factor is {factor!r}: the rate is multiplied by it; expected 0 <= factor < 1, e.g. 0.1")
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
        """The best value so far."""
        return self._monitor.best

    def in_cooldown(self) -> bool:
        """Whether epochs without improvement are not counted yet."""
        return self.cooldown_counter > 0

    def on_train_begin(self, logs: Logs, /) -> None:
        learning_rate(self.run.optimizer)  # raises where there is no optimizer: now, and not after an epoch
        self._monitor.begin(self.run)
        self._start()

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        # Who logged it before this callback knew the rate of this epoch; it may have been lowered since.
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
            return  # a float32 tensor already holds the number nearest to min_lr
        self.cooldown_counter = self.cooldown
        self.wait = 0
        if self.verbose > 0 and self.run.is_main:
            message = f"Epoch {epoch + 1:05d}: ReduceLROnPlateau reducing learning rate to {new}."
            print(message)  # noqa: T201 - what verbose asks for

    def state_dict(self) -> dict[str, Any]:
        """Counters and the best value; the rate itself is part of the optimizer's state."""
        return {
            "monitor": self._monitor.state_dict(),
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Go on where :meth:`state_dict` was taken.

        Raises:
            ValueError: it is the state of a callback that monitors another quantity.
        """
        self._monitor.load_state_dict(state["monitor"])
        self.wait = state["wait"]
        self.cooldown_counter = state["cooldown_counter"]
