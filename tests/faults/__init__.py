"""Callbacks with one fault each, which a standard test catches, and some without any.

Each class names this test in ``caught_by``. ``declared`` holds the declarations of the test.
"""

from __future__ import annotations

from faults import constructors, costs, endings, files, logs, runs, states

FAULTS = [
    f"{each.__module__}.{name}"
    for module in (constructors, runs, endings, states, logs, files, costs)
    for name, each in vars(module).items()
    if hasattr(each, "caught_by")
] + ["faults.heavy.ImportsAtOnce", "faults.talkative.PrintsWhenImported"]
"""The dotted names of the callbacks with a fault."""
