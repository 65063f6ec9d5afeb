"""The hooks of batches, and the values of batches that wait to be written.

Each hook has its own class, because even a hook that does nothing has a cost. The callback adopts only those it needs:
``self.cthulhu_batch_end = EveryBatch(...).cthulhu_batch_end``.
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
    """Writes the values of batches, many at once if batches are short: one at a time would cost three times as much.

    After a failure, all values wait for the next try. Of more than ``most`` batches, the oldest are dropped.

    Args:
        scalars: writes the values.
        interval: seconds between two writes. Batches that take longer are written as soon as they end.
        most: maximum number of waiting batches.
    """

    def __init__(self, scalars: Scalars, interval: float = 0.1, most: int = 1000) -> None:
        self._scalars = scalars
        self._interval = interval
        self._waiting: deque[tuple[Logs, int, float]] = deque(maxlen=most)
        self._due = 0.0

    def add(self, writer: Writer, logs: Logs, step: int) -> None:
        """Write the values of a batch, now or soon.

        Raises:
            OSError: If they cannot be written.
        """
        self._waiting.append((logs.copy(), step, time()))
        if perf_counter() >= self._due or len(self._waiting) == self._waiting.maxlen:
            self.write(writer)

    def write(self, writer: Writer) -> None:
        """Write the waiting values. Errors are those of :meth:`add`."""
        # If this write fails, the next batch tries again: a persistent failure then counts as several in a row.
        self._due = 0.0
        while self._waiting:
            logs, step, at = self._waiting[0]
            values = {name: value for name, value in logs.items() if name not in ("batch", "size")}
            self._scalars.write(writer, values, step, at)
            self._waiting.popleft()
        self._due = perf_counter() + self._interval

    def forget(self) -> None:
        """Drop the waiting values."""
        self._waiting.clear()


class EveryBatch:
    """Passes the values of each batch to ``write``."""

    def __init__(self, write: Callable[[Run, Logs], None]) -> None:
        self._write = write

    @hookimpl
    def cthulhu_batch_end(self, run: Run, logs: Logs) -> None:
        """Write the values of a batch."""
        self._write(run, logs)


class EverySamples:
    """Passes the values of a batch to ``write`` after each ``every`` samples.

    The hook does not take ``logs``, so that the values of other batches are not read from the device.
    """

    def __init__(self, every: int, steps: Steps, write: Callable[[Run, Logs], None]) -> None:
        self._every = every
        self._steps = steps
        self._write = write

    @hookimpl
    def cthulhu_batch_end(self, run: Run) -> None:
        """Count samples, and read the values when a write is due."""
        batch = run.current
        if self._steps.passed(self._every, batch.size):
            self._write(run, batch.logs())


class EveryBegin:
    """Passes each batch to ``use`` when it begins. A user of the first batch alone removes the hook."""

    def __init__(self, use: Callable[[Run], None]) -> None:
        self._use = use

    @hookimpl
    def cthulhu_batch_begin(self, run: Run) -> None:
        """Pass the run, whose batch has its inputs by now."""
        self._use(run)


class EveryGradients:
    """Passes each batch to ``take`` while it has gradients, in epochs that are due."""

    def __init__(self, take: Callable[[Run], None]) -> None:
        self._take = take
        self.due = False

    @hookimpl
    def cthulhu_gradients(self, run: Run) -> None:
        """Take the gradients of every batch: only the end of the epoch shows which was the last."""
        if self.due:
            self._take(run)
