"""The rate in training: when it is set and logged, what is printed, parameter groups, runs without an optimizer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cthulhu.layers import Daoloth
from cthulhu.models import Pile
from cthulhu_core import Callback, Run
from cthulhu_lr_scheduler import LearningRateScheduler


def train(callback: Callback, epochs: int = 1, **arguments: int) -> Run:
    """A run of a model with two parameter groups, whose rates are 0.1 and 0.3."""
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD([{"params": [model.weight], "lr": 0.1}, {"params": [model.bias], "lr": 0.3}])
    with Run(model, optimizer, epochs, callback, **arguments) as run:
        for _ in run.epochs():
            pass
    return run


def test_rate_is_set_before_the_first_batch_and_logged_at_the_end_for_later_callbacks():
    seen = []

    class Later(Callback):
        def on_batch_begin(self, batch, logs):
            seen.append(("batch", self.model.optimizer.param_groups[0]["lr"]))

        def on_epoch_end(self, epoch, logs):
            seen.append(("epoch", logs["lr"]))

    model = Pile([Daoloth(1, input_dim=2)])
    model.conjure(optimizer="sgd", loss="mse")
    halving = LearningRateScheduler(lambda epoch, lr: lr / 2)
    history = model.summon(np.ones((4, 2)), np.ones(4), epochs=2, verbose=0, callbacks=[halving, Later()])
    assert seen == [("batch", 0.005), ("epoch", 0.005), ("batch", 0.0025), ("epoch", 0.0025)]
    assert history.history["lr"] == [0.005, 0.0025]


def test_message_has_its_documented_text(capsys):
    train(LearningRateScheduler(lambda epoch, lr: 0.5, verbose=1))
    assert capsys.readouterr().out == "Epoch 00001: LearningRateScheduler setting learning rate to 0.5.\n"


def test_message_counts_epochs_from_one_where_training_began_later(capsys):
    train(LearningRateScheduler(lambda epoch: epoch, verbose=1), epochs=6, initial_epoch=4)
    assert capsys.readouterr().out == (
        "Epoch 00005: LearningRateScheduler setting learning rate to 4.0.\n"
        "Epoch 00006: LearningRateScheduler setting learning rate to 5.0.\n"
    )


def test_quiet_by_default(capsys):
    train(LearningRateScheduler(lambda epoch: 0.5))
    assert capsys.readouterr().out == ""


def test_parameter_groups_keep_their_ratio_through_a_rate_of_zero():
    found = []

    class Groups(Callback):
        def on_epoch_end(self, epoch, logs):
            found.append([group["lr"] for group in self.run.optimizer.param_groups])

    train([LearningRateScheduler({0: 0.5, 1: 0.0, 2: 0.25}.get), Groups()], epochs=3)
    assert found == [[0.5, pytest.approx(1.5)], [0.0, 0.0], [0.25, pytest.approx(0.75)]]


def test_a_rate_that_is_a_tensor_stays_one():
    model = torch.nn.Linear(1, 1)
    rate = torch.tensor(0.5)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    with Run(model, optimizer, 1, LearningRateScheduler(lambda epoch, lr: lr / 2)) as run:
        list(run.epochs())
    assert optimizer.param_groups[0]["lr"] is rate
    assert run.history.history["lr"] == [0.25]


def test_run_without_an_optimizer_is_an_error_before_training_that_says_the_cure():
    run = Run(torch.nn.Linear(1, 1), epochs=1, callbacks=LearningRateScheduler(lambda epoch: 0.1))
    with pytest.raises(ValueError, match=r"no optimizer.*pass it, Run\(model, optimizer=\.\.\.\)"):
        run.__enter__()
    assert run.epoch is None


def test_every_process_sets_the_rate_and_an_error_ends_training():
    assert (LearningRateScheduler.ranks, LearningRateScheduler.on_error) == ("all", "raise")


def test_one_object_in_two_runs():
    callback = LearningRateScheduler(lambda epoch, lr: lr / 2)
    assert [train(callback, epochs=2).history.history["lr"] for _ in range(2)] == [[0.05, 0.025]] * 2
