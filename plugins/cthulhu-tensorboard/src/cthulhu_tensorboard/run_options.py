"""What ``conjure`` and ``summon`` were told, as names and numbers.

Nothing that may be a secret is among them: of losses, metrics and optimizers the names and the optimizer's numbers,
and not what a constructor was given besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cthulhu_core import Run


RunOptions = dict[str, Any]
"""From names to bools, numbers and strings."""


def conjured(run: Run) -> RunOptions:
    """``optimizer`` and its options, ``loss``, ``metrics``, ``loss_weights``, and the options of ``conjure``.

    Of a loop of one's own there is what is known.

    Example:
        >>> conjured(run)
        {'optimizer': 'SGD', 'optimizer/lr': 0.01, ..., 'loss': 'mse', 'metrics': 'acc'}
    """
    told: RunOptions = {}
    if run.optimizer is not None:
        told["optimizer"] = type(run.optimizer).__name__
        told |= {f"optimizer/{name}": value for name, value in _options(run.optimizer.param_groups[0])}
    described = run.conjured or {}
    for name in ("loss", "metrics"):
        if described.get(name) is not None:
            told[name] = _name(described[name])
    weights = (described.get("loss_weights") or {}).get("plain")
    if weights is not None:
        told["loss_weights"] = _numbers(weights)
    told |= {
        name: value for name, value in (described.get("options") or {}).get("plain", {}).items() if value is not None
    }
    return told


def summoned(run: Run) -> RunOptions:
    """``run.params`` as far as they are known, ``initial_epoch``, and whether it is a resumed run."""
    told = {name: value for name, value in run.params.items() if value is not None and name != "metrics"}
    return {**told, "initial_epoch": run.initial_epoch}


def _options(group: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The options of a parameter group that are numbers, or several of them."""
    for name, option in group.items():
        if name == "params":
            continue
        value = option.tolist() if hasattr(option, "tolist") else option
        if isinstance(value, (bool, Real)):
            yield name, value
        elif isinstance(value, (list, tuple)) and value and all(isinstance(each, Real) for each in value):
            yield name, _numbers(value)


def _numbers(value: Any) -> str:
    """Numbers, in lists or dicts by name, as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_numbers(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_numbers(each) for each in value)
    return f"{value:g}" if isinstance(value, Real) else "?"


def _name(described: Any) -> str:
    """The names in a description of ``run.conjured``."""
    if described is None:
        return "none"
    ((kind, content),) = described.items()
    if kind in ("list", "tuple"):
        return ", ".join(_name(each) for each in content)
    if kind == "dict":
        return ", ".join(f"{key}: {_name(each)}" for key, each in content.items())
    if kind == "object":
        content = content["class"]
    # Why something could not be described may say what it holds.
    return str(content).rpartition(".")[2] if kind in ("name", "function", "object") else "unnamed"


def table(told: RunOptions) -> str:
    """As a table in Markdown, for TensorBoard's text tab."""
    rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in told.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
