"""The declarations of an author about the callback under test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cthulhu_core.testing.failure_messages import broken, described_error
from cthulhu_core.testing.training import Outcome

MEND = "fix the line above: it failed in a plain training"


class Subject:
    """The callback under test.

    Attributes:
        picklable: whether the callback promises to survive pickling.
        allowed_imports: heavy packages that its package may import at the top, e.g. ``("numpy",)``.
        may_write: files and folders outside the current one in which it may write, besides temporary ones.
        device_reads_per_batch: how often it reads a value from the device in each batch, besides the values that the
            run reads once for all hooks that name ``logs``.
        device_reads_per_epoch: how often it does so in addition in each epoch, before validation.
        seconds_per_batch: the longest time of one call of a batch hook.
        seconds_per_epoch: the same for hooks of an epoch or a validation.
        seconds_per_run: the same for hooks of a training.
        new_in_each_run: names in its state that differ in each run, e.g. ``("started",)``.
    """

    picklable: bool = False
    allowed_imports: tuple[str, ...] = ()
    may_write: tuple[str, ...] = ()
    device_reads_per_batch: int = 0
    device_reads_per_epoch: int = 0
    seconds_per_batch: float = 0.05
    seconds_per_epoch: float = 1.0
    seconds_per_run: float = 10.0
    new_in_each_run: tuple[str, ...] = ()

    def make(self) -> Any:
        """Return a new callback. The current folder is empty and belongs to it: name files by relative paths."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make(self) that returns a new callback")

    @pytest.fixture(autouse=True)
    def _of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Use an empty folder, an empty home, and no plugins but those of the package under test."""
        for name in ("here", "home"):
            (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / "here")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.delenv("CTHULHU_CONFIG", raising=False)
        monkeypatch.setenv("CTHULHU_DISABLE", ",".join(_plugins_of_others(type(self.make()).__module__)))


def _plugins_of_others(module: str) -> list[str]:
    from cthulhu_core.installed.registry import package_of, rows

    package, _ = package_of(module)
    records = (row.record for row in rows() if row.record.kind == "plugin")
    return [record.name for record in records if record.distribution != package]


def succeed(callback: object, outcome: Outcome, when: str, cure: str) -> None:
    """Fail if ``callback`` raised an exception in a training, even if it was only logged.

    Args:
        callback: the callback under test.
        outcome: how the training ended.
        when: e.g. ``"in a training of zero epochs"``.
        cure: what its author can do.
    """
    if outcome.failures:
        broken(
            callback, f"fails {when}", expected="no exception, whether it is raised or only logged",
            found=described_error(outcome.failures[0]), cure=cure,
        )  # fmt: skip
