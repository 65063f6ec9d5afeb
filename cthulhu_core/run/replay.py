"""A pass over data that a resumed run can repeat."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from cthulhu_core.run.random_state import random_state, set_random_state


class Replay:
    """A pass over any data. On resume, it draws the same batches again and skips those that are done.

    Data with ``pass_state`` and ``resumed`` of its own, as in ``training/``, does the same at less cost.
    """

    is_one_pass = False

    def __init__(self, data: Iterable[Any]) -> None:
        self._data = data
        self._random = random_state()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._data)

    def pass_state(self) -> dict[str, Any]:
        """Return the random generators as they were when the pass began."""
        return self._random

    def resumed(self, state: dict[str, Any], batch: int, step: int) -> Iterator[Any]:
        """Return the batches from number ``batch`` on."""
        set_random_state(state)
        self._random = state
        iterator = iter(self._data)
        for _ in itertools.islice(iterator, batch):
            pass
        return iterator
