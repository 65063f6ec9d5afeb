"""The package: its entry point, what importing it imports, the example in its README."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from cthulhu_core.registry import rows
from servers import Server

import cthulhu_remote
from cthulhu.callbacks import RemoteMonitor

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


def test_examples_in_the_readme_run_as_they_are_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    with Server(is_monitor=True).running() as server:
        # Port 9000 may be taken on this machine, by a page that somebody looks at.
        documented = RemoteMonitor.__init__.__defaults__
        assert documented[0] == "http://localhost:9000"
        monkeypatch.setattr(RemoteMonitor.__init__, "__defaults__", (server.url, *documented[1:]))
        namespace = {"__name__": "readme"}
        for block in blocks:
            exec(compile(block, str(README), "exec"), namespace)
    assert server.epochs == [0, 1, 2, 3, 4]
    values = [payload for payload in server.payloads if "epoch" in payload]
    (shown,) = re.findall(r"```json\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert {tuple(payload) for payload in values} == {tuple(json.loads(shown))}
