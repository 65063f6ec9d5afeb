"""What every callback owes: the standard tests, which the core brings."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_example_minimal import LogLearningRate


class TestLogLearningRate(CallbackContract):
    def make(self) -> LogLearningRate:
        return LogLearningRate()
