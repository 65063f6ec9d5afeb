"""Training stops at the batch whose loss is no finite number, and says where that was."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_core import Callback, Run
from cthulhu_terminate_on_nan import TerminateOnNaN


def train(losses: list[list[Any]]) -> list[tuple[int, int]]:
    """Epoch and batch of each batch that was trained."""
    trained = []
    with Run(SimpleNamespace(), epochs=len(losses), callbacks=TerminateOnNaN()) as run:
        for epoch in run.epochs():
            for loss in run.batches(losses[epoch]):
                run.record(loss=loss)
                trained.append((epoch, run.current.index))
    return trained


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (np.float32("nan"), "nan"),
        (torch.tensor(math.nan), "nan"),
        (torch.tensor(math.inf, dtype=torch.float16), "inf"),
    ],
    ids=lambda value: f"{type(value).__name__}({value})",
)
def test_says_epoch_batch_and_value_and_stops_there(value, printed, capsys):
    assert train([[1.0, 2.0], [1.0, value, 1.0], [1.0]]) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert capsys.readouterr().out == f"Epoch 00002: batch 1: invalid loss {printed}, terminating training\n"


def test_stops_in_the_last_batch_of_an_epoch(capsys):
    assert train([[1.0, math.nan], [1.0]]) == [(0, 0), (0, 1)]
    assert capsys.readouterr().out == "Epoch 00001: batch 1: invalid loss nan, terminating training\n"


def test_stop_in_the_last_batch_survives_validation(capsys):
    x, y = np.ones((8, 2)), np.ones(8)
    y[5] = np.nan
    model = Pile([Daoloth(1, input_dim=2)])
    model.conjure(optimizer="sgd", loss="mse")
    history = model.summon(
        x, y, batch_size=2, epochs=3, shuffle=False, verbose=0, callbacks=TerminateOnNaN(), validation_split=0.25
    )
    assert history.epoch == [0]
    assert math.isnan(history.history["loss"][0])
    assert capsys.readouterr().out == "Epoch 00001: batch 2: invalid loss nan, terminating training\n"


@pytest.mark.parametrize("losses", [[0.0, 1e38, -1e38, 5], [torch.tensor(3)], [np.float32(2)]], ids=str)
def test_finite_losses_are_left_alone(losses, capsys):
    assert len(train([losses])) == len(losses)
    assert capsys.readouterr().out == ""


class Counted:
    """A value that counts how often it is read."""

    def __init__(self, value: float) -> None:
        self.value, self.reads = value, 0

    def compute(self) -> float:
        self.reads += 1
        return self.value


class Reader(Callback):
    """Has the values of every batch read."""

    def on_batch_end(self, batch, logs):
        pass


@pytest.mark.parametrize(
    ("callbacks", "reads"),
    [([TerminateOnNaN()], (1, 0)), ([Reader()], (1, 1)), ([TerminateOnNaN(), Reader()], (1, 1))],
    ids=["alone", "another", "both"],
)
def test_reads_the_loss_alone_and_shares_what_others_read(callbacks, reads):
    loss, auc = Counted(1.0), Counted(math.nan)
    run = Run(SimpleNamespace(), callbacks=callbacks)
    run.train_begin()
    run.epoch_begin(0)
    run.batch_begin(0, 1.0)
    run.record(loss=loss, auc=auc)
    run.batch_end()
    assert (loss.reads, auc.reads) == reads
    assert run.model.stop_training is False


def test_a_loop_that_records_no_loss_is_left_alone():
    with Run(SimpleNamespace(), callbacks=TerminateOnNaN()) as run:
        for _ in run.epochs():
            for _ in run.batches([1, 2]):
                run.record(score=math.nan)
    assert run.step == 2


def test_every_process_looks_at_its_own_loss():
    assert TerminateOnNaN.ranks == "all"
