"""Weights as images: the layout of pixels, and the visible part of large weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from cthulhu_core import Checkpoint

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn
    from torch.utils.tensorboard import SummaryWriter

SIDE = 1024
"""Maximum number of pixels of an image in each direction."""


class Picture(NamedTuple):
    """An image of a weight.

    Attributes:
        values: the numbers to show, of shape (height, width), with NaN in gaps.
        note: the layout in a sentence or two.
    """

    values: Tensor
    note: str


def write_images(writer: SummaryWriter, model: nn.Module, step: int) -> None:
    """Write the weights of each layer as grey images, under ``<layer>/<weight>/image``.

    The smallest number is black, the largest white. Infinities are black or white; NaN and gaps between tiles are
    black. The description beside the image in TensorBoard explains its layout, and what is left out of a large weight.

    * Two dimensions: rows are the first dimension, columns the second. The kernel of a Daoloth is inputs by outputs, an
      embedding is words by dimensions. One dimension is a single row.
    * Four dimensions, as in convolutions: a grid of filters with a row for each output and a column for each input,
      separated by lines of one pixel. Three dimensions, or a single input: the filters in rows that form a near square.
    * A matrix with more than 1024 rows or columns is shown as means of blocks. Of a grid of that size, the beginning is
      shown.

    Empty weights, integers and weights with other numbers of dimensions have no image.

    Args:
        writer: writer of the event file.
        model: the model.
        step: the epoch, from 0.

    Example:
        >>> write_images(writer, Pile([Daoloth(10, input_dim=784)]), step=0)
    """
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE
    from torch.utils.tensorboard.summary import image

    for layer, named in Checkpoint.of(model, weights_only=True).weights.items():
        for name, weight in named.items():
            shown = picture(weight) if weight.is_floating_point() else None
            if shown is not None:
                # A tag of its own, because TensorBoard expects one kind of data per tag: that of its first event.
                summary = image(f"{layer}/{name}/image", pixels(shown.values), dataformats="HW")
                metadata = summary.value[0].metadata
                metadata.plugin_data.plugin_name, metadata.summary_description = "images", shown.note
                # Otherwise, TensorBoard's faster server omits the description.
                metadata.data_class = DATA_CLASS_BLOB_SEQUENCE
                file_writer: Any = writer.file_writer
                file_writer.add_summary(summary, step)


def picture(weight: Tensor) -> Picture | None:
    """Return the picture of ``weight``, or None if it has none.

    Example:
        >>> picture(torch.zeros(8, 1, 3, 3)).values.shape
        torch.Size([11, 11])
    """
    shape = f"Shape {tuple(weight.shape)}"
    if not weight.numel():
        return None
    weight = weight.detach().float()
    if weight.ndim == 1:
        return _means(weight[None], f"{shape}: a single row.")
    if weight.ndim == 2:
        return _means(weight, f"{shape}: rows are the first dimension, columns the second.")
    if weight.ndim == 3:
        return _square(weight, shape)
    if weight.ndim == 4:
        return _square(weight[:, 0], shape) if weight.shape[1] == 1 else _grid(weight, shape)
    return None


def _means(values: Tensor, note: str) -> Picture:
    """Return the numbers, or the means of blocks if there are too many."""
    from torch.nn.functional import avg_pool2d

    block = tuple(math.ceil(size / SIDE) for size in values.shape)
    if max(block) > 1:
        note += f" Each pixel is the mean of {block[0]} x {block[1]} numbers."
        values = avg_pool2d(values[None, None], block, ceil_mode=True, count_include_pad=False)[0, 0]
    return Picture(values, note)


def _square(filters: Tensor, shape: str) -> Picture | None:
    """Return filters of shape (number, height, width) in rows that form a near square."""
    from torch.nn.functional import pad

    number, height, width = filters.shape
    columns = min(max(round(math.sqrt(number * (height + 1) / (width + 1))), 1), number)
    missing = -number % columns
    filters = pad(filters, (0, 0, 0, 0, 0, missing), value=math.nan)
    return _grid(filters.unflatten(0, (-1, columns)), shape, f"{number} filters in rows.")


def _grid(filters: Tensor, shape: str, order: str = "") -> Picture | None:
    """Return filters of shape (rows, columns, height, width) as tiles separated by lines, as many as fit.

    Return None if none fits.
    """
    from torch.nn.functional import pad

    rows, columns, height, width = filters.shape
    shown = (min(rows, (SIDE + 1) // (height + 1)), min(columns, (SIDE + 1) // (width + 1)))
    if not min(shown):
        return None
    note = f"{shape}: {order or 'rows of tiles are the first dimension, columns the second.'}"
    if shown != (rows, columns):
        note += f" The first {shown[0]} x {shown[1]} of {rows} x {columns} filters are shown."
    tiles = pad(filters[: shown[0], : shown[1]], (0, 1, 0, 1), value=math.nan)
    return Picture(tiles.permute(0, 2, 1, 3).reshape(shown[0] * (height + 1), -1)[:-1, :-1], note)


def pixels(values: Tensor) -> np.ndarray:
    """Return numbers as grey values, dtype uint8, from 0 for the smallest finite one to 255. If all are equal, 128.

    Example:
        >>> pixels(torch.tensor([[-1.0, 0.0, 1.0]]))
        array([[  0, 128, 255]], dtype=uint8)
    """
    import torch

    finite = values[values.isfinite()].double()
    low, high = (finite.min(), finite.max()) if len(finite) else (torch.zeros(()), torch.zeros(()))
    grey = (values.double() - low) / (high - low) * 255 if high > low else torch.where(values == low, 128.0, values)
    grey = grey.nan_to_num(0.0, 255.0, 0.0).clamp(0, 255).round()
    array: np.ndarray = grey.to(torch.uint8).cpu().numpy()
    return array
