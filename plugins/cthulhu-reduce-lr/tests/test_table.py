"""Thousands of random trainings against a second reading of the documentation, which shares no code with the first."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu.callbacks import ReduceLROnPlateau
from cthulhu_core import Callback, Run

# Few distinct values, so that equal ones and ones exactly min_delta apart are frequent.
VALUES = st.one_of(
    st.sampled_from([None, math.nan, math.inf, -math.inf, -1.0, 0.0, 0.25, 0.5, 0.75, 1.0]),
    st.floats(-2, 2),
    st.floats(),
)
ARGUMENTS = st.fixed_dictionaries(
    {
        "factor": st.one_of(st.sampled_from([0.5, 0.1, 0.0]), st.floats(0, 1, exclude_max=True)),
        "patience": st.integers(0, 4),
        "mode": st.sampled_from(["auto", "min", "max"]),
        "min_delta": st.sampled_from([0, 0, 0.0001, 0.25, -0.25]),
        "cooldown": st.integers(0, 4),
        "min_lr": st.sampled_from([0, 0, 0.05, 0.3, 1, 2.0]),
    }
)
NAMES = st.sampled_from(["val_loss", "val_acc"])
RATES = st.sampled_from([1.0, 0.3, 0.05])


def expected(name, values, rate, *, factor, patience, mode, min_delta, cooldown, min_lr):
    """From the epochs that end with a reduction to the rate that it gives.

    A cooldown of c protects the c - 1 epochs with a value after a reduction, whatever they bring; epochs without
    improvement are counted from there on.
    """
    sign = 1 if {"min": False, "max": True, "auto": name == "val_acc"}[mode] else -1
    counted = [epoch for epoch, value in enumerate(values) if value is not None]
    improves, to_beat = {}, -math.inf
    for epoch in counted:
        improves[epoch] = sign * values[epoch] - abs(min_delta) > to_beat
        to_beat = sign * values[epoch] if improves[epoch] else to_beat
    reductions, streak_from = {}, 0
    for place, epoch in enumerate(counted):
        streak = place + 1 - streak_from
        if improves[epoch]:
            streak_from = max(streak_from, place + 1)
        elif streak > 0 and streak >= patience and rate > min_lr:
            rate = max(rate * factor, min_lr)
            reductions[epoch] = rate
            streak_from = place + 1 + max(cooldown - 1, 0)
    return reductions


def rates(reductions, start, epochs):
    """From reductions, each at the end of an epoch, to the rate of every epoch."""
    given = []
    for epoch in range(epochs):
        given.append(start)
        start = reductions.get(epoch, start)
    return given


@pytest.mark.slow
@settings(max_examples=4000, deadline=None)
@given(NAMES, st.lists(VALUES, max_size=16), RATES, ARGUMENTS)
def test_callback_does_what_the_documentation_says(name, values, rate, arguments):
    reduce_lr = ReduceLROnPlateau(name, **arguments)
    optimizer = SimpleNamespace(param_groups=[{"lr": rate}])
    reduce_lr.run = SimpleNamespace(
        optimizer=optimizer, directions={}, params={"do_validation": True}, validated=False, is_main=True
    )
    reduce_lr.on_train_begin({})
    logged = []
    for epoch, value in enumerate(values):
        logs = {"loss": 1.0} if value is None else {name: value}
        reduce_lr.on_epoch_end(epoch, logs)
        logged.append(logs["lr"])
    reductions = expected(name, values, rate, **arguments)
    assert logged == rates(reductions, rate, len(values))
    assert optimizer.param_groups[0]["lr"] == list({-1: rate, **reductions}.values())[-1]


class Log(Callback):
    """Logs the values of a script, and notes the rate with which each epoch is trained."""

    def __init__(self, name, values):
        self.name, self.values, self.trained = name, values, []

    def on_epoch_begin(self, epoch, logs):
        self.trained.append([float(group["lr"]) for group in self.run.optimizer.param_groups])

    def on_epoch_end(self, epoch, logs):
        if self.values[epoch] is not None:
            logs[self.name] = self.values[epoch]


@settings(max_examples=300, deadline=None)
@given(NAMES, st.lists(VALUES, max_size=16), RATES, ARGUMENTS)
def test_run_trains_each_epoch_with_the_rate_that_it_logs(name, values, rate, arguments):
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": each} for each in (rate, rate / 4, 0.0)]
    log = Log(name, values)
    callbacks = [log, ReduceLROnPlateau(name, **arguments)]
    run = Run(torch.nn.Linear(1, 1), torch.optim.SGD(parameters), len(values), callbacks, validation=True)
    with run:
        for _ in run.epochs():
            pass
    should = rates(expected(name, values, rate, **arguments), rate, len(values))
    assert run.history.history.get("lr", []) == should == [groups[0] for groups in log.trained]
    for first, second, third in log.trained:
        assert second == pytest.approx(first / 4, rel=1e-12)
        assert third == 0


@pytest.fixture(autouse=True, scope="module")
def _no_plugins():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTHULHU_DISABLE", "*")
        yield
