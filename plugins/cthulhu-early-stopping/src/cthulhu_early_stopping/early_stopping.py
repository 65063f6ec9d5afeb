"""EarlyStopping. ``cthulhu_core.Monitor`` compares values, snapshot.py keeps the weights."""

from __future__ import annotations

import warnings
from typing import Any, Literal

from cthulhu_core import Callback, Logs, Monitor, check_epochs
from cthulhu_early_stopping.snapshot import Snapshot


class EarlyStopping(Callback):
    """Stops training when a monitored quantity no longer improves.

    A value is an improvement if it beats the best one so far by more than ``min_delta``. NaN never does. Epochs that do
    not produce the quantity do not count towards ``patience``.

    With ``restore_best_weights``, the model has the weights of its best epoch after training, no matter how training
    ends: after its last epoch, by this or another callback, by an exception or an interrupt. Without a best epoch
    (every value was NaN, or none beat ``baseline``), the model keeps its current weights. The state of the optimizer is
    not restored.

    In distributed training it runs in every process, and each keeps the weights and buffers of its own model.

    Args:
        monitor: name of the quantity in the logs of an epoch, e.g. ``"val_loss"`` or ``"loss"``.
        min_delta: smallest change that counts as an improvement, in units of the quantity. Its sign does not matter.
        patience: number of epochs in a row without improvement after which training stops. With 0 and with 1 it stops
            at the first one. Epochs without the quantity, as with ``validation_freq=5``, do not count.
        verbose: 0 is silent. With 1 or more, prints when training stopped, the best epoch and its value, and that
            weights were restored.
        mode: ``"min"`` if the quantity should fall, ``"max"`` if it should rise. ``"auto"`` uses the direction that the
            metric object declares or that its name implies (see :class:`cthulhu_core.Monitor`).
        baseline: value that the first improvement has to beat. Training stops if no epoch beats it within ``patience``.
        restore_best_weights: whether to restore the weights of the best epoch, buffers included, when training ends.
            One copy is kept in host memory.
        start_from_epoch: index (from 0) of the first epoch whose value counts. Earlier epochs are a warm-up.

    Attributes:
        wait: number of epochs with a value since the best one.
        best: best value so far. ±inf, or ``baseline``, before the first improvement.
        best_epoch: index (from 0) of the best epoch. None before the first improvement.
        best_weights: copy of the model's ``state_dict`` at the end of the best epoch. None without a best epoch or if
            ``restore_best_weights`` is False. The next improvement overwrites its tensors, so copy what you keep.
        stopped: whether this callback stopped training.
        stopped_epoch: index (from 0) of the epoch in which it stopped training. 0 if it did not.

    Raises:
        ValueError: If ``mode`` is none of the three, ``patience`` or ``start_from_epoch`` is negative or not a number,
            ``min_delta`` is not finite or ``baseline`` is NaN. On loading a state, if it belongs to another
            ``monitor``.
        TypeError: During training, if the value logged under the monitored name is not a number.

    Warns:
        MonitorWarning: Once per training, if an epoch that should log the quantity does not. Lists similar names.

    Example:
        >>> stop = EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
        >>> model.summon(x, y, validation_split=0.2, epochs=100, callbacks=[stop])
        >>> stop.best_epoch, stop.best
    """

    logged = ()

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: float = 0,
        verbose: int = 0,
        mode: Literal["auto", "min", "max"] = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        *,
        start_from_epoch: int = 0,
    ) -> None:
        check_epochs(patience=patience, start_from_epoch=start_from_epoch)
        self._monitor = Monitor(monitor, mode, min_delta, baseline)
        self.monitor = monitor
        self.min_delta = min_delta
        self.patience = patience
        self.verbose = verbose
        self.mode = mode
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self._start()

    def _start(self) -> None:
        self.wait = 0
        self.best_epoch: int | None = None
        self.stopped = False
        self.stopped_epoch = 0
        self._snapshot = Snapshot()
        self._restored = False

    @property
    def best(self) -> float:
        """Best value so far."""
        return self._monitor.best

    @property
    def best_weights(self) -> dict[str, Any] | None:
        """Weights of the best epoch, by their names in the model's ``state_dict``."""
        return self._snapshot.weights

    def on_train_begin(self, logs: Logs, /) -> None:
        self._monitor.begin(self.run)
        self._start()

    def on_epoch_begin(self, epoch: int, logs: Logs, /) -> None:
        self._restored = False
        if self._snapshot.torn:
            # Copying failed but training continued, so the snapshot mixes the weights of two epochs.
            self._snapshot = Snapshot()

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        value = self._monitor.read(logs, self.run)
        if value is None or epoch < self.start_from_epoch:
            return
        if self._monitor.update(value):
            self.wait = 0
            self.best_epoch = epoch
            if self.restore_best_weights:
                self._snapshot.take(self.model)
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped, self.stopped_epoch = True, epoch
            self.run.stop()
            self._restore()

    def on_train_end(self, logs: Logs, /) -> None:
        if not self._restored:
            self._restore()
        if self.stopped:
            self._print(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")
        if self.stopped or self._restored:
            self._print(self._best_in_words())

    def _restore(self) -> None:
        # A torn snapshot means that an interrupt hit the copying of the best weights: the model still has them.
        if not self.restore_best_weights or self._snapshot.weights is None or self._snapshot.torn:
            return
        self._print("Restoring model weights from the end of the best epoch")
        self._snapshot.restore(self.model)
        self._restored = True

    def _best_in_words(self) -> str:
        if self.best_epoch is None:
            return f"{self.monitor} was never better than {self.best:.6g}: there is no best epoch"
        return f"{self.monitor} was best in epoch {self.best_epoch + 1:05d}: {self.best:.6g}"

    def _print(self, message: str) -> None:
        if self.verbose > 0 and self.run.is_main:
            print(message)  # noqa: T201 - what verbose asks for

    def state_dict(self) -> dict[str, Any]:
        """Return the counters, the best value, and the best weights if they are kept."""
        if self._snapshot.torn:
            self._snapshot.take(self.model)
        return {
            "monitor": self._monitor.state_dict(),
            "wait": self.wait,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "stopped": self.stopped,
            "stopped_epoch": self.stopped_epoch,
        }

    def load_state_dict(self, state: dict[str, Any], /) -> None:
        """Continue from :meth:`state_dict`. If this callback had stopped training by then, training stops at once.

        A greater ``patience`` than before lets training continue.

        Raises:
            ValueError: If the state belongs to a callback that monitors another quantity.

        Warns:
            UserWarning: If ``restore_best_weights`` is True, but was False when the state was saved.
        """
        self._monitor.load_state_dict(state["monitor"])
        self.wait = state["wait"]
        self.best_epoch = state["best_epoch"]
        self.stopped = state["stopped"] and self.wait >= self.patience
        self.stopped_epoch = state["stopped_epoch"] if self.stopped else 0
        self._snapshot = Snapshot()
        if self.restore_best_weights and state["best_weights"] is not None:
            self._snapshot.copy(state["best_weights"])
        elif self.restore_best_weights and self.best_epoch is not None:
            warnings.warn(
                f"the resumed training did not keep the weights of its best epoch, {self.best_epoch + 1:05d} "
                "(restore_best_weights was False): weights are restored only if a later epoch is better",
                stacklevel=2,
            )
        if self.stopped:
            self.run.stop()
        elif state["stopped"]:
            # The run resumes as stopped if this callback stopped it. A greater patience takes that back.
            self.model.stop_training = False
