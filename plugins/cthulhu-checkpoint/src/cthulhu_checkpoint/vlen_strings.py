"""Read lists of variable-length strings, as Keras 3 writes the names of layers and weights, without HDF5's library.

The library allocates the length that the file states without checking it: one flipped bit can make it allocate
gigabytes. This module supports the older form of attributes, the default of h5py. Sections in parentheses refer to the
HDF5 File Format Specification, version 3.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from cthulhu_core import CheckpointError

_CONTINUATION, _ATTRIBUTE = 0x10, 0x0C
_MOST_PARTS = 1000
_REFERENCE = struct.Struct("<IQI")  # length, address of a heap, index in it


class Strings:
    """The strings of one file. Memory and reads are limited to a small multiple of its size.

    Args:
        file: an HDF5 file.
        size: its length in bytes.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._unread = 4 * size
        self._heaps: dict[int, dict[int, bytes]] = {}

    def of(self, header: int, attribute: str, count: int) -> list[str]:
        """Return the ``count`` strings of an attribute. ``header`` is the address of its object's header.

        Raises:
            CheckpointError: If they are missing or would take more memory than the file.
        """
        data = self._data(header, attribute.encode())
        references = [_REFERENCE.unpack_from(data, _REFERENCE.size * n) for n in range(count)]
        found = []
        for length, address, number in references:
            if address not in self._heaps:
                self._heaps[address] = dict(_objects(self._heap(address)))
            content = self._heaps[address].get(number, b"") if length else b""
            self._claim(length)
            if len(content) < length:
                raise CheckpointError(f"the attribute {attribute} is damaged: a name is missing")
            found.append(content[:length].decode())
        return found

    def _claim(self, count: int) -> None:
        self._unread -= count
        if self._unread < 0:
            raise CheckpointError("the file is damaged: its names would take more memory than the file")

    def _at(self, address: int, count: int) -> bytes:
        if not 0 <= count <= self._size - address:
            raise CheckpointError("the file is damaged: its structure points beyond its end")
        self._claim(count)
        self._file.seek(address)
        return self._file.read(count)

    def _data(self, header: int, attribute: bytes) -> bytes:
        """Return the data of an attribute (IV.A.2.m)."""
        for kind, message in self._messages(header):
            if kind == _ATTRIBUTE:
                version, _, name, datatype, dataspace = struct.unpack_from("<BBHHH", message)
                # In version 1, each part is padded to a multiple of 8 bytes.
                parts = [-(-part // 8) * 8 if version == 1 else part for part in (name, datatype, dataspace)]
                start = 9 if version == 3 else 8
                if message[start : start + name].rstrip(b"\0") == attribute:
                    return message[start + sum(parts) :]
        raise CheckpointError(
            f"the attribute {attribute.decode()} stores variable-length names in an unsupported form: save the model "
            "with Keras, or with h5py in its default form"
        )

    def _messages(self, header: int) -> Iterator[tuple[int, bytes]]:
        """Yield the messages of an object header of version 1 (IV.A.1.a)."""
        version, _, _, _, length = struct.unpack("<BBHII", self._at(header, 12))
        parts = [(header + 16, length)] if version == 1 else []
        for address, count in parts:
            part = self._at(address, count)
            position = 0
            while position + 8 <= len(part):
                kind, length = struct.unpack_from("<HH", part, position)
                message = part[position + 8 : position + 8 + length]
                position += 8 + length
                if kind == _CONTINUATION and len(parts) < _MOST_PARTS:
                    parts.append(struct.unpack_from("<QQ", message))
                yield kind, message

    def _heap(self, address: int) -> bytes:
        """Return a global heap (III.E)."""
        signature, length = struct.unpack("<8sQ", self._at(address, 16))
        if signature != b"GCOL\1\0\0\0":
            raise CheckpointError("the file is damaged: its names are not where they should be")
        return self._at(address, length)


def _objects(heap: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the objects of a global heap with their indices."""
    position = 16
    while position + 16 <= len(heap):
        number, count = struct.unpack_from("<H6xQ", heap, position)
        if number == 0:  # The rest is free space.
            return
        yield number, heap[position + 16 : position + 16 + count]
        position += 16 + -(-count // 8) * 8
