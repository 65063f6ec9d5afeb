"""The package: its entry point, and the example in its README."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cthulhu_core.registry import rows

import cthulhu_lr_scheduler
from cthulhu.callbacks import LearningRateScheduler

README = Path(__file__).parents[1] / "README.md"


def run_example() -> dict[str, object]:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict[str, object] = {"__name__": "readme"}
    exec(compile(example, str(README), "exec"), namespace)
    return namespace


def test_entry_point_offers_the_documented_name():
    assert LearningRateScheduler is cthulhu_lr_scheduler.LearningRateScheduler
    found = [
        (row.record.distribution, row.record.value, row.state)
        for row in rows()
        if row.record.name == "LearningRateScheduler"
    ]
    assert found == [("cthulhu-lr-scheduler", "cthulhu_lr_scheduler:LearningRateScheduler", "offered")]


def test_example_in_the_readme_runs(capsys):
    rates = [0.02 * (epoch + 1) if epoch < 5 else 0.1 * 0.9 ** (epoch - 4) for epoch in range(8)]
    assert run_example()["history"].history["lr"] == pytest.approx(rates)
    assert capsys.readouterr().out.startswith("Epoch 00001: LearningRateScheduler setting learning rate to 0.02.\n")
