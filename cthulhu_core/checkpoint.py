"""Checkpoint: a model and, if asked for, its training, as tensors and plain data. File formats store it.

What a run contributes is in resume.py, how a Pile becomes plain data in models/architecture.py.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from cthulhu_core.run import Run

Weights = dict[str, dict[str, "torch.Tensor"]]
"""From the names of layers to their weights by name, in the order of the model; layers without weights, too."""


class CheckpointError(Exception):
    """A checkpoint cannot be written, read or used; the message names the file, if there is one, and the reason.

    Args:
        reason: what was found, what was expected, and what to do.
        filepath: the file.
    """

    def __init__(self, reason: str, filepath: str | os.PathLike[str] | None = None) -> None:
        self.reason = reason
        self.filepath = None if filepath is None else os.fspath(filepath)
        super().__init__(reason if filepath is None else f"{self.filepath}: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.filepath)


@dataclass(frozen=True)
class Checkpoint:
    """What is saved of a model, and of its training.

    Attributes:
        weights: the weights by layer. Kernels of Daoloth are of shape (in, units); all others are as PyTorch has them.
        extra: what modules give as their extra state, by the names of ``state_dict``: plain data.
        state: everything else of a full checkpoint, plain data and tensors; None where weights alone are saved.
    """

    weights: Weights
    extra: dict[str, Any]
    state: dict[str, Any] | None = None

    @classmethod
    def of(
        cls, model: torch.nn.Module, run: Run | None = None, weights_only: bool = False, *, parts: bool = False
    ) -> Checkpoint:
        """What there is to save of ``model`` now. The tensors are the model's own, not copies.

        Args:
            model: the model; of a ``DistributedDataParallel`` or compiled one the module in it is saved.
            run: the run in which it is being trained, if any: a full checkpoint can be resumed from then.
            weights_only: leave out all but the weights.
            parts: whether it can be stored where tensors are ``torch.distributed.tensor.DTensor``, of which each
                process holds a part, and all processes are there to store it.

        Raises:
            CheckpointError: a layer has no weights yet, because it has seen no data; or each process holds a part of
                the weights, and ``parts`` is false.
        """
        from cthulhu_core.models.state import model_state, optimizer_state
        from cthulhu_core.models.weights import extra_state, layer_weights
        from cthulhu_core.training.sharded import has_parts

        if has_parts(model) and not parts:
            raise CheckpointError(
                "each process holds a part of the model (strategy='fsdp'), and files of this kind are written by one: "
                "save it with a name that ends in .dcp, a folder into which all processes write"
            )
        state = None
        if not weights_only:
            optimizer = getattr(model, "_optimizer", None) if run is None else run.optimizer
            state = {
                "model": model_state(model),
                "optimizer": optimizer_state(model, optimizer),
                "run": None if run is None else run.state_dict(),
            }
        return cls(layer_weights(model), extra_state(model), state)

    def copied(self) -> Checkpoint:
        """A copy in host memory that training does not change."""
        from cthulhu_core.training.structure import host_copy

        return replace(self, weights=host_copy(self.weights), extra=host_copy(self.extra), state=host_copy(self.state))

    def load_into(self, model: torch.nn.Module) -> None:
        """Give ``model`` these weights.

        Raises:
            CheckpointError: names or shapes differ; the message lists all that do, and the model is as it was.
        """
        from cthulhu_core.models.weights import load_layers

        load_layers(model, self.weights, self.extra)

    def build(self, custom_objects: Mapping[str, Any] | None = None, max_bytes: int | None = None) -> torch.nn.Module:
        """The model, conjured if it was, with its weights and its optimizer's state.

        Args:
            custom_objects: from name to class or function, for what is not of this project or of PyTorch.
            max_bytes: how much memory the model may take at most, e.g. the size of the file it comes from.

        Raises:
            CheckpointError: there is no architecture in it, or what it names is not known; the message says what to do.
        """
        from cthulhu_core.models.state import build_model

        return build_model(self, custom_objects, max_bytes)
