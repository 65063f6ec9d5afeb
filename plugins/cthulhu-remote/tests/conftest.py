"""Trainings that log what a test says, and servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from servers import Server

from cthulhu_core import Callback, Run
from cthulhu_remote import sender


class Log(Callback):
    """Adds to the logs of each epoch what ``epochs`` says."""

    def __init__(self, epochs: Sequence[dict[str, Any]]) -> None:
        self.epochs = epochs

    def on_epoch_end(self, epoch, logs):
        logs.update(self.epochs[epoch - self.run.initial_epoch])


@pytest.fixture
def train() -> Callable[..., Run]:
    """``train(callbacks, [logs of an epoch, ...])``: a training that logs this, and ``Run``'s other arguments.

    With ``batches``, the losses of each epoch's batches, too.
    """

    def train(
        callbacks: Any, epochs: Sequence[dict[str, Any]], batches: Sequence[float] = (), **arguments: Any
    ) -> Run:
        end = arguments.get("initial_epoch", 0) + len(epochs)
        run = Run(SimpleNamespace(), epochs=end, callbacks=[Log(epochs), callbacks], **arguments)
        with run:
            for _ in run.epochs():
                for loss in run.batches(list(batches)):
                    run.record(loss=loss)
        return run

    return train


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    """``start(server)``: it runs until the test ends."""
    with ExitStack() as stack:
        yield lambda server, **arguments: stack.enter_context(server.running(**arguments))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender tries again at once."""
    monkeypatch.setattr(sender, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(sender, "LONGEST_DELAY", 0.05)
