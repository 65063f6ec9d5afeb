"""The package: its entry point, and the example in its README."""

from __future__ import annotations

import re
from pathlib import Path

from cthulhu_core.registry import rows

import cthulhu_terminate_on_nan
from cthulhu.callbacks import TerminateOnNaN

README = Path(__file__).parents[1] / "README.md"


def run_example() -> dict[str, object]:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict[str, object] = {"__name__": "readme"}
    exec(compile(example, str(README), "exec"), namespace)
    return namespace


def test_entry_point_offers_the_documented_name():
    assert TerminateOnNaN is cthulhu_terminate_on_nan.TerminateOnNaN
    found = [
        (row.record.distribution, row.record.value, row.state) for row in rows() if row.record.name == "TerminateOnNaN"
    ]
    assert found == [("cthulhu-terminate-on-nan", "cthulhu_terminate_on_nan:TerminateOnNaN", "offered")]


def test_example_in_the_readme_prints_what_the_page_says(capsys):
    run_example()
    printed = capsys.readouterr().out
    assert printed == "Epoch 00001: batch 6: invalid loss nan, terminating training\n"
    assert printed in README.read_text(encoding="utf-8")
