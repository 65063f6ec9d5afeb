"""restore_best_weights: what is kept, where, and what the model has in the end."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cthulhu.callbacks import Callback, EarlyStopping
from cthulhu_core import Run


def test_parameters_and_buffers_of_the_best_epoch_come_back(train, model):
    parameter = model.weight
    train(EarlyStopping(patience=2, restore_best_weights=True), [3.0, 1.0, 2.0, 2.0])
    assert model.epochs == (2.0, 2)
    assert model.weight is parameter


def test_without_it_the_weights_of_the_last_epoch_stay(train, model):
    stop = EarlyStopping(patience=2)
    train(stop, [3.0, 1.0, 2.0, 2.0])
    assert (model.epochs, stop.best_weights) == ((4.0, 4), None)


@pytest.mark.parametrize("values", [[math.nan, math.nan], [math.inf, math.inf], [None, None]])
def test_without_a_best_epoch_the_model_keeps_its_weights(train, model, values):
    stop = EarlyStopping(patience=5, restore_best_weights=True)
    train(stop, values)
    assert (model.epochs, stop.best_epoch, stop.best_weights) == ((2.0, 2), None, None)


def test_without_any_epoch_nothing_happens(train, model):
    train(EarlyStopping(restore_best_weights=True), [])
    assert model.epochs == (0.0, 0)


def test_loop_that_ignores_the_stop_ends_with_the_best_weights_as_well(model):
    stop = EarlyStopping("loss", patience=1, restore_best_weights=True)
    run = Run(model, epochs=4, callbacks=stop)
    with run:
        for epoch, loss in enumerate([2.0, 1.0, 3.0, 3.0]):
            run.epoch_begin(epoch)
            run.logs["loss"] = loss
            model.train_an_epoch()
            run.epoch_end()
    assert (stop.best_epoch, stop.wait, model.epochs) == (1, 2, (2.0, 2))


def test_weights_are_restored_when_another_callback_stops(train, model):
    class Stop(Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.stop_training = epoch == 2

    train(EarlyStopping(patience=9, restore_best_weights=True), [1.0, 2.0, 3.0, 4.0], after=[Stop()])
    assert model.epochs == (1.0, 1)


@pytest.mark.parametrize("error", [ValueError("in the loop"), KeyboardInterrupt()])
def test_weights_are_restored_after_an_exception_which_propagates(model, error):
    class Log(Callback):
        def on_epoch_end(self, epoch, logs):
            logs["loss"] = float(epoch)

    def loop():
        stop = EarlyStopping("loss", patience=9, restore_best_weights=True)
        with Run(model, epochs=9, callbacks=[Log(), stop]) as run:
            for epoch in run.epochs():
                model.train_an_epoch()
                if epoch == 3:
                    raise error

    with pytest.raises(type(error)) as raised:
        loop()
    assert raised.value is error
    assert model.epochs == (1.0, 1)


class Fragile(nn.Module):
    """Extra state, copied between two weights, whose copying can be interrupted."""

    def __init__(self, model):
        super().__init__()
        self.first = nn.Linear(1, 1)
        self.middle = Middle()
        self.last = model


class Middle(nn.Module):
    def __init__(self):
        super().__init__()
        self.state = Interrupting()

    def get_extra_state(self):
        return self.state

    def set_extra_state(self, state):
        self.state = state


class Interrupting:
    armed = False

    def __deepcopy__(self, memo):
        if self.armed:
            raise KeyboardInterrupt
        return self


def test_interrupt_while_the_best_weights_are_copied_leaves_the_model_with_them(model):
    fragile = Fragile(model)
    stop = EarlyStopping("loss", patience=9, restore_best_weights=True)

    class Log(Callback):
        def on_epoch_end(self, epoch, logs):
            logs["loss"] = [3.0, 4.0, 1.0][epoch]
            fragile.middle.state.armed = epoch == 2

    def loop():
        with Run(fragile, epochs=9, callbacks=[Log(), stop]) as run:
            for _ in run.epochs():
                model.train_an_epoch()

    with pytest.raises(KeyboardInterrupt):
        loop()
    assert (stop.best, stop.best_epoch) == (1.0, 2)
    assert model.epochs == (3.0, 3)


def test_copy_that_failed_is_never_restored(train, model):
    stop = EarlyStopping(patience=9, restore_best_weights=True)
    stop.on_error = "disable"

    class Break(Callback):
        def on_epoch_begin(self, epoch, logs):
            self.model.state_dict = [dict, fail, dict][epoch] if epoch else nn.Module.state_dict.__get__(model)

    def fail(**options):
        raise MemoryError

    train(stop, [3.0, 1.0, 2.0], after=[Break()])
    assert (stop.best_epoch, stop.best_weights, model.epochs) == (1, None, (3.0, 3))


# --- the copy ---------------------------------------------------------------------------------------------------------


def test_every_improvement_is_copied_into_the_same_memory(train, model):
    addresses = []

    class Watch(Callback):
        def on_epoch_end(self, epoch, logs):
            addresses.append({name: kept.data_ptr() for name, kept in stop.best_weights.items()})

    stop = EarlyStopping(restore_best_weights=True)
    train(stop, [4.0, 3.0, 2.0, 1.0], after=[Watch()])
    assert addresses == [addresses[0]] * 4
    own = {value.data_ptr() for value in model.state_dict().values()}
    assert not own & set(addresses[0].values())


def test_copy_requires_no_gradient_and_stays_in_host_memory(train):
    stop = EarlyStopping(restore_best_weights=True)
    train(stop, [1.0])
    assert {(kept.device.type, kept.requires_grad) for kept in stop.best_weights.values()} == {("cpu", False)}


def run_once(model, stop, values, change=lambda epoch: None):
    class Log(Callback):
        def on_epoch_end(self, epoch, logs):
            logs["loss"] = values[epoch]

    with Run(model, epochs=len(values), callbacks=[Log(), stop]) as run:
        for epoch in run.epochs():
            change(epoch)


def test_weights_that_two_modules_share_are_kept_once():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    stop = EarlyStopping("loss", restore_best_weights=True)
    run_once(model, stop, [2.0, 1.0])
    assert stop.best_weights["0.weight"] is stop.best_weights["1.weight"]


def test_weights_that_are_shared_no_longer_are_kept_apart():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight

    def part(epoch):
        if epoch == 1:
            model[1].weight = nn.Parameter(torch.ones(2, 2))
            nn.init.zeros_(model[0].weight)
        if epoch == 2:
            nn.init.constant_(model[0].weight, 7.0)
            nn.init.constant_(model[1].weight, 7.0)

    run_once(model, EarlyStopping("loss", restore_best_weights=True), [2.0, 1.0, 3.0], part)
    assert [layer.weight.unique().tolist() for layer in model] == [[0.0], [1.0]]


def test_weights_that_change_their_shape_or_type_are_copied_anew():
    model = nn.Linear(2, 2, bias=False)

    def change(epoch):
        if epoch == 1:
            model.weight = nn.Parameter(torch.full((3, 2), 0.5))
        if epoch == 2:
            model.weight = nn.Parameter(torch.full((3, 2), 0.25, dtype=torch.float64))
        if epoch == 3:
            nn.init.zeros_(model.weight)

    stop = EarlyStopping("loss", restore_best_weights=True)
    run_once(model, stop, [3.0, 2.0, 1.0, 4.0], change)
    assert stop.best_weights["weight"].dtype == torch.float64
    assert model.weight.unique().tolist() == [0.25]


def test_layer_that_is_not_initialised_yet_is_no_obstacle():
    model = nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(2))
    run_once(model, EarlyStopping("loss", patience=1, restore_best_weights=True), [1.0, 2.0])
    assert isinstance(model[1].weight, nn.UninitializedParameter)


def test_layer_that_is_initialised_between_two_copies_is_copied_from_then_on():
    model = nn.Sequential(nn.LazyLinear(2, bias=False))
    values = []

    def change(epoch):
        if epoch:
            model(torch.ones(1, 3))
            nn.init.constant_(model[0].weight, epoch)
            values.append(epoch)

    run_once(model, EarlyStopping("loss", patience=1, restore_best_weights=True), [3.0, 2.0, 1.0, 4.0], change)
    assert (values, model[0].weight.unique().tolist()) == ([1, 2, 3], [2.0])


def test_extra_state_of_a_module_is_kept_with_its_weights():
    class WithExtraState(nn.Linear):
        def __init__(self):
            super().__init__(1, 1)
            self.extra = {"seen": []}

        def get_extra_state(self):
            return self.extra

        def set_extra_state(self, state):
            self.extra = state

    def change(epoch):
        model.extra["seen"].append(epoch)

    model = WithExtraState()
    run_once(model, EarlyStopping("loss", restore_best_weights=True), [2.0, 1.0, 3.0], change)
    assert model.extra == {"seen": [0, 1]}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_weights_of_every_type_come_back_equal(dtype):
    model = nn.ParameterList([nn.Parameter(torch.randn(4, 3, dtype=torch.float64).to(dtype))])
    best = model[0].detach().clone()

    def change(epoch):
        if epoch == 1:
            nn.init.zeros_(model[0])

    run_once(model, EarlyStopping("loss", restore_best_weights=True), [1.0, 2.0], change)
    assert torch.equal(model[0], best)
    assert model[0].dtype == dtype


def test_optimizer_goes_on_with_the_restored_parameters(train, model):
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    train(EarlyStopping(patience=1, restore_best_weights=True), [1.0, 2.0])
    model.weight.sum().backward()
    optimizer.step()
    assert model.epochs == (0.0, 1)


def test_best_weights_fit_the_model_they_come_from(train, model):
    stop = EarlyStopping(patience=1, restore_best_weights=True)
    train(stop, [1.0, 2.0])
    model.train_an_epoch()
    model.load_state_dict(stop.best_weights)
    assert model.epochs == (1.0, 1)
