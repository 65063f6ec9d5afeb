"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

import json
from pathlib import Path

from cthulhu_core.testing import PackageContract
from cthulhu_lukthu import LuKthuCallback


class TestPackage(PackageContract):
    callback = LuKthuCallback

    def test_example_in_the_readme_runs(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        self.run_readme()
        lines = [json.loads(line) for line in Path("loss_log.json").read_text().splitlines()]
        assert [line["epoch"] for line in lines] == [0, 1, 2]
        assert all(line["loss"] > 0 for line in lines)
