"""What importing an entry point does, seen from outside: in a process of its own, which may fail in any way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import NamedTuple

from cthulhu_core.registry import Row

SECONDS = 120
"""How long an import may take."""

_CODE = """
import json, sys
from time import perf_counter
from cthulhu_core.registry import PluginError, Record, Row, load
from cthulhu_core.validation import RefusedCallback, validate

record, *row = json.loads(sys.argv[1])
record = Record(*record)
reason = ""
begun = perf_counter()
try:
    loaded = load(Row(record, *row))
    seconds = perf_counter() - begun
    if record.kind == "plugin":
        validate(loaded)
except (PluginError, RefusedCallback) as error:
    seconds, reason = perf_counter() - begun, str(error)
except BaseException as error:
    seconds, reason = perf_counter() - begun, f"{record} cannot be imported: {type(error).__name__}: {error}"
print("\\n" + json.dumps([seconds, reason]))
"""


class Import(NamedTuple):
    """How an import went.

    Attributes:
        seconds: how long it took, beyond importing the core; None where it did not end.
        reason: why what was imported cannot be used; empty where it can.
    """

    seconds: float | None
    reason: str


def imported(row: Row) -> Import:
    """Import what ``row`` stands for in a fresh interpreter, as this one would."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CODE, json.dumps(row)],
            env=environment, capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Import(None, f"{row.record} cannot be imported: it has not ended after {SECONDS} s")
    try:
        return Import(*json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, TypeError, ValueError):  # the process ended before it could say anything
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        return Import(None, f"{row.record} ends the process that imports it, with status {done.returncode}: {last}")
