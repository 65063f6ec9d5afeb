"""LuKthuCallback keeps the contract of callbacks."""

from __future__ import annotations

from typing import Any

from cthulhu_core.testing import CallbackContract
from cthulhu_lukthu import LuKthuCallback


class TestLuKthuCallback(CallbackContract):
    def make(self) -> LuKthuCallback:
        def add(epoch: int, logs: dict[str, Any]) -> None:
            logs["twice"] = 2 * logs.get("loss", 0.0)

        return LuKthuCallback(on_epoch_end=add, on_batch_end=lambda batch, logs: None, on_train_end=lambda logs: None)
