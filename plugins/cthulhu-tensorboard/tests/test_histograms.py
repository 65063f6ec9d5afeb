"""Histograms of weights, gradients and activations, read back with TensorBoard's own reader."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Lump, Pile
from cthulhu_tensorboard import histograms
from cthulhu_tensorboard.bin_counts import limits
from cthulhu_tensorboard.histograms import Activations, Gradients, Histograms, weights


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Pile([TheHydra(7, 4, input_length=3), nn.Flatten(), Daoloth(5, activation="tanh"), Daoloth(2)])


@pytest.fixture
def inputs():
    return torch.randint(7, (20, 3), generator=torch.Generator().manual_seed(1))


def check(histogram, values):
    """What TensorBoard reads is what NumPy says of these values."""
    values = np.asarray(values, dtype=float).ravel()
    counts, _ = np.histogram(values, bins=[-np.inf, *limits(), np.inf])
    expected = {upper: count for upper, count in zip([*limits(), np.finfo(float).max], counts, strict=True) if count}
    value = histogram.histogram_value
    found = zip(value.bucket_limit, value.bucket, strict=True)
    assert {upper: count for upper, count in found if count} == expected
    assert (value.num, value.min, value.max) == (values.size, values.min(), values.max())
    assert (value.sum, value.sum_squares) == pytest.approx((values.sum(), (values**2).sum()))


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_are_those_of_the_layers(model, writer, written):
    Histograms(writer).write(weights(model), 3)
    found = written()
    assert found.Tags()["histograms"] == [
        "thehydra_1/embeddings", "daoloth_1/kernel", "daoloth_1/bias", "daoloth_2/kernel", "daoloth_2/bias",
    ]  # fmt: skip
    arrays = dict(zip(found.Tags()["histograms"], model.get_weights(), strict=True))
    for tag, array in arrays.items():
        (histogram,) = found.Histograms(tag)
        assert histogram.step == 3
        check(histogram, array)


def test_integers_are_left_out():
    assert list(weights(nn.Sequential(nn.BatchNorm1d(2)))) == [
        "0/weight", "0/bias", "0/running_mean", "0/running_var",
    ]  # fmt: skip


def test_values_that_are_not_finite_are_said_once(writer, written):
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight[0] = torch.tensor([math.nan, math.inf])
    histograms = Histograms(writer)
    with pytest.warns(UserWarning, match="NaN") as caught:
        histograms.write(weights(model), 0)
    histograms.write(weights(model), 1)
    assert [str(each.message) for each in caught] == [
        "TensorBoard: 2 of 4 values of linear/weight are NaN or infinite at step 0: its histogram shows the others"
    ]
    found = written().Histograms("linear/weight")
    assert [each.step for each in found] == [0, 1]
    check(found[0], model.weight[1].detach())


def test_without_a_finite_value_there_is_no_histogram(writer, written):
    model = nn.Linear(2, 1)
    model.weight = nn.Parameter(torch.zeros(0, 2))
    model.bias = nn.Parameter(torch.tensor([math.nan]))
    with pytest.warns(UserWarning, match="1 of 1 values of linear/bias"):
        Histograms(writer).write(weights(model), 0)
    assert written().Tags()["histograms"] == []


# --- gradients --------------------------------------------------------------------------------------------------------


def backward(model, inputs):
    model(inputs).square().sum().backward()


def test_gradients_are_those_of_the_last_batch_whatever_the_loop_does_to_them(model, inputs, writer, written):
    gradients, optimizer = Gradients(), torch.optim.SGD(model.parameters(), 0.1)
    for to_none in (True, False):
        for batch in inputs.split(10):
            backward(model, batch)
            expected = [parameter.grad.clone() for parameter in model.parameters()]
            gradients.take(model)
            optimizer.step()
            optimizer.zero_grad(set_to_none=to_none)
        Histograms(writer).write(gradients.counted(model), int(to_none))
        found = written()
        tags = [
            "thehydra_1/embeddings_grad", "daoloth_1/kernel_grad", "daoloth_1/bias_grad", "daoloth_2/kernel_grad",
            "daoloth_2/bias_grad",
        ]  # fmt: skip
        assert found.Tags()["histograms"] == tags
        for tag, gradient in zip(tags, expected, strict=True):
            histogram = found.Histograms(tag)[-1]
            assert histogram.step == to_none
            check(histogram, gradient)


def test_copies_are_written_into_the_memory_of_those_before(model, inputs):
    gradients = Gradients()
    memory = set()
    for _ in range(3):
        backward(model, inputs)
        gradients.take(model)
        memory.add(tuple(copy.data_ptr() for copy in gradients._kept.values()))
    assert len(memory) == 1
    gradients.forget()
    assert gradients.counted(model) == {}


def test_weights_without_a_gradient_have_none():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[0].requires_grad_(False)
    gradients = Gradients()
    backward(model, torch.ones(3, 2))
    gradients.take(model)
    assert list(gradients.counted(model)) == ["1/weight_grad", "1/bias_grad", "2/weight_grad", "2/bias_grad"]


def test_sparse_gradients_are_counted_with_their_zeros(writer, written):
    model = nn.Sequential(nn.Embedding(6, 2, sparse=True))
    gradients = Gradients()
    for _ in range(2):
        model.zero_grad()
        model(torch.tensor([1, 1, 3])).sum().backward()
        gradients.take(model)
    Histograms(writer).write(gradients.counted(model), 0)
    check(written().Histograms("0/weight_grad")[0], [[0, 0], [2, 2], [0, 0], [1, 1], [0, 0], [0, 0]])


def test_weights_that_two_layers_share_have_their_gradient_in_both():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    gradients = Gradients()
    backward(model, torch.ones(3, 2))
    gradients.take(model)
    assert list(gradients.counted(model)) == ["0/weight_grad", "1/weight_grad"]


# --- activations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [None, 1, 3, 100])
def test_activations_are_counted_batch_by_batch(model, inputs, writer, written, batch_size):
    activations = Activations(model, batch_size)
    activations.watch()
    with torch.no_grad():
        for batch in inputs.split(6):
            model(batch)
    Histograms(writer).write(activations.counted(), 2)
    found = written()
    assert found.Tags()["histograms"] == ["thehydra_1_out", "flatten_1_out", "daoloth_1_out", "daoloth_2_out"]
    values = inputs
    for tag, layer in zip(found.Tags()["histograms"], model.layers, strict=True):
        values = layer(values)
        (histogram,) = found.Histograms(tag)
        assert histogram.step == 2
        check(histogram, values.detach())


def test_layers_with_several_outputs_or_none_have_a_histogram_for_each_tensor():
    class Nothing(nn.Module):
        def forward(self, x):
            return None

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.nothing, self.head = nn.LSTM(2, 3), Nothing(), nn.Linear(3, 1)

        def forward(self, x):
            self.nothing(x)
            return self.head(self.lstm(x)[0])

    model = Model()
    activations = Activations(model)
    activations.watch()
    model(torch.ones(4, 1, 2))
    assert list(activations.counted()) == ["lstm_out_0", "lstm_out_1_0", "lstm_out_1_1", "head_out"]


def test_layer_that_is_called_twice_is_counted_twice(writer, written):
    layer = nn.Linear(2, 2)
    activations = Activations(nn.Sequential(layer))
    activations.watch()
    first = layer(torch.ones(1, 2))
    second = layer(first)
    Histograms(writer).write(activations.counted(), 0)
    check(written().Histograms("0_out")[0], torch.stack([first, second]).detach())


def hooks(model):
    return [len(module._forward_hooks) for module in model.modules()]


@pytest.mark.parametrize("end", ["counted", "stop"])
def test_hooks_are_removed(model, inputs, end):
    before = hooks(model)
    activations = Activations(model)
    activations.watch()
    activations.watch()
    model(inputs)
    assert hooks(model) != before
    getattr(activations, end)()
    assert hooks(model) == before


def test_each_watch_begins_from_nothing(model, inputs, writer, written):
    activations = Activations(model)
    activations.watch()
    model(inputs)
    activations.stop()
    activations.watch()
    model(inputs[:2])
    Histograms(writer).write(activations.counted(), 0)
    assert written().Histograms("daoloth_2_out")[0].histogram_value.num == 4


def test_model_is_not_told_what_goes_wrong_while_counting(model, inputs, monkeypatch):
    def fail(self, values):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(histograms.BinCounts, "add", fail)
    activations = Activations(model)
    activations.watch()
    assert model(inputs).shape == (20, 2)
    with pytest.raises(RuntimeError, match="out of memory"):
        activations.counted()
    assert sum(hooks(model)) == 0


def test_layers_that_are_not_called_are_said(model):
    activations = Activations(model)
    activations.watch()
    with pytest.warns(UserWarning, match="no layer of the model was called$"):
        assert activations.counted() == {}


def test_compiled_model_without_calls_of_layers_is_said():
    model = Lump(torch.compile(nn.Sequential(nn.Linear(2, 1)), backend="eager"))
    model(torch.ones(1, 2))
    activations = Activations(model)
    activations.watch()
    model(torch.ones(1, 2))
    with pytest.warns(UserWarning, match="what torch.compile has made of it calls none"):
        assert activations.counted() == {}


def test_wrapped_single_layer_has_the_name_of_its_class():
    model = Lump(nn.Linear(2, 1))
    activations = Activations(model)
    activations.watch()
    model(torch.ones(1, 2))
    assert list(activations.counted()) == ["linear_out"]
    assert list(weights(model)) == ["linear/weight", "linear/bias"]


def test_activation_layers_are_layers():
    model = Pile([Daoloth(2, input_dim=2), Azatoth("relu")])
    activations = Activations(model)
    activations.watch()
    model(torch.ones(1, 2))
    assert list(activations.counted()) == ["daoloth_1_out", "azatoth_1_out"]
