"""Rules for entry points: names agree, nothing clashes, and each points to the right kind of object."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from cthulhu_core.authoring.checks.package import Finding, Package, entry_point
from cthulhu_core.contract.callback import Callback
from cthulhu_core.installed.registry import OFFICIAL


def offers_something(package: Package) -> Iterator[Finding]:
    """It has an entry point."""
    if not package.rows:
        yield Finding(
            "it offers nothing: it has no entry point for callbacks or plugins",
            "pyproject.toml",
            'write [project.entry-points."cthulhu.callbacks"] and below it Name = "module:Name"; install it again',
        )


def usable(package: Package) -> Iterator[Finding]:
    """The registry can use what it offers, and no other package offers the same name."""
    own = package.canonical_name
    for row in package.rows:
        if row.state in ("broken", "clash"):
            cure = (
                "choose a name that is free: `cthulhu plugins` lists those that are not" if row.state == "clash" else ""
            )
            what, _, rest = row.reason.partition(": ")
            yield Finding(f"{row.record.name}: {what}", entry_point(row), cure or rest or "name a module and a class")
        elif row.record.kind == "callback" and OFFICIAL.get(row.record.name, own) != own:
            yield Finding(
                f"{row.record.name} is the name of the callback in {OFFICIAL[row.record.name]}",
                entry_point(row),
                "choose another name: if both are installed, neither can be used",
            )


def callbacks_are_classes(package: Package) -> Iterator[Finding]:
    """The entry point of a callback points to a callback class."""
    for row, offered in package.loaded:
        if row.record.kind != "callback" or (inspect.isclass(offered) and issubclass(offered, Callback)):
            continue
        what = f"the class {offered.__qualname__}" if inspect.isclass(offered) else repr(offered)
        yield Finding(
            f"{row.record.name} is {what}, which is no callback",
            entry_point(row),
            "name a subclass of cthulhu_core.Callback; objects with hookimpl functions go to cthulhu.plugins",
        )


def names_agree(package: Package) -> Iterator[Finding]:
    """The entry point of a callback has the name of its class."""
    for row, offered in package.callbacks():
        if offered.__name__ != row.record.name:
            module = row.record.module
            yield Finding(
                f"{row.record.name} is a class named {offered.__name__}: messages and checkpoints have that name",
                entry_point(row),
                f'write {offered.__name__} = "{module}:{offered.__name__}", or rename the class',
            )


def documented(package: Package) -> Iterator[Finding]:
    """A callback has a docstring."""
    for row, offered in package.callbacks():
        if not (offered.__dict__.get("__doc__") or "").strip():
            yield Finding(
                f"{offered.__name__} has no docstring",
                package.place_of(row, offered),
                "say what it does in a sentence, then its arguments, and show an example",
            )
