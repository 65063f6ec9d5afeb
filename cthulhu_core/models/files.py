"""Models in files. Reading and writing is the business of plugins: each takes the suffixes that it knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from torch import nn

from cthulhu_core.run import Run
from cthulhu_core.services import service_manager

Path = str | os.PathLike[str]


def save(model: nn.Module, filepath: Path, weights_only: bool, run: Run | None = None) -> None:
    """Save ``model``, or its weights alone; ``run`` is the run in which it is being trained.

    Raises:
        ImportError: no installed package saves files with this suffix; the message says which to install.
    """
    saved = service_manager().hook.cthulhu_save_model(
        run=run, model=model, filepath=filepath, weights_only=weights_only
    )
    if not saved:
        raise _no_service("saves", filepath)


def load_weights(model: nn.Module, filepath: Path) -> None:
    """Load the weights in a file into ``model``; errors as in :func:`save`."""
    if not service_manager().hook.cthulhu_load_weights(model=model, filepath=filepath):
        raise _no_service("loads", filepath)


def load_model(filepath: Path, custom_objects: Mapping[str, Any] | None = None) -> nn.Module:
    """The model that ``model.save(filepath)`` wrote.

    Args:
        filepath: the file.
        custom_objects: from name to class or function, for what is not of this project or of PyTorch.

    Raises:
        ImportError: no installed package loads files with this suffix; the message says which to install.
    """
    model: nn.Module | None = service_manager().hook.cthulhu_load_model(
        filepath=filepath, custom_objects=custom_objects
    )
    if model is None:
        raise _no_service("loads", filepath)
    return model


def _no_service(does: str, filepath: Path) -> ImportError:
    suffix = PurePath(filepath).suffix
    named = f"{suffix} files" if suffix else f"{os.fspath(filepath)!r}, which has no suffix"
    return ImportError(f"no installed package {does} {named}: for .h5 and .hdf5, pip install cthulhu-checkpoint")
