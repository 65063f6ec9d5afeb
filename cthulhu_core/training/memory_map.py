"""Memory-mapped arrays, whose pages are returned to the system after they are read."""

from __future__ import annotations

import mmap

import numpy as np

_AROUND = 65_536
"""Bytes of a file that the system maps when one of them is read, if they are in its cache."""


class Pages:
    """The resident pages of a memory-mapped array, which count as memory of the process.

    They are returned when they exceed 1 GiB, so that smaller files stay in memory for later epochs. Private mappings
    (mode ``"c"``) are left alone, because they may hold changes of the user.

    Args:
        array: any array; one in memory has no pages.

    Attributes:
        most: bytes that may stay resident.
    """

    most = 2**30

    def __init__(self, array: object) -> None:
        self._mapping = shared_mapping(array)
        self._row_bytes = array[:1].nbytes if isinstance(array, np.ndarray) else 0
        self._bytes = 0

    def have_been_read(self, rows: int, in_order: bool) -> None:
        """Record that ``rows`` rows were copied, in order or at random; return pages if there are too many."""
        if self._mapping is None:
            return
        self._bytes += rows * (self._row_bytes if in_order else max(self._row_bytes, _AROUND))
        if self._bytes > self.most:
            self._mapping.madvise(mmap.MADV_DONTNEED)
            self._bytes = 0


def shared_mapping(array: object) -> mmap.mmap | None:
    """Return the shared mapping behind ``array``, or a view of it; None if there is none."""
    if not hasattr(mmap, "MADV_DONTNEED"):  # Windows trims pages by itself
        return None
    is_shared = False
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            is_shared = array.mode != "c"
        array = array.base
    return array if isinstance(array, mmap.mmap) and is_shared else None
