"""The standard tests of callbacks."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_example_minimal import LogLearningRate


class TestLogLearningRate(CallbackContract):
    def make(self) -> LogLearningRate:
        return LogLearningRate()
