"""Batches: the values that wait to be written, and the hooks.

Each hook is an object of its own, because a hook costs something even if it does nothing. The callback takes over those
that it needs: ``self.cthulhu_batch_end = EveryBatch(...).cthulhu_batch_end``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter, time
from typing import TYPE_CHECKING

from cthulhu_core import hookimpl
from cthulhu_tensorboard.scalars import Scalars
from cthulhu_tensorboard.steps import Steps

if TYPE_CHECKING:
    from cthulhu_core import Logs, Run
    from cthulhu_tensorboard.events import Writer


class Pending:
    """Writes the values of batches, many at once where batches are short: each by itself costs three times as much.

    After a failure everything waits for the next try; of more than ``most`` batches, the oldest are dropped.

    Args:
        scalars: what writes them.
        interval: seconds from one writing to the next; batches that take longer are written as soon as they end.
        most: so many batches wait at most.
    """

    def __init__(self, scalars: Scalars, interval: float = 0.1, most: int = 1000) -> None:
        self._scalars = scalars
        self._interval = interval
        self._waiting: deque[tuple[Logs, int, float]] = deque(maxlen=most)
        self._due = 0.0

    def add(self, writer: Writer, logs: Logs, step: int) -> None:
        """Write the values of a batch, now or soon.

        Raises:
            OSError: they cannot be written.
        """
        self._waiting.append((logs.copy(), step, time()))
        if perf_counter() >= self._due or len(self._waiting) == self._waiting.maxlen:
            self.write(writer)

    def write(self, writer: Writer) -> None:
        """Write what waits; errors as in :meth:`add`."""
        # The next batch tries again if this one fails: failures in a row are then in a row.
        self._due = 0.0
        while self._waiting:
            logs, step, at = self._waiting[0]
            values = {name: value for name, value in logs.items() if name not in ("batch", "size")}
            self._scalars.write(writer, values, step, at)
            self._waiting.popleft()
        self._due = perf_counter() + self._interval

    def forget(self) -> None:
        """Nothing waits any longer."""
        self._waiting.clear()


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


class EveryBegin:
    """Gives each batch to ``use`` when it begins; who needs but the first leaves the hook."""

    def __init__(self, use: Callable[[Run], None]) -> None:
        self._use = use

    @hookimpl
    def cthulhu_batch_begin(self, run: Run) -> None:
        """The inputs are there."""
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
