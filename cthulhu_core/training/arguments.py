"""Checks of the numeric arguments of ``summon``, ``evaluate`` and ``predict``."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

import numpy as np


def check_counts(**counts: Any) -> None:
    """Check that arguments are counts; all but ``epochs`` and ``initial_epoch`` may be None.

    Raises:
        ValueError: one is not an integer, or is too small.
    """
    for name, count in counts.items():
        if count is None and name not in ("epochs", "initial_epoch"):
            continue
        least = 0 if name in ("epochs", "initial_epoch") else 1
        if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < least:
            raise ValueError(f"{name} is {count!r}: expected an integer of at least {least}")


def validation_schedule(frequency: Any) -> Callable[[int], bool]:
    """Return a function that tells whether to validate after an epoch (from 0).

    Args:
        frequency: validate every so many epochs, or in the epochs (from 1) that a container holds.

    Raises:
        ValueError: ``frequency`` is neither an integer of at least 1 nor a container.
    """
    if isinstance(frequency, (int, np.integer)) and not isinstance(frequency, bool) and frequency >= 1:
        return lambda epoch: (epoch + 1) % frequency == 0
    if isinstance(frequency, Container) and not isinstance(frequency, (str, bytes)):
        return lambda epoch: epoch + 1 in frequency
    raise ValueError(
        f"validation_freq is {frequency!r}: expected an integer of at least 1, or a list of epochs, counted from 1"
    )
