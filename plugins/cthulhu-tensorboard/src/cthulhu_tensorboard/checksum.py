"""The checksum of a record in an event file: CRC-32C, masked as TFRecord does it.

tensorboard computes it byte by byte in Python, which takes longer than all the rest of writing a record. A checksum is
linear: that of a block is the exclusive or of what each of its bytes contributes at its place, which NumPy looks up for
all of them at once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

_POLYNOMIAL = 0x82F63B78
_BLOCK = 256
# So many blocks at once: what that takes in memory does not grow with the record.
_BLOCKS = 4096


@cache
def _contributions() -> Any:
    """What each byte contributes: the value ``byte`` with ``after`` bytes behind it, at ``256 * after + byte``."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    rows = [table]
    for _ in range(1, _BLOCK):
        rows.append(table[rows[-1] & 0xFF] ^ (rows[-1] >> 8))
    return np.concatenate(rows)


@cache
def _places(length: int) -> Any:
    """Where the contributions of each byte of a block begin: the first has the most bytes behind it."""
    return np.arange(length - 1, -1, -1, dtype=np.intp) * 256


@cache
def _begun(length: int) -> int:
    """What the initial value, all ones, has become after ``length`` bytes."""
    table = _contributions()[:256].tolist()
    crc = 0xFFFFFFFF
    for _ in range(length):
        crc = table[crc & 0xFF] ^ (crc >> 8)
    return crc


@cache
def _moved() -> list[list[int]]:
    """What each of the four bytes of a checksum has become a block later."""
    table = _contributions().reshape(_BLOCK, 256)
    return [table[_BLOCK - 1 - byte].tolist() for byte in range(4)]


def masked_crc32c(data: bytes) -> int:
    """The checksum of ``data`` as it stands in the file.

    Example:
        >>> hex(masked_crc32c(b"123456789"))
        '0xc78ab0e5'
    """
    contributions = _contributions()
    values = np.frombuffer(data, np.uint8)
    rest = len(values) % _BLOCK
    # The part that fills no block comes first.
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
