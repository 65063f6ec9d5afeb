"""The package: its entry point, what importing it imports, the example in its README."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cthulhu_remote
from cthulhu.callbacks import RemoteMonitor
from cthulhu_core.registry import rows

README = Path(__file__).parents[1] / "README.md"


def test_entry_point_offers_the_documented_name():
    assert RemoteMonitor is cthulhu_remote.RemoteMonitor
    found = [
        (row.record.distribution, row.record.value, row.state) for row in rows() if row.record.name == "RemoteMonitor"
    ]
    assert found == [("cthulhu-remote", "cthulhu_remote:RemoteMonitor", "offered")]


def test_import_brings_nothing_heavy():
    code = (
        "import cthulhu_remote, sys\n"
        "cthulhu_remote.RemoteMonitor()\n"
        "print(sorted({'torch', 'numpy', 'requests', 'starlette', 'uvicorn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"


def test_observer_sends_from_the_main_process_and_never_ends_training():
    assert (RemoteMonitor.on_error, RemoteMonitor.ranks, RemoteMonitor.logged) == ("disable", "main", ())
