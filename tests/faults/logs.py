"""Faults in values and logs."""

from __future__ import annotations

from pathlib import Path

from cthulhu_core import Callback, Logs


class RoundsTheLoss(Callback):
    """It makes an integer of what may be NaN."""

    caught_by = "test_values_that_are_not_finite_are_taken"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.percent = int(100 * logs.get("loss", 0.0))


class CountsOnTheLoss(Callback):
    """It takes a value that need not be there."""

    caught_by = "test_missing_values_are_taken"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.last = logs["loss"]


class WritesInTheLanguageOfTheSystem(Callback):
    """It opens a text file without saying how text becomes bytes."""

    caught_by = "test_names_in_any_script_are_taken"
    ranks = "main"

    def on_train_begin(self, logs: Logs) -> None:
        Path("names.txt").touch()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        with Path("names.txt").open("a") as file:
            file.write("\n".join(logs))


class LogsWithoutSayingSo(Callback):
    """It adds a name that its class does not declare."""

    caught_by = "test_it_logs_what_it_declares"
    logged = ()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs["seconds"] = 1.0


class LogsATensor(Callback):
    """It adds a value that only PyTorch understands."""

    caught_by = "test_it_logs_plain_values"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        import torch

        logs["norm"] = torch.tensor(1.0)


class RoundsTheLogs(Callback):
    """It changes logs of others."""

    caught_by = "test_values_of_others_stay"

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs.update({name: round(value, 3) if value == value else value for name, value in logs.items()})
