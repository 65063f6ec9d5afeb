"""What an author says of the callback under test; everything else is asked of the callback itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cthulhu_core.testing.training import Outcome
from cthulhu_core.testing.verdict import broken, told

MEND = "mend it at the line above: nothing but a plain training has been asked of the callback"


class Subject:
    """The callback under test.

    Attributes:
        picklable: whether the callback says that it survives pickling.
        allowed_imports: heavy packages that importing its package may bring nevertheless, e.g. ``("numpy",)``.
        may_write: files and folders outside the current one in which it may write, beside those for temporary files.
        device_reads_per_batch: how often it reads a value from the device in each batch, beside the values that
            the run reads once for all who name ``logs`` in a hook of a batch.
        device_reads_per_epoch: how often besides in each epoch, until its validation begins.
        seconds_per_batch: how long one call of a hook of a batch may take.
        seconds_per_epoch: the same for a hook of an epoch or of a validation.
        seconds_per_run: the same for a hook of a training.
        new_in_each_run: names in its state that are another in each run, e.g. ``("started",)``.
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
        """A new callback. The current folder is empty, and the callback's own: name files in it by a relative path."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make(self) that returns a new callback")

    @pytest.fixture(autouse=True)
    def _of_its_own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An empty folder, a home that is nobody's, and no plugins but those of the package under test."""
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
    """Fail unless a training went without an exception of ``callback``, shown or logged.

    Args:
        callback: the callback under test.
        outcome: how the training ended.
        when: ``"in a training of zero epochs"``.
        cure: what its author can do.
    """
    if outcome.failures:
        broken(
            callback, f"fails {when}", expected="no exception, whether it is raised or only logged",
            found=told(outcome.failures[0]), cure=cure,
        )  # fmt: skip
