"""Looking up what a name stands for; an unknown name is an error that lists the ones that resemble it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def look_up(kind: str, name: str, table: Mapping[str, T]) -> T:
    """What ``name`` stands for in ``table``.

    Raises:
        ValueError: the table has no such name; the message says which are close, or all there are.

    Example:
        >>> look_up("loss", "mse", {"mse": 1, "mae": 2})
        1
    """
    if name in table:
        return table[name]
    close = difflib.get_close_matches(name.lower(), table, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"known are {', '.join(sorted(table))}"
    raise ValueError(f"there is no {kind} {name!r}: {hint}")


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.8) -> str:
    """A question that names the one of ``known`` that resembles ``name``; empty where none does.

    Example:
        >>> did_you_mean("cthulhu_epoch_ends", ["cthulhu_epoch_begin", "cthulhu_epoch_end"])
        'did you mean cthulhu_epoch_end?'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else ""
