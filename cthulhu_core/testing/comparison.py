"""Comparison of plain data with tensors, whose ``==`` is elementwise."""

from __future__ import annotations

from typing import Any

from cthulhu_core.checkpoints.packing import pack


def comparable(value: Any) -> Any:
    """Return ``value`` as text and lists that are equal if the values are; NaN equals NaN.

    Example:
        >>> comparable({"best": float("nan")}) == comparable({"best": float("nan")})
        True
    """
    try:
        text, tensors = pack(value)
    except TypeError:  # another test reports that it is not plain data
        return repr(value)
    return text, {name: repr(tensor.tolist()) for name, tensor in tensors.items()}


def differences(expected: dict[str, Any], found: dict[str, Any], words: tuple[str, str]) -> str:
    """Return a line for each name that differs, in which ``words`` say which value is which; empty if none does.

    Example:
        >>> differences({"best": 0.5}, {"best": 0.25}, ("before", "after"))
        'best: 0.5 before, 0.25 after'
    """
    nothing = Nothing()
    return "\n".join(
        f"{name}: {_short(expected.get(name, nothing))} {words[0]}, {_short(found.get(name, nothing))} {words[1]}"
        for name in {**expected, **found}
        if comparable(expected.get(name, nothing)) != comparable(found.get(name, nothing))
    )


class Nothing:
    """A placeholder for a missing value."""

    def __repr__(self) -> str:
        return "nothing"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."
