"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

from pathlib import Path

from cthulhu_core.testing import PackageContract
from cthulhu_csv import CSVLogger


class TestPackage(PackageContract):
    callback = CSVLogger

    def test_observer_writes_in_the_main_process_and_never_ends_training(self):
        assert (CSVLogger.on_error, CSVLogger.ranks) == ("disable", "main")

    def test_example_in_the_readme_runs(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        self.run_readme()
        lines = Path("run/log.csv").read_text().splitlines()
        assert lines[0] == "epoch,acc,loss,val_acc,val_loss"
        assert [line.partition(",")[0] for line in lines[1:]] == ["0", "1", "2", "3", "4"]
