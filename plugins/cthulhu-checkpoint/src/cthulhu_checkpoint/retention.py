"""Decide which files ``keep`` retains. saving.py removes the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple


class SavedFile(NamedTuple):
    """A saved file."""

    name: str
    value: float | None
    """The monitored value of its epoch. None if there was none."""


def with_file(files: Sequence[SavedFile], file: SavedFile) -> tuple[SavedFile, ...]:
    """Return ``files`` plus ``file``, the newest one, which replaces a file of the same name."""
    return (*(each for each in files if each.name != file.name), file)


def surplus(files: Sequence[SavedFile], keep: int, direction: Literal["min", "max"]) -> list[SavedFile]:
    """Return all ``files``, oldest first, except the newest ``keep`` and the best one (the oldest of equals).

    Example:
        >>> files = [SavedFile("a", 0.1), SavedFile("b", 0.3), SavedFile("c", 0.2)]
        >>> surplus(files, 1, "min")
        [SavedFile(name='b', value=0.3)]
    """
    numbered = [(file.value, file) for file in files if file.value is not None and not math.isnan(file.value)]
    sign = 1 if direction == "min" else -1
    best = min(numbered, key=lambda each: sign * each[0])[1] if numbered else None
    return [file for file in files[:-keep] if file is not best]
