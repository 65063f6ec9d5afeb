"""A model, without its weights, as plain data: its architecture, how it was conjured, and its optimizer."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from cthulhu_core.checkpoints.optimizer_state import State, check_optimizer, load_optimizer
from cthulhu_core.contract.errors import CheckpointError
from cthulhu_core.models import architecture, training_config
from cthulhu_core.models.lump import Lump
from cthulhu_core.models.serialization.describe import Indescribable

if TYPE_CHECKING:
    from cthulhu_core.contract.types import Checkpoint


class ModelWarning(UserWarning):
    """A model was saved or built without a part of its state."""


def model_state(model: nn.Module) -> State:
    """Return architecture and arguments of ``conjure``; ``reason`` says why there is no architecture, if so."""
    described: State | None = None
    reason = ""
    try:
        described = architecture.describe(model)
    except Indescribable as error:
        reason = str(error)
    told = training_config.describe(model) if isinstance(model, Lump) else None
    return {"architecture": described, "reason": reason, "conjured": told}


def build_model(
    checkpoint: Checkpoint, custom_objects: Mapping[str, Any] | None = None, max_bytes: int | None = None
) -> nn.Module:
    """Return the model in ``checkpoint``. Raises the errors of :meth:`Checkpoint.build`."""
    cure = "build the model as your code does, then model.load_weights(path), or model.summon(..., resume_from=path)"
    if checkpoint.state is None:
        raise CheckpointError(f"it holds only weights, and no architecture: {cure}")
    state: State = checkpoint.state["model"]
    if state["architecture"] is None:
        raise CheckpointError(f"it does not hold the architecture, because {state['reason']}: {cure}")
    with _reasons():
        model = architecture.build(state["architecture"], custom_objects, max_bytes)
    checkpoint.load_into(model)
    if state["conjured"] is not None:
        try:
            training_config.conjure(model, state["conjured"], custom_objects)
        except (ValueError, TypeError) as error:
            warnings.warn(
                f"the model is loaded, but it cannot be trained before you call model.conjure(...): {error}",
                ModelWarning,
                stacklevel=4,
            )
        else:
            _load_optimizer(model, checkpoint.state["optimizer"])
    return model


def _load_optimizer(model: Any, state: State | None) -> None:
    if state is None:
        return
    check_optimizer(model, model.optimizer, state)
    with _reasons():
        load_optimizer(model.optimizer, state["state"])


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Turn errors in the content of a checkpoint into CheckpointError."""
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(str(error)) from error
