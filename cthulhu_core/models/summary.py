"""The table that ``model.summary()`` prints."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from cthulhu_core.distributed.unwrap import class_of

_HEADINGS = ("Layer", "Type", "Weights", "Parameters")


def summary(model: Any) -> str:
    """Return a row for each layer (name, class, shapes of its weights, number of parameters), then the totals."""
    rows = [_HEADINGS]
    names = {id(module): name.removeprefix("module.") for name, module in model.named_modules()}
    for layer in model.layers:
        weights = list(layer.parameters())
        known = not any(is_lazy(weight) for weight in weights)
        shapes = ", ".join(str(tuple(weight.shape)) for weight in weights) if known else "from the first data"
        count = f"{sum(weight.numel() for weight in weights):,}" if known else "?"
        rows.append((names[id(layer)], class_of(layer).__name__, shapes, count))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    rule = "─" * (sum(widths) + 3 * (len(widths) - 1))
    lines = [_line(row, widths) for row in rows]
    return "\n".join([f"{class_of(model).__name__}", rule, lines[0], rule, *lines[1:], rule, _totals(model)])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
    return "   ".join([*cells, row[-1].rjust(widths[-1])])


def _totals(model: nn.Module) -> str:
    weights = list(model.parameters())
    if any(is_lazy(weight) for weight in weights):
        return "Parameters: known when the first data has been seen"
    trainable = sum(weight.numel() for weight in weights if weight.requires_grad)
    total = sum(weight.numel() for weight in weights)
    return f"Parameters: {total:,}, of which {trainable:,} are trained"
