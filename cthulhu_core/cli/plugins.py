"""List the installed callbacks and plugins.

The list is read from the metadata of installed packages, without importing them. With --check, each is imported in a
new process; the time beyond that of cthulhu-core is shown, and the exit status is 1 if one cannot be used.

states:
  offered   a callback that can be imported: from cthulhu.callbacks import NAME
  on        a plugin that takes part in every run
  off       a plugin that CTHULHU_DISABLE switches off
  broken    cannot be used; the reason says why and what to do
  clash     two packages offer the same name
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from cthulhu_core.contract.conformance import RefusedCallback, validate
from cthulhu_core.installed.registry import PluginError, Row, load, load_callback, misspelt_switches, rows

NOTHING_INSTALLED = """\
No callbacks or plugins are installed. Each is a separate package:

  pip install cthulhu-csv            one of them
  pip install 'cthulhu-core[all]'    all documented callbacks"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--json`` and ``--check``."""
    parser.add_argument("--json", action="store_true", help="print a JSON list of objects")
    parser.add_argument("--check", action="store_true", help="import each one and show how long that takes")


def run(options: argparse.Namespace) -> int:
    """Print the list."""
    found = rows()
    seconds: list[float | None] = [None] * len(found)
    if options.check:
        checked = [_checked(row) for row in found]
        found, seconds = [row for row, _ in checked], [each for _, each in checked]
    if options.json:
        print(json.dumps([_fields(row, each, options) for row, each in zip(found, seconds, strict=True)], indent=2))
    elif not found:
        print(NOTHING_INSTALLED)
    else:
        print(table([_cells(row, each, options) for row, each in [(None, None), *zip(found, seconds, strict=True)]]))
    for line in misspelt_switches():
        print(line, file=sys.stderr)
    return int(options.check and any(row.state in ("broken", "clash") for row in found))


def _checked(row: Row) -> tuple[Row, float | None]:
    """Import the object of ``row``; return its new state, and the seconds that importing takes, if it is tried."""
    from cthulhu_core.authoring.checks.importing import find_out

    if row.state in ("off", "broken", "clash"):
        return row, None
    module = row.record.module
    imported = find_out([module])
    reason = imported.failed.get(module, "")
    if reason:
        reason = f"{row.record} cannot be imported: {reason}"
    else:
        # The other process could import it, so this one can.
        try:
            if row.record.kind == "plugin":
                validate(load(row))
            else:
                load_callback(row)
        except (PluginError, RefusedCallback) as error:
            reason = str(error)
    return row._replace(state="broken", reason=reason) if reason else row, imported.seconds


def _cells(row: Row | None, seconds: float | None, options: argparse.Namespace) -> list[str]:
    """Return a line of the table, or its headings if ``row`` is None."""
    if row is None:
        cells = ["NAME", "PACKAGE", "KIND", "STATE", "IMPORT", "REASON"]
    else:
        took = "" if seconds is None else f"{seconds:.2f} s"
        cells = [row.record.name, row.record.package, row.record.kind, row.state, took, row.reason]
    return [cell for place, cell in enumerate(cells) if options.check or place != 4]


def _fields(row: Row, seconds: float | None, options: argparse.Namespace) -> dict[str, Any]:
    record = row.record
    fields = {
        "name": record.name,
        "package": record.distribution,
        "version": record.version,
        "kind": record.kind,
        "entry_point": record.value,
        "state": row.state,
        "reason": row.reason,
    }
    return fields | ({"import_seconds": None if seconds is None else round(seconds, 4)} if options.check else {})


def table(lines: Sequence[Sequence[str]]) -> str:
    """Return the cells in aligned columns.

    >>> print(table([("NAME", "STATE"), ("CSVLogger", "offered")]))
    NAME       STATE
    CSVLogger  offered
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
