"""The interval between saves in the middle of epochs, in batches or in time."""

from __future__ import annotations

from datetime import timedelta
from time import monotonic

from cthulhu_core import whole_number


class Interval:
    """A number of batches of the run, or a time since the last save.

    Args:
        every: number of batches, 1 or more, or a positive ``timedelta``.

    Raises:
        ValueError: If it is neither.

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
                f"save_every is {every!r}: expected a number of batches, 1 or more, or a positive datetime.timedelta"
            )
        self.restart()

    def restart(self) -> None:
        """Restart the clock."""
        self._last = monotonic()

    def is_over(self, batches: int) -> bool:
        """Return whether a save is due after ``batches`` of the run."""
        if self._seconds is None:
            return batches % self._batches == 0
        return monotonic() - self._last >= self._seconds
