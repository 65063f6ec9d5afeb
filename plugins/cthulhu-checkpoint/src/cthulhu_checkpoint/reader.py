"""Checkpoints out of files: with every care, since a file may be damaged, of another program, or meant to harm.

HDF5's library is asked only where in the file something is. What it says is checked, and the numbers are then read from
there: no filter, no link and no conversion of the library has a part in it.
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

# What h5py raises where a file is not as it should be, and what follows from numbers that are absurd.
_MALFORMED = (OSError, RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError, struct.error)


def load(filepath: str | os.PathLike[str]) -> Checkpoint:
    """What was saved in ``filepath``, or the weights that Keras saved in it.

    Raises:
        CheckpointError: there is no such file, or it is truncated, damaged, or not of this kind; the message says why.
    """
    try:
        with _opened(Path(filepath)) as file:
            return _Reader(file).checkpoint()
    except CheckpointError as error:
        raise CheckpointError(error.reason, filepath) from error
    except _MALFORMED as error:
        raise CheckpointError(f"the file is damaged, or not of this kind: {error}", filepath) from error


def _opened(path: Path) -> io.BufferedReader:
    try:
        # A pipe would wait for a writer.
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
    """One file: how much it may claim yet, and which tensors it holds."""

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
        """All of it; the numbers are read last, when all that the file claims has been seen to be in it."""
        with h5py.File(_Structure(self.file), "r") as root:
            if not self.is_ours and layout.MARK in root.attrs:
                raise CheckpointError(f"the file is damaged: it lacks the {header.SIZE} bytes that it was written with")
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
                    "this is a .weights.h5 file of Keras 3, in which weights have no names: save the model in Keras "
                    "with model.save('model.h5') and load that"
                )
            if not _has(root, layout.FULL):
                raise CheckpointError("this HDF5 file holds no weights in the layout of Keras: it has no layer_names")
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
        """What is at ``path``, reached without following a link that leads elsewhere."""
        found = parent
        for part in filter(None, path.split("/")):
            if not isinstance(found, h5py.Group) or not _has(found, part):
                raise CheckpointError(f"{_shortened(path)} is missing")
            if found.id.links.get_info(part.encode()).type != h5py.h5l.TYPE_HARD:
                raise CheckpointError(f"{_shortened(path)} is a link to elsewhere, which is not followed")
            found = found[part]
        if not isinstance(found, kind):
            raise CheckpointError(f"{_shortened(path)} is no {kind.__name__.lower()}")
        return found

    def _claim(self, count: int, what: str) -> None:
        self.unclaimed -= count
        if self.unclaimed < 0:
            raise CheckpointError(
                f"{_shortened(what)} would take {count} bytes, more than there are: the file has {self.size}"
            )

    def _tensor(self, parent: Any, path: str) -> torch.Tensor:
        """The tensor at ``path``, whose numbers are not read yet."""
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
                raise CheckpointError(f"the numbers of {path} are not in the file")
        # Of bytes first: PyTorch warns of some dtypes.
        tensor = torch.empty(length, dtype=torch.uint8).view(dtype).reshape(shape)
        if length:
            self.tensors.append((offset, tensor, swapped))
        return tensor

    def _dtype(self, identifier: Any, path: str) -> tuple[torch.dtype, bool]:
        """The dtype of a dataset, and whether its bytes are in the order of other machines."""
        label = self._text(identifier, LABEL) if h5py.h5a.exists(identifier, LABEL.encode()) else None
        kind = identifier.get_type()
        for stored, dtype in LOADED.items():
            if stored.label == label:
                for swapped in (False, True):
                    code = np.dtype(stored.numpy).newbyteorder("S" if swapped else "=")
                    if kind == h5py.h5t.py_create(code, logical=True):
                        return dtype, swapped
        labelled = f", labelled {_shortened(label)}," if label else ""
        raise CheckpointError(f"{path} is of a type{labelled} that is not one of PyTorch's")

    def _names(self, group: Any, attribute: str) -> list[str]:
        """A list of names, in one attribute or in several."""
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
            raise CheckpointError(f"the attribute {attribute} is no list of names")
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
            raise CheckpointError("the file has become shorter while it was read")
        if swapped:
            numbers = tensor.numpy()
            numbers.byteswap(inplace=True)
        if tensor.dtype == torch.bool:
            # Other bytes than 0 and 1 would not behave as one of them.
            np.not_equal(array, 0, out=array.view(bool))


class _Structure(io.RawIOBase):
    """The file as HDF5's library sees it."""

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
        # The library does not ask how much it was given, and would go on with whatever is in its memory.
        if self._file.readinto(buffer) != wanted:  # type: ignore[attr-defined]
            raise CheckpointError("its structure points behind its end: it is truncated or damaged")
        return wanted


def _has(group: Any, name: str) -> bool:
    """Whether there is a link of this name, wherever it leads."""
    return bool(group.id.links.exists(name.encode()))


def _has_names(group: Any, attribute: str) -> bool:
    return attribute in group.attrs or f"{attribute}0" in group.attrs


def _without_paths(layer: str, paths: list[str]) -> Iterator[str]:
    """``kernel`` of ``dense_1/kernel:0`` or ``sequential/dense_1/kernel``; the whole path where that is ambiguous."""
    named = [path.removesuffix(":0").removeprefix(f"{layer}/") for path in paths]
    short = [name.rpartition("/")[2] for name in named]
    for names in (short, named, paths):
        if len(set(names)) == len(names):
            return iter(names)
    raise CheckpointError(f"two weights of the layer {_shortened(layer)} have one name")


def _unpacked(text: torch.Tensor, tensors: dict[str, torch.Tensor]) -> Any:
    return unpack(bytes(text.numpy()).decode(), tensors)


def _shortened(name: str) -> str:
    return repr(name) if len(name) <= 80 else f"{name[:77]!r}..."
