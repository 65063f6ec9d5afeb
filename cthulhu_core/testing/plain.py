"""Plain data made comparable: tensors have no ``==`` that says yes or no."""

from __future__ import annotations

from typing import Any

from cthulhu_core.checkpoints.packing import pack


def comparable(value: Any) -> Any:
    """``value`` as text and lists, which are equal where it is; NaN is equal to NaN.

    Example:
        >>> comparable({"best": float("nan")}) == comparable({"best": float("nan")})
        True
    """
    try:
        text, tensors = pack(value)
    except TypeError:  # that it is not plain data is the business of a test of its own
        return repr(value)
    return text, {name: repr(tensor.tolist()) for name, tensor in tensors.items()}


def differences(expected: dict[str, Any], found: dict[str, Any], words: tuple[str, str]) -> str:
    """What differs, a line for each name, in which ``words`` say which is which; empty where nothing does.

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
    """What stands for a value that is not there."""

    def __repr__(self) -> str:
        return "nothing"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."
