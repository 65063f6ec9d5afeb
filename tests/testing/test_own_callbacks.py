"""The callbacks of the core keep the contract, too."""

from __future__ import annotations

from cthulhu_core import BaseLogger, History
from cthulhu_core.testing import CallbackContract


class TestBaseLogger(CallbackContract):
    def make(self) -> BaseLogger:
        return BaseLogger()


class TestHistory(CallbackContract):
    picklable = True

    def make(self) -> History:
        return History()
