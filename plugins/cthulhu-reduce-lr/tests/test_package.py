"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

from cthulhu_core.testing import PackageContract
from cthulhu_reduce_lr import ReduceLROnPlateau


class TestPackage(PackageContract):
    callback = ReduceLROnPlateau

    def test_takes_part_on_all_ranks_and_its_failures_end_training(self):
        assert (ReduceLROnPlateau.on_error, ReduceLROnPlateau.ranks) == ("raise", "all")

    def test_example_in_the_readme_runs(self, capsys):
        lr = self.run_readme()["history"].history["lr"]
        lowered = [epoch for epoch in range(1, 60) if lr[epoch] != lr[epoch - 1]]
        assert (lr[0], lr[-1], len(lowered)) == (0.1, 0.01, 4)
        assert capsys.readouterr().out.splitlines() == [
            *(f"Epoch {epoch:05d}: ReduceLROnPlateau reducing learning rate to {lr[epoch]}." for epoch in lowered),
            str(lr),
        ]
