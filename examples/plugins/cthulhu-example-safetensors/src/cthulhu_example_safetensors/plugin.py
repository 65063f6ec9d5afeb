"""The services of this package: saving and loading ``.safetensors`` files.

Each service handles that suffix and returns None for all others, so that the next plugin is tried. Models and weights
are loaded through ``cthulhu_load_checkpoint``. Heavy imports wait until there is a file to save or load.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

from cthulhu_core import Checkpoint, Run, hookimpl

if TYPE_CHECKING:
    import torch

SUFFIX = ".safetensors"


@hookimpl
def cthulhu_saved_suffixes() -> Iterable[str]:
    """Return the suffix, so that callbacks can check it before training."""
    return (SUFFIX,)


@hookimpl
def cthulhu_save_model(
    run: Run | None, model: torch.nn.Module, filepath: str | os.PathLike[str], weights_only: bool
) -> bool | None:
    """Save ``model`` and, during a run, everything needed to resume it."""
    if not _is_ours(filepath):
        return None
    from cthulhu_example_safetensors.file import write

    write(Checkpoint.of(model, run, weights_only), filepath)
    return True


@hookimpl
def cthulhu_load_checkpoint(filepath: str | os.PathLike[str]) -> Checkpoint | None:
    """Return the checkpoint saved in ``filepath``."""
    if not _is_ours(filepath):
        return None
    from cthulhu_example_safetensors.file import read

    return read(filepath)


def _is_ours(filepath: str | os.PathLike[str]) -> bool:
    return PurePath(filepath).suffix.lower() == SUFFIX
