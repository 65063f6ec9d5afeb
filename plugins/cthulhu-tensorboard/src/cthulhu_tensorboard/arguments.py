"""Checks of TensorBoard's arguments that need no run. The others are made when training begins."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cthulhu_core import whole_number


def check_folder(log_dir: Any) -> None:
    """Check that ``log_dir`` is a local folder.

    Raises:
        TypeError: If it is not a path.
        ValueError: If it is empty or a URL.
    """
    given = f"TensorBoard(log_dir={log_dir!r})"
    if not isinstance(log_dir, (str, os.PathLike)) or isinstance(os.fspath(log_dir), bytes):
        raise TypeError(f"{given}: expected the path of a folder, e.g. './logs'")
    if not os.fspath(log_dir):
        raise ValueError(f"{given}: expected the path of a folder, e.g. './logs'")
    if "://" in os.fspath(log_dir):
        raise ValueError(f"{given}: expected a folder of this machine: write to one, and copy it there")


def frequency(name: str, value: Any) -> int:
    """Return ``value`` as a number of epochs, 0 for never.

    Raises:
        TypeError: If it is not a whole number.
        ValueError: If it is negative.
    """
    given = f"TensorBoard({name}={value!r})"
    number = whole_number(value)
    if number is None:
        raise TypeError(f"{given}: expected a whole number of epochs, 0 for never")
    if number < 0:
        raise ValueError(f"{given}: expected a number of epochs, or 0 for never")
    return number


def update_frequency(value: Any) -> int | Literal["batch", "epoch"]:
    """Return ``value`` as ``"batch"``, ``"epoch"`` or a number of samples.

    Raises:
        ValueError: If it is none of them.
    """
    if value == "batch":
        return "batch"
    if value == "epoch":
        return "epoch"
    samples = whole_number(value)
    if samples is None or samples < 1:
        raise ValueError(
            f"TensorBoard(update_freq={value!r}): expected 'batch', 'epoch', or a number of samples between writes, "
            "e.g. 10000"
        )
    return samples


def batch_size(value: Any) -> int | None:
    """Return ``value`` as a number of samples, None for that of the run.

    Raises:
        ValueError: If it is not a positive whole number.
    """
    if value is None:
        return None
    size = whole_number(value)
    if size is None or size < 1:
        raise ValueError(
            f"TensorBoard(batch_size={value!r}): expected a number of samples, 1 or more, or None for the batches of "
            "the validation"
        )
    return size


def check_flag(name: str, value: Any) -> None:
    """Check that ``value`` is True or False.

    Raises:
        ValueError: If it is not.
    """
    if value not in (True, False):
        raise ValueError(f"TensorBoard({name}={value!r}): expected True or False")


def layer_names(value: Any) -> list[str]:
    """Return ``value`` as a list of names, empty for all embedding layers.

    Raises:
        TypeError: If it is not a list of names.
    """
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        cure = f"write [{value!r}]" if isinstance(value, str) else "e.g. ['embedding']"
        raise TypeError(f"TensorBoard(embeddings_layer_names={value!r}): expected a list of names of layers: {cure}")
    return list(value)


def check_metadata(value: Any) -> None:
    """Check that ``value`` is a path, a dict from names of layers to paths, or None.

    Raises:
        TypeError: If it is not.
    """
    if value is None or isinstance(value, (str, os.PathLike)):
        return
    if isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(path, (str, os.PathLike)) for name, path in value.items()
    ):
        return
    raise TypeError(
        f"TensorBoard(embeddings_metadata={value!r}): expected the path of a file for all embedding layers, or a dict "
        "from names of layers to paths"
    )


def check_needs(histogram_freq: int, write_grads: bool, embeddings_freq: int, embeddings_data: Any) -> None:
    """Check that arguments that depend on others have them.

    Raises:
        ValueError: If one is missing.
    """
    if write_grads and not histogram_freq:
        raise ValueError(
            "TensorBoard(write_grads=True): also expected histogram_freq, the number of epochs between histograms"
        )
    if embeddings_freq and embeddings_data is None:
        raise ValueError(
            f"TensorBoard(embeddings_freq={embeddings_freq}): expected embeddings_data: an array, or a list of arrays, "
            "one for each input of the model"
        )
