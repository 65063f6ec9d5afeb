"""CSVLogger keeps the contract of callbacks."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_csv import CSVLogger


class TestCSVLogger(CallbackContract):
    def make(self) -> CSVLogger:
        return CSVLogger("run/log.csv")
