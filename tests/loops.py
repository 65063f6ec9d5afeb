"""Handwritten loops for tests, and a callback that records the calls of hooks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from cthulhu_core import Callback, Run


class Recorder(Callback):
    """Writes down every hook that carries logs, with a copy of them."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def on_train_begin(self, logs: Any) -> None:
        self.heard.append(("train_begin", dict(logs)))

    def on_train_end(self, logs: Any) -> None:
        self.heard.append(("train_end", dict(logs)))

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.heard.append(("epoch_begin", epoch, dict(logs)))

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.heard.append(("epoch_end", epoch, dict(logs)))

    def on_batch_begin(self, batch: int, logs: Any) -> None:
        self.heard.append(("batch_begin", batch, dict(logs)))

    def on_batch_end(self, batch: int, logs: Any) -> None:
        self.heard.append(("batch_end", batch, dict(logs)))

    def on_gradients(self, batch: int) -> None:
        self.heard.append(("gradients", batch))

    def on_test_begin(self, logs: Any) -> None:
        self.heard.append(("test_begin", dict(logs)))

    def on_test_batch_begin(self, batch: int, logs: Any) -> None:
        self.heard.append(("test_batch_begin", batch, dict(logs)))

    def on_test_batch_end(self, batch: int, logs: Any) -> None:
        self.heard.append(("test_batch_end", batch, dict(logs)))

    def on_test_end(self, logs: Any) -> None:
        self.heard.append(("test_end", dict(logs)))

    def of(self, *names: str) -> list[tuple[Any, ...]]:
        return [event for event in self.heard if event[0] in names]

    def names(self) -> list[str]:
        return [event[0] for event in self.heard]


def new_run(callbacks: Any = None, epochs: int = 1, **arguments: Any) -> Run:
    model: Any = SimpleNamespace()
    return Run(model, epochs=epochs, callbacks=callbacks, **arguments)
