"""EarlyStopping. Which value is better is said by ``cthulhu_core.Monitor``, how weights are kept in snapshot.py."""

from __future__ import annotations

import warnings
from typing import Any, Literal

from cthulhu_core import Callback, Logs, Monitor, check_epochs
from cthulhu_early_stopping.snapshot import Snapshot


class EarlyStopping(Callback):
    """Ends training when a monitored quantity no longer improves.

    An improvement is a value that beats the best one so far by more than ``min_delta``; NaN never is one. Epochs that
    do not produce the quantity do not count, neither for ``patience`` nor against it. With ``restore_best_weights``
    the model has the weights of its best epoch when training is over, however it ended: by this callback, by its last
    epoch, by another callback, by an exception or an interrupt. Without a best epoch (every value was NaN, or none
    beat ``baseline``) it keeps the weights it has. The optimizer's state is not restored.

    Takes part on all ranks of distributed training: each keeps the weights and buffers of its own model.

    Args:
        monitor: name of the quantity in the logs of an epoch, e.g. ``"val_loss"`` or ``"loss"``.
        min_delta: smallest change that counts as an improvement, in units of the quantity; its sign does not matter.
        patience: epochs in a row with the quantity and without improvement after which training ends; 0 and 1 both
            end it at the first of them. ``validation_freq`` greater than one makes epochs without ``val_`` values,
            which are not counted.
        verbose: 0 is silent; from 1 on it is printed which epoch ended training, which was the best, with which
            value, and that weights were restored.
        mode: ``"min"``: the quantity has to fall; ``"max"``: it has to rise; ``"auto"``: as the metric itself states,
            or as its name says (see :class:`cthulhu_core.Monitor`).
        baseline: the value that the first improvement has to beat; training ends if no epoch beats it in time.
        restore_best_weights: whether the model gets back the weights, buffers included, that it had at the end of the
            best epoch. They are kept in host memory, once.
        start_from_epoch: index (from 0) of the first epoch whose value counts; earlier ones warm up.

    Attributes:
        wait: epochs with a value since the best one.
        best: the best value so far; ±inf, or ``baseline``, before there was one.
        best_epoch: index (from 0) of the epoch of the best value; None before there was one.
        best_weights: a copy of the model's ``state_dict`` at the end of that epoch; None if there was none or
            ``restore_best_weights`` is False. The next improvement overwrites its tensors: copy what you keep.
        stopped: whether this callback ended training.
        stopped_epoch: index (from 0) of the epoch in which it did; 0 if it did not.

    Raises:
        ValueError: when made, if ``mode`` is none of the three, ``patience`` or ``start_from_epoch`` is negative or no
            number, ``min_delta`` is not finite or ``baseline`` is NaN; when a state is loaded that belongs to another
            ``monitor``.
        TypeError: in training, if what is logged under the monitored name is not a number.

    Warns:
        MonitorWarning: once a training, if the quantity is not in the logs although it was due; names the close ones.

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
        """The best value so far."""
        return self._monitor.best

    @property
    def best_weights(self) -> dict[str, Any] | None:
        """The weights of the best epoch, by their names in the model's ``state_dict``."""
        return self._snapshot.weights

    def on_train_begin(self, logs: Logs, /) -> None:
        self._monitor.begin(self.run)
        self._start()

    def on_epoch_begin(self, epoch: int, logs: Logs, /) -> None:
        self._restored = False
        if self._snapshot.torn:
            # Copying failed and training went on all the same: what was copied is of no epoch.
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
        # A torn snapshot here means an interrupt while the best weights were copied: the model itself has them.
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
        """Counters, the best value, and the best weights if they are kept."""
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
        """Go on where :meth:`state_dict` was taken; if training had been stopped there, it ends at once.

        A greater ``patience`` than the one that ended it lets it go on.

        Raises:
            ValueError: it is the state of a callback that monitors another quantity.

        Warns:
            UserWarning: ``restore_best_weights`` is True, and the state comes from a training without it.
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
                f"the weights of the best epoch so far, {self.best_epoch + 1:05d}, were not kept by the training that "
                "is resumed (restore_best_weights was False): weights are restored only if a later epoch is better",
                stacklevel=2,
            )
        if self.stopped:
            self.run.stop()
        elif state["stopped"]:
            # A resumed run is stopped if the one before was: that stop was ours, and greater patience takes it back.
            self.model.stop_training = False
