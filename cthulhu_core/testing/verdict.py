"""What a failed standard test says: what is wrong, what was expected and found, and how to mend it."""

from __future__ import annotations

import textwrap
import traceback
from pathlib import Path
from typing import NoReturn

import pytest

from cthulhu_core.contract.conformance import name_of

_WIDTH = 100  # what stands in a line of a message, beside its label

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
    # The frames between the test and here are ours, and tell the author nothing; nor does what led to it.
    raise pytest.fail.Exception("\n".join(lines), pytrace=False) from None


def _row(label: str, text: str) -> str:
    return textwrap.indent(text, " " * 12).replace(" " * 12, f"  {label:<10}", 1)


def shown(path: object) -> str:
    """A path as a message names it: relative to the current folder, or to the home, where it is in one."""
    for folder, name in ((Path.cwd(), ""), (Path.home(), "~/")):
        if Path(str(path)).is_relative_to(folder):
            return name + str(Path(str(path)).relative_to(folder))
    return str(path)


def told(error: BaseException) -> str:
    """``error`` in a few lines: what it says, whose it is, and the lines of code outside the core that led to it.

    Example:
        >>> told(ValueError("no such column"))
        'ValueError: no such column'
    """
    lines = "".join(traceback.format_exception_only(type(error), error)).rstrip().splitlines()
    lines += [note for note in getattr(error, "__notes__", ()) if note not in lines]
    theirs = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_CORE)]
    for frame in theirs[-3:]:
        lines += [f"at {frame.filename}:{frame.lineno}, in {frame.name}", f"    {frame.line}"]
    return "\n".join(lines)
