"""One batch of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cthulhu_core.contract.hookspecs import Logs
from cthulhu_core.distributed.part import Part
from cthulhu_core.run.averages import read


class Batch:
    """One batch: its inputs, targets and outputs, and the recorded values, which stay on their device until read.

    Attributes:
        index: number of the batch, from 0 in each epoch.
        inputs, targets, outputs: tensors, or lists, tuples or dicts of them; None if there are none.
        values: ``loss`` and metrics, as they were recorded.
        numbers: the same values as Python numbers; None until somebody reads them.
    """

    __slots__ = ("_mean_size", "_size", "index", "inputs", "numbers", "outputs", "targets", "values")

    def __init__(self, index: int, item: Any, size: int | None = None) -> None:
        self.index = index
        if isinstance(item, (tuple, list)) and len(item) > 1:
            self.inputs, self.targets = item[0], item[1]
        else:
            self.inputs, self.targets = item, None
        self.outputs: Any = None
        self.values: dict[str, Any] = {}
        self.numbers: dict[str, Any] | None = None
        self._size = size
        self._mean_size: float | None = None
        if isinstance(item, Part):
            self._size, self._mean_size = item.samples, item.mean_samples

    @property
    def mean_size(self) -> float:
        """Mean number of samples in a process of a distributed training."""
        return self.size if self._mean_size is None else self._mean_size

    @property
    def size(self) -> int:
        """Number of samples: the length of the first input."""
        if self._size is None:
            first = self.inputs
            while not hasattr(first, "shape") and isinstance(first, (Mapping, list, tuple)) and first:
                first = next(iter(first.values())) if isinstance(first, Mapping) else first[0]
            shape = getattr(first, "shape", None)
            if shape is None:
                self._size = len(first) if hasattr(first, "__len__") else 1
            else:
                self._size = int(shape[0]) if len(shape) else 1
        return self._size

    @property
    def loss(self) -> Any:
        """The loss, as it was recorded."""
        return self.values.get("loss")

    @property
    def metrics(self) -> dict[str, Any]:
        """All values except the loss, as they were recorded."""
        return {name: value for name, value in self.values.items() if name != "loss"}

    def number(self, name: str) -> Any:
        """Return one value as a Python number; waits for the device unless the numbers have been read already.

        Raises:
            KeyError: nothing was recorded under ``name``; the message lists the recorded names.

        Example:
            >>> batch = Batch(0, None)
            >>> batch.values["loss"] = 0.5
            >>> batch.number("loss")
            0.5
        """
        if name not in self.values:
            recorded = ", ".join(self.values) or "no values"
            raise KeyError(f"no {name!r} was recorded in this batch; recorded are {recorded}")
        return read({name: self.values[name]})[name] if self.numbers is None else self.numbers[name]

    def logs(self) -> Logs:
        """Return ``batch``, ``size`` and the values as Python numbers; waits for the device the first time."""
        if self.numbers is None:
            self.numbers = read(self.values)
        return {"batch": self.index, "size": self.size, **self.numbers}
