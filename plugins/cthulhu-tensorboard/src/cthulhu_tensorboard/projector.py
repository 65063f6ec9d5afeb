"""The files of TensorBoard's projector: vectors, labels, and the configuration that links them."""

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
    """Add the vectors of ``layer`` at ``step`` to the projector's view of ``folder``, as ``layer:00003``.

    Earlier vectors stay, except those of the same layer and step. TensorBoard reads the list of vectors when it starts.

    Args:
        folder: folder of a run, which has event files.
        layer: name of the layer.
        step: the epoch, from 0.
        vectors: array of shape (samples, size), dtype float32.
        metadata: the file with their labels in ``folder``, from :func:`copy_metadata`.

    Raises:
        OSError: If a file cannot be written. Existing files are left unchanged.
    """
    import numpy as np

    path = _folder_of(folder, layer) / f"{step:05}" / "tensors.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    # Text with nine digits, enough for float32: TensorBoard mistakes binary files that look like text.
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
    """Copy a file of labels to ``folder``, because TensorBoard reads files only from there.

    Args:
        source: the file.
        folder: folder of the run.
        layer: the layer that it belongs to, None for all layers.

    Returns:
        The path of the copy.
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
    """Return the configuration without vectors whose files are gone, on which TensorBoard would fail."""
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    path, config = folder / _CONFIG, ProjectorConfig()
    if not path.exists():
        return config
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except (UnicodeDecodeError, text_format.ParseError) as error:
        warnings.warn(f"TensorBoard replaces {str(path)!r}, which cannot be read: {error}", stacklevel=4)
        return ProjectorConfig()
    gone = [each for each in config.embeddings if each.tensor_path and not (folder / each.tensor_path).exists()]
    for each in gone:
        config.embeddings.remove(each)
    return config


def _write_config(folder: Path, config: Any) -> None:
    from google.protobuf import text_format

    with atomic_write(folder / _CONFIG) as partial:
        partial.write_text(text_format.MessageToString(config), encoding="utf-8")
