"""Models in files. Reading and writing is the business of plugins: each takes the suffixes that it knows."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path as Folder
from pathlib import PurePath
from typing import Any

from torch import nn

from cthulhu_core.checkpoint import Checkpoint, CheckpointError
from cthulhu_core.formats import no_format
from cthulhu_core.run import Run
from cthulhu_core.services import service_manager

Path = str | os.PathLike[str]


def save(
    model: nn.Module, filepath: Path, weights_only: bool, run: Run | None = None, background: bool = False
) -> Future[None] | None:
    """Save ``model``, or its weights alone; ``run`` is the run in which it is being trained, or was last.

    Returns:
        Where ``background`` is true and the format can, the future that writes; None when the file is written.

    Raises:
        ImportError: no installed package saves files with this suffix; the message says which to install.
        CheckpointError, OSError: it cannot be saved.
    """
    with _naming(filepath):
        saved = service_manager().hook.cthulhu_save_model(
            run=run, model=model, filepath=filepath, weights_only=weights_only, background=background
        )
    if not saved:
        raise no_format("saves", filepath)
    return saved if isinstance(saved, Future) else None


def load_weights(model: nn.Module, filepath: Path) -> None:
    """Load the weights in a file into ``model``.

    Raises:
        ImportError: no installed package loads files with this suffix; the message says which to install.
        CheckpointError: the file is damaged or of another kind, or its weights do not fit; all differences are listed.
    """
    with _naming(filepath):
        loaded = service_manager().hook.cthulhu_load_weights(model=model, filepath=filepath)
    if not loaded:
        raise no_format("loads", filepath)


def load_checkpoint(path: Path) -> Checkpoint:
    """What was saved in a file; of a folder, in its newest file that is whole and holds more than weights.

    Raises:
        ImportError: no installed package loads files with this suffix; the message says which to install.
        CheckpointError: there is no such file, or it is damaged or of another kind.
    """
    checkpoint = _load(path) if PurePath(path).suffix else None
    if checkpoint is not None:
        return checkpoint
    if not PurePath(path).suffix or Folder(path).is_dir():
        return _newest_in(Folder(path))
    raise no_format("loads", path)


def _load(path: Path) -> Checkpoint | None:
    """What was saved there; None where no package takes it for a file of its own."""
    with _naming(path):
        checkpoint: Checkpoint | None = service_manager().hook.cthulhu_load_checkpoint(filepath=path)
    return checkpoint


def _newest_in(folder: Folder) -> Checkpoint:
    if not folder.is_dir():
        raise CheckpointError("there is no such file or folder", folder)
    # A folder may be a checkpoint by itself.
    return newest((each for each in folder.iterdir() if each.is_file() or each.suffix), folder)


def newest(paths: Iterable[Path], where: Path | None = None) -> Checkpoint:
    """What was saved in the newest of ``paths`` that is whole and holds more than weights.

    Raises:
        CheckpointError: none of them is; names ``where`` and all that are damaged.

    Warns:
        UserWarning: for each that is damaged, and newer.
    """
    found = [Folder(path) for path in paths if not Folder(path).name.startswith(".")]
    unusable = []
    for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True):
        try:
            checkpoint = _load(path)
        except CheckpointError as error:
            unusable.append(error)
            continue
        if checkpoint is not None and checkpoint.state is not None:
            for problem in unusable:
                warnings.warn(f"{problem}; an older checkpoint is used, {path}", stacklevel=3)
            return checkpoint
    reasons = "".join(f"\n  {problem}" for problem in unusable)
    there = "in this folder" if where is not None else "that was found"
    raise CheckpointError(f"no file {there} is a whole checkpoint of model and training{reasons}", where)


def load_model(filepath: Path, custom_objects: Mapping[str, Any] | None = None) -> nn.Module:
    """The model that ``model.save(filepath)`` wrote.

    Args:
        filepath: the file.
        custom_objects: from name to class or function, for what is not of this project or of PyTorch.

    Raises:
        ImportError: no installed package loads files with this suffix; the message says which to install.
        CheckpointError: the file is damaged or of another kind, or holds no architecture.
    """
    with _naming(filepath):
        model: nn.Module | None = service_manager().hook.cthulhu_load_model(
            filepath=filepath, custom_objects=custom_objects
        )
    if model is None:
        raise no_format("loads", filepath)
    return model


@contextlib.contextmanager
def _naming(filepath: Path) -> Iterator[None]:
    """Name the file in an error of a plugin that does not."""
    try:
        yield
    except CheckpointError as error:
        if error.filepath is not None:
            raise
        raise CheckpointError(error.reason, filepath) from error
