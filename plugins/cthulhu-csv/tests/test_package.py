"""The package: its entry point, and the example in its README."""

from __future__ import annotations

import re
from pathlib import Path

from cthulhu_core.registry import rows

import cthulhu_csv
from cthulhu.callbacks import CSVLogger

README = Path(__file__).parents[1] / "README.md"


def test_entry_point_offers_the_documented_name():
    assert CSVLogger is cthulhu_csv.CSVLogger
    found = [(row.record.distribution, row.record.value, row.state) for row in rows() if row.record.name == "CSVLogger"]
    assert found == [("cthulhu-csv", "cthulhu_csv:CSVLogger", "offered")]


def test_observer_writes_in_the_main_process_and_never_ends_training():
    assert (CSVLogger.on_error, CSVLogger.ranks) == ("disable", "main")


def test_example_in_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, str(README), "exec"), {"__name__": "readme"})
    lines = Path("run/log.csv").read_text().splitlines()
    assert lines[0] == "epoch,acc,loss,val_acc,val_loss"
    assert [line.partition(",")[0] for line in lines[1:]] == ["0", "1", "2", "3", "4"]
