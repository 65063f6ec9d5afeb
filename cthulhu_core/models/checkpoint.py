"""A model and, if asked for, its training, as tensors and plain data for file formats to store.

Nothing heavy is imported before a checkpoint is made or used, because format plugins import this module at start-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cthulhu_core.contract.errors import CheckpointError

if TYPE_CHECKING:
    import torch

    from cthulhu_core.checkpoints.resume import Resumption
    from cthulhu_core.checkpoints.weights import Weights
    from cthulhu_core.run.run import Run


@dataclass(frozen=True)
class Checkpoint:
    """A saved model, and its training if that was saved too.

    Attributes:
        weights: the weights by layer. Kernels of Daoloth have shape (in, units); all others are as PyTorch has them.
        extra: the extra state of modules by its name in ``state_dict``, as plain data.
        state: everything else of a full checkpoint, as plain data and tensors; None if only weights were saved.
    """

    weights: Weights
    extra: dict[str, Any]
    state: dict[str, Any] | None = None

    @classmethod
    def of(
        cls, model: torch.nn.Module, run: Run | None = None, weights_only: bool = False, *, parts: bool = False
    ) -> Checkpoint:
        """Return a checkpoint of ``model`` as it is now. The tensors are the model's own, not copies.

        Args:
            model: the model; of a ``DistributedDataParallel`` or compiled one, the wrapped module is saved.
            run: the run that trains the model, if any; the checkpoint can then be resumed from.
            weights_only: leave out everything but the weights.
            parts: whether the format can store tensors that are ``torch.distributed.tensor.DTensor``, of which each
                process holds a part, and all processes take part in saving.

        Raises:
            CheckpointError: a layer has no weights yet because it has seen no data; or each process holds a part of
                the weights, and ``parts`` is false.
        """
        from cthulhu_core.checkpoints.optimizer_state import optimizer_state
        from cthulhu_core.checkpoints.weights import extra_state, layer_weights
        from cthulhu_core.distributed.sharding import has_parts
        from cthulhu_core.models.model_state import model_state

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

    @property
    def nbytes(self) -> int:
        """The size of all weights in bytes."""
        return sum(weight.nbytes for layer in self.weights.values() for weight in layer.values())

    def copied(self) -> Checkpoint:
        """Return a copy in host memory that further training does not change."""
        from cthulhu_core.checkpoints.host_copies import host_copy

        return replace(self, weights=host_copy(self.weights), extra=host_copy(self.extra), state=host_copy(self.state))

    def load_into(self, model: torch.nn.Module) -> None:
        """Load the weights into ``model``.

        Raises:
            CheckpointError: names or shapes differ; the message lists every difference, and the model is unchanged.
        """
        from cthulhu_core.checkpoints.weights import load_layers

        load_layers(model, self.weights, self.extra)

    def resumption(self, run: Run) -> Resumption:
        """Return what continues ``run``, which has not begun, from here.

        Raises:
            CheckpointError: the checkpoint does not fit the run; nothing is changed.

        Warns:
            ResumeWarning: the run has other packages or callbacks than it had.
        """
        from cthulhu_core.checkpoints.resume import Resumption

        return Resumption(self, run)

    def build(self, custom_objects: Mapping[str, Any] | None = None, max_bytes: int | None = None) -> torch.nn.Module:
        """Return the model, conjured if it was, with its weights and its optimizer's state.

        Args:
            custom_objects: classes and functions by name, other than those of this project and of PyTorch.
            max_bytes: the most memory that the weights may take, such as the size of the file they come from.

        Raises:
            CheckpointError: there is no architecture, or it names something unknown; the message says what to do.
        """
        from cthulhu_core.models.model_state import build_model

        return build_model(self, custom_objects, max_bytes)
