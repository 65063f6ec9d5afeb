"""All rules, in the order in which their findings are printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cthulhu_core.authoring.checks import hooks, imports, metadata, offers, sources
from cthulhu_core.authoring.checks.package import Finding, Package

RULES: tuple[Callable[[Package], Iterator[Finding]], ...] = (
    offers.offers_something,
    offers.usable,
    imports.loads,
    offers.callbacks_are_classes,
    offers.names_agree,
    hooks.accepted,
    hooks.logs_are_known,
    hooks.defaults_are_fresh,
    offers.documented,
    imports.nothing_heavy,
    sources.public_names,
    metadata.requirement_on_core,
    metadata.requires_python,
    metadata.typed,
    metadata.readme,
    metadata.licence,
)


def findings(package: Package) -> list[Finding]:
    """Return the findings of all rules, each once."""
    return list(dict.fromkeys(finding for rule in RULES for finding in rule(package)))
