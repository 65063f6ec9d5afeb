"""Thousands of random trainings against a second reading of the documentation, which shares no code with the first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu.callbacks import EarlyStopping
from cthulhu_core import Callback, Run

# Few distinct values, so that equal ones and ones exactly min_delta apart are frequent.
VALUES = st.one_of(
    st.sampled_from([None, math.nan, math.inf, -math.inf, -1.0, 0.0, 0.25, 0.5, 0.75, 1.0]),
    st.floats(-2, 2),
    st.floats(),
)
ARGUMENTS = st.fixed_dictionaries(
    {
        "min_delta": st.sampled_from([0, 0, 0.25, 0.1, -0.25, 1e-9]),
        "patience": st.integers(0, 4),
        "mode": st.sampled_from(["auto", "min", "max"]),
        "baseline": st.sampled_from([None, None, 0.5, 0.0, -1]),
        "start_from_epoch": st.sampled_from([0, 0, 1, 3]),
    }
)


@dataclass
class Expected:
    """How a training ends, as the documentation has it."""

    epochs: int
    stopped: bool
    wait: int
    best: float
    best_epoch: int | None


def expected(name, values, *, min_delta, patience, mode, baseline, start_from_epoch):
    rises = {"min": False, "max": True, "auto": name == "val_acc"}[mode]
    sign = 1 if rises else -1
    # What counts, turned so that more is better.
    counted = [epoch for epoch, value in enumerate(values) if value is not None and epoch >= start_from_epoch]
    scores = {epoch: sign * values[epoch] for epoch in counted}
    to_beat = -math.inf if baseline is None else sign * baseline
    improvements = []
    for epoch, score in scores.items():
        if score - abs(min_delta) > to_beat:
            to_beat = score
            improvements.append(epoch)
    since = {
        epoch: sum(1 for other in scores if other <= epoch and not any(other <= each <= epoch for each in improvements))
        for epoch in scores
    }
    ends = [epoch for epoch in scores if epoch not in improvements and since[epoch] >= patience]
    last = ends[0] if ends else len(values) - 1
    seen = [epoch for epoch in improvements if epoch <= last]
    first = math.nan if baseline is None else baseline
    best = values[seen[-1]] if seen else (-sign * math.inf if math.isnan(first) else first)
    waits = [since[epoch] for epoch in scores if epoch <= last]
    return Expected(last + 1, bool(ends), waits[-1] if waits else 0, best, seen[-1] if seen else None)


class Number(torch.nn.Module):
    """A weight that is the number of epochs it was trained."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("trained", torch.zeros(()))


def check(stop, model, should, epochs):
    assert epochs == should.epochs
    assert stop.stopped == should.stopped
    assert stop.stopped_epoch == (should.epochs - 1 if should.stopped else 0)
    assert stop.wait == should.wait
    assert stop.best == should.best
    assert stop.best_epoch == should.best_epoch
    if should.best_epoch is None or not stop.restore_best_weights:
        assert stop.best_weights is None
        assert model.trained == epochs
    else:
        assert stop.best_weights["trained"] == model.trained == should.best_epoch + 1


@pytest.mark.slow
@settings(max_examples=3000, deadline=None)
@given(st.sampled_from(["val_loss", "val_acc"]), st.lists(VALUES, max_size=12), ARGUMENTS, st.booleans())
def test_callback_does_what_the_documentation_says(name, values, arguments, restore):
    stop = EarlyStopping(name, restore_best_weights=restore, **arguments)
    model = Number()
    stops = []
    run = SimpleNamespace(
        directions={}, params={"do_validation": True}, validated=False, stop=lambda: stops.append(True), is_main=True
    )
    stop.run, stop.model = run, model
    stop.on_train_begin({})
    epochs = 0
    for epoch, value in enumerate(values):
        stop.on_epoch_begin(epoch, {})
        epochs += 1
        model.trained.fill_(epochs)
        stop.on_epoch_end(epoch, {"loss": 1.0} if value is None else {name: value})
        if stops:
            break
    stop.on_train_end({})
    check(stop, model, expected(name, values, **arguments), epochs)


class Interruption(Exception):
    """What ends a training that is not ended by a callback."""


class Script(Callback):
    """Logs values, and in one epoch stops the training or raises."""

    def __init__(self, name, values, ending, at):
        self.name, self.values, self.ending, self.at = name, values, ending, at

    def on_epoch_begin(self, epoch, logs):
        if epoch == self.at and self.ending in (Interruption, KeyboardInterrupt):
            self.model.trained.fill_(-1)  # some batches of this epoch were trained
            raise self.ending

    def on_epoch_end(self, epoch, logs):
        if self.values[epoch] is not None:
            logs[self.name] = self.values[epoch]
        if epoch == self.at and self.ending == "stop":
            self.run.stop()


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["val_loss", "val_acc"]),
    st.lists(VALUES, max_size=12),
    ARGUMENTS,
    st.sampled_from([None, "stop", Interruption, KeyboardInterrupt]),
    st.integers(0, 11),
)
def test_best_weights_are_restored_however_a_run_ends(name, values, arguments, ending, at):
    stop = EarlyStopping(name, restore_best_weights=True, **arguments)
    model = Number()
    run = Run(model, epochs=len(values), callbacks=[Script(name, values, ending, at), stop], validation=True)
    raised = False
    try:
        with run:
            for epoch in run.epochs():
                model.trained.fill_(epoch + 1)
    except (Interruption, KeyboardInterrupt):
        raised = True
    in_time = {None: len(values), "stop": at + 1}.get(ending, at)
    should = expected(name, values[:in_time], **arguments)
    assert raised == (ending in (Interruption, KeyboardInterrupt) and not should.stopped and at < len(values))
    if raised and should.best_epoch is None:
        assert model.trained == -1
    else:
        check(stop, model, should, len(run.history.epoch))


@pytest.fixture(autouse=True, scope="module")
def _no_plugins():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTHULHU_DISABLE", "*")
        yield
