"""The hooks of batches, each an object of its own: the callback takes over the one that it needs."""

from __future__ import annotations

from collections.abc import Callable

from cthulhu_core import Logs, Run, hookimpl


class EveryBatch:
    """Gives the values of each batch to ``send``."""

    def __init__(self, send: Callable[[Run, Logs], None]) -> None:
        self._send = send

    @hookimpl
    def cthulhu_batch_end(self, run: Run, logs: Logs) -> None:
        """The values are there: some callback reads them anyway, or this one does."""
        self._send(run, logs)


class EveryNth:
    """Gives the values of every ``every``-th batch to ``send``; the others are not read from the device for it."""

    def __init__(self, every: int, send: Callable[[Run, Logs], None]) -> None:
        self._every = every
        self._send = send

    @hookimpl
    def cthulhu_batch_end(self, run: Run) -> None:
        """Read the values when it is time."""
        if run.step % self._every == 0:
            self._send(run, run.current.logs())
