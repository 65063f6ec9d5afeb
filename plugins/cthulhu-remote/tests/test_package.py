"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from servers import Server

from cthulhu_core.testing import PackageContract
from cthulhu_remote import RemoteMonitor


class TestPackage(PackageContract):
    callback = RemoteMonitor

    def test_import_brings_nothing_heavy(self):
        code = (
            "import cthulhu_remote, sys\n"
            "cthulhu_remote.RemoteMonitor()\n"
            "print(sorted({'torch', 'numpy', 'requests', 'starlette', 'uvicorn'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout == "[]\n"

    def test_observer_sends_from_the_main_process_and_never_ends_training(self):
        assert (RemoteMonitor.on_error, RemoteMonitor.ranks, RemoteMonitor.logged) == ("disable", "main", ())

    def test_examples_in_the_readme_run_as_they_are_printed(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with Server(is_monitor=True).running() as server:
            # Port 9000 may be taken on this machine, by a page that somebody looks at.
            documented = RemoteMonitor.__init__.__defaults__
            assert documented[0] == "http://localhost:9000"
            monkeypatch.setattr(RemoteMonitor.__init__, "__defaults__", (server.url, *documented[1:]))
            self.run_readme(0, 1)
        assert server.epochs == [0, 1, 2, 3, 4]
        values = [payload for payload in server.payloads if "epoch" in payload]
        (shown,) = re.findall(r"```json\n(.*?)```", self.readme, re.DOTALL)
        assert {tuple(payload) for payload in values} == {tuple(json.loads(shown))}
