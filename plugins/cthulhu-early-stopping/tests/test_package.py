"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

from cthulhu_core.testing import PackageContract
from cthulhu_early_stopping import EarlyStopping


class TestPackage(PackageContract):
    callback = EarlyStopping

    def test_takes_part_on_all_ranks_and_its_failures_end_training(self):
        assert (EarlyStopping.on_error, EarlyStopping.ranks) == ("raise", "all")

    def test_example_in_the_readme_runs(self, capsys):
        namespace = self.run_readme()
        epochs, best = len(namespace["history"].epoch), namespace["stop"].best_epoch + 1
        assert epochs < 200
        assert capsys.readouterr().out.splitlines() == [
            "Restoring model weights from the end of the best epoch",
            f"Epoch {epochs:05d}: early stopping",
            f"val_loss was best in epoch {best:05d}: {namespace['stop'].best:.6g}",
            f"{epochs} of 200 epochs; the model has the weights of epoch {best}: {namespace['stop'].best:.5f}",
        ]
