"""A model beside its weights, as plain data: what it is made of, what it was told to be trained for, its optimizer."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from cthulhu_core.checkpoint import Checkpoint, CheckpointError
from cthulhu_core.models import architecture, conjured
from cthulhu_core.models.inner import inner
from cthulhu_core.models.lump import Lump
from cthulhu_core.models.objects import Indescribable
from cthulhu_core.training.sharded import state_alike

State = dict[str, Any]


class ModelWarning(UserWarning):
    """A model is saved or built without a part of what it was."""


def model_state(model: nn.Module) -> State:
    """Architecture and what ``conjure`` was told; ``reason`` says why there is no architecture, if there is none."""
    described: State | None = None
    reason = ""
    try:
        described = architecture.describe(model)
    except Indescribable as error:
        reason = str(error)
    told = conjured.describe(model) if isinstance(model, Lump) else None
    return {"architecture": described, "reason": reason, "conjured": told}


def optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer | None) -> State | None:
    """The optimizer's class, the names of the parameters in each group, and its state."""
    if optimizer is None:
        return None
    names = {id(parameter): name for name, parameter in inner(model).named_parameters()}
    groups = [[names.get(id(parameter), "") for parameter in group["params"]] for group in optimizer.param_groups]
    return {"class": type(optimizer).__name__, "groups": groups, "state": optimizer.state_dict()}


def check_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer | None, state: State | None) -> None:
    """See that an optimizer can take this state.

    Raises:
        CheckpointError: it is of another class, or has other parameters.
    """
    if optimizer is None and state is None:
        return
    if optimizer is None or state is None:
        was, now = ("one", "none") if optimizer is None else ("none", f"a {type(optimizer).__name__}")
        raise CheckpointError(f"its training had {was} for an optimizer, this one has {now}: pass the same")
    if type(optimizer).__name__ != state["class"]:
        raise CheckpointError(
            f"its optimizer is {state['class']}, this training has {type(optimizer).__name__}: conjure the model with "
            "the same one"
        )
    groups = (optimizer_state(model, optimizer) or {})["groups"]
    if groups != state["groups"]:
        raise CheckpointError(
            f"its optimizer has the parameters {state['groups']} in its groups, this one {groups}: make the groups as "
            "they were"
        )


def build_model(
    checkpoint: Checkpoint, custom_objects: Mapping[str, Any] | None = None, max_bytes: int | None = None
) -> nn.Module:
    """The model in ``checkpoint``; errors as in :meth:`Checkpoint.build`."""
    cure = "build the model as your code does, then model.load_weights(path), or model.summon(..., resume_from=path)"
    if checkpoint.state is None:
        raise CheckpointError(f"weights alone are in it, and no architecture: {cure}")
    state: State = checkpoint.state["model"]
    if state["architecture"] is None:
        raise CheckpointError(f"the architecture is not in it, because {state['reason']}: {cure}")
    with _reasons():
        model = architecture.build(state["architecture"], custom_objects, max_bytes)
    checkpoint.load_into(model)
    if state["conjured"] is not None:
        try:
            conjured.conjure(model, state["conjured"], custom_objects)
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


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """``optimizer.load_state_dict(state)``, whether or not each process holds a part of the weights, and did then."""
    optimizer.load_state_dict(state_alike(optimizer, state))


@contextlib.contextmanager
def _reasons() -> Any:
    """What is wrong with what a checkpoint says is the checkpoint's error."""
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(str(error)) from error
