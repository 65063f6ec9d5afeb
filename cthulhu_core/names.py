"""Look up names; the error for an unknown name lists similar ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")


def look_up(kind: str, name: str, table: Mapping[str, T]) -> T:
    """Return the entry of ``table`` for ``name``.

    Raises:
        ValueError: there is no such name; the message lists similar ones, or all of them.

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
    """Return a question with the name in ``known`` that is most similar to ``name``; empty if none is similar.

    Example:
        >>> did_you_mean("cthulhu_epoch_ends", ["cthulhu_epoch_begin", "cthulhu_epoch_end"])
        'did you mean cthulhu_epoch_end?'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else ""
