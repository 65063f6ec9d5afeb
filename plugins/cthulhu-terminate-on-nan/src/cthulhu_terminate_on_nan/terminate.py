"""TerminateOnNaN, the callback."""

from __future__ import annotations

import math

from cthulhu_core import Callback, Run, hookimpl


class TerminateOnNaN(Callback):
    """Stops training as soon as the loss of a batch is NaN or infinite, and prints where that happened.

    Training stops after that batch, even if it is the last one of an epoch. The epoch ends as after any stop, and its
    logs are kept. The message shows the epoch, counted from 1 as in all messages, the index of the batch, counted from
    0 as in ``on_batch_end``, and the value.

    After each batch, only the loss is read from the device. In distributed training, every process checks its own loss
    and the main one prints. Without a recorded loss, this callback does nothing.

    Example:
        >>> model.summon(X_train, Y_train, callbacks=[TerminateOnNaN()])
    """

    logged = ()

    @hookimpl
    def cthulhu_batch_end(self, run: Run, batch: int) -> None:
        if "loss" not in run.current.values:
            return
        loss = run.current.number("loss")
        if not math.isfinite(loss):
            run.stop()
            epoch = 0 if run.epoch is None else run.epoch
            if run.is_main:  # A NaN of another process reaches the main one through the averaged gradients.
                print(f"Epoch {epoch + 1:05d}: batch {batch}: invalid loss {loss}, terminating training")  # noqa: T201
