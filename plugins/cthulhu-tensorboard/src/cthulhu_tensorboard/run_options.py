"""The arguments of ``conjure`` and ``summon`` as names and numbers.

No secret can be among them: losses, metrics and optimizers are given by name, with the numbers of the optimizer, and
without other arguments of their constructors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cthulhu_core import Run


RunOptions = dict[str, Any]
"""Booleans, numbers and strings by name."""


def conjured(run: Run) -> RunOptions:
    """Return ``optimizer`` and its options, ``loss``, ``metrics``, ``loss_weights``, and the options of ``conjure``.

    In a loop of your own, these are the ones that the run knows.

    Example:
        >>> conjured(run)
        {'optimizer': 'SGD', 'optimizer/lr': 0.01, ..., 'loss': 'mse', 'metrics': 'acc'}
    """
    options: RunOptions = {}
    if run.optimizer is not None:
        options["optimizer"] = type(run.optimizer).__name__
        options |= {f"optimizer/{name}": value for name, value in _options(run.optimizer.param_groups[0])}
    described = run.conjured or {}
    for name in ("loss", "metrics"):
        if described.get(name) is not None:
            options[name] = _name(described[name])
    weights = (described.get("loss_weights") or {}).get("plain")
    if weights is not None:
        options["loss_weights"] = _numbers(weights)
    options |= {
        name: value for name, value in (described.get("options") or {}).get("plain", {}).items() if value is not None
    }
    return options


def summoned(run: Run) -> RunOptions:
    """Return the known ones of ``run.params``, and ``initial_epoch``."""
    options = {name: value for name, value in run.params.items() if value is not None and name != "metrics"}
    return {**options, "initial_epoch": run.initial_epoch}


def _options(group: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the options of a parameter group that are numbers, or several numbers."""
    for name, option in group.items():
        if name == "params":
            continue
        value = option.tolist() if hasattr(option, "tolist") else option
        if isinstance(value, (bool, Real)):
            yield name, value
        elif isinstance(value, (list, tuple)) and value and all(isinstance(each, Real) for each in value):
            yield name, _numbers(value)


def _numbers(value: Any) -> str:
    """Return numbers, or lists and dicts of them, as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_numbers(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_numbers(each) for each in value)
    return f"{value:g}" if isinstance(value, Real) else "?"


def _name(described: Any) -> str:
    """Return the names in a description of ``run.conjured``."""
    if described is None:
        return "none"
    ((kind, content),) = described.items()
    if kind in ("list", "tuple"):
        return ", ".join(_name(each) for each in content)
    if kind == "dict":
        return ", ".join(f"{key}: {_name(each)}" for key, each in content.items())
    if kind == "object":
        content = content["class"]
    # The reason why something could not be described may reveal its content.
    return str(content).rpartition(".")[2] if kind in ("name", "function", "object") else "unnamed"


def table(options: RunOptions) -> str:
    """Return the options as a Markdown table for TensorBoard's text tab."""
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in options.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
