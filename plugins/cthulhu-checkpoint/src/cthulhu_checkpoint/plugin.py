"""The services of this package: saving and loading ``.h5`` and ``.hdf5`` files and ``.dcp`` folders.

Heavy imports wait until there is a file to save or load.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import PurePath
from typing import TYPE_CHECKING

from cthulhu_core import Checkpoint, Run, hookimpl

if TYPE_CHECKING:
    import torch

HDF5 = (".h5", ".hdf5")
DISTRIBUTED = ".dcp"
"""The suffix of folders to which all processes of a distributed training write."""


@hookimpl
def cthulhu_saved_suffixes() -> Iterable[str]:
    """Return the suffixes of HDF5 files and of distributed folders."""
    return *HDF5, DISTRIBUTED


@hookimpl
def cthulhu_save_model(
    run: Run | None, model: torch.nn.Module, filepath: str | os.PathLike[str], weights_only: bool, background: bool
) -> bool | Future[None] | None:
    """Save ``model``, or a copy of it in the background."""
    if not _is_ours(filepath):
        return None
    in_parts = is_in_parts(filepath)
    checkpoint = Checkpoint.of(model, run, weights_only, parts=in_parts)
    if in_parts:
        from cthulhu_checkpoint.distributed_format import save, save_later
    else:
        from cthulhu_checkpoint.writer import save, save_later
    if background:
        return save_later(checkpoint.copied(), filepath)
    save(checkpoint, filepath)
    return True


@hookimpl
def cthulhu_load_checkpoint(filepath: str | os.PathLike[str]) -> Checkpoint | None:
    """Return the checkpoint saved in ``filepath``."""
    if not _is_ours(filepath):
        return None
    if is_in_parts(filepath):
        from cthulhu_checkpoint.distributed_format import load
    else:
        from cthulhu_checkpoint.reader import load
    return load(filepath)


def _is_ours(filepath: str | os.PathLike[str]) -> bool:
    return PurePath(filepath).suffix.lower() in cthulhu_saved_suffixes()


def is_in_parts(filepath: str | os.PathLike[str]) -> bool:
    """Return whether ``filepath`` is a folder to which all processes write."""
    return PurePath(filepath).suffix.lower() == DISTRIBUTED
