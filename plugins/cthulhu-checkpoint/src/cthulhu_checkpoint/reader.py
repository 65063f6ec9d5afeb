"""Read checkpoints from files that may be damaged, written by another program, or malicious.

HDF5's library only locates things in the file. Each location is checked, and the values are read directly: filters,
links and conversions of the library are never used.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import torch

from cthulhu_checkpoint import header, layout
from cthulhu_checkpoint.dtypes import LABEL, LOADED
from cthulhu_checkpoint.names import unescaped
from cthulhu_checkpoint.vlen_strings import Strings
from cthulhu_core import Checkpoint, CheckpointError, unpack

# The errors of h5py for malformed files, and those that follow from absurd numbers in them.
_MALFORMED = (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError, struct.error)


def load(filepath: str | os.PathLike[str]) -> Checkpoint:
    """Return the checkpoint in ``filepath``, or the weights that Keras saved in it.

    Raises:
        CheckpointError: If the file is missing, truncated, damaged, or of another kind. The message says which.
    """
    try:
        with _opened(Path(filepath)) as file:
            return _Reader(file).checkpoint()
    except CheckpointError as error:
        raise CheckpointError(error.reason, filepath) from error
    except _MALFORMED as error:
        raise CheckpointError(f"the file is damaged or of another kind: {error}", filepath) from error


def _opened(path: Path) -> io.BufferedReader:
    try:
        # Opening a pipe would wait for a writer.
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            raise CheckpointError(f"this is {'a folder' if stat.S_ISDIR(kind) else 'not a regular file'}")
        return path.open("rb")
    except FileNotFoundError as error:
        raise CheckpointError("there is no such file") from error
    except OSError as error:
        raise CheckpointError(f"it cannot be read: {error.strerror}") from error


@dataclass
class _Reader:
    """One file: the tensors found in it, and the bytes that further tensors may claim."""

    file: BinaryIO
    size: int = field(init=False)
    is_ours: bool = field(init=False)
    unclaimed: int = field(init=False)
    strings: Strings = field(init=False)
    tensors: list[tuple[int, torch.Tensor, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.size = self.unclaimed = os.fstat(self.file.fileno()).st_size
        self.is_ours = header.is_sealed(self.file, self.size)
        self.strings = Strings(self.file, self.size)

    def checkpoint(self) -> Checkpoint:
        """Return the checkpoint. Values are read last, once everything that the file claims is known to be in it."""
        with h5py.File(_Structure(self.file), "r") as root:
            if not self.is_ours and layout.MARK in root.attrs:
                raise CheckpointError(f"the file is damaged: its first {header.SIZE} bytes are missing")
            weights = self._weights(root)
            own = self._group(root, layout.OWN) if self.is_ours and _has(root, layout.OWN) else {}
            data = {name: self._data(self._group(own, name)) for name in own}
        for offset, tensor, swapped in self.tensors:
            self._read(offset, tensor, swapped)
        extra, state = (_unpacked(*data[name]) if name in data else None for name in ("extra", "state"))
        return Checkpoint(weights, extra or {}, state)

    # --- weights ------------------------------------------------------------------------------------------------------

    def _weights(self, root: Any) -> dict[str, dict[str, torch.Tensor]]:
        group = root
        if not _has_names(root, layout.LAYERS):
            if _has(root, "layers") and not _has(root, layout.FULL):
                raise CheckpointError(
                    "this is a .weights.h5 file of Keras 3, whose weights have no names: save the model in Keras with "
                    "model.save('model.h5') and load that"
                )
            if not _has(root, layout.FULL):
                raise CheckpointError("this HDF5 file has no weights in the layout of Keras: it has no layer_names")
            group = self._group(root, layout.FULL)
        return {self._name(layer): self._layer(group, layer) for layer in self._names(group, layout.LAYERS)}

    def _layer(self, group: Any, layer: str) -> dict[str, torch.Tensor]:
        below = self._group(group, layer)
        paths = self._names(below, layout.WEIGHTS)
        named = _without_paths(layer, paths)
        return {self._name(name): self._tensor(below, path) for name, path in zip(named, paths, strict=True)}

    def _name(self, name: str) -> str:
        return unescaped(name) if self.is_ours else name

    def _data(self, group: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        tensors = self._group(group, "tensors")
        return self._tensor(group, "json"), {unescaped(name): self._tensor(tensors, name) for name in tensors}

    # --- what HDF5 says -----------------------------------------------------------------------------------------------

    def _group(self, parent: Any, path: str) -> Any:
        return self._object(parent, path, h5py.Group)

    def _object(self, parent: Any, path: str, kind: type) -> Any:
        """Return the object at ``path`` without following links to elsewhere."""
        found = parent
        for part in filter(None, path.split("/")):
            if not isinstance(found, h5py.Group) or not _has(found, part):
                raise CheckpointError(f"{_shortened(path)} is missing")
            if found.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
                raise CheckpointError(f"{_shortened(path)} is a link to elsewhere, which is not followed")
            found = found[part]
        if not isinstance(found, kind):
            raise CheckpointError(f"{_shortened(path)} is not a {kind.__name__.lower()}")
        return found

    def _claim(self, count: int, what: str) -> None:
        self.unclaimed -= count
        if self.unclaimed < 0:
            raise CheckpointError(f"{what} would take {count} bytes, more than are left of the file's {self.size}")

    def _tensor(self, parent: Any, path: str) -> torch.Tensor:
        """Return the tensor at ``path``. Its values are not read yet."""
        identifier = self._object(parent, path, h5py.Dataset).id
        path = _shortened(path)
        plan = identifier.get_create_plist()
        if plan.get_layout() != h5py.h5d.CONTIGUOUS or plan.get_nfilters() or plan.get_external_count():
            raise CheckpointError(
                f"{path} is stored in chunks, compressed, or in other files: expected plain numbers; "
                "rewrite the file, e.g. with h5repack -l CONTI -f NONE"
            )
        dtype, swapped = self._dtype(identifier, path)
        if identifier.shape is None:
            raise CheckpointError(f"{path} has no shape")
        shape = tuple(identifier.shape)
        length = math.prod(shape) * dtype.itemsize
        self._claim(length, path)
        if length:
            offset = identifier.get_offset()
            if offset is None or not 0 <= offset <= self.size - length or identifier.get_storage_size() != length:
                raise CheckpointError(f"the values of {path} are not in the file")
        # Allocate bytes first: PyTorch warns about some dtypes.
        tensor = torch.empty(length, dtype=torch.uint8).view(dtype).reshape(shape)
        if length:
            self.tensors.append((offset, tensor, swapped))
        return tensor

    def _dtype(self, identifier: Any, path: str) -> tuple[torch.dtype, bool]:
        """Return the dtype of a dataset, and whether its byte order is that of other machines."""
        label = self._text(identifier, LABEL) if h5py.h5a.exists(identifier, LABEL.encode()) else None
        kind = identifier.get_type()
        for stored, dtype in LOADED.items():
            if stored.label == label:
                for swapped in (False, True):
                    code = np.dtype(stored.numpy).newbyteorder("S" if swapped else "=")
                    if kind == h5py.h5t.py_create(code, logical=True):
                        return dtype, swapped
        labelled = f", labelled {_shortened(label)}," if label else ""
        raise CheckpointError(f"{path} has a type{labelled} that PyTorch lacks")

    def _names(self, group: Any, attribute: str) -> list[str]:
        """Return a list of names from one attribute or several."""
        if attribute in group.attrs:
            return self._names_in(group.id, attribute)
        numbered = itertools.takewhile(group.attrs.__contains__, (f"{attribute}{n}" for n in itertools.count()))
        found = list(numbered)
        if not found:
            raise CheckpointError(f"a group has no attribute {attribute}")
        return [name for each in found for name in self._names_in(group.id, each)]

    def _names_in(self, identifier: Any, attribute: str) -> list[str]:
        opened = h5py.h5a.open(identifier, attribute.encode())
        count = math.prod(opened.shape)
        if not count:
            return []
        kind = opened.get_type()
        if not isinstance(kind, h5py.h5t.TypeStringID) or len(opened.shape) > 1:
            raise CheckpointError(f"the attribute {attribute} is not a list of names")
        if kind.is_variable_str():
            return self.strings.of(h5py.h5o.get_info(identifier).addr, attribute, count)
        self._claim(count * kind.get_size(), f"the attribute {attribute}")
        names = np.empty(opened.shape, dtype=f"S{kind.get_size()}")
        opened.read(names)
        return [name.decode() for name in names.ravel().tolist()]

    def _text(self, identifier: Any, attribute: str) -> str:
        names = self._names_in(identifier, attribute)
        return names[0] if len(names) == 1 else ""

    # --- numbers ------------------------------------------------------------------------------------------------------

    def _read(self, offset: int, tensor: torch.Tensor, swapped: bool) -> None:
        array = tensor.reshape(-1).view(torch.uint8).numpy()
        self.file.seek(offset)
        if self.file.readinto(array) != len(array):  # type: ignore[attr-defined]
            raise CheckpointError("the file was shortened while it was read")
        if swapped:
            numbers = tensor.numpy()
            numbers.byteswap(inplace=True)
        if tensor.dtype == torch.bool:
            # Bytes other than 0 and 1 are invalid values of bool.
            np.not_equal(array, 0, out=array.view(bool))


class _Structure(io.RawIOBase):
    """The view of a file for HDF5's library."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any, /) -> int:
        wanted = memoryview(buffer).nbytes
        # The library ignores the number of bytes read, and would use whatever is in its buffer.
        if self._file.readinto(buffer) != wanted:  # type: ignore[attr-defined]
            raise CheckpointError("its structure points beyond its end: it is truncated or damaged")
        return wanted


def _has(group: Any, name: str) -> bool:
    """Return whether there is a link of this name, wherever it leads."""
    return bool(group.id.links.exists(name.encode()))


def _has_names(group: Any, attribute: str) -> bool:
    return attribute in group.attrs or f"{attribute}0" in group.attrs


def _without_paths(layer: str, paths: list[str]) -> Iterator[str]:
    """Return ``kernel`` for ``dense_1/kernel:0`` or ``sequential/dense_1/kernel``, or the whole path if ambiguous."""
    named = [path.removesuffix(":0").removeprefix(f"{layer}/") for path in paths]
    short = [name.rpartition("/")[2] for name in named]
    for names in (short, named, paths):
        if len(set(names)) == len(names):
            return iter(names)
    raise CheckpointError(f"two weights of the layer {_shortened(layer)} have the same name")


def _unpacked(text: torch.Tensor, tensors: dict[str, torch.Tensor]) -> Any:
    return unpack(bytes(text.numpy()).decode(), tensors)


def _shortened(name: str) -> str:
    return repr(name) if len(name) <= 80 else f"{name[:77]!r}..."
