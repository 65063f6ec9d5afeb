"""The batches of an epoch, as a loop sees them.

Arrays are cut into batches in ``array_batches.py``; data that gives batches of its own is in ``iterable_batches.py``;
``data.py`` tells which of the two it is. Both are iterated once an epoch and give ``(inputs, targets, weights)`` on the
device of the model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor

Triple = tuple[Any, Any, Tensor | None]
"""Inputs, targets and sample weights of one batch."""


class Batches(Protocol):
    """Batches of an epoch. ``None`` where a number cannot be known beforehand."""

    samples: int | None
    steps: int | None
    batch_size: int | None
    is_one_pass: bool
    """Whether all epochs together are one pass, as over a generator."""

    def __iter__(self) -> Iterator[Triple]: ...

    def first(self) -> Triple:
        """A batch to learn shapes from; it is still part of the next epoch."""

    def ended(self) -> bool:
        """Whether there is nothing for another epoch."""

    def pass_state(self) -> Any:
        """What is needed to go on in the midst of the pass that is under way: plain data."""

    def resumed(self, state: Any, batch: int, step: int) -> Iterator[Triple]:
        """The rest of that pass, after ``batch`` batches of it, and ``step`` in all epochs.

        All that it draws to get there it draws before it returns.
        """
