"""The hooks of batches, in classes of their own: the callback adopts the one it needs."""

from __future__ import annotations

from collections.abc import Callable

from cthulhu_core import Logs, Run, hookimpl


class EveryBatch:
    """Passes the values of each batch to ``send``."""

    def __init__(self, send: Callable[[Run, Logs], None]) -> None:
        self._send = send

    @hookimpl
    def cthulhu_batch_end(self, run: Run, logs: Logs) -> None:
        """Send the values of a batch."""
        self._send(run, logs)


class EveryNth:
    """Passes the values of every ``every``-th batch to ``send``, without reading others from the device."""

    def __init__(self, every: int, send: Callable[[Run, Logs], None]) -> None:
        self._every = every
        self._send = send

    @hookimpl
    def cthulhu_batch_end(self, run: Run) -> None:
        """Read and send the values when they are due."""
        if run.step % self._every == 0:
            self._send(run, run.current.logs())
