"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

import pytest

from cthulhu_core.testing import PackageContract
from cthulhu_lr_scheduler import LearningRateScheduler


class TestPackage(PackageContract):
    callback = LearningRateScheduler

    def test_example_in_the_readme_runs(self, capsys):
        rates = [0.02 * (epoch + 1) if epoch < 5 else 0.1 * 0.9 ** (epoch - 4) for epoch in range(8)]
        assert self.run_readme()["history"].history["lr"] == pytest.approx(rates)
        assert capsys.readouterr().out.startswith("Epoch 00001: LearningRateScheduler setting learning rate to 0.02.\n")
