"""Numbers as events, and their tags."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cthulhu_tensorboard.events import Writer


def number(value: Any) -> float | None:
    """Return ``value`` as a float, including NaN and infinity, or None if it is not a single number.

    Example:
        >>> number(True), number(np.float32(0.5)), number("high"), number([0.5])
        (1.0, 0.5, None, None)
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
        while isinstance(value, list) and len(value) == 1:
            (value,) = value
    if not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:  # An integer of more than 300 digits.
        return None


class Scalars:
    """Writes values, one event per step.

    Args:
        prefix: prefix of the tags, e.g. ``epoch_``.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        # The last event, to be refilled if the names are the same: creating one takes longer than writing it.
        self._names: tuple[str, ...] = ()
        self._event: Any = None
        self._said: set[str] = set()

    def write(self, writer: Writer, values: Mapping[str, Any], step: int, at: float | None = None) -> None:
        """Write ``values`` at ``step``, with the time ``at`` in seconds since 1970, by default now.

        Warns:
            UserWarning: If a value is not a single number and is left out. Once for each name.
        """
        numbers: dict[str, Any] = {
            name: value if type(value) is float else number(value) for name, value in values.items()
        }
        if None in numbers.values():
            self._say_what_is_left_out({name: values[name] for name, value in numbers.items() if value is None})
            numbers = {name: value for name, value in numbers.items() if value is not None}
        if not numbers:
            return
        names = tuple(numbers)
        if names != self._names:
            self._event, self._names = _event([self._prefix + name for name in names]), names
        for shown, value in zip(self._event.summary.value, numbers.values(), strict=True):
            shown.simple_value = value
        writer.file_writer.add_event(self._event, step, at)

    def _say_what_is_left_out(self, values: Mapping[str, Any]) -> None:
        new = {name: value for name, value in values.items() if name not in self._said}
        self._said.update(new)
        if new:
            kinds = ", ".join(f"{name} ({_kind(value)})" for name, value in new.items())
            warnings.warn(f"TensorBoard leaves out {kinds}: expected a single number per epoch or batch", stacklevel=2)


def _event(tags: list[str]) -> Any:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Event(summary=Summary(value=[Summary.Value(tag=tag) for tag in tags]))


def _kind(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} of shape {list(shape)}"
