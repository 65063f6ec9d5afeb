"""TensorBoard keeps the contract of callbacks."""

from __future__ import annotations

from cthulhu_core.testing import CallbackContract
from cthulhu_tensorboard import TensorBoard


class TestTensorBoard(CallbackContract):
    new_in_each_run = ("files",)

    def make(self) -> TensorBoard:
        return TensorBoard("logs", update_freq="batch")
