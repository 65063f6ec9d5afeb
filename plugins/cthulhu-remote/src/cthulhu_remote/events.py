"""The events of a training, as plain data for JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

LEVELS = 8
"""Maximum depth of nested lists and dicts."""

Kind = Literal["begin", "epoch", "batch", "end"]


class Event(NamedTuple):
    """An event of a training.

    Attributes:
        kind: ``"epoch"`` or ``"batch"``, whose payload has values; ``"begin"`` or ``"end"`` of the training.
        run: id of the training, which stays the same when it is resumed.
        sender: id of the process.
        number: number of the event among those of its sender, in growing order.
        time: time of the event in seconds since 1970.
        payload: plain data, or the logs of a batch, which :meth:`text` converts.
    """

    kind: Kind
    run: str
    sender: str
    number: int
    time: float
    payload: Mapping[str, Any]

    def text(self) -> str:
        """Return the payload as JSON."""
        return json.dumps(json_values(self.payload)[0], allow_nan=False)


def json_values(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return ``values`` as plain data, and the names of values that cannot be converted and are left out.

    >>> json_values({"epoch": 3, "loss": float("nan"), "model": object()})
    ({'epoch': 3, 'loss': None}, ['model'])
    """
    kept, left = {}, []
    for name, value in values.items():
        try:
            kept[str(name)] = plain(value)
        # Reading a sparse tensor, or one on a failed device, raises a RuntimeError.
        except (TypeError, ValueError, OverflowError, RuntimeError):
            left.append(str(name))
    return kept, left


def plain(value: Any, levels: int = LEVELS) -> Any:
    """Return ``value`` as plain data for JSON. NaN and infinity become None; arrays and tensors become lists.

    Raises:
        TypeError: If it is not a number, text, None or a collection of them, or if it is nested too deeply.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if levels and isinstance(value, Mapping):
        return {str(key): plain(each, levels - 1) for key, each in value.items()}
    if levels and isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return [plain(each, levels - 1) for each in value]
    return plain(float(value))
