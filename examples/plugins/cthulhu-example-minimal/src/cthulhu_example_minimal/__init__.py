"""LogLearningRate: adds the learning rate to the logs of each epoch."""

from __future__ import annotations

from cthulhu_core import Callback, Logs, learning_rate


class LogLearningRate(Callback):
    """Adds the learning rate at the end of each epoch to its logs as ``lr``.

    Example:
        >>> model.summon(x, y, epochs=3, callbacks=[LogLearningRate(), CSVLogger("log.csv")])
    """

    logged = ("lr",)

    def on_epoch_end(self, epoch: int, logs: Logs, /) -> None:
        logs["lr"] = learning_rate(self.run.optimizer)
