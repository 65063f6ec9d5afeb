"""A clock that goes on only when it is told to."""

from __future__ import annotations

import time

import pytest


class FakeClock:
    """Stands for ``time.time``, ``time.monotonic``, ``time.perf_counter`` and ``time.sleep``, all in seconds.

    What was imported by name before (``from time import monotonic``) still is the real clock: write ``import time`` in
    a module that is to be tested with this one. Sleeping lets the clock go on and takes no time.

    Args:
        monkeypatch: what puts the real clock back.
        now: the time at which it stands, in seconds.

    Attributes:
        slept: how long each sleep was, in seconds.

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
        """Let ``seconds`` pass.

        Raises:
            ValueError: ``seconds`` is negative: no such clock goes back.
        """
        if seconds < 0:
            raise ValueError(f"advance({seconds}): expected seconds, 0 or more; a clock does not go back")
        self.now += seconds

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
