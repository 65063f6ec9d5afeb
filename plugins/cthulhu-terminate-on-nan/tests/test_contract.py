"""TerminateOnNaN keeps the contract of callbacks."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_terminate_on_nan import TerminateOnNaN


class TestTerminateOnNaN(CallbackContract):
    device_reads_per_batch = 1  # the loss

    def make(self) -> TerminateOnNaN:
        return TerminateOnNaN()
