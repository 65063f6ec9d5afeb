"""ReduceLROnPlateau keeps the contract of callbacks."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_reduce_lr import ReduceLROnPlateau


class TestReduceLROnPlateau(CallbackContract):
    def make(self) -> ReduceLROnPlateau:
        return ReduceLROnPlateau(factor=0.5, patience=1, min_delta=10, verbose=1)
