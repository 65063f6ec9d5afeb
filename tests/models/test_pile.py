"""Pile: layers in order, their names, sizes learned from below, weights, copies, and PyTorch's own tools on it."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cthulhu.callbacks import Callback
from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu.models import Lump, Pile

pytestmark = pytest.mark.usefixtures("no_plugins")

X = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 10)


def digits() -> Pile:
    return Pile([Daoloth(5, input_dim=4, activation="relu"), Daoloth(3, activation="softmax")])


# --- layers -----------------------------------------------------------------------------------------------------------


def test_layers_are_called_from_the_bottom_up() -> None:
    model = Pile([Daoloth(2, input_dim=2, activation="relu"), nn.Flatten()])
    model.add(Daoloth(1))
    model.set_weights([np.array([[1.0, -1.0], [0.0, 0.0]]), np.zeros(2), np.array([[2.0], [3.0]]), np.array([1.0])])
    assert model(torch.tensor([[5.0, 0.0], [-5.0, 0.0]])).tolist() == [[11.0], [16.0]]


def test_layers_are_named_by_class_and_number_or_as_told() -> None:
    model = Pile([Daoloth(2, input_dim=2), Azatoth("relu"), Daoloth(3, name="head"), nn.Linear(3, 1)], name="tower")
    assert list(model.state_dict()) == [
        "daoloth_1.weight", "daoloth_1.bias", "head.weight", "head.bias", "linear_1.weight", "linear_1.bias",
    ]  # fmt: skip
    assert [type(layer).__name__ for layer in model.layers] == ["Daoloth", "Azatoth", "Daoloth", "Linear"]
    assert model.name == "tower"


@pytest.mark.parametrize("name", ["head", "forward", "layers", "optimizer", "metrics_names", "training", "a.b"])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    model = Pile([Daoloth(2, input_dim=2, name="head")])
    with pytest.raises(ValueError, match=f"a layer cannot be named '{name}'"):
        model.add(Daoloth(1, name=name))
    assert len(model.layers) == 1


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"a layer is a torch.nn.Module: got .*write Daoloth\(...\)"):
        Pile([Daoloth])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="got 'relu'"):
        Pile(["relu"])  # type: ignore[list-item]


def test_pop_takes_the_top_layer_off() -> None:
    model = digits()
    model.pop()
    assert model(torch.zeros(1, 4)).shape == (1, 5)
    model.add(Daoloth(2))
    assert list(model.state_dict())[-2:] == ["daoloth_2.weight", "daoloth_2.bias"]
    model.pop()
    model.pop()
    with pytest.raises(IndexError, match="Pile that has no layers"):
        model.pop()
    with pytest.raises(RuntimeError, match="this Pile has no layers: add one"):
        model(torch.zeros(1, 4))


def test_layer_that_does_not_fit_is_refused_and_not_kept() -> None:
    model = Pile([Daoloth(5, input_dim=4)])
    with pytest.raises(RuntimeError, match="shape"):
        model.add(nn.Sequential(nn.Linear(6, 2), nn.LazyLinear(1)))
    assert len(model.layers) == 1
    assert model(torch.zeros(1, 4)).shape == (1, 5)


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_sizes_are_known_without_data_when_the_first_one_is() -> None:
    model = digits()
    model.add(nn.LazyLinear(2))
    model.conjure("adam", "mse")
    assert [tuple(p.shape) for p in model.optimizer.param_groups[0]["params"]] == [
        (5, 4), (5,), (3, 5), (3,), (2, 3), (2,),
    ]  # fmt: skip


def test_sizes_above_an_embedding_are_known() -> None:
    model = Pile([TheHydra(50, 8, input_length=6), nn.Flatten(), Daoloth(1, activation="sigmoid")])
    model.conjure("sgd", "binary_crossentropy")
    assert model.layers[2].weight.shape == (1, 48)
    assert model.predict(np.zeros((3, 6), np.int64)).shape == (3, 1)


def test_learning_sizes_runs_layers_in_evaluation_mode_and_draws_nothing() -> None:
    torch.manual_seed(0)
    model = Pile([Daoloth(4, input_dim=3), nn.Dropout(0.5), nn.BatchNorm1d(4)])
    before = torch.get_rng_state()
    model.add(Azatoth("relu"))
    assert torch.equal(before, torch.get_rng_state())
    assert model.layers[2].num_batches_tracked == 0
    assert model.layers[2].training


def test_lazy_modules_of_torch_learn_their_sizes_from_the_first_data() -> None:
    model = Pile([nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), Daoloth(2, activation="softmax")])
    model.conjure("adam", "sparse_categorical_crossentropy", ["acc"])
    images = np.random.default_rng(0).normal(size=(12, 1, 6, 6))
    history = model.summon(images, np.arange(12) % 2, batch_size=5, epochs=2, verbose=0)
    assert model.layers[0].weight.shape == (4, 1, 3, 3)
    assert model.layers[4].weight.shape == (2, 64)
    assert len(model.optimizer.param_groups[0]["params"]) == 6
    assert len(history.history["acc"]) == 2


def test_layers_can_be_added_to_a_model_in_double_precision() -> None:
    model = Pile([Daoloth(4, input_dim=2)]).double()
    model.add(nn.LazyLinear(1, dtype=torch.float64))
    assert model.predict(np.ones((2, 2), np.float32)).dtype == np.float64


def test_double_precision_takes_single_precision_data() -> None:
    model = digits().to(torch.float64)
    model.conjure("adam", "sparse_categorical_crossentropy")
    model.summon(X, Y, verbose=0)
    assert model.predict(X).dtype == np.float64
    assert {p.dtype for p in model.parameters()} == {torch.float64}


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_are_kernels_and_biases_in_order() -> None:
    model = digits()
    assert [weight.shape for weight in model.get_weights()] == [(4, 5), (5,), (5, 3), (3,)]
    other = digits()
    other.set_weights(model.get_weights())
    assert np.array_equal(other.predict(X), model.predict(X))


def test_weights_of_torch_layers_are_their_parameters_and_buffers() -> None:
    model = Pile([nn.Linear(4, 2), nn.BatchNorm1d(2)])
    assert [weight.shape for weight in model.get_weights()] == [(2, 4), (2,), (2,), (2,), (2,), (2,), ()]
    changed = [weight + 1 for weight in model.get_weights()]
    model.set_weights(changed)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), changed, strict=True))


def test_weights_that_do_not_fit_are_refused_and_change_nothing() -> None:
    model = digits()
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"do not fit this model: expected \[\(4, 5\)"):
        model.set_weights([np.zeros((4, 5)), np.zeros(5), np.zeros((5, 3)), np.zeros(4)])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize("wrap", [Lump, lambda inner: Pile([inner]), lambda inner: Pile([Lump(inner)])])
def test_kernels_have_the_layout_of_keras_however_deep_they_are(wrap: Any) -> None:
    model = wrap(nn.Sequential(digits(), nn.Linear(3, 2)))
    assert [weight.shape for weight in model.get_weights()] == [(4, 5), (5,), (5, 3), (3,), (2, 3), (2,)]
    model.set_weights([np.full_like(weight, 0.5) for weight in model.get_weights()])
    assert all((weight == 0.5).all() for weight in model.get_weights())


def test_state_dict_goes_through_a_file() -> None:
    model, other = digits(), digits()
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert np.array_equal(other.predict(X), model.predict(X))


# --- copies -----------------------------------------------------------------------------------------------------------


def trained() -> Pile:
    torch.manual_seed(1)
    model = digits()
    model.conjure("adam", "sparse_categorical_crossentropy", ["acc"])
    model.summon(X, Y, epochs=2, verbose=0, shuffle=False)
    return model


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copy_trains_on_by_itself_with_the_state_of_its_optimizer(duplicate: Any) -> None:
    model = trained()
    other = duplicate(model)
    before = model.get_weights()
    other.summon(X, Y, verbose=0, shuffle=False)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    model.summon(X, Y, verbose=0, shuffle=False)
    assert all(np.array_equal(a, b) for a, b in zip(other.get_weights(), model.get_weights(), strict=True))


def test_model_without_sizes_can_be_copied() -> None:
    model = Pile([Daoloth(3, kernel_initializer="ones"), Daoloth(2)])
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other(torch.ones(1, 2)).shape == (1, 2)
        assert other.layers[0].weight.tolist() == [[1.0, 1.0]] * 3


def test_module_as_activation_is_copied_once() -> None:
    layer = Daoloth(2, input_dim=2, activation=nn.PReLU())
    other = copy.deepcopy(layer)
    assert list(other.state_dict()) == ["weight", "bias", "_activation.weight"]
    assert other.activation_given is other._activation
    assert other.activation_given is not layer.activation_given


def test_copy_taken_in_a_callback_is_a_model_of_its_own() -> None:
    class KeepsBest(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.best = copy.deepcopy(self.model)

    keeps = KeepsBest()
    model = digits()
    model.conjure("sgd", "sparse_categorical_crossentropy")
    model.summon(X, Y, epochs=2, verbose=0, callbacks=keeps)
    assert np.array_equal(keeps.best.predict(X), model.predict(X))


# --- PyTorch's tools --------------------------------------------------------------------------------------------------


def saturated() -> Pile:
    model = Pile([Daoloth(3, input_dim=2, activation="softmax")])
    model.set_weights([np.array([[1000.0, 0.0, -1000.0], [0.0, 1000.0, 0.0]]), np.zeros(3)])
    return model


def test_compiled_in_place_the_loss_is_still_that_of_the_logits() -> None:
    model = saturated()
    model.compile(backend="eager")
    model.conjure("sgd", "categorical_crossentropy")
    assert model.evaluate(np.eye(2), np.eye(3)[[2, 0]], verbose=0) == 1500.0
    history = model.summon(np.eye(2), np.eye(3)[[2, 0]], verbose=0)
    assert history.history["loss"] == [1500.0]


def test_compiled_module_in_a_lump_keeps_its_logits() -> None:
    model = Lump(torch.compile(saturated(), backend="eager"))  # type: ignore[arg-type]
    model.conjure("sgd", "categorical_crossentropy")
    assert model.evaluate(np.eye(2), np.eye(3)[[2, 0]], verbose=0) == 1500.0


def test_model_can_be_exported() -> None:
    model = digits().eval()
    x = torch.tensor(X)
    program = torch.export.export(model, (x,))
    assert torch.equal(program.module()(x), model(x))


def test_pile_is_a_layer_like_any_other() -> None:
    inner = digits()
    model = Pile([inner, Daoloth(1)])
    x = torch.tensor(X)
    assert torch.equal(model(x), model.layers[1](inner(x)))
    assert len(model.get_weights()) == 6


def test_layer_may_take_several_inputs_at_the_bottom() -> None:
    class Sum(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a + b

    model = Pile([Sum(), Daoloth(1, kernel_initializer="ones")])
    assert model.predict([np.ones((2, 3)), np.full((2, 3), 2.0)]).tolist() == [[9.0], [9.0]]
