"""When training ends, and what is said about it."""

from __future__ import annotations

import inspect
import math
import re
import sys
import warnings

import numpy as np
import pytest
import torch

from cthulhu.callbacks import Callback, EarlyStopping
from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core import Run
from cthulhu_core.contract.monitor import MonitorWarning


def test_documented_arguments_and_defaults():
    assert str(inspect.signature(EarlyStopping).replace(return_annotation=inspect.Signature.empty)) == (
        "(monitor: 'str' = 'val_loss', min_delta: 'float' = 0, patience: 'float' = 0, verbose: 'int' = 0, "
        "mode: \"Literal['auto', 'min', 'max']\" = 'auto', baseline: 'float | None' = None, "
        "restore_best_weights: 'bool' = False, *, start_from_epoch: 'int' = 0)"
    )


@pytest.mark.parametrize("patience", [0, 1])
def test_patience_0_and_1_both_stop_at_the_first_epoch_without_improvement(train, patience):
    stop = EarlyStopping(patience=patience)
    assert train(stop, [3.0, 2.0, 2.0, 1.0]).history.epoch == [0, 1, 2]
    assert (stop.stopped, stop.stopped_epoch, stop.best, stop.best_epoch, stop.wait) == (True, 2, 2.0, 1, 1)


def test_patience_counts_epochs_in_a_row(train):
    stop = EarlyStopping(patience=2)
    assert train(stop, [3.0, 4.0, 2.0, 4.0, 4.0, 1.0]).history.epoch == [0, 1, 2, 3, 4]


def test_training_that_improves_goes_on_to_its_last_epoch(train):
    stop = EarlyStopping(patience=1)
    assert train(stop, [3.0, 2.0, 1.0]).history.epoch == [0, 1, 2]
    assert (stop.stopped, stop.stopped_epoch, stop.wait) == (False, 0, 0)


def test_change_of_min_delta_is_no_improvement_yet(train):
    stop = EarlyStopping(min_delta=0.5, patience=1)
    assert train(stop, [2.0, 1.25, 0.75, 0.0]).history.epoch == [0, 1, 2]
    assert stop.best == 1.25


def test_baseline_has_to_be_beaten_in_time(train):
    stop = EarlyStopping("val_acc", baseline=0.5, patience=2)
    assert train(stop, [0.25, 0.5, 0.75]).history.epoch == [0, 1]
    assert (stop.best, stop.best_epoch) == (0.5, None)


def test_start_from_epoch_leaves_earlier_epochs_out(train):
    stop = EarlyStopping(patience=2, start_from_epoch=3)
    assert train(stop, [0.0, 1.0, 2.0, 3.0, 2.5, 4.0, 4.0, 4.0]).history.epoch == [0, 1, 2, 3, 4, 5, 6]
    assert (stop.best, stop.best_epoch) == (2.5, 4)


def test_nan_is_never_best_and_uses_up_patience(train):
    stop = EarlyStopping(patience=2)
    assert train(stop, [math.nan, 1.0, math.nan, math.nan, 0.5]).history.epoch == [0, 1, 2, 3]
    assert (stop.best, stop.best_epoch) == (1.0, 1)


def test_initial_epoch_does_not_shift_the_epochs_that_are_named(train):
    stop = EarlyStopping(patience=1)
    assert train(stop, [math.nan] * 5 + [1.0, 2.0, 3.0], initial_epoch=5).history.epoch == [5, 6]
    assert (stop.best_epoch, stop.stopped_epoch) == (5, 6)


def test_object_starts_afresh_in_a_second_training(train, model):
    stop = EarlyStopping(patience=2, restore_best_weights=True)
    train(stop, [1.0, 2.0, 3.0])
    assert stop.stopped
    assert train(stop, [9.0, 8.0, 7.0]).history.epoch == [0, 1, 2]
    assert (stop.stopped, stop.stopped_epoch, stop.best, stop.best_epoch, stop.wait) == (False, 0, 7.0, 2, 0)
    train(stop, [math.nan])
    assert (stop.best, stop.best_epoch, stop.best_weights) == (math.inf, None, None)


# --- messages -------------------------------------------------------------------------------------------------------


def test_verbose_says_what_ended_training_and_which_epoch_was_best(train, capsys):
    train(EarlyStopping(patience=2, verbose=1), [3.0, 0.5, 0.75, 0.75])
    assert capsys.readouterr().out == "Epoch 00004: early stopping\nval_loss was best in epoch 00002: 0.5\n"


def test_restoring_is_said_at_the_end_of_the_epoch_and_stopping_at_the_end_of_training(train, capsys):
    class End(Callback):
        def on_epoch_end(self, epoch, logs):
            sys.stdout.write(f"end of epoch {epoch}\n")

    train(EarlyStopping(patience=1, verbose=1, restore_best_weights=True), [0.5, 0.75], after=[End()])
    assert capsys.readouterr().out.splitlines() == [
        "end of epoch 0",
        "Restoring model weights from the end of the best epoch",
        "end of epoch 1",
        "Epoch 00002: early stopping",
        "val_loss was best in epoch 00001: 0.5",
    ]


