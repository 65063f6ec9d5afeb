"""LumpCheckpoint keeps the contract of callbacks, however it is told to save."""

from __future__ import annotations

from cthulhu_checkpoint import LumpCheckpoint
from cthulhu_core.testing import CallbackContract


class TestLumpCheckpoint(CallbackContract):
    def make(self) -> LumpCheckpoint:
        return LumpCheckpoint("run/{epoch}.hdf5", save_best_only=True, keep=2)


class TestLumpCheckpointInTheBackground(CallbackContract):
    def make(self) -> LumpCheckpoint:
        return LumpCheckpoint("run/{epoch}.hdf5", background=True, save_every=2)
