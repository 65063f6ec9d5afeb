"""The hooks of batches, each an object of its own: a hook costs something even if it does nothing.

The callback takes over the hook of those that it needs: ``self.cthulhu_batch_end = EveryBatch(...).cthulhu_batch_end``.
"""

from __future__ import annotations

from collections.abc import Callable

from cthulhu_core import Logs, Run, hookimpl
from cthulhu_tensorboard.steps import Steps


class EveryBatch:
    """Gives the values of each batch to ``write``."""

    def __init__(self, write: Callable[[Run, Logs], None]) -> None:
        self._write = write

    @hookimpl
    def cthulhu_batch_end(self, run: Run, logs: Logs) -> None:
        """The values are there: some callback reads them anyway, or this one does."""
        self._write(run, logs)


class EverySamples:
    """Gives the values of a batch to ``write`` whenever another ``every`` samples are full.

    It does not name ``logs``: the other batches are not read from the device.
    """

    def __init__(self, every: int, steps: Steps, write: Callable[[Run, Logs], None]) -> None:
        self._every = every
        self._steps = steps
        self._write = write

    @hookimpl
    def cthulhu_batch_end(self, run: Run) -> None:
        """Count, and read the values when it is time."""
        batch = run.current
        if self._steps.passed(self._every, batch.size):
            self._write(run, batch.logs())


class FirstBatch:
    """Gives the first batch of a run to ``use``."""

    def __init__(self, use: Callable[[Run], None]) -> None:
        self._use = use
        self.due = True

    @hookimpl
    def cthulhu_batch_begin(self, run: Run) -> None:
        """Use it, once."""
        if self.due:
            self.due = False
            self._use(run)


class EveryGradients:
    """Gives each batch to ``take`` while its gradients are there, in epochs that are due."""

    def __init__(self, take: Callable[[Run], None]) -> None:
        self._take = take
        self.due = False

    @hookimpl
    def cthulhu_gradients(self, run: Run) -> None:
        """Take them: which batch is the last of the epoch is known when it has ended."""
        if self.due:
            self._take(run)
