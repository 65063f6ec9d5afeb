"""Rules for the metadata of a package: requirements, README, licence, Python versions, types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from cthulhu_core.authoring.checks.package import Finding, Package
from cthulhu_core.version import __version__

_DEPENDENCIES = "pyproject.toml, [project] dependencies"


# The operators that give a lower and an upper bound.
_BOUNDS = {"floor": {">=", ">", "~=", "==", "==="}, "ceiling": {"<", "<=", "~=", "==", "==="}}


def requirement() -> str:
    """Return the requirement on the core for a new package."""
    major, minor = __version__.split(".")[:2]
    return f"cthulhu-core>={major}.{minor},<{int(major) + 1}"


def requirement_on_core(package: Package) -> Iterator[Finding]:
    """It requires a range of versions of the core: from the one it was written for to the next that may break it."""
    from packaging.specifiers import SpecifierSet

    cure = f'write "{requirement()}"'
    required = next((row.record.core for row in package.rows), "")
    if not required:
        yield Finding("it does not say which versions of cthulhu-core it needs", _DEPENDENCIES, cure)
        return
    operators = {specifier.operator for specifier in SpecifierSet(required)}
    missing = [bound for bound, those in _BOUNDS.items() if not operators & those]
    if missing:
        yield Finding(f"cthulhu-core{required} has no {' and no '.join(missing)}", _DEPENDENCIES, cure)
    elif operators & {"==", "==="}:
        what = f"cthulhu-core{required} cannot be installed beside a package that needs another version"
        yield Finding(what, _DEPENDENCIES, cure)


def readme(package: Package) -> Iterator[Finding]:
    """Its description is longer than a line."""
    metadata = package.distribution.metadata
    # Its place depends on the version of the metadata.
    description = metadata.get("Description") or metadata.get_payload() or ""
    if not description.strip() or description.strip() == "UNKNOWN":
        yield Finding(
            "it has no README: its page in a package index is empty",
            "pyproject.toml, [project] readme",
            'write a README.md and readme = "README.md"',
        )


def licence(package: Package) -> Iterator[Finding]:
    """It includes its licence."""
    files = [PurePath(str(file)) for file in package.distribution.files or ()]
    informing = [file.name for file in files if any(part.endswith((".dist-info", ".egg-info")) for part in file.parts)]
    if not any(re.match(r"(licen[cs]e|copying)", name, re.IGNORECASE) for name in informing):
        yield Finding(
            "it has no licence, so nobody may use it",
            "pyproject.toml, [project] license-files",
            'write a LICENSE and license-files = ["LICENSE"]',
        )


def requires_python(package: Package) -> Iterator[Finding]:
    """It declares the Python versions it supports."""
    if not package.distribution.metadata.get("Requires-Python"):
        yield Finding(
            "it does not say which versions of Python it is for: pip installs it on all of them",
            "pyproject.toml, [project] requires-python",
            'write requires-python = ">=3.10", or what it is tested with',
        )


def typed(package: Package) -> Iterator[Finding]:
    """It has py.typed, which tells type checkers that it is annotated."""
    for module, folder in package.folders.items():
        if not folder.is_dir():
            yield Finding(
                "a single file cannot say that it has types",
                folder.name,
                f"make it a folder: {module}/__init__.py, and an empty {module}/py.typed",
            )
        elif not (folder / "py.typed").exists():
            yield Finding(
                "type checkers do not read its annotations: it has no py.typed",
                f"{module}/",
                f"add an empty file {module}/py.typed to the package",
            )
