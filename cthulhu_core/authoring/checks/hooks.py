"""Rules for hooks and signatures; ``contract/conformance.py`` decides what a run refuses."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from cthulhu_core.authoring.checks.package import Finding, Package
from cthulhu_core.contract.callback import Callback
from cthulhu_core.contract.conformance import problems, problems_of_class
from cthulhu_core.run.planned_logs import added_by


def accepted(package: Package) -> Iterator[Finding]:
    """A run accepts its callbacks and plugins: hooks and their arguments exist, declarations have known values."""
    for row, offered in package.loaded:
        if row.record.kind == "plugin":
            found = problems(offered)
        elif inspect.isclass(offered) and issubclass(offered, Callback):
            found = problems_of_class(offered)
        else:
            continue  # offers.py reports it
        for what, cure, member in found:
            yield Finding(what, package.place_of(row, offered, member), cure)


def logs_are_known(package: Package) -> Iterator[Finding]:
    """A plugin that is in every run declares what it logs, or no run knows its names in advance."""
    for row, offered in package.loaded:
        if row.record.kind == "plugin" and added_by(offered) is None:
            yield Finding(
                f"{row.record.name} is called in every run and does not say which names it logs: planned_names() is "
                "None for all",
                package.place_of(row, offered),
                "write logged = (), or the names, beside its hooks",
            )


def defaults_are_fresh(package: Package) -> Iterator[Finding]:
    """No default of a constructor is a mutable object that all instances share."""
    for row, offered in package.callbacks():
        for parameter in inspect.signature(offered).parameters.values():
            if isinstance(parameter.default, (list, dict, set, bytearray)):
                yield Finding(
                    f"{offered.__name__}({parameter}): all instances share this {type(parameter.default).__name__}",
                    package.place_of(row, offered),
                    f"write {parameter.name}=None and make it in the constructor, or use a tuple",
                )
