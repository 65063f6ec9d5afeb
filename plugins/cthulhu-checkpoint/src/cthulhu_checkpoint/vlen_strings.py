"""Lists of strings of variable length, as Keras 3 writes the names of layers and weights, read without HDF5's library.

The library takes the length of such a string from the file and allocates it unchecked: one flipped bit, and it takes
gigabytes. What is read here is the older form of attributes, which h5py writes unless it is told otherwise. The pages
cited are of the HDF5 File Format Specification, version 3.0.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from cthulhu_core import CheckpointError

_CONTINUATION, _ATTRIBUTE = 0x10, 0x0C
_MOST_PARTS = 1000
_REFERENCE = struct.Struct("<IQI")  # length, address of a heap, number in it


class Strings:
    """The strings of one file, which take no more memory and reading than the file has bytes, several times over.

    Args:
        file: an HDF5 file.
        size: its length.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._unread = 4 * size
        self._heaps: dict[int, dict[int, bytes]] = {}

    def of(self, header: int, attribute: str, count: int) -> list[str]:
        """The ``count`` strings of an attribute; ``header`` is where in the file the header of its object is.

        Raises:
            CheckpointError: they are not there, or would take more memory than the file.
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
            raise CheckpointError("the file is damaged: its structure points behind its end")
        self._claim(count)
        self._file.seek(address)
        return self._file.read(count)

    def _data(self, header: int, attribute: bytes) -> bytes:
        """What an attribute holds (IV.A.2.m)."""
        for kind, message in self._messages(header):
            if kind == _ATTRIBUTE:
                version, _, name, datatype, dataspace = struct.unpack_from("<BBHHH", message)
                # In version 1, each part ends at a multiple of 8 bytes.
                parts = [-(-part // 8) * 8 if version == 1 else part for part in (name, datatype, dataspace)]
                start = 9 if version == 3 else 8
                if message[start : start + name].rstrip(b"\0") == attribute:
                    return message[start + sum(parts) :]
        raise CheckpointError(
            f"the attribute {attribute.decode()} has names of variable length in a form that is not read here: save "
            "the model with Keras, or with h5py in its default form"
        )

    def _messages(self, header: int) -> Iterator[tuple[int, bytes]]:
        """The messages of an object's header of version 1 (IV.A.1.a)."""
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
        """A global heap (III.E)."""
        signature, length = struct.unpack("<8sQ", self._at(address, 16))
        if signature != b"GCOL\1\0\0\0":
            raise CheckpointError("the file is damaged: its names are not where they should be")
        return self._at(address, length)


def _objects(heap: bytes) -> Iterator[tuple[int, bytes]]:
    """The objects of a global heap by their numbers."""
    position = 16
    while position + 16 <= len(heap):
        number, count = struct.unpack_from("<H6xQ", heap, position)
        if number == 0:  # what is left is free
            return
        yield number, heap[position + 16 : position + 16 + count]
        position += 16 + -(-count // 8) * 8
