"""A sparse file in memory, into which HDF5's library writes the structure of a file."""

from __future__ import annotations

import io
import os
from typing import Any

_PAGE = 4096


class SparseFile(io.RawIOBase):
    r"""A file in memory that stores only the pages written to. All other bytes are zero.

    Attributes:
        size: its length in bytes.

    Example:
        >>> file = SparseFile()
        >>> file.seek(10**12)
        1000000000000
        >>> file.write(b"end")
        3
        >>> file.between(10**12 - 1, 10**12 + 3)
        b'\x00end'
    """

    def __init__(self) -> None:
        self.size = 0
        self._position = 0
        self._pages: dict[int, bytearray] = {}

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def truncate(self, size: int | None = None, /) -> int:
        """Extend the file. It never shrinks."""
        self.size = max(self.size, self._position if size is None else size)
        return self.size

    def write(self, data: Any, /) -> int:
        rest = memoryview(data).cast("B")
        written = len(rest)
        while rest:
            number, start = divmod(self._position, _PAGE)
            part = rest[: _PAGE - start]
            page = self._pages.setdefault(number, bytearray(_PAGE))
            page[start : start + len(part)] = part
            self._position += len(part)
            rest = rest[len(part) :]
        self.size = max(self.size, self._position)
        return written

    def readinto(self, buffer: Any, /) -> int:
        into = memoryview(buffer).cast("B")
        into[:] = self.between(self._position, self._position + len(into))
        self._position += len(into)
        return len(into)

    def between(self, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` up to ``stop``."""
        if start >= stop:
            return b""
        first, last = start // _PAGE, (stop - 1) // _PAGE
        pages = b"".join(self._pages.get(number, bytes(_PAGE)) for number in range(first, last + 1))
        return pages[start - first * _PAGE : stop - first * _PAGE]
