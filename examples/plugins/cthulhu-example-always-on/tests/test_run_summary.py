"""The line at the end of each run, in real trainings with a fake clock."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import torch

import cthulhu_example_always_on as plugin
from cthulhu_core import Run, planned_names

README = Path(__file__).parents[1] / "README.md"
SUMMARY = r"run over after (\d+) batches, (\d+\.\d) s; peak memory (\d+) MiB"


def plugin_name():
    """The name of the plugin in ``CTHULHU_DISABLE``, from its metadata."""
    (point,) = [point for point in entry_points(group="cthulhu.plugins") if point.value == plugin.__name__]
    return point.name


def train(batches=3, inner=None, error=None):
    with Run(torch.nn.Linear(1, 1), epochs=2) as run:
        for _ in run.epochs():
            for _ in run.batches([torch.zeros(1, 1)] * batches):
                run.record(loss=1.0)
            if inner is not None:
                inner()
            if error is not None:
                raise error


@pytest.fixture
def said(caplog, monkeypatch):
    """The logged lines as (batches, seconds, MiB). Each read advances the clock by 1.5 s."""
    caplog.set_level(logging.INFO, plugin.__name__)
    times = iter(range(100))
    monkeypatch.setattr(plugin, "perf_counter", lambda: 1.5 * next(times))
    return lambda: [re.fullmatch(SUMMARY, record.getMessage()).groups() for record in caplog.records]


def test_each_run_says_its_batches_seconds_and_memory(said):
    train(batches=3)
    train(batches=5)
    assert [(batches, seconds) for batches, seconds, _ in said()] == [("6", "1.5"), ("10", "1.5")]
    # PyTorch alone takes tens of MiB, and the test process has less than a TiB.
    assert all(50 < int(memory) < 2**20 for _, _, memory in said())


def test_run_within_a_run_has_a_line_of_its_own(said):
    train(batches=3, inner=lambda: train(batches=1))
    # Each of the two inner runs reads the clock twice, and so does the outer one around them.
    assert [(batches, seconds) for batches, seconds, _ in said()] == [("2", "1.5"), ("2", "1.5"), ("6", "7.5")]


def test_run_that_fails_says_it_too(said):
    with pytest.raises(OSError, match="no space left"):
        train(batches=4, error=OSError("no space left"))
    assert [batches for batches, _, _ in said()] == ["4"]


def test_names_that_epochs_will_log_are_known_before_training():
    run = Run(torch.nn.Linear(1, 1), metrics=["loss"])
    assert planned_names(run) == ["loss"]


def test_example_logs_what_it_promises(said):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    (promised,) = re.findall(rf"# INFO:{plugin.__name__}:(.*)", example)
    ((batches, _, _),) = said()
    assert re.fullmatch(SUMMARY, promised).group(1) == batches == "6"


def test_switched_off_it_says_nothing(said, monkeypatch):
    monkeypatch.setenv("CTHULHU_DISABLE", plugin_name())
    train()
    assert said() == []


@pytest.mark.parametrize("disabled", [True, False])
def test_switched_off_it_is_not_even_imported(disabled, monkeypatch):
    monkeypatch.setenv("CTHULHU_DISABLE", plugin_name() if disabled else "")
    code = f"import sys; from cthulhu_core import Run; Run(None); print({plugin.__name__!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == f"{not disabled}\n"
