"""Plain data made comparable: tensors have no ``==`` that says yes or no."""

from __future__ import annotations

from typing import Any

from cthulhu_core.plain import pack


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
