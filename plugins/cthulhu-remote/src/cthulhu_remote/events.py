"""Events: what is told about a training, as plain data that every JSON reader understands."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

LEVELS = 8
"""So deep may lists and dicts be nested."""

Kind = Literal["begin", "epoch", "batch", "end"]


class Event(NamedTuple):
    """Something that happened in a training.

    Attributes:
        kind: ``"epoch"`` or ``"batch"``, whose payload has values; ``"begin"`` or ``"end"`` of the training.
        run: which training, however often it is resumed.
        sender: which process tells of it.
        number: the how manieth event of this sender it is; later ones have larger numbers.
        time: when it happened, in seconds since 1970.
        payload: what is sent: plain data, or the logs of a batch, which :meth:`text` makes plain.
    """

    kind: Kind
    run: str
    sender: str
    number: int
    time: float
    payload: Mapping[str, Any]

    def text(self) -> str:
        """The payload as JSON."""
        return json.dumps(json_values(self.payload)[0], allow_nan=False)


def json_values(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """``values`` as plain data, and the names of those that cannot be, which are left out.

    >>> json_values({"epoch": 3, "loss": float("nan"), "model": object()})
    ({'epoch': 3, 'loss': None}, ['model'])
    """
    kept, left = {}, []
    for name, value in values.items():
        try:
            kept[str(name)] = plain(value)
        # A sparse tensor, or one on a device that has failed, raises a RuntimeError when it is read.
        except (TypeError, ValueError, OverflowError, RuntimeError):
            left.append(str(name))
    return kept, left


def plain(value: Any, levels: int = LEVELS) -> Any:
    """``value`` as JSON has it: NaN and infinity, which it does not have, become None; arrays and tensors, lists.

    Raises:
        TypeError: it is neither number, text, None nor made of them, or it is nested too deep.
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
