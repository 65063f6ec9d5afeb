"""The package: its entry point, and the example in its README."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cthulhu_core.registry import rows

import cthulhu_lukthu
from cthulhu.callbacks import LuKthuCallback

README = Path(__file__).parents[1] / "README.md"


def run_example() -> dict[str, object]:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict[str, object] = {"__name__": "readme"}
    exec(compile(example, str(README), "exec"), namespace)
    return namespace


def test_entry_point_offers_the_documented_name():
    assert LuKthuCallback is cthulhu_lukthu.LuKthuCallback
    found = [
        (row.record.distribution, row.record.value, row.state) for row in rows() if row.record.name == "LuKthuCallback"
    ]
    assert found == [("cthulhu-lukthu", "cthulhu_lukthu:LuKthuCallback", "offered")]


def test_example_in_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_example()
    lines = [json.loads(line) for line in Path("loss_log.json").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert all(line["loss"] > 0 for line in lines)
