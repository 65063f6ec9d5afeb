"""LearningRateScheduler keeps the contract of callbacks."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_lr_scheduler import LearningRateScheduler


class TestLearningRateScheduler(CallbackContract):
    def make(self) -> LearningRateScheduler:
        return LearningRateScheduler(lambda epoch, rate: rate / (epoch + 1), verbose=1)
