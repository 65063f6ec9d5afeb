"""The batches of an epoch, as a loop sees them.

Arrays are cut into batches in ``array_batches.py``; data that yields batches is in ``iterable_batches.py``;
``data.py`` tells them apart. Both are iterated once per epoch and yield ``(inputs, targets, weights)`` on the
device of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor

Triple = tuple[Any, Any, Tensor | None]
"""Inputs, targets and sample weights of one batch."""


class Batches(Protocol):
    """The batches of an epoch. Numbers that are not known in advance are None."""

    samples: int | None
    steps: int | None
    batch_size: int | None
    is_one_pass: bool
    """Whether all epochs together are one pass, as over a generator."""

    def __iter__(self) -> Iterator[Triple]: ...

    def first(self) -> Triple:
        """Return a batch to infer shapes from; it remains part of the next epoch."""

    def ended(self) -> bool:
        """Return whether there is no data for another epoch."""

    def pass_state(self) -> Any:
        """Return what is needed to continue in the middle of the current pass, as plain data."""

    def resumed(self, state: Any, batch: int, step: int) -> Iterator[Triple]:
        """Return the rest of that pass, after ``batch`` of its batches, and ``step`` batches in all epochs.

        Random numbers that are needed to get there are drawn before it returns.
        """
