"""Off a terminal: few lines, no control characters."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from cthulhu_progbar.displays import Lines
from cthulhu_progbar.text import Progress

TRAINING = """
import sys
import numpy as np
from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_core import Callback

class Rate(Callback):
    def on_epoch_end(self, epoch, logs):
        logs["lr"] = 0.01

model = Pile([Daoloth(1, input_dim=2, kernel_initializer="zeros")])
model.conjure("sgd", "mse", metrics=["acc"])
model.summon(
    np.zeros((1000, 2)), np.zeros(1000), batch_size=8, epochs=2, validation_split=0.5, callbacks=Rate(), **{arguments}
)
"""


def printed(**arguments: object) -> str:
    code = TRAINING.replace("{arguments}", repr(arguments))
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("arguments", [{}, {"verbose": 1}, {"verbose": 2}], ids=str)
def test_a_short_epoch_is_one_line_with_everything_that_was_logged(arguments):
    assert re.sub(r"\d+\.\ds", "0.0s", printed(**arguments)).splitlines() == [
        "Epoch 1/2  0.0s  loss 0.0000  acc 1.0000  val_loss 0.0000  val_acc 1.0000  lr 0.0100",
        "Epoch 2/2  0.0s  loss 0.0000  acc 1.0000  val_loss 0.0000  val_acc 1.0000  lr 0.0100",
    ]


def test_silence():
    assert printed(verbose=0) == ""


def shown(most: int, total: int | None, done: int, seconds: float) -> list[str]:
    """The lines of an epoch of ``done`` steps in ``seconds``, which are told after each step."""
    stream = io.StringIO()
    lines = Lines(stream, most)
    for step in range(1, done + 1):
        progress = Progress("Epoch 1/1", step, total, seconds * step / done)
        if lines.wants(progress):
            lines.show(progress)
    lines.end(Progress("Epoch 1/1", done, done, seconds))
    return stream.getvalue().splitlines()


def test_a_long_epoch_has_a_line_at_each_quarter():
    assert shown(4, 1000, 1000, 3600.0) == [
        "Epoch 1/1  250/1000  15:00",
        "Epoch 1/1  500/1000  30:00",
        "Epoch 1/1  750/1000  45:00",
        "Epoch 1/1  1:00:00",
    ]


def test_lines_are_ten_seconds_apart():
    assert shown(4, 1000, 1000, 20.0) == ["Epoch 1/1  500/1000  10.0s", "Epoch 1/1  20.0s"]
    assert shown(4, 1000, 1000, 9.0) == ["Epoch 1/1  9.0s"]


@pytest.mark.parametrize("seconds", [5.0, 50.0, 500.0, 5000.0, 500_000.0])
@pytest.mark.parametrize("total", [None, 7, 100, 1000, 3])
def test_never_more_than_four_lines(seconds, total):
    lines = shown(4, total, total or 1000, seconds)
    assert 1 <= len(lines) <= 4
    assert shown(1, total, total or 1000, seconds) == lines[-1:]


def test_of_an_unknown_length_the_pauses_grow():
    assert shown(4, None, 1000, 1000.0) == [
        "Epoch 1/1  10/?  10.0s",
        "Epoch 1/1  70/?  1:10",
        "Epoch 1/1  430/?  7:10",
        "Epoch 1/1  16:40",
    ]


def test_each_epoch_has_its_own_lines():
    stream = io.StringIO()
    lines = Lines(stream, 4)
    for _ in range(2):
        lines.show(Progress("Epoch", 1, 4, 60.0))
        lines.end(Progress("Epoch", 4, 4, 240.0))
        assert lines.wants(Progress("Epoch", 1, 4, 60.0))
