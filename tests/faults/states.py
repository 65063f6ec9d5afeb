"""Faults in the state of a callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cthulhu_core import Callback, Logs, hookimpl


class RemembersAPath(Callback):
    """Its state is no plain data."""

    caught_by = "test_state_is_plain_data"

    def state_dict(self) -> dict[str, Any]:
        return {"path": Path("log.csv")}


class ForgetsHalf(Callback):
    """It takes back only a part of its state."""

    caught_by = "test_state_comes_back_as_it_was"
    best, since = 0.5, 0

    def on_train_begin(self, logs: Logs) -> None:
        self.since = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.since += 1

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "since": self.since}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]


class ForgetsAll(Callback):
    """It counts epochs, and has no state."""

    caught_by = "test_resumed_run_ends_as_one_never_interrupted"

    def on_train_begin(self, logs: Logs) -> None:
        self.seen = 0

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        self.seen += 1
        logs["seen"] = self.seen


class ForgetsTheEpoch(Callback):
    """It counts the batches of an epoch, and has no state: between two epochs that makes no difference."""

    caught_by = "test_run_resumed_in_the_midst_of_an_epoch_ends_as_one_never_interrupted"
    seen = 0

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        self.seen = 0

    @hookimpl
    def cthulhu_batch_end(self, batch: int) -> None:
        self.seen += 1

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs["seen"] = self.seen


class CannotBePickled(Callback):
    """It says that it can be pickled, and holds a function that has no name."""

    caught_by = "test_it_survives_pickling_when_it_says_so"
    declared = {"picklable": True}

    def __init__(self) -> None:
        self.better = lambda new, old: new < old
