"""Trainings that log what a test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Callback, Run


class Log(Callback):
    """Adds to the logs of each epoch what ``epochs`` says."""

    def __init__(self, epochs: Sequence[dict[str, Any]]) -> None:
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs):
        logs.update(self.epochs[epoch - self.run.initial_epoch])


@pytest.fixture
def train() -> Callable[..., Run]:
    """``train(callbacks, [logs of an epoch, ...])``: a training that logs this, and ``Run``'s other arguments."""

    def train(callbacks: Any, epochs: Sequence[dict[str, Any]], **arguments: Any) -> Run:
        end = arguments.get("initial_epoch", 0) + len(epochs)
        run = Run(SimpleNamespace(), epochs=end, callbacks=[Log(epochs), callbacks], **arguments)
        with run:
            for _ in run.epochs():
                pass
        return run

    return train
