"""When the rate is lowered, by how much, and for which parameters."""

from __future__ import annotations

import inspect
import math
import re
import warnings

import numpy as np
import pytest
import torch

from cthulhu.callbacks import Callback, ReduceLROnPlateau
from cthulhu.layers import Daoloth
from cthulhu.models import Lump, Pile
from cthulhu_core import Run
from cthulhu_core.contract.monitor import MonitorWarning


def test_documented_arguments_and_defaults():
    signature = inspect.signature(ReduceLROnPlateau)
    assert {name: parameter.default for name, parameter in signature.parameters.items()} == {
        "monitor": "val_loss",
        "factor": 0.1,
        "patience": 10,
        "verbose": 0,
        "mode": "auto",
        "min_delta": 0.0001,
        "cooldown": 0,
        "min_lr": 0,
    }


@pytest.mark.parametrize("patience", [0, 1])
def test_patience_0_and_1_both_lower_the_rate_after_the_first_epoch_without_improvement(train, patience):
    assert train(ReduceLROnPlateau(factor=0.5, patience=patience), [2.0, 2.0, 1.0, 1.0]) == [1.0, 1.0, 0.5, 0.5]


def test_rate_is_lowered_again_after_as_many_epochs(train):
    lr = train(ReduceLROnPlateau(factor=0.5, patience=2), [1.0] * 7)
    assert lr == [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("cooldown", "lr"),
    [
        (0, [1.0, 1.0, 0.5, 0.25, 0.125, 0.0625]),
        (1, [1.0, 1.0, 0.5, 0.25, 0.125, 0.0625]),
        (2, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]),
        (3, [1.0, 1.0, 0.5, 0.5, 0.5, 0.25]),
    ],
)
def test_cooldown_protects_one_epoch_less_than_its_number(train, cooldown, lr):
    assert train(ReduceLROnPlateau(factor=0.5, patience=1, cooldown=cooldown), [1.0] * 6) == lr


def test_change_of_min_delta_is_no_improvement_yet(train):
    reduce_lr = ReduceLROnPlateau(factor=0.5, patience=1, min_delta=0.5)
    assert train(reduce_lr, [2.0, 1.25, 0.75, 0.0]) == [1.0, 1.0, 1.0, 0.5]
    assert (reduce_lr.best, reduce_lr.wait) == (0.0, 0)


def test_epochs_without_the_value_change_nothing(train):
    reduce_lr = ReduceLROnPlateau(factor=0.5, patience=2)
    assert train(reduce_lr, [1.0, None, 1.0, None, None, 1.0, 1.0]) == [1.0] * 6 + [0.5]


def test_nan_is_no_improvement(train):
    reduce_lr = ReduceLROnPlateau(factor=0.5, patience=2)
    assert train(reduce_lr, [math.nan] * 3) == [1.0, 1.0, 0.5]
    assert reduce_lr.best == math.inf


@pytest.mark.parametrize("min_lr", [0.25, np.float32(0.25), torch.tensor(0.25)])
def test_rate_never_falls_below_min_lr(train, min_lr):
    lr = train(ReduceLROnPlateau(factor=0.4, patience=1, min_lr=min_lr), [1.0] * 5)
    assert lr == [1.0, 1.0, 0.4, 0.25, 0.25]


def test_rate_that_is_below_min_lr_is_not_raised(train):
    assert train(ReduceLROnPlateau(patience=1, min_lr=0.5), [1.0] * 3, 0.25) == [0.25] * 3


def test_factor_0_goes_to_min_lr_at_once(train):
    assert train(ReduceLROnPlateau(factor=0, patience=1, min_lr=0.125), [1.0] * 3) == [1.0, 1.0, 0.125]


def test_logged_rate_is_the_one_used_in_the_epoch(train):
    used = []

    class UsedRate(Callback):
        def on_epoch_begin(self, epoch, logs):
            used.append(self.run.optimizer.param_groups[0]["lr"])

    assert train(ReduceLROnPlateau(factor=0.5, patience=1), [1.0] * 5, before=[UsedRate()]) == used


def test_two_of_them_log_the_rate_before_either_lowered_it(train):
    first = ReduceLROnPlateau("val_acc", factor=0.5, patience=1, mode="max")
    second = ReduceLROnPlateau("val_acc", factor=0.5, patience=1, mode="max")
    assert train(first, [1.0] * 3, before=[second]) == [1.0, 1.0, 0.25]


def test_object_starts_afresh_in_a_second_training(train):
    reduce_lr = ReduceLROnPlateau(factor=0.5, patience=2, cooldown=9)
    train(reduce_lr, [1.0] * 3)
    assert reduce_lr.in_cooldown()
    assert train(reduce_lr, [9.0, 9.0, 9.0, 9.0]) == [1.0, 1.0, 1.0, 0.5]
    assert reduce_lr.best == 9.0


# --- the optimizer ----------------------------------------------------------------------------------------------------


def test_parameter_groups_keep_their_ratios(train, optimizer):
    groups = optimizer(0.5, 0.125, 1.0)
    assert train(ReduceLROnPlateau(factor=0.5, patience=1), [1.0] * 3, groups) == [0.5, 0.5, 0.25]
    assert [group["lr"] for group in groups.param_groups] == [0.125, 0.03125, 0.25]


def test_rate_that_is_a_tensor_stays_that_tensor(train, optimizer):
    rate = torch.tensor(0.5)
    tensors = optimizer(rate)
    assert train(ReduceLROnPlateau(factor=0.5, patience=1), [1.0] * 3, tensors) == [0.5, 0.5, 0.25]
    assert tensors.param_groups[0]["lr"] is rate
    assert rate.item() == 0.125


