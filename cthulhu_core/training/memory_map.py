"""Arrays that are files: what has been read of them does not stay in memory."""

from __future__ import annotations

import mmap

import numpy as np

_AROUND = 65_536
"""Bytes of a file that come into memory with one of them, where the system has them at hand."""


class Pages:
    """The pages of a memory-mapped array that reading it brings into memory, where they count as the process's.

    They are given back when they are more than a GiB: smaller files stay, and the epochs that follow read them from
    memory. Only those of a mapping that is shared with the file are: a private one, mode
    ``"c"``, may hold what the user has written.

    Args:
        array: any array; one that is in memory has none.

    Attributes:
        most: bytes that may stay.
    """

    most = 2**30

    def __init__(self, array: object) -> None:
        self._mapping = shared_mapping(array)
        self._row_bytes = array[:1].nbytes if isinstance(array, np.ndarray) else 0
        self._bytes = 0

    def have_been_read(self, rows: int, in_order: bool) -> None:
        """So many rows were copied: one after the other, or from anywhere."""
        if self._mapping is None:
            return
        self._bytes += rows * (self._row_bytes if in_order else max(self._row_bytes, _AROUND))
        if self._bytes > self.most:
            self._mapping.madvise(mmap.MADV_DONTNEED)
            self._bytes = 0


def shared_mapping(array: object) -> mmap.mmap | None:
    """The mapping that ``array``, or a view of it, is in; None where there is none, or none that is shared."""
    if not hasattr(mmap, "MADV_DONTNEED"):  # Windows takes pages back by itself
        return None
    is_shared = False
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            is_shared = array.mode != "c"
        array = array.base
    return array if isinstance(array, mmap.mmap) and is_shared else None
