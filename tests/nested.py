"""Tests inside a test: a file of tests is written, run by pytest in this process, and reported test by test."""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import sys
from pathlib import Path
from textwrap import dedent

import pytest

SETTINGS = """
[pytest]
addopts = --import-mode=importlib -p no:cacheprovider -p no:xdist -p no:unraisableexception
xfail_strict = true
filterwarnings = error
"""

_numbers = itertools.count()


class Reports:
    """What became of each test: ``passed``, ``failed``, ``xfailed`` or ``skipped``, and what it said."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.messages: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("::")[2]
        if report.when == "call" or report.outcome != "passed":
            xfailed = report.outcome == "skipped" and hasattr(report, "wasxfail")
            self.outcomes[name] = "xfailed" if xfailed else report.outcome
            self.messages[name] = report.longreprtext

    @property
    def failed(self) -> list[str]:
        return sorted(name for name, outcome in self.outcomes.items() if outcome == "failed")


def run_tests(folder: Path, source: str, *arguments: str, conftest: str = "") -> Reports:
    """Run the tests that ``source`` holds; ``arguments`` are pytest's."""
    folder.mkdir(exist_ok=True)
    (folder / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    (folder / "conftest.py").write_text(dedent(conftest), encoding="utf-8")
    # A name of its own: pytest takes a module that it has imported by this name before.
    file = folder / f"test_nested_{next(_numbers)}.py"
    file.write_text(dedent(source), encoding="utf-8")
    reports, printed = Reports(), io.StringIO()
    arguments = (f"--rootdir={folder}", f"-c{folder / 'pytest.ini'}", str(file), *arguments)
    with contextlib.redirect_stdout(printed), pytest.MonkeyPatch.context() as patch:
        # What a fault has left open is closed here, and not in the test that comes next: pytest keeps the last failure.
        patch.setattr(sys, "unraisablehook", lambda unraisable: None)
        pytest.main(list(arguments), plugins=[reports])
        for name in ("last_exc", "last_type", "last_value", "last_traceback"):
            vars(sys).pop(name, None)
        gc.collect()
    assert reports.outcomes, printed.getvalue()
    return reports