def test_restoring_after_the_last_epoch_is_said(train, capsys):
    train(EarlyStopping(patience=9, verbose=1, restore_best_weights=True), [0.5, 0.75])
    assert capsys.readouterr().out.splitlines() == [
        "Restoring model weights from the end of the best epoch",
        "val_loss was best in epoch 00001: 0.5",
    ]


def test_stop_in_the_first_epoch_is_said(train, capsys):
    train(EarlyStopping("val_acc", baseline=0.5, verbose=1), [0.25])
    assert capsys.readouterr().out == (
        "Epoch 00001: early stopping\nval_acc was never better than 0.5: there is no best epoch\n"
    )


def test_verbose_0_is_silent(train, capsys):
    train(EarlyStopping(restore_best_weights=True), [0.5, 0.75])
    assert capsys.readouterr().out == ""


def test_only_the_main_process_prints(train, capsys, monkeypatch):
    monkeypatch.setattr(Run, "is_main", False)
    stop = EarlyStopping(verbose=1, restore_best_weights=True)
    train(stop, [0.5, 0.75])
    assert (stop.stopped, capsys.readouterr().out) == (True, "")


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mode": "maximum"}, "mode is 'maximum': expected 'auto', 'min' or 'max'"),
        ({"patience": -1}, "patience is -1: expected a number of epochs, 0 or more"),
        ({"patience": math.nan}, "patience is nan: expected a number of epochs"),
        ({"patience": "3"}, "patience is '3': expected a number of epochs"),
        ({"patience": None}, "patience is None: expected a number of epochs"),
        ({"start_from_epoch": -2}, "start_from_epoch is -2: expected a number of epochs"),
        ({"min_delta": math.inf}, "min_delta is inf: expected a finite number"),
        ({"baseline": math.nan}, "baseline is nan: expected a number that val_loss has to beat"),
    ],
)
def test_argument_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        EarlyStopping(**arguments)


def test_value_that_is_no_number_is_an_error_with_its_name(train):
    with pytest.raises(TypeError, match="'val_loss' is monitored, but its logged value is not a number: 'low'"):
        train(EarlyStopping(), ["low"])


# --- in summon --------------------------------------------------------------------------------------------------------


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(48, 8)).astype("float32"), (rng.random(48) > 0.5).astype("float32")


@pytest.fixture
def classifier(monkeypatch):
    monkeypatch.setenv("CTHULHU_DISABLE", "*")
    model = Pile([Daoloth(1, input_dim=8, activation="sigmoid")])
    model.conjure("sgd", "binary_crossentropy", metrics=["acc"])
    return model


@pytest.mark.parametrize(("frequency", "validated"), [(2, [1, 3, 5, 7]), ([1, 4], [0, 3])])
def test_epochs_that_are_not_validated_do_not_count_and_bring_no_warning(classifier, data, frequency, validated):
    stop = EarlyStopping(min_delta=100, patience=len(validated) - 1, restore_best_weights=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = classifier.summon(
            *data, epochs=20, verbose=0, validation_split=0.5, validation_freq=frequency, callbacks=stop
        )
    assert history.epochs_of("val_loss") == validated
    assert history.epoch == list(range(validated[-1] + 1))
    assert stop.best_epoch == validated[0]
    assert stop.best == history.history["val_loss"][0]


def test_name_that_is_not_logged_brings_one_warning_with_the_close_one(classifier, data):
    stop = EarlyStopping("val_accuracy", restore_best_weights=True)
    with pytest.warns(MonitorWarning, match="did you mean val_acc") as caught:
        history = classifier.summon(*data, epochs=3, verbose=0, validation_split=0.5, callbacks=stop)
    assert len(caught) == 1
    assert (history.epoch, stop.best_epoch, stop.stopped) == ([0, 1, 2], None, False)


def test_accuracy_is_maximised_in_auto_mode(classifier, data):
    stop = EarlyStopping("acc", patience=3)
    history = classifier.summon(*data, epochs=30, verbose=0, callbacks=stop)
    assert stop.best == max(history.history["acc"])
    assert len(history.epoch) < 30


def test_weights_in_summon_are_those_with_which_the_best_value_was_measured(data):
    torch.manual_seed(0)
    model = Lump(torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.BatchNorm1d(64), torch.nn.Linear(64, 1)))
    model.conjure("adam", "mse")
    stop = EarlyStopping(patience=4, restore_best_weights=True)
    history = model.summon(*data, epochs=200, verbose=0, validation_split=0.5, callbacks=stop)
    assert stop.stopped
    assert stop.stopped_epoch == history.epoch[-1] == stop.best_epoch + 4
    assert model.evaluate(data[0][24:], data[1][24:], verbose=0) == stop.best == min(history.history["val_loss"])
