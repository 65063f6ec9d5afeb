"""The callback in the README passes the contract, as the README tests it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from nested import run_tests

README = Path(__file__).parents[2] / "README.md"


def test_example_in_the_readme_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```py(?:thon)?\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (callback,) = (block for block in blocks if "class StopWhenGood(" in block)
    (tests,) = (block for block in blocks if "class TestStopWhenGood(" in block)
    (tmp_path / "cthulhu_stop_when_good.py").write_text(callback, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        reports = run_tests(tmp_path / "nested", tests)
    finally:
        sys.modules.pop("cthulhu_stop_when_good", None)
    assert reports.failed == [], reports.messages[reports.failed[0]]
    assert len(reports.outcomes) > 25
