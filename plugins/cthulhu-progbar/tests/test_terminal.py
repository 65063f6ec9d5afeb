"""What a training looks like in a real terminal, 80 and 40 columns wide."""

from __future__ import annotations

import pytest

TRAINING = """
import time
from types import SimpleNamespace

import numpy as np

import cthulhu_progbar.logger as logger
from cthulhu_core import Callback, Run

logger.INTERVAL, logger.SHARE = 0.0, float("inf")  # each batch is drawn


class Scheduler(Callback):
    def on_epoch_begin(self, epoch, logs):
        print(f"Epoch {epoch + 1:05d}: setting the rate")

    def on_epoch_end(self, epoch, logs):
        logs["lr"] = 0.01
        print(f"Epoch {epoch + 1:05d}: val_loss improved")


model = SimpleNamespace()


def train(epochs=1, batches=4, during=lambda batch: None, validation=2, **arguments):
    data = [(np.zeros((64, 1)), None)] * batches
    arguments = {"samples": 64 * batches, "steps": batches, "batch_size": 64, "verbose": 1, **arguments}
    with Run(model, epochs=epochs, callbacks=Scheduler(), **arguments) as run:
        for epoch in run.epochs():
            for batch, _ in enumerate(run.batches(data)):
                run.record(loss=1 / (4 * epoch + batch + 1), acc=batch / 4)
                during(batch)
            for _ in run.test(data[:validation]) if validation else ():
                run.record(loss=0.25, acc=0.75)
"""


@pytest.mark.parametrize(
    ("columns", "drawn", "stays"),
    [
        (
            80,
            """\
Epoch 00001: setting the rate
Epoch 1/1   0% |                              |   0/256 0:00<?
Epoch 1/1  25% |████▊              |  64/256 0:00<0:00  loss 1.0000  acc 0.0000
Epoch 1/1  50% |█████████▌         | 128/256 0:00<0:00  loss 0.7500  acc 0.1250
Epoch 1/1  75% |██████████████▎    | 192/256 0:00<0:00  loss 0.6111  acc 0.2500
Epoch 1/1 100% |███████████████████| 256/256 0:00<0:00  loss 0.5208  acc 0.3750
Epoch 1/1 validating  50% |██████      | 1/2 0:00<0:00  loss 0.2500  acc 0.7500
Epoch 1/1 validating 100% |████████████| 2/2 0:00<0:00  loss 0.2500  acc 0.7500
Epoch 00001: val_loss improved
Epoch 1/1  0.0s  loss 0.5208  acc 0.3750  val_loss 0.2500  val_acc 0.7500
    lr 0.0100
""",
            """\
Epoch 00001: setting the rate
Epoch 00001: val_loss improved
Epoch 1/1  0.0s  loss 0.5208  acc 0.3750  val_loss 0.2500  val_acc 0.7500
    lr 0.0100
""",
        ),
        (
            40,
            """\
Epoch 00001: setting the rate
Epoch 1/1   0/256 0:00<?
Epoch 1/1 25%  loss 1.0000  acc 0.0000
Epoch 1/1 50%  loss 0.7500  acc 0.1250
Epoch 1/1 75%  loss 0.6111  acc 0.2500
Epoch 1/1 100%  loss 0.5208  acc 0.3750
Epoch 1/1 validating 50%  loss 0.2500
Epoch 1/1 validating 100%  loss 0.2500
Epoch 00001: val_loss improved
Epoch 1/1  0.0s  loss 0.5208
    acc 0.3750  val_loss 0.2500
    val_acc 0.7500  lr 0.0100
""",
            """\
Epoch 00001: setting the rate
Epoch 00001: val_loss improved
Epoch 1/1  0.0s  loss 0.5208
    acc 0.3750  val_loss 0.2500
    val_acc 0.7500  lr 0.0100
""",
        ),
    ],
    ids=["80", "40"],
)
def test_every_line_that_is_drawn_and_what_stays(terminal, columns, drawn, stays):
    screen = terminal(TRAINING + "train()", columns)
    assert screen.drawn == drawn.splitlines()
    assert screen.shown == [*stays.splitlines(), ""]
    assert screen.errors == ""


