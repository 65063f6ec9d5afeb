"""How ``summon`` ends: stops, errors in callbacks, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from cthulhu.callbacks import Callback
from regressions import Journal, Stops, X, Y, regression

pytestmark = pytest.mark.usefixtures("no_plugins")


def test_stop_in_a_batch_ends_batch_and_epoch_and_keeps_its_validation() -> None:
    stops, journal = Stops("on_batch_end", 1), Journal()
    model = regression()
    history = model.summon(X, Y, batch_size=4, epochs=9, verbose=0, validation_data=(X, Y), callbacks=[stops, journal])
    assert stops.batches == 2
    assert (history.epoch, list(history.history)) == ([0], ["loss", "val_loss"])
    assert journal.names[-4:] == ["test begin", "test end", "epoch end 0", "train end"]
    assert model.stop_training


@pytest.mark.parametrize(
    ("hook", "epochs", "batches"), [("on_epoch_begin", [0, 1, 2], 11), ("on_epoch_end", [0, 1, 2], 15)]
)
def test_stop_at_an_epoch_ends_training_with_it(hook: str, epochs: list[int], batches: int) -> None:
    stops = Stops(hook, 2)
    history = regression().summon(X, Y, batch_size=4, epochs=9, verbose=0, callbacks=stops)
    assert (history.epoch, stops.batches) == (epochs, batches)


def test_stop_asked_in_the_last_batch_survives_validation() -> None:
    stops = Stops("on_batch_end", 4)
    history = regression().summon(X, Y, batch_size=4, epochs=9, verbose=0, validation_data=(X, Y), callbacks=[stops])
    assert (history.epoch, stops.batches) == ([0], 5)


def test_stop_of_the_last_training_does_not_stop_the_next() -> None:
    model = regression()
    model.summon(X, Y, epochs=5, verbose=0, callbacks=Stops("on_epoch_end", 0))
    assert model.summon(X, Y, epochs=3, verbose=0).epoch == [0, 1, 2]


@pytest.mark.parametrize("hook", ["on_batch_end", "on_epoch_begin", "on_gradients"])
def test_interrupt_in_a_callback_keeps_the_epochs_done(hook: str) -> None:
    class Interrupts(Callback):
        epochs = 0

        def __init__(self) -> None:
            setattr(self, hook, self.interrupt)
            self.ended: list[str] = []

        def interrupt(self, *arguments: Any) -> None:
            if self.run.epoch == 2:
                raise KeyboardInterrupt

        def on_exception(self, error: BaseException) -> None:
            self.ended.append(type(error).__name__)

        def on_train_end(self, logs: Any) -> None:
            self.ended.append("train end")

        def on_teardown(self) -> None:
            self.ended.append("teardown")

    model, interrupts = regression(), Interrupts()
    if hook == "on_gradients":
        interrupts.on_gradients = lambda batch: interrupts.interrupt()  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        model.summon(X, Y, epochs=9, verbose=0, callbacks=interrupts)
    assert model.history is not None
    assert model.history.epoch == [0, 1]
    assert len(model.history.history["loss"]) == 2
    assert interrupts.ended == ["KeyboardInterrupt", "train end", "teardown"]
    assert model.summon(X, Y, verbose=0).epoch == [0]


INTERRUPTED = """
    import signal
    import numpy as np
    from torch import nn
    from cthulhu.callbacks import Callback
    from cthulhu.models import Lump

    # What runs in the background is born deaf to it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    class Says(Callback):
        def on_epoch_end(self, epoch, logs):
            print("epoch", epoch, flush=True)

        def on_train_end(self, logs):
            print("train end", flush=True)

    model = Lump(nn.Linear(3, 1))
    model.conjure("sgd", "mse")
    try:
        model.summon(np.ones((2000, 3)), np.ones(2000), batch_size=2, epochs=10**9, verbose=0, callbacks=Says())
    except KeyboardInterrupt:
        print("interrupted", model.history.epoch == list(range(len(model.history.history["loss"]))), flush=True)
"""


def test_control_c_ends_training_with_its_books_in_order() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "CTHULHU_DISABLE": "*"},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line == "epoch 1\n":
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=60)
    assert out.splitlines()[-2:] == ["train end", "interrupted True"]
    assert process.returncode == 0
