"""Check an installed package as its users will meet it.

The package is read as the registry reads it, and imported once in a new process. The rules: entry points load, their
names match the classes and clash with no other package, hooks and their arguments exist, no mutable default is shared,
importing is light, only public names of the core are imported, the requirement on the core has a lower and an upper
bound, and Requires-Python, py.typed, docstrings, README and licence are present.

Each finding says what, where, and what to do. The exit status is 0 if nothing is found, 1 if something is, and 2 if
there is no such package.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from cthulhu_core.installed.registry import OFFICIAL, installed
from cthulhu_core.names import did_you_mean

if TYPE_CHECKING:
    from cthulhu_core.authoring.checks.package import Finding, Package


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the packages and ``--json``."""
    parser.add_argument(
        "packages", nargs="*", metavar="PACKAGE", help="its name for pip (default: all with entry points)"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of objects")


def run(options: argparse.Namespace) -> int:
    """Check the packages, print the findings, and return the exit status."""
    from cthulhu_core.authoring.checks.package import find, offering

    names = options.packages or offering()
    found = [(name, None if name.replace("_", "-") == "cthulhu-core" else find(name)) for name in names]
    if missing := [name for name, package in found if package is None]:
        for name in missing:
            print(_unknown(name), file=sys.stderr)
        return 2
    return _print([package for _, package in found if package is not None], options.json)


def _print(packages: Sequence[Package], as_json: bool) -> int:
    from cthulhu_core.authoring.checks.rules import RULES, findings

    checked = [(package, findings(package)) for package in packages]
    if as_json:
        print(json.dumps([_fields(package, found) for package, found in checked], indent=2))
    else:
        for package, found in checked:
            print(_text(package, found))
        if not packages:
            print("No installed package offers callbacks or plugins: pip install one, or name the one to check.")
        elif not any(found for _, found in checked):
            print(f"\nNothing found by {len(RULES)} rules in {_counted(len(packages), 'package')}.")
    return 1 if any(found for _, found in checked) else 0


def _text(package: Package, found: Sequence[Finding]) -> str:
    title = f"{package.name} {package.version}"
    if not found:
        offered = ", ".join(row.record.name for row in package.rows)
        return f"{title}: {offered}; imported in {package.imported.seconds:.2f} s"
    lines = [f"{title}: {_counted(len(found), 'finding')}"]
    for finding in found:
        lines += ["", f"  {finding.what}", f"    where  {finding.where}", f"    cure   {finding.cure}"]
    return "\n".join([*lines, ""])


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _fields(package: Package, found: Sequence[Finding]) -> dict[str, object]:
    return {
        "package": package.name,
        "version": package.version,
        "offers": [row.record.name for row in package.rows],
        "import_seconds": package.imported.seconds,
        "findings": [asdict(finding) for finding in found],
    }


def _unknown(name: str) -> str:
    if name.replace("_", "-") == "cthulhu-core":
        return "cthulhu-core is what packages are checked against: name one of them"
    records = installed()
    owners = {record.name: record.distribution for record in records} | OFFICIAL
    if name in owners:
        return f"{name} is in the package {owners[name]}: cthulhu check {owners[name]}"
    hint = did_you_mean(name, {record.distribution for record in records}, cutoff=0.6)
    hint = f"{hint} If not, " if hint else ""
    return f"no package {name!r} is installed: {hint}pip install {name}, or in its folder: pip install -e ."
