"""Faults in costs."""

from __future__ import annotations

import time

from cthulhu_core import Callback, Run, hookimpl


class ReadsEachLoss(Callback):
    """It waits for the device in each batch, without declaring it."""

    caught_by = "test_device_is_read_no_more_than_declared"

    @hookimpl
    def cthulhu_batch_end(self, run: Run) -> None:
        self.last = float(run.current.values.get("loss", 0.0))


class TakesItsTime(Callback):
    """It waits in each batch."""

    caught_by = "test_no_hook_takes_longer_than_its_budget"
    declared = {"seconds_per_batch": 0.005}

    @hookimpl
    def cthulhu_batch_end(self, batch: int) -> None:
        time.sleep(0.01)
