"""EarlyStopping keeps the contract of callbacks."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_early_stopping import EarlyStopping


class TestEarlyStopping(CallbackContract):
    def make(self) -> EarlyStopping:
        return EarlyStopping(patience=1, restore_best_weights=True)