def test_steps_and_an_unknown_number_of_them(terminal):
    screen = terminal(TRAINING + "train(batches=2, validation=0, samples=None, steps=None)", 80)
    assert screen.drawn == [
        "Epoch 00001: setting the rate",
        "Epoch 1/1 0/? 0:00",
        "Epoch 1/1 1/? 0:00  loss 1.0000  acc 0.0000",
        "Epoch 1/1 2/? 0:00  loss 0.7500  acc 0.1250",
        "Epoch 00001: val_loss improved",
        "Epoch 1/1  0.0s  loss 0.7500  acc 0.1250  lr 0.0100",
    ]


def test_line_is_finished_when_an_exception_ends_training(terminal):
    code = "train(during=lambda batch: 1 / (1 - batch), validation=0)"
    screen = terminal(TRAINING + code, 80)
    assert screen.shown == [
        "Epoch 00001: setting the rate",
        "Epoch 1/1  64/256  0.0s  loss 1.0000  acc 0.0000",
        "",
    ]
    assert screen.errors.endswith("ZeroDivisionError: division by zero\n")


def test_line_is_finished_when_ctrl_c_ends_training(terminal):
    code = "train(during=lambda batch: batch and time.sleep(60))"
    screen = terminal(TRAINING + code, 80, keys={" 64/256": "\x03"})
    assert screen.shown == [
        "Epoch 00001: setting the rate",
        "Epoch 1/1  64/256  0.0s  loss 1.0000  acc 0.0000",
        "",
    ]
    assert screen.errors.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize(
    ("at", "line"), [(0, "Epoch 1/1  0/256  0.0s"), (64, "Epoch 1/1  64/256  0.0s  loss 1.0000  acc 0.0000")]
)
def test_ctrl_c_in_the_middle_of_a_drawing_leaves_nothing_of_it(terminal, at, line):
    code = f"""
from tqdm import tqdm

drawn = tqdm.refresh

def refresh(self, lock_args=None):
    if self.n == {at}:
        self.fp.write("\\r" + str(self))
        raise KeyboardInterrupt
    drawn(self)

tqdm.refresh = refresh
train()
"""
    screen = terminal(TRAINING + code, 80)
    assert screen.shown == ["Epoch 00001: setting the rate", line, ""]
    assert "\nKeyboardInterrupt\n" in screen.errors


def test_line_of_a_validation_that_fails_shows_the_values_of_the_epoch(terminal):
    code = """
def fail(*_):
    raise RuntimeError("no paper")

Scheduler.on_test_batch_end = fail
train()
"""
    screen = terminal(TRAINING + code, 80)
    assert screen.shown[-2:] == ["Epoch 1/1  0.0s  loss 0.5208  acc 0.3750", ""]


def test_line_is_finished_by_a_stop(terminal):
    code = "train(epochs=3, validation=0, during=lambda batch: setattr(model, 'stop_training', batch == 1))"
    screen = terminal(TRAINING + code, 80)
    assert screen.shown == [
        "Epoch 00001: setting the rate",
        "Epoch 00001: val_loss improved",
        "Epoch 1/3  128/256  0.0s  loss 0.7500  acc 0.1250  lr 0.0100",
        "",
    ]


def test_bar_below_a_bar_of_the_user(terminal):
    code = """
from tqdm import tqdm

for fold in tqdm(range(2), desc="folds", file=__import__("sys").stdout, bar_format="{desc} {n_fmt}/{total_fmt}"):
    train(validation=0)
"""
    screen = terminal(TRAINING.replace("print(", "str(") + code, 80)
    assert screen.shown == [
        "Epoch 1/1  0.0s  loss 0.5208  acc 0.3750  lr 0.0100",
        "Epoch 1/1  0.0s  loss 0.5208  acc 0.3750  lr 0.0100",
        "folds 2/2",
        "",
    ]


def test_evaluate_and_predict_have_a_line_of_their_own(terminal):
    code = """
import numpy as np
from cthulhu.layers import Daoloth
from cthulhu.models import Pile

model = Pile([Daoloth(1, input_dim=2, kernel_initializer="zeros")])
model.conjure("sgd", "mse")
model.evaluate(np.ones((64, 2)), np.ones(64), verbose=1)
model.evaluate(np.ones((64, 2)), np.ones(64), verbose=2)
model.evaluate(np.ones((64, 2)), np.ones(64), verbose=0)
model.predict(np.ones((64, 2)), verbose=1)
"""
    screen = terminal(code, 80)
    assert screen.shown == ["Evaluate  0.0s  loss 1.0000", "Evaluate  0.0s  loss 1.0000", "Predict  0.0s", ""]
    assert screen.errors == ""
