"""Rules for importing a package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cthulhu_core.authoring.checks.package import Finding, Package, entry_point


def loads(package: Package) -> Iterator[Finding]:
    """Its entry points can be imported."""
    for row, cause in package.failures:
        module, _, attribute = row.record.value.partition(":")
        statement = f"from {module} import {attribute.partition('.')[0]}" if attribute else f"import {module}"
        yield Finding(
            f"{row.record.name} cannot be imported: {cause}",
            entry_point(row),
            f"see it fail: python -c '{statement}'",
        )


def nothing_heavy(package: Package) -> Iterator[Finding]:
    """Importing it imports only the core and the standard library; everything else waits until it is used."""
    for name, file, line in package.imported.others:
        yield Finding(
            f"importing it imports {name} ({package.imported.seconds:.1f} s in all) before anything is used",
            package.where(Path(file), line),
            f"import {name} in the function that uses it; for annotations, under `if TYPE_CHECKING:`",
        )