def test_float32_rate_that_holds_min_lr_is_not_lowered_again(train, optimizer, capsys):
    tensors = optimizer(torch.tensor(1.0))
    reduce_lr = ReduceLROnPlateau(factor=0.5, patience=1, min_lr=0.6, verbose=1, cooldown=9)
    lowest = torch.tensor(0.6).item()
    assert train(reduce_lr, [1.0] * 30, tensors) == [1.0, 1.0] + [lowest] * 28
    assert capsys.readouterr().out.count("reducing") == 1


def test_run_without_optimizer_is_an_error_before_training(monkeypatch):
    monkeypatch.setenv("CTHULHU_DISABLE", "*")
    run = Run(torch.nn.Linear(1, 1), callbacks=ReduceLROnPlateau("loss"))
    with pytest.raises(ValueError, match=r"has no optimizer .* Run\(model, optimizer=\.\.\.\)"):
        run.train_begin()


# --- messages and bad input -------------------------------------------------------------------------------------------


def test_verbose_prints_each_reduction_with_the_epoch_from_1(train, capsys):
    train(ReduceLROnPlateau(factor=0.5, patience=1, verbose=1), [1.0, 0.5, 0.5, 0.5], 0.1)
    assert capsys.readouterr().out == (
        "Epoch 00003: ReduceLROnPlateau reducing learning rate to 0.05.\n"
        "Epoch 00004: ReduceLROnPlateau reducing learning rate to 0.025.\n"
    )


def test_verbose_0_is_silent(train, capsys):
    train(ReduceLROnPlateau(patience=1), [1.0] * 3)
    assert capsys.readouterr().out == ""


def test_only_the_main_process_prints(train, capsys, monkeypatch):
    monkeypatch.setattr(Run, "is_main", False)
    assert train(ReduceLROnPlateau(factor=0.5, patience=1, verbose=1), [1.0] * 3) == [1.0, 1.0, 0.5]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 1}, "factor is 1: it multiplies the rate; expected 0 <= factor < 1, e.g. 0.1"),
        ({"factor": 10.0}, "factor is 10.0"),
        ({"factor": -0.5}, "factor is -0.5"),
        ({"factor": math.nan}, "factor is nan"),
        ({"mode": "maximum"}, "mode is 'maximum': expected 'auto', 'min' or 'max'"),
        ({"patience": -1}, "patience is -1: expected a number of epochs, 0 or more"),
        ({"cooldown": -1}, "cooldown is -1: expected a number of epochs, 0 or more"),
        ({"cooldown": None}, "cooldown is None: expected a number of epochs, 0 or more"),
        ({"min_delta": math.nan}, "min_delta is nan: expected a finite number"),
        ({"min_lr": -0.1}, "min_lr is -0.1: expected one number, 0 or more, for the first parameter group"),
        ({"min_lr": math.nan}, "min_lr is nan: expected one number"),
        ({"min_lr": [0.1, 0.2]}, "min_lr is [0.1, 0.2]: expected one number"),
    ],
)
def test_argument_that_makes_no_sense_is_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ReduceLROnPlateau(**arguments)


# --- in summon --------------------------------------------------------------------------------------------------------


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(48, 8)).astype("float32"), (rng.random(48) > 0.5).astype("float32")


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch):
    monkeypatch.setenv("CTHULHU_DISABLE", "*")


def test_rate_of_a_model_falls_and_is_in_its_history(data):
    model = Pile([Daoloth(1, input_dim=8, activation="sigmoid")])
    model.conjure("sgd", "binary_crossentropy", metrics=["acc"])
    reduce_lr = ReduceLROnPlateau("loss", factor=0.5, patience=2, min_delta=100)
    history = model.summon(*data, epochs=6, verbose=0, callbacks=reduce_lr)
    assert history.history["lr"] == [0.01, 0.01, 0.01, 0.005, 0.005, 0.0025]
    assert model.optimizer.param_groups[0]["lr"] == 0.0025
    assert list(history.history) == ["loss", "acc", "lr"]


def test_rate_scales_the_steps_of_the_next_epoch():
    net = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(net.weight)
    model = Lump(net)
    model.conjure(torch.optim.SGD(net.parameters(), lr=0.5), lambda output, target: output.mean())
    weights = []

    class Watch(Callback):
        def on_epoch_end(self, epoch, logs):
            weights.append(net.weight.item())

    reduce_lr = ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1000)
    model.summon(np.ones((4, 1)), np.ones(4), batch_size=4, epochs=4, verbose=0, callbacks=[Watch(), reduce_lr])
    assert weights == [-0.5, -1.0, -1.25, -1.375]


@pytest.mark.parametrize(("frequency", "lr"), [(2, [0.01] * 4 + [0.005] * 2), ([1, 4], [0.01] * 4 + [0.005] * 2)])
def test_epochs_that_are_not_validated_do_not_count_and_bring_no_warning(data, frequency, lr):
    model = Pile([Daoloth(1, input_dim=8)])
    model.conjure("sgd", "mse")
    reduce_lr = ReduceLROnPlateau(factor=0.5, patience=1, min_delta=100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.summon(
            *data, epochs=6, verbose=0, validation_split=0.5, validation_freq=frequency, callbacks=reduce_lr
        )
    assert history.history["lr"] == lr


def test_name_that_is_not_logged_brings_one_warning_with_the_close_one(data):
    model = Pile([Daoloth(1, input_dim=8, activation="sigmoid")])
    model.conjure("sgd", "binary_crossentropy", metrics=["acc"])
    with pytest.warns(MonitorWarning, match="did you mean acc") as caught:
        history = model.summon(*data, epochs=3, verbose=0, callbacks=ReduceLROnPlateau("accuracy", patience=1))
    assert len(caught) == 1
    assert history.history["lr"] == [0.01] * 3
