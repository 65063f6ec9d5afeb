"""A module that says hello."""

from __future__ import annotations

from cthulhu_core import Callback

print("talkative 1.0, have fun!")  # noqa: T201 - the fault


class PrintsWhenImported(Callback):
    """Its module prints a line."""

    caught_by = "test_import_does_nothing"
