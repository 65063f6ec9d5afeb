"""The files from which TensorBoard's projector reads: vectors, labels, and what belongs to what."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cthulhu_core import atomic_write

if TYPE_CHECKING:
    import numpy as np

_CONFIG = "projector_config.pbtxt"


def write(folder: Path, layer: str, step: int, vectors: np.ndarray, metadata: Path | None) -> None:
    """Add the vectors of ``layer`` at ``step`` to what the projector shows of ``folder``, as ``layer:00003``.

    What was written there before stays; the same layer and step are replaced. TensorBoard reads which vectors there
    are when it starts.

    Args:
        folder: the folder of a run: one with event files.
        layer: name of the layer.
        step: the epoch, from 0.
        vectors: of shape (samples, size), dtype float32.
        metadata: the file with their labels, in ``folder``, as :func:`copy_metadata` gives it.

    Raises:
        OSError: a file cannot be written; those that were there are as they were.
    """
    import numpy as np

    path = _folder_of(folder, layer) / f"{step:05}" / "tensors.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Text, in nine digits, which float32 survives: TensorBoard takes a file of bytes for text if it looks like it.
    with atomic_write(path) as partial:
        np.savetxt(partial, vectors, fmt="%.9g", delimiter="\t")
    config = _read_config(folder)
    name = f"{layer}:{step:05}"
    entry = next((each for each in config.embeddings if each.tensor_name == name), None) or config.embeddings.add()
    entry.Clear()
    entry.tensor_name = name
    entry.tensor_shape.extend(vectors.shape)
    entry.tensor_path = path.relative_to(folder).as_posix()
    if metadata is not None:
        entry.metadata_path = metadata.relative_to(folder).as_posix()
    _write_config(folder, config)


def copy_metadata(source: str | os.PathLike[str], folder: Path, layer: str | None) -> Path:
    """Copy a file of labels to where TensorBoard may read it, which is only below ``folder``.

    Args:
        source: the file.
        folder: the folder of the run.
        layer: the layer that it is for; None for all of them.

    Returns:
        The copy.
    """
    below = folder / "projector" if layer is None else _folder_of(folder, layer)
    below.mkdir(parents=True, exist_ok=True)
    copy = below / "metadata.tsv"
    with atomic_write(copy) as partial:
        shutil.copyfile(source, partial)
    return copy


def _folder_of(folder: Path, layer: str) -> Path:
    return folder / "projector" / quote(layer, safe="")


def _read_config(folder: Path) -> Any:
    """What the projector shows so far, without vectors that are no longer there, over which TensorBoard would fail."""
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    path, config = folder / _CONFIG, ProjectorConfig()
    if not path.exists():
        return config
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except (UnicodeDecodeError, text_format.ParseError) as error:
        warnings.warn(f"TensorBoard begins {str(path)!r} anew, which cannot be read: {error}", stacklevel=4)
        return ProjectorConfig()
    gone = [each for each in config.embeddings if each.tensor_path and not (folder / each.tensor_path).exists()]
    for each in gone:
        config.embeddings.remove(each)
    return config


def _write_config(folder: Path, config: Any) -> None:
    from google.protobuf import text_format

    with atomic_write(folder / _CONFIG) as partial:
        partial.write_text(text_format.MessageToString(config), encoding="utf-8")
