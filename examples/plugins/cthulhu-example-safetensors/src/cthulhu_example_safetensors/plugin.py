"""What this package does in every run: it saves and loads files named ``.safetensors``.

Each service answers for that suffix, and gives None for all others: then the next plugin is asked. Nothing heavy is
imported before there is a file to save or load.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from cthulhu_core import Checkpoint, Run, hookimpl

if TYPE_CHECKING:
    import torch

SUFFIX = ".safetensors"


@hookimpl
def cthulhu_saved_suffixes() -> Iterable[str]:
    """The one suffix: who is going to save asks for it before training."""
    return (SUFFIX,)


@hookimpl
def cthulhu_save_model(
    run: Run | None, model: torch.nn.Module, filepath: str | os.PathLike[str], weights_only: bool
) -> bool | None:
    """Save ``model``, and in the midst of ``run`` all that training needs to go on."""
    if not _is_ours(filepath):
        return None
    from cthulhu_example_safetensors.file import write

    write(Checkpoint.of(model, run, weights_only), filepath)
    return True


@hookimpl
def cthulhu_load_checkpoint(filepath: str | os.PathLike[str]) -> Checkpoint | None:
    """What was saved in ``filepath``."""
    if not _is_ours(filepath):
        return None
    from cthulhu_example_safetensors.file import read

    return read(filepath)


@hookimpl
def cthulhu_load_model(
    filepath: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None
) -> torch.nn.Module | None:
    """The model that was saved in ``filepath``."""
    checkpoint = cthulhu_load_checkpoint(filepath)
    if checkpoint is None:
        return None
    # A file that is meant to harm could ask for a model that fills all memory.
    return checkpoint.build(custom_objects, max_bytes=Path(filepath).stat().st_size)


@hookimpl
def cthulhu_load_weights(model: torch.nn.Module, filepath: str | os.PathLike[str]) -> bool | None:
    """Load the weights in ``filepath`` into ``model``."""
    checkpoint = cthulhu_load_checkpoint(filepath)
    if checkpoint is None:
        return None
    checkpoint.load_into(model)
    return True


def _is_ours(filepath: str | os.PathLike[str]) -> bool:
    return PurePath(filepath).suffix.lower() == SUFFIX
