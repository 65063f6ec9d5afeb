"""The file format: weights under their names in the model, everything else as JSON text in the header.

::

    daoloth_1.kernel         a weight: layer, name
    .state.0 ...             tensors that the text refers to; no layer has an empty name

The metadata in the header are strings: ``cthulhu`` marks the file as ours, ``layers`` holds the names of layers and
their weights in the order of the model, and ``rest`` holds everything else, packed by :func:`cthulhu_core.pack`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cthulhu_core import Checkpoint, CheckpointError, atomic_write, pack, unpack

if TYPE_CHECKING:
    import torch

_FORMAT = "1"
_STATE = ".state."


def write(checkpoint: Checkpoint, filepath: str | os.PathLike[str]) -> None:
    """Write ``checkpoint`` to ``filepath``, whole or not at all.

    Raises:
        CheckpointError: If it holds something that cannot be stored.
        OSError: If the file cannot be written. An existing file is left unchanged.
    """
    layers = [[layer, list(named)] for layer, named in checkpoint.weights.items()]
    tensors = {
        f"{layer}.{name}": weight for layer, named in checkpoint.weights.items() for name, weight in named.items()
    }
    try:
        rest, others = pack({"extra": checkpoint.extra, "state": checkpoint.state})
    except TypeError as error:
        raise CheckpointError(str(error)) from error
    tensors |= {f"{_STATE}{name}": tensor for name, tensor in others.items()}
    metadata = {"cthulhu": _FORMAT, "layers": json.dumps(layers), "rest": rest}
    try:
        data = save({name: _plain(tensor) for name, tensor in tensors.items()}, metadata)
    except (KeyError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"it cannot be stored as safetensors: {error}") from error
    try:
        with atomic_write(filepath) as partial:
            partial.write_bytes(data)
    except OSError as error:
        # Name the user's file, not the temporary one beside it.
        raise OSError(error.errno, error.strerror, os.fspath(filepath)) from error


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Return a contiguous copy in host memory: the format has neither views nor shared memory."""
    import torch

    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def read(filepath: str | os.PathLike[str]) -> Checkpoint:
    """Return the checkpoint saved in ``filepath``.

    Raises:
        CheckpointError: If the file is missing, damaged, or written by another program. The message says which.
    """
    if not Path(filepath).is_file():
        raise CheckpointError("there is no such file")
    try:
        with safe_open(filepath, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"the file is damaged, or not of this kind: {error}") from error
    if metadata.get("cthulhu") != _FORMAT:
        raise CheckpointError(
            "it was not saved by cthulhu, which writes the names of layers into it: read its tensors with "
            "safetensors.torch.load_file and give them to model.load_state_dict"
        )
    try:
        weights = {
            layer: {name: tensors[f"{layer}.{name}"] for name in names}
            for layer, names in json.loads(metadata["layers"])
        }
        others = {name.removeprefix(_STATE): tensor for name, tensor in tensors.items() if name.startswith(_STATE)}
        rest = unpack(metadata["rest"], others)
        return Checkpoint(weights, rest["extra"], rest["state"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"the file is damaged: its header is not as it was written ({error})") from error
