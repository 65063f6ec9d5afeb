"""Averages of the values of batches, which stay on their device until somebody reads them.

A value is a number, a tensor of one element, or an object with ``compute()`` (a metric that keeps its own state).
torch is imported only to add up tensors.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

from cthulhu_core.distributed.agreement import sum_over_ranks
from cthulhu_core.distributed.ranks import world_size

# Batches kept before they are summed on the device: one sum for all of them instead of one for each.
_PENDING = 256


def read(values: Mapping[str, Any], of_all: bool = False) -> dict[str, Any]:
    """Return ``values`` as Python numbers, or lists of them, waiting for the device only once.

    Args:
        values: numbers, tensors, objects with ``compute()``.
        of_all: whether all processes of a distributed training call this, so that ``compute()`` may reduce over them.

    >>> read({"loss": 0.5})
    {'loss': 0.5}
    """
    result: dict[str, Any] = {}
    away = []
    for name, recorded in values.items():
        value = _computed(recorded, of_all) if hasattr(recorded, "compute") else recorded
        if getattr(value, "is_cuda", False) and value.numel() == 1:
            away.append(name)
            result[name] = value
        else:
            result[name] = _plain(value) if hasattr(value, "tolist") else value
    if away:
        import torch

        together = torch.stack([result[name].detach().double().reshape(()) for name in away])
        result.update(zip(away, together.tolist(), strict=True))
    return result


def _computed(metric: Any, of_all: bool) -> Any:
    if of_all or world_size() == 1:
        return metric.compute()
    # A torchmetrics object would wait for the other processes, and cache what it computes with them.
    alone = copy.deepcopy(metric)
    alone.distributed_available_fn = lambda: False
    return alone.compute()


def _plain(value: Any) -> Any:
    """Return a tensor or array as numbers; one element is one number, whatever its shape."""
    number = value.tolist()
    while isinstance(number, list) and len(number) == 1:
        (number,) = number
    return number


class Averages:
    """Averages of values over batches, weighted by the number of samples.

    Tensors are summed on their device in float64 (float32 on devices without it) and read only by :meth:`result`.

    Args:
        stateful: names of values that are not averaged; their last value counts.
    """

    def __init__(self, stateful: Iterable[str] = ()) -> None:
        self.stateful = frozenset(stateful)
        self.reset()

    def reset(self) -> None:
        """Forget all values."""
        self._sums: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._last: dict[str, Any] = {}
        self._pending: dict[str, tuple[list[Any], list[int]]] = {}

    def add(self, values: Mapping[str, Any], size: int, numbers: Mapping[str, Any] | None = None) -> None:
        """Add the values of a batch.

        Args:
            values: the values by name.
            size: number of samples in the batch.
            numbers: the same values as Python numbers, if they have been read already.

        Raises:
            ValueError: a value is not a number.
        """
        for name, recorded in values.items():
            if name in self.stateful or hasattr(recorded, "compute"):
                self._last[name] = recorded
                continue
            value = recorded if numbers is None else numbers[name]
            if not size:  # other processes of a distributed training have a value of this name
                self._sums.setdefault(name, 0.0)
                self._sizes.setdefault(name, 0)
            elif isinstance(value, (int, float)) or not hasattr(value, "detach"):
                number = value if isinstance(value, (int, float)) else _number(name, value)
                self._sums[name] = self._sums.get(name, 0.0) + number * size
                self._sizes[name] = self._sizes.get(name, 0) + size
            else:
                pending = self._pending.get(name)
                if pending is None:
                    pending = self._pending[name] = ([], [])
                pending[0].append(value)
                pending[1].append(size)
                if len(pending[0]) >= _PENDING:
                    self._sum_up(name)

    def _sum_up(self, name: str) -> None:
        import torch

        values, sizes = self._pending.pop(name)
        shapes = {value.shape for value in values}
        for shape in shapes:
            if shape.numel() != 1:
                raise _no_number(name, f"{type(values[0]).__name__} of shape {list(shape)}")
        stacked = torch.stack(values if len(shapes) == 1 else [value.reshape(()) for value in values])
        stacked = stacked.detach().reshape(len(values))
        exact = torch.float32 if stacked.device.type == "mps" else torch.float64
        weights: Any = sizes[0]
        if sizes != [sizes[0]] * len(sizes):
            weights = torch.tensor(sizes, dtype=exact).to(stacked.device, non_blocking=True)
        self._sums[name] = self._sums.get(name, 0.0) + (stacked.to(exact) * weights).sum()
        self._sizes[name] = self._sizes.get(name, 0) + sum(sizes)

    def state_dict(self) -> dict[str, Any]:
        """Return what has been added so far, not yet summed, so that later sums have the same bits."""
        return {
            "sums": self._sums,
            "sizes": self._sizes,
            "pending": {name: (list(values), list(sizes)) for name, (values, sizes) in self._pending.items()},
            "last": read(self._last),
        }

    def load_state_dict(self, state: Mapping[str, Any], device: Any = None) -> None:
        """Continue from a state, with values on ``device``."""

        def placed(value: Any) -> Any:
            return value.to(device) if device is not None and hasattr(value, "to") else value

        self._sums = {name: placed(total) for name, total in state["sums"].items()}
        self._sizes = dict(state["sizes"])
        pending: Mapping[str, tuple[list[Any], list[int]]] = state["pending"]
        self._pending = {name: ([placed(v) for v in values], list(sizes)) for name, (values, sizes) in pending.items()}
        # For a stateful metric, this is the value so far: the next batch brings the object.
        self._last = dict(state["last"])

    def result(self, of_all: bool = False) -> dict[str, Any]:
        """Return the averages as Python numbers; waits for the device.

        Args:
            of_all: average over all processes of a distributed training; all of them must call this.
        """
        for name in list(self._pending):
            self._sum_up(name)
        sums, sizes = self._sums, self._sizes
        if of_all and world_size() > 1:
            names = sorted(sums)
            here = read(sums)
            there = sum_over_ranks([*(here[name] for name in names), *(sizes[name] for name in names)])
            of_all_ranks = {name: (there[at], there[at + len(names)]) for at, name in enumerate(names)}
            pairs = {name: of_all_ranks[name] for name in sums}  # in the order in which they were recorded
        else:
            pairs = {name: (sums[name], sizes[name]) for name in sums}
        means = {name: total / size if size else math.nan for name, (total, size) in pairs.items()}
        return read({**means, **self._last}, of_all)


def _number(name: str, value: Any) -> float:
    try:
        return float(read({name: value})[name])
    except (TypeError, ValueError):
        raise _no_number(name, repr(value)) from None


def _no_number(name: str, given: str) -> ValueError:
    return ValueError(f"{name!r} is recorded as {given}: expected one number per batch")
