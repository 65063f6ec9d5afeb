"""One copy of a module's weights. When it is taken and put back is decided in early_stopping.py."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Snapshot:
    """A copy of what a module's ``state_dict`` holds: parameters, buffers, extra state.

    It is kept in host memory: a second set of weights on an accelerator may not fit there, and the copy, made at most
    once an epoch, costs little beside the epoch. A snapshot taken again is written into the memory of the one before.

    Attributes:
        weights: from the names of ``state_dict`` to the copies; None before the first was taken.
        torn: whether the last copying was interrupted, so that ``weights`` are partly older than the rest.
    """

    def __init__(self) -> None:
        self.weights: dict[str, Any] | None = None
        self.torn = False

    def take(self, model: torch.nn.Module) -> None:
        """Copy the weights of ``model``."""
        self.torn = True
        # With keep_vars, weights that two modules share are one object, to be copied once.
        self.copy(model.state_dict(keep_vars=True))

    def copy(self, weights: Mapping[str, Any]) -> None:
        """Copy ``weights``, which are left alone."""
        self.torn = True
        kept = self.weights or {}
        copies: dict[int, Any] = {}
        reused: set[int] = set()
        result = {}
        for name, value in weights.items():
            if id(value) not in copies:
                copies[id(value)] = _copied(value, None if id(kept.get(name)) in reused else kept.get(name))
                reused.add(id(copies[id(value)]))
            result[name] = copies[id(value)]
        self.weights = result
        self.torn = False

    def restore(self, model: torch.nn.Module) -> None:
        """Give ``model`` the weights; its parameters stay the same objects, so that its optimizer still holds them."""
        assert self.weights is not None
        model.load_state_dict(self.weights)


def _copied(value: Any, kept: Any) -> Any:
    """A copy of ``value`` in host memory, in the place of ``kept`` if it fits there."""
    if not hasattr(value, "detach"):
        return copy.deepcopy(value)  # what a module gives as its extra state need not be a tensor
    if hasattr(value, "materialize"):
        return value  # a lazy layer that has seen no data holds nothing to copy
    if kept is value:
        kept = None  # it was lazy when the last snapshot was taken
    value = value.detach()
    if getattr(kept, "shape", None) == value.shape and kept.dtype == value.dtype:
        return kept.copy_(value)
    return value.to("cpu", copy=True)
