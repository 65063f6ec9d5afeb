"""Models in files: the installed plugins that save and load each suffix.

Each plugin handles the suffixes it knows. What a checkpoint holds is in ``models/checkpoint.py``.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

from cthulhu_core.contract.errors import CheckpointError
from cthulhu_core.installed.services import service_manager

if TYPE_CHECKING:
    from torch import nn

    from cthulhu_core.contract.types import Checkpoint, Run

FilePath = str | os.PathLike[str]


def check_format(filepath: FilePath) -> None:
    """Check, before there is anything to lose, that an installed package saves files with this suffix.

    Raises:
        ImportError: no package does; the message names the suffixes that can be saved, or what to install.

    Example:
        >>> check_format("weights.hdf5")
    """
    suffixes = sorted({suffix for each in service_manager().hook.cthulhu_saved_suffixes() for suffix in each})
    if PurePath(filepath).suffix.lower() in suffixes:
        return
    if not suffixes:
        raise _no_format("saves", filepath)
    known = " or ".join(suffixes)
    raise ImportError(f"no installed package saves {_kind_of_file(filepath)}: expected a name that ends in {known}")


def save(
    model: nn.Module, filepath: FilePath, weights_only: bool, run: Run | None = None, background: bool = False
) -> Future[None] | None:
    """Save ``model``, or only its weights.

    Args:
        model: the model.
        filepath: the file; its suffix selects the format.
        weights_only: save nothing but the weights.
        run: the run that trains the model, or trained it last.
        background: write a copy in the background if the format can.

    Returns:
        A future that completes when the copy is written, or None if the file is written already.

    Raises:
        ImportError: no installed package saves files with this suffix; the message says which one to install.
        CheckpointError, OSError: the model cannot be saved.
    """
    with _naming(filepath):
        saved = service_manager().hook.cthulhu_save_model(
            run=run, model=model, filepath=filepath, weights_only=weights_only, background=background
        )
    if not saved:
        raise _no_format("saves", filepath)
    return saved if isinstance(saved, Future) else None


def load_weights(model: nn.Module, filepath: FilePath) -> None:
    """Load the weights in a file into ``model``.

    Raises:
        ImportError: no installed package loads files with this suffix; the message says which one to install.
        CheckpointError: the file is damaged or of another kind, or its weights do not fit; all differences are listed.
    """
    with _naming(filepath):
        if service_manager().hook.cthulhu_load_weights(model=model, filepath=filepath):
            return
        checkpoint = _load(filepath)
        if checkpoint is None:
            raise _no_format("loads", filepath)
        checkpoint.load_into(model)


def load_model(filepath: FilePath, custom_objects: Mapping[str, Any] | None = None) -> nn.Module:
    """Return the model that ``model.save(filepath)`` wrote.

    Args:
        filepath: the file.
        custom_objects: classes and functions by name, other than those of this project and of PyTorch.

    Raises:
        ImportError: no installed package loads files with this suffix; the message says which one to install.
        CheckpointError: the file is damaged or of another kind, or holds no architecture.
    """
    with _naming(filepath):
        model: nn.Module | None = service_manager().hook.cthulhu_load_model(
            filepath=filepath, custom_objects=custom_objects
        )
        if model is None:
            checkpoint = _load(filepath)
            if checkpoint is None:
                raise _no_format("loads", filepath)
            # The weights that are read bound the size of the model before it is allocated.
            model = checkpoint.build(custom_objects, max_bytes=checkpoint.nbytes)
    return model


def load_checkpoint(path: FilePath) -> Checkpoint:
    """Return the checkpoint in a file, or in the newest usable file of a folder.

    Raises:
        ImportError: no installed package loads files with this suffix; the message says which one to install.
        CheckpointError: there is no such file, or it is damaged or of another kind.
    """
    checkpoint = _load(path) if PurePath(path).suffix else None
    if checkpoint is not None:
        return checkpoint
    if not PurePath(path).suffix or Path(path).is_dir():
        return _newest_in(Path(path))
    raise _no_format("loads", path)


def newest(paths: Iterable[FilePath], where: FilePath | None = None) -> Checkpoint:
    """Return the newest checkpoint in ``paths`` that is whole and holds more than weights.

    Raises:
        CheckpointError: there is none; the message names ``where`` and every damaged file.

    Warns:
        UserWarning: for each damaged file that is newer.
    """
    found = [Path(path) for path in paths if not Path(path).name.startswith(".")]
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


def _newest_in(folder: Path) -> Checkpoint:
    if not folder.is_dir():
        raise CheckpointError("there is no such file or folder", folder)
    # Some formats write a folder as a checkpoint.
    return newest((each for each in folder.iterdir() if each.is_file() or each.suffix), folder)


def _load(path: FilePath) -> Checkpoint | None:
    """Return the checkpoint in ``path``, or None if no package knows the suffix."""
    with _naming(path):
        checkpoint: Checkpoint | None = service_manager().hook.cthulhu_load_checkpoint(filepath=path)
    return checkpoint


@contextlib.contextmanager
def _naming(filepath: FilePath) -> Iterator[None]:
    """Add the file to a plugin's error that does not name it."""
    try:
        yield
    except CheckpointError as error:
        if error.filepath is not None:
            raise
        raise CheckpointError(error.reason, filepath) from error


def _no_format(does: Literal["saves", "loads"], filepath: FilePath) -> ImportError:
    return ImportError(
        f"no installed package {does} {_kind_of_file(filepath)}: for .h5 and .hdf5, pip install cthulhu-checkpoint"
    )


def _kind_of_file(filepath: FilePath) -> str:
    suffix = PurePath(filepath).suffix
    return f"{suffix} files" if suffix else f"{os.fspath(filepath)!r}, which has no suffix"
