"""Checks of arguments that the constructors of many callbacks share."""

from __future__ import annotations

import operator
from typing import Any


def check_epochs(**epochs: Any) -> None:
    """Check that arguments are numbers of epochs.

    Raises:
        ValueError: one is not a number, negative or NaN; the message names it.

    Example:
        >>> check_epochs(patience=3, cooldown=0)
    """
    for name, number in epochs.items():
        # Written so that NaN is refused as well.
        if isinstance(number, (str, type(None))) or not number >= 0:
            raise ValueError(f"{name} is {number!r}: expected a number of epochs, 0 or more")


def whole_number(value: Any) -> int | None:
    """Return ``value`` as an int if it is a whole number of any integer type, else None.

    Booleans are not numbers here, although Python counts them as such.

    Example:
        >>> whole_number(np.int64(3)), whole_number(3.0), whole_number(True)
        (3, None, None)
    """
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None
