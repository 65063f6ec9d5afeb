"""TensorBoard, the callback: when what is written. How it is written is said in the modules beside this one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from cthulhu_core import Callback
from cthulhu_tensorboard import arguments


class TensorBoard(Callback):
    """Writes a training for TensorBoard to show."""

    on_error = "disable"
    ranks = "main"

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "./logs",
        histogram_freq: int = 0,
        batch_size: int | None = None,
        write_graph: bool = True,
        write_grads: bool = False,
        write_images: bool = False,
        embeddings_freq: int = 0,
        embeddings_layer_names: Sequence[str] | None = None,
        embeddings_metadata: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None = None,
        embeddings_data: Any = None,
        update_freq: int | Literal["batch", "epoch"] = "epoch",
    ) -> None:
        arguments.check_folder(log_dir)
        self.log_dir = log_dir
