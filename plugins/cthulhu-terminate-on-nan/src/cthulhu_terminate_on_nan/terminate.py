"""TerminateOnNaN, the callback."""

from __future__ import annotations

import math

from cthulhu_core import Callback, Run, hookimpl


class TerminateOnNaN(Callback):
    """Stops training as soon as the loss of a batch is NaN or infinite, and says where that was.

    Training ends after that batch, the last one of an epoch included: the epoch ends as after any stop, and what was
    logged is kept. The message has the epoch, counted from 1 as in all messages, the index of the batch, counted from
    0 as in ``on_batch_end``, and the value. The loss of each batch is read from the device, and nothing else is. In
    distributed training every process looks at its own loss, and the main one says it. A loop that records no loss is
    left alone.

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
            if run.is_main:  # where it comes from another process, the next loss here is none either
                print(f"Epoch {epoch + 1:05d}: batch {batch}: invalid loss {loss}, terminating training")  # noqa: T201
