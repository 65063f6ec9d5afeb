"""What this package does in every run: it saves and loads files ``.h5`` and ``.hdf5``, and folders ``.dcp``.

Nothing heavy is imported before there is a file to save or load.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from cthulhu_core import Checkpoint, Run, hookimpl

if TYPE_CHECKING:
    import torch

SUFFIXES = (".h5", ".hdf5")
PARTS = ".dcp"
"""The suffix of folders, which all processes of a distributed training write together."""


@hookimpl
def cthulhu_saved_suffixes() -> Iterable[str]:
    """Those of HDF5, and of folders."""
    return *SUFFIXES, PARTS


@hookimpl
def cthulhu_save_model(
    run: Run | None, model: torch.nn.Module, filepath: str | os.PathLike[str], weights_only: bool, background: bool
) -> bool | Future[None] | None:
    """Save ``model``, now or, as a copy, in the background."""
    if not _is_ours(filepath):
        return None
    in_parts = is_in_parts(filepath)
    checkpoint = Checkpoint.of(model, run, weights_only, parts=in_parts)
    if in_parts:
        from cthulhu_checkpoint import parts as writer
    else:
        from cthulhu_checkpoint import writer  # type: ignore[no-redef]
    if background:
        return writer.save_later(checkpoint.copied(), filepath)
    writer.save(checkpoint, filepath)
    return True


@hookimpl
def cthulhu_load_checkpoint(filepath: str | os.PathLike[str]) -> Checkpoint | None:
    """What was saved in ``filepath``."""
    if not _is_ours(filepath):
        return None
    if is_in_parts(filepath):
        from cthulhu_checkpoint.distributed_format import load
    else:
        from cthulhu_checkpoint.reader import load  # type: ignore[assignment]
    return load(filepath)


@hookimpl
def cthulhu_load_model(
    filepath: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None
) -> torch.nn.Module | None:
    """The model that was saved in ``filepath``; it takes no more memory than the file."""
    checkpoint = cthulhu_load_checkpoint(filepath)
    if checkpoint is None:
        return None
    files = [file for file in Path(filepath).rglob("*") if file.is_file()] or [Path(filepath)]
    return checkpoint.build(custom_objects, max_bytes=sum(file.stat().st_size for file in files))


@hookimpl
def cthulhu_load_weights(model: torch.nn.Module, filepath: str | os.PathLike[str]) -> bool | None:
    """Load the weights in ``filepath`` into ``model``."""
    checkpoint = cthulhu_load_checkpoint(filepath)
    if checkpoint is None:
        return None
    checkpoint.load_into(model)
    return True


def _is_ours(filepath: str | os.PathLike[str]) -> bool:
    return PurePath(filepath).suffix.lower() in cthulhu_saved_suffixes()


def is_in_parts(filepath: str | os.PathLike[str]) -> bool:
    """Whether ``filepath`` is a folder that all processes write together."""
    return PurePath(filepath).suffix.lower() == PARTS
