"""The layout of a file: that of Keras 2.3 for weights, and a group of our own.

::

    /                         attributes: layer_names, backend, keras_version; cthulhu_checkpoint, our format's version
    /daoloth_1                attribute: weight_names
    /daoloth_1/daoloth_1/kernel:0
    /cthulhu/extra            and, for full models, /cthulhu/state:
        json                  text
        tensors/0 ...         tensors that the text refers to

For full models, the layers and their attributes are in ``/model_weights`` instead, as in Keras.

HDF5's library creates this structure without the values of the weights, and writer.py writes the values into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch

from cthulhu_checkpoint import header
from cthulhu_checkpoint.dtypes import LABEL, stored_as
from cthulhu_checkpoint.names import escaped
from cthulhu_checkpoint.sparse import SparseFile
from cthulhu_core import Checkpoint, CheckpointError, pack

MARK = "cthulhu_checkpoint"
LAYERS = "layer_names"
WEIGHTS = "weight_names"
FULL = "model_weights"
OWN = "cthulhu"
# In the layout of this version, kernels have shape (in, units).
_KERAS = {"backend": np.bytes_(b"pytorch"), "keras_version": np.bytes_(b"2.3.1")}
_ATTRIBUTE_LIMIT = 64512
"""The size in bytes above which Keras splits an attribute. HDF5 allows up to 64 KiB."""


class Draft(NamedTuple):
    """A file without the values of its tensors.

    Attributes:
        structure: all other bytes of the file.
        tensors: the tensors and their offsets in the file, in the order of the file.
    """

    structure: SparseFile
    tensors: list[tuple[int, torch.Tensor]]


def draft(checkpoint: Checkpoint) -> Draft:
    """Return the draft of the file for ``checkpoint``.

    Raises:
        CheckpointError: If it holds something that cannot be stored. The message names it.
    """
    structure = SparseFile()
    tensors: list[tuple[int, torch.Tensor]] = []
    with h5py.File(structure, "w", userblock_size=header.SIZE) as file:
        file.attrs[MARK] = header.FORMAT
        full = checkpoint.state is not None
        _draft_weights(file.create_group(FULL) if full else file, checkpoint.weights, tensors)
        if full:
            file.attrs.update(_KERAS)
            _draft_data(file, "state", checkpoint.state, tensors)
        if checkpoint.extra:
            _draft_data(file, "extra", checkpoint.extra, tensors)
    return Draft(structure, sorted(tensors, key=lambda placed: placed[0]))


def _draft_weights(group: Any, weights: dict[str, dict[str, torch.Tensor]], tensors: list[Any]) -> None:
    group.attrs.update(_KERAS)
    layers = [escaped(layer) for layer in weights]
    _write_names(group, LAYERS, layers)
    for layer, named in zip(layers, weights.values(), strict=True):
        below = group.create_group(layer)
        _write_names(below, WEIGHTS, [f"{layer}/{escaped(name)}:0" for name in named])
        if named:
            inner = below.create_group(layer)
            for name, tensor in named.items():
                _draft_tensor(inner, f"{escaped(name)}:0", tensor, tensors, f"{layer}/{name}")


def _draft_data(file: Any, name: str, data: Any, tensors: list[Any]) -> None:
    """Draft plain data that contains tensors."""
    try:
        text, values = pack(data, where=name)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{error}") from error
    group = file.require_group(OWN).create_group(name)
    _draft_tensor(group, "json", torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8), tensors, name)
    below = group.create_group("tensors")
    for key, value in values.items():
        _draft_tensor(below, escaped(key), value, tensors, f"{name}: {key}")


def _draft_tensor(group: Any, name: str, tensor: torch.Tensor, tensors: list[Any], where: str) -> None:
    """Draft a dataset: allocate its place in the file without writing its values."""
    stored = stored_as(tensor, where)
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.CONTIGUOUS)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    # Without times, equal checkpoints are equal files.
    plan.set_obj_track_times(False)
    link = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    link.set_char_encoding(h5py.h5t.CSET_UTF8)
    kind = h5py.h5t.py_create(np.dtype(stored.numpy), logical=True)
    space = h5py.h5s.create_simple(tuple(tensor.shape)) if tensor.ndim else h5py.h5s.create(h5py.h5s.SCALAR)
    identifier = h5py.h5d.create(group.id, None, kind, space, plan)
    h5py.h5o.link(identifier, group.id, name.encode(), lcpl=link)
    if stored.label is not None:
        h5py.Dataset(identifier).attrs[LABEL] = np.bytes_(stored.label.encode())
    if tensor.numel():
        tensors.append((identifier.get_offset(), tensor))


def _write_names(group: Any, attribute: str, names: Iterable[str]) -> None:
    """Write a list of names as Keras does: in one attribute, or in several if it would be too long."""
    encoded = np.array([name.encode() for name in names], dtype="S" if names else "S1")
    longest = encoded.dtype.itemsize
    if longest > _ATTRIBUTE_LIMIT:
        raise CheckpointError(
            f"a name of {longest} bytes cannot be saved: HDF5 allows up to {_ATTRIBUTE_LIMIT} bytes; rename the layer "
            f"{max(names, key=len)[:40]!r}..."
        )
    each = max(1, _ATTRIBUTE_LIMIT // longest)
    if len(encoded) <= each:
        group.attrs[attribute] = encoded
    for number, start in enumerate(range(0, len(encoded), each) if len(encoded) > each else ()):
        group.attrs[f"{attribute}{number}"] = encoded[start : start + each]
