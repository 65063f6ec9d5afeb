"""List the installed callbacks and plugins.

One row for each, from the metadata of the installed packages: nothing is imported.

states:
  offered   a callback, there to be named: from cthulhu.callbacks import NAME
  on        a plugin that takes part in every run
  off       a plugin that CTHULHU_DISABLE switches off
  broken    cannot be used; the reason says why and what to do
  clash     two packages offer the same name
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from cthulhu_core.registry import Row, rows

NOTHING_INSTALLED = """\
No callbacks or plugins are installed. Each is a package of its own:

  pip install cthulhu-csv            one of them
  pip install 'cthulhu-core[all]'    all that belong to this project"""

_HEADINGS = ("NAME", "PACKAGE", "KIND", "STATE", "REASON")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print a JSON list of objects, for programs")


def run(options: argparse.Namespace) -> int:
    """Print the list."""
    found = rows()
    if options.json:
        print(json.dumps([_fields(row) for row in found], indent=2))
    elif not found:
        print(NOTHING_INSTALLED)
    else:
        print(table([_HEADINGS, *((r.name, r.package, r.kind, state, reason) for r, state, reason in found)]))
    return 0


def _fields(row: Row) -> dict[str, str]:
    record = row.record
    return {
        "name": record.name,
        "package": record.distribution,
        "version": record.version,
        "kind": record.kind,
        "entry_point": record.value,
        "state": row.state,
        "reason": row.reason,
    }


def table(lines: Sequence[Sequence[str]]) -> str:
    """The cells in aligned columns.

    >>> print(table([("NAME", "STATE"), ("CSVLogger", "offered")]))
    NAME       STATE
    CSVLogger  offered
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
