"""Progress as text: pure functions without tqdm or files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

_BAR = (10, 30)
"""Minimum and maximum width of the bar in columns."""

_GAP = "  "
_INDENT = "    "


class Progress(NamedTuple):
    """The progress of an epoch, of ``evaluate`` or of ``predict``.

    Attributes:
        label: its name, e.g. ``Epoch 1/3``.
        done: number of samples or steps done.
        total: number of samples or steps in all. None if unknown.
        seconds: time since the beginning.
        values: values so far, each as ``name value``.
    """

    label: str
    done: int
    total: int | None
    seconds: float
    values: Sequence[str] = ()

    @property
    def complete(self) -> bool:
        """Whether all samples or steps are done. False if their number is unknown."""
        return self.total is not None and self.done >= self.total


def value_texts(values: Mapping[str, Any]) -> list[str]:
    """Return each value with its name. Values that are neither numbers nor printable strings are left out.

    >>> value_texts({"loss": 0.51234, "lr": 0.0001, "phase": "warm-up", "histogram": [1, 2]})
    ['loss 0.5123', 'lr 0.0001', 'phase warm-up']
    """
    texts = ((name, _value_text(value)) for name, value in values.items())
    return [f"{name} {text}" for name, text in texts if text]


def _value_text(value: Any) -> str:
    if isinstance(value, str):
        return value if value.isprintable() else ""
    if isinstance(value, int):
        return str(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return ""
    # Four decimals suit losses and accuracies. Very small and very large values get four significant digits.
    return f"{number:.4g}" if number and not 1e-3 <= abs(number) < 1e6 else f"{number:.4f}"


def running_line(progress: Progress, columns: int) -> str:
    """Return the running line, in at most ``columns``, as a ``bar_format`` of tqdm with ``{bar:N}`` for the bar.

    In a narrow terminal the bar is left out first, then the time, then the count, then values from the last one on.

    >>> running_line(Progress("Epoch 1/3", 16, 64, 2, ["loss 0.5123"]), 80)
    'Epoch 1/3  25% |{bar:30}| 16/64 0:02<0:06  loss 0.5123'
    >>> running_line(Progress("Epoch 1/3", 16, 64, 2, ["loss 0.5123"]), 30)
    'Epoch 1/3 16/64  loss 0.5123'
    """
    label, done, total, seconds, values = progress
    if total is None or done > total:
        heads = [f"{label} {done}/? {clock(seconds)}", f"{label} {done}/?"]
    else:
        percent, counted = f"{100 * done // (total or 1)}%", f"{done:{len(str(total))}}/{total}"
        left = clock(seconds * (total - done) / done) if done else "?"
        timed = f"{counted} {clock(seconds)}<{left}"
        room = columns - len(_joined(f"{label} {percent:>4} || {timed}", values))
        if room >= _BAR[0]:
            before, after = f"{label} {percent:>4} |", f"| {timed}"
            return f"{_literal(before)}{{bar:{min(room, _BAR[1])}}}{_literal(_joined(after, values))}"
        heads = [f"{label} {timed}", f"{label} {counted}", f"{label} {percent}"]
    lines = [_joined(head, values) for head in heads]
    lines += [_joined(heads[-1], values[:shown]) for shown in reversed(range(len(values)))]
    return _literal(next((line for line in lines if len(line) <= columns), lines[-1][:columns]))


def last_line(progress: Progress, columns: int | None = None) -> str:
    """Return the final line, wrapped into lines of at most ``columns``.

    >>> last_line(Progress("Epoch 1/3", 64, 64, 8.21, ["loss 0.5123", "acc 0.8000"]))
    'Epoch 1/3  8.2s  loss 0.5123  acc 0.8000'
    >>> last_line(Progress("Epoch 1/3", 16, 64, 8.21))
    'Epoch 1/3  16/64  8.2s'
    """
    lines = [progress.label]
    for part in _parts(progress):
        if columns is None or len(lines[-1]) + len(_GAP) + len(part) <= columns:
            lines[-1] += _GAP + part
        else:
            lines.append(_INDENT + part)
    return "\n".join(lines)


def _parts(progress: Progress) -> Iterable[str]:
    if not progress.complete:
        yield f"{progress.done}/{'?' if progress.total is None else progress.total}"
    yield f"{progress.seconds:.1f}s" if progress.seconds < 60 else clock(progress.seconds)
    yield from progress.values


def clock(seconds: float) -> str:
    """Return a duration as ``minutes:seconds``, or ``hours:minutes:seconds`` from one hour on.

    >>> clock(65), clock(3700)
    ('1:05', '1:01:40')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _joined(head: str, values: Sequence[str]) -> str:
    return _GAP.join([head, *values])


def _literal(text: str) -> str:
    """Return ``text`` escaped for a format string: a metric may have any name."""
    return text.replace("{", "{{").replace("}", "}}")
