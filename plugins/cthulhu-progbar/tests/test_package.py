"""The package: its entry point, and the example in its README."""

from __future__ import annotations

import re
from pathlib import Path

from cthulhu_core.registry import rows

import cthulhu_progbar
from cthulhu.callbacks import ProgbarLogger

README = Path(__file__).parents[1] / "README.md"


def run_example() -> dict[str, object]:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict[str, object] = {"__name__": "readme"}
    exec(compile(example, str(README), "exec"), namespace)
    return namespace


def test_entry_point_offers_the_documented_name():
    assert ProgbarLogger is cthulhu_progbar.ProgbarLogger
    found = [
        (row.record.distribution, row.record.value, row.state) for row in rows() if row.record.name == "ProgbarLogger"
    ]
    assert found == [("cthulhu-progbar", "cthulhu_progbar:ProgbarLogger", "offered")]


def test_plugin_takes_part_in_every_run():
    found = [(row.record.kind, row.record.value, row.state) for row in rows() if row.record.name == "progbar"]
    assert found == [("plugin", "cthulhu_progbar.plugin", "on")]


def test_example_in_the_readme_prints_a_line_an_epoch(capsys):
    run_example()
    lines = capsys.readouterr().out.splitlines()
    number = r"\d+\.\d{4}"
    values = rf"\d+\.\ds  loss {number}  acc {number}  val_loss {number}  val_acc {number}"
    assert len(lines) == 3
    for epoch, line in enumerate(lines, 1):
        assert re.fullmatch(rf"Epoch {epoch}/3  {values}", line)
