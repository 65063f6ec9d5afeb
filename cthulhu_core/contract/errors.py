"""Errors that implementations of the hooks raise."""

from __future__ import annotations

import os
from typing import Any


class CheckpointError(Exception):
    """A checkpoint cannot be written, read or used; the message names the file, if there is one, and the reason.

    Args:
        reason: what was found, what was expected, and what to do.
        filepath: the file.
    """

    def __init__(self, reason: str, filepath: str | os.PathLike[str] | None = None) -> None:
        self.reason = reason
        self.filepath = None if filepath is None else os.fspath(filepath)
        super().__init__(reason if filepath is None else f"{self.filepath}: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.reason, self.filepath)
