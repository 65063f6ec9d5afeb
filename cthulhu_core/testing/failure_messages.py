"""The messages of failed standard tests: the problem, what was expected and found, and the cure."""

from __future__ import annotations

import textwrap
import traceback
from pathlib import Path
from typing import NoReturn

import pytest

from cthulhu_core.contract.conformance import name_of

_WIDTH = 100  # characters in a line, without its label

_CORE = str(Path(__file__).parents[1])


def broken(callback: object, what: str, *, expected: str, found: str, cure: str) -> NoReturn:
    """Fail the test that is running.

    Args:
        callback: the callback under test, or its class.
        what: the rest of a sentence that begins with its name, e.g. ``"leaves a file open"``.
        expected: what every callback owes.
        found: what this one did.
        cure: what its author can do.
    """
    name = callback.__name__ if isinstance(callback, type) else name_of(callback)
    rows = {"expected": textwrap.fill(expected, _WIDTH), "found": found, "cure": textwrap.fill(cure, _WIDTH)}
    lines = [f"{name} {what}.", "", *(_row(label, text) for label, text in rows.items())]
    # Frames of the core tell the author nothing.
    raise pytest.fail.Exception("\n".join(lines), pytrace=False) from None


def _row(label: str, text: str) -> str:
    return textwrap.indent(text, " " * 12).replace(" " * 12, f"  {label:<10}", 1)


def shown(path: object) -> str:
    """Return a path relative to the current folder or the home, if it is in one of them."""
    for folder, name in ((Path.cwd(), ""), (Path.home(), "~/")):
        if Path(str(path)).is_relative_to(folder):
            return name + str(Path(str(path)).relative_to(folder))
    return str(path)


def described_error(error: BaseException) -> str:
    """Return ``error`` in a few lines: its message, its notes, and the author's lines of code that led to it.

    Example:
        >>> described_error(ValueError("no such column"))
        'ValueError: no such column'
    """
    lines = "".join(traceback.format_exception_only(type(error), error)).rstrip().splitlines()
    lines += [note for note in getattr(error, "__notes__", ()) if note not in lines]
    theirs = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_CORE)]
    for frame in theirs[-3:]:
        lines += [f"at {frame.filename}:{frame.lineno}, in {frame.name}", f"    {frame.line}"]
    return "\n".join(lines)
