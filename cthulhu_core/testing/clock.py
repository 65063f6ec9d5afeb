"""A clock that advances only when a test says so."""

from __future__ import annotations

import time

import pytest


class FakeClock:
    """Replaces ``time.time``, ``time.monotonic``, ``time.perf_counter`` and ``time.sleep``.

    Functions that were imported by name (``from time import monotonic``) remain real: use ``import time`` in a module
    to be tested. Sleeping advances the clock and takes no time.

    Args:
        monkeypatch: restores the real clock.
        now: the initial time in seconds.

    Attributes:
        slept: the duration of each sleep in seconds.

    Example:
        >>> clock = FakeClock(monkeypatch)
        >>> clock.advance(60.0)
        >>> time.monotonic()
        60.0
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: float = 0.0) -> None:
        self.now = now
        self.slept: list[float] = []
        for name in ("time", "monotonic", "perf_counter"):
            monkeypatch.setattr(time, name, lambda: self.now)
            monkeypatch.setattr(time, f"{name}_ns", lambda: round(self.now * 1e9))
        monkeypatch.setattr(time, "sleep", self._sleep)

    def advance(self, seconds: float) -> None:
        """Advance the clock by ``seconds``.

        Raises:
            ValueError: ``seconds`` is negative.
        """
        if seconds < 0:
            raise ValueError(f"advance({seconds}): expected seconds, 0 or more: a clock never goes back")
        self.now += seconds

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
