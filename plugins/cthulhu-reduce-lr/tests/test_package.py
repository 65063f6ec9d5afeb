"""The package: its entry point, and the example in its README."""

from __future__ import annotations

import re
from pathlib import Path

from cthulhu_core.registry import rows

import cthulhu_reduce_lr
from cthulhu.callbacks import ReduceLROnPlateau

README = Path(__file__).parents[1] / "README.md"


def test_entry_point_offers_the_documented_name():
    assert ReduceLROnPlateau is cthulhu_reduce_lr.ReduceLROnPlateau
    found = [row for row in rows() if row.record.name == "ReduceLROnPlateau"]
    assert [(row.record.distribution, row.record.value, row.state) for row in found] == [
        ("cthulhu-reduce-lr", "cthulhu_reduce_lr:ReduceLROnPlateau", "offered")
    ]


def test_takes_part_on_all_ranks_and_its_failures_end_training():
    assert (ReduceLROnPlateau.on_error, ReduceLROnPlateau.ranks) == ("raise", "all")


def test_example_in_the_readme_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    namespace = {"__name__": "readme"}
    exec(compile(example, str(README), "exec"), namespace)
    lr = namespace["history"].history["lr"]
    lowered = [epoch for epoch in range(1, 60) if lr[epoch] != lr[epoch - 1]]
    assert (lr[0], lr[-1], len(lowered)) == (0.1, 0.01, 4)
    assert capsys.readouterr().out.splitlines() == [
        *(f"Epoch {epoch:05d}: ReduceLROnPlateau reducing learning rate to {lr[epoch]}." for epoch in lowered),
        str(lr),
    ]
