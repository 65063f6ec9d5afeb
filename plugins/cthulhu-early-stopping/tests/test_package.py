"""The package: its entry point, and the example in its README."""

from __future__ import annotations

import re
from pathlib import Path

from cthulhu_core.registry import rows

import cthulhu_early_stopping
from cthulhu.callbacks import EarlyStopping

README = Path(__file__).parents[1] / "README.md"


def test_entry_point_offers_the_documented_name():
    assert EarlyStopping is cthulhu_early_stopping.EarlyStopping
    found = [row for row in rows() if row.record.name == "EarlyStopping"]
    assert [(row.record.distribution, row.record.value, row.state) for row in found] == [
        ("cthulhu-early-stopping", "cthulhu_early_stopping:EarlyStopping", "offered")
    ]


def test_takes_part_on_all_ranks_and_its_failures_end_training():
    assert (EarlyStopping.on_error, EarlyStopping.ranks) == ("raise", "all")


def test_example_in_the_readme_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    namespace = {"__name__": "readme"}
    exec(compile(example, str(README), "exec"), namespace)
    epochs, best = len(namespace["history"].epoch), namespace["stop"].best_epoch + 1
    assert epochs < 200
    assert capsys.readouterr().out.splitlines() == [
        "Restoring model weights from the end of the best epoch",
        f"Epoch {epochs:05d}: early stopping",
        f"val_loss was best in epoch {best:05d}: {namespace['stop'].best:.6g}",
        f"{epochs} epochs of 200; the model is that of epoch {best}: {namespace['stop'].best:.5f}",
    ]
