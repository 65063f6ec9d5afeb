"""The first 512 bytes of a file: its format, its length, and the checksum of the rest.

HDF5 reserves these bytes for applications (the *user block*). They reveal damage before HDF5's library reads a byte.
"""

from __future__ import annotations

import re
import zlib
from typing import BinaryIO

from cthulhu_core import CheckpointError

SIZE = 512
FORMAT = 1
_MAGIC = b"cthulhu checkpoint"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_READ = 2**20


def seal(length: int, checksum: int, version: int = FORMAT) -> bytes:
    """Return the block of a file of ``length`` bytes. ``checksum`` is the CRC-32 of the bytes after the block."""
    text = b"%s\nformat %d\nlength %d\ncrc32 %08x\n" % (_MAGIC, version, length, checksum)
    # A checksum of its own tells damage in the block from damage in the rest.
    text += b"block %08x\n" % zlib.crc32(text)
    return text.ljust(SIZE, b"\0")


def is_sealed(file: BinaryIO, size: int) -> bool:
    """Return True if the file has such a block and is intact, False for HDF5 files of other programs.

    Args:
        file: the file, at any position.
        size: its length in bytes.

    Raises:
        CheckpointError: If it is truncated, damaged, of a newer format, or not an HDF5 file.
    """
    file.seek(0)
    block = file.read(SIZE)
    if not size:
        raise CheckpointError("the file is empty")
    if block.startswith(_HDF5):
        return False
    if not block.startswith(_MAGIC):
        raise CheckpointError(
            "this is not an HDF5 file, or its beginning is damaged: expected a file written by model.save()"
        )
    length, checksum = _said(block)
    if size != length:
        how = "truncated" if size < length else "damaged"
        raise CheckpointError(f"the file is {how}: it has {size} bytes, but {length} were written")
    if _checksum(file) != checksum:
        raise CheckpointError("the file is damaged: its checksum does not match its content")
    return True


def _said(block: bytes) -> tuple[int, int]:
    """Return the length and the checksum in the block."""
    found = re.match(rb"%s\nformat (\d+)\nlength (\d+)\ncrc32 ([0-9a-f]{8})\n" % _MAGIC, block)
    version, length, checksum = (int(found[1]), int(found[2]), int(found[3], 16)) if found else (0, 0, 0)
    if block != seal(length, checksum, version):
        raise CheckpointError(f"the file is damaged or truncated in its first {SIZE} bytes")
    if version > FORMAT:
        raise CheckpointError(
            f"the file has format {version}, but this version of cthulhu-checkpoint reads only up to {FORMAT}: "
            "pip install --upgrade cthulhu-checkpoint"
        )
    return length, checksum


def _checksum(file: BinaryIO) -> int:
    """Return the CRC-32 of the bytes after the block."""
    checksum, buffer = 0, memoryview(bytearray(_READ))
    file.seek(SIZE)
    while read := file.readinto(buffer):  # type: ignore[attr-defined]
        checksum = zlib.crc32(buffer[:read], checksum)
    return checksum
