"""Interval: after how many batches, or how much time, the state in the middle of an epoch is to be saved."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic

from cthulhu_core import whole_number


class Interval:
    """Batches of a run, or time since the last save.

    Args:
        every: a number of batches, from 1, or a ``timedelta`` above zero.

    Raises:
        ValueError: it is neither.

    Example:
        >>> [batch for batch in range(1, 10) if Interval(4).is_over(batch)]
        [4, 8]
    """

    def __init__(self, every: int | timedelta) -> None:
        self._seconds: float | None = None
        self._batches = 0
        if isinstance(every, timedelta):
            self._seconds = every.total_seconds()
        else:
            self._batches = whole_number(every) or 0
        if self._batches < 1 and (self._seconds is None or self._seconds <= 0):
            raise ValueError(
                f"save_every is {every!r}: expected a number of batches, 1 or more, or a datetime.timedelta above zero"
            )
        self.restart()

    def restart(self) -> None:
        """Time counts from now on."""
        self._last = monotonic()

    def is_over(self, batches: int) -> bool:
        """Whether it is time to save, after so many ``batches`` of the run."""
        if self._seconds is None:
            return batches % self._batches == 0
        return monotonic() - self._last >= self._seconds
