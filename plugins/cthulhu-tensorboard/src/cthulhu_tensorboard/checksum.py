"""The checksum of a record in an event file: CRC-32C with the mask of TFRecord.

tensorboard computes it byte by byte in Python, which takes longer than the rest of writing a record. The checksum is
linear: the checksum of a block is the exclusive or of a contribution of each byte at its position, which NumPy looks up
for all bytes at once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

_POLYNOMIAL = 0x82F63B78
_BLOCK = 256
# The number of blocks processed at once, which bounds the memory for large records.
_BLOCKS = 4096


@cache
def _contributions() -> Any:
    """Return a table of contributions: that of ``byte`` followed by ``after`` bytes is at ``256 * after + byte``."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    rows = [table]
    for _ in range(1, _BLOCK):
        rows.append(table[rows[-1] & 0xFF] ^ (rows[-1] >> 8))
    return np.concatenate(rows)


@cache
def _places(length: int) -> Any:
    """Return the offset in the table for each position in a block. The first byte has the most bytes after it."""
    return np.arange(length - 1, -1, -1, dtype=np.intp) * 256


@cache
def _begun(length: int) -> int:
    """Return the contribution of the initial value, all ones, after ``length`` bytes."""
    table = _contributions()[:256].tolist()
    crc = 0xFFFFFFFF
    for _ in range(length):
        crc = table[crc & 0xFF] ^ (crc >> 8)
    return crc


@cache
def _moved() -> list[list[int]]:
    """Return the contribution of each of the four bytes of a checksum after one more block."""
    table = _contributions().reshape(_BLOCK, 256)
    return [table[_BLOCK - 1 - byte].tolist() for byte in range(4)]


def masked_crc32c(data: bytes) -> int:
    """Return the checksum of ``data`` as stored in the file.

    Example:
        >>> hex(masked_crc32c(b"123456789"))
        '0xc78ab0e5'
    """
    contributions = _contributions()
    values = np.frombuffer(data, np.uint8)
    rest = len(values) % _BLOCK
    # The incomplete block comes first.
    crc = _begun(rest)
    if rest:
        crc ^= int(np.bitwise_xor.reduce(contributions[_places(rest) + values[:rest]]))
    if len(values) > rest:
        first, second, third, fourth = _moved()
        blocks = values[rest:].reshape(-1, _BLOCK)
        for start in range(0, len(blocks), _BLOCKS):
            found = contributions[_places(_BLOCK) + blocks[start : start + _BLOCKS]]
            for block in np.bitwise_xor.reduce(found, axis=1).tolist():
                crc = (
                    first[crc & 0xFF]
                    ^ second[crc >> 8 & 0xFF]
                    ^ third[crc >> 16 & 0xFF]
                    ^ fourth[crc >> 24]
                    ^ block
                )  # fmt: skip
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
