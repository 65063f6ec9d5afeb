"""ProgbarLogger keeps the contract of callbacks."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_progbar import ProgbarLogger


class TestProgbarLogger(CallbackContract):
    def make(self) -> ProgbarLogger:
        return ProgbarLogger()
