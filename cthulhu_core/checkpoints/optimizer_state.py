"""The state of an optimizer as plain data and tensors, by the names of the parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cthulhu_core.contract.errors import CheckpointError
from cthulhu_core.distributed.sharding import state_alike
from cthulhu_core.distributed.unwrap import inner

State = dict[str, Any]


def optimizer_state(model: nn.Module, optimizer: torch.optim.Optimizer | None) -> State | None:
    """Return the class of the optimizer, the names of the parameters in each group, and its state."""
    if optimizer is None:
        return None
    names = {id(parameter): name for name, parameter in inner(model).named_parameters()}
    groups = [[names.get(id(parameter), "") for parameter in group["params"]] for group in optimizer.param_groups]
    return {"class": type(optimizer).__name__, "groups": groups, "state": optimizer.state_dict()}


def check_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer | None, state: State | None) -> None:
    """Check that an optimizer can load this state.

    Raises:
        CheckpointError: its class or its parameters differ.
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


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the state into ``optimizer``; either may be sharded or whole."""
    optimizer.load_state_dict(state_alike(optimizer, state))
