"""A copy of a module's weights. early_stopping.py decides when to take and restore it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Snapshot:
    """A copy of a module's ``state_dict``: parameters, buffers and extra state.

    It lives in host memory: a second set of weights may not fit on an accelerator, and a copy at most once per epoch
    costs little. Each snapshot reuses the memory of the one before.

    Attributes:
        weights: the copies by their names in the ``state_dict``. None before the first snapshot.
        torn: whether the last copy was interrupted, so that some ``weights`` are older than the rest.
    """

    def __init__(self) -> None:
        self.weights: dict[str, Any] | None = None
        self.torn = False

    def take(self, model: torch.nn.Module) -> None:
        """Copy the weights of ``model``."""
        self.torn = True
        # With keep_vars, weights that two modules share are one object and are copied once.
        self.copy(model.state_dict(keep_vars=True))

    def copy(self, weights: Mapping[str, Any]) -> None:
        """Copy ``weights`` without changing them."""
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
        """Load the weights into ``model``. Its parameters stay the same objects, so its optimizer stays valid."""
        assert self.weights is not None
        model.load_state_dict(self.weights)


def _copied(value: Any, kept: Any) -> Any:
    """Return a copy of ``value`` in host memory, in the memory of ``kept`` if it fits."""
    if not hasattr(value, "detach"):
        return copy.deepcopy(value)  # The extra state of a module need not be a tensor.
    if hasattr(value, "materialize"):
        return value  # A lazy layer without data has nothing to copy.
    if kept is value:
        kept = None  # The layer was lazy at the last snapshot.
    value = value.detach()
    if getattr(kept, "shape", None) == value.shape and kept.dtype == value.dtype:
        return kept.copy_(value)
    return value.to("cpu", copy=True)
