"""Faults in constructors."""

from __future__ import annotations

from pathlib import Path

from cthulhu_core import Callback, Logs


class IsMisspelt(Callback):
    """A hook has a name that no hook has."""

    caught_by = "test_run_takes_it"

    def on_epoch_ends(self, epoch: int, logs: Logs) -> None:
        logs["done"] = True


class WritesWhenMade(Callback):
    """Its folder is made before anybody trains."""

    caught_by = "test_making_it_does_nothing"

    def __init__(self) -> None:
        Path("logs").mkdir(exist_ok=True)


class SharesItsList(Callback):
    """What it remembers is an attribute of the class."""

    caught_by = "test_two_instances_share_nothing"
    losses: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.losses.append(epoch)
