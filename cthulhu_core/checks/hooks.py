"""Rules for hooks and signatures. What a run refuses is said in validation.py, and asked there."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from cthulhu_core.callback import Callback
from cthulhu_core.checks.package import Finding, Package, entry_point
from cthulhu_core.validation import problems, problems_of_class


def accepted(package: Package) -> Iterator[Finding]:
    """A run accepts its callbacks and plugins: hooks and their arguments are real, declarations have known values."""
    for row, offered in package.loaded:
        if row.record.kind == "callback":
            if inspect.isclass(offered) and issubclass(offered, Callback):
                where = package.place_of(offered)
                yield from (Finding(what, where, cure) for what, cure in problems_of_class(offered))
        else:
            defined = offered if inspect.ismodule(offered) else type(offered)
            where = entry_point(row) if defined.__module__ == "builtins" else package.place_of(defined)
            yield from (Finding(what, where, cure) for what, cure in problems(offered))


def defaults_are_fresh(package: Package) -> Iterator[Finding]:
    """No default of a constructor is an object that all instances would share and change."""
    for _, offered in package.callbacks():
        for parameter in inspect.signature(offered).parameters.values():
            if isinstance(parameter.default, (list, dict, set, bytearray)):
                yield Finding(
                    f"{offered.__name__}({parameter}): all instances share this {type(parameter.default).__name__}",
                    package.place_of(offered),
                    f"write {parameter.name}=None and make it in the constructor, or use a tuple",
                )
