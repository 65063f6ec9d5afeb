"""Daoloth, Azatoth and TheHydra: sizes, inputs, initial weights, activations, and the layout of weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

from cthulhu.layers import Azatoth, Daoloth, TheHydra
from cthulhu_core.models.activations import ACTIVATIONS
from cthulhu_core.models.initializers import INITIALIZERS

# --- Daoloth ----------------------------------------------------------------------------------------------------------


def test_daoloth_is_activation_of_inputs_times_kernel_plus_bias() -> None:
    layer = Daoloth(3, input_dim=2, activation="relu")
    kernel, bias = np.array([[1.0, -2.0, 3.0], [0.5, 0.5, -4.0]]), np.array([0.0, 1.0, 0.5])
    layer.set_weights([kernel, bias])
    x = np.array([[1.0, 2.0], [-1.0, 0.0]])
    found = layer(torch.tensor(x, dtype=torch.float32)).detach().numpy()
    assert np.allclose(found, np.maximum(x @ kernel + bias, 0))


def test_daoloth_works_on_the_last_dimension() -> None:
    layer = Daoloth(4, input_shape=(5, 3))
    assert layer(torch.zeros(2, 5, 3)).shape == (2, 5, 4)
    assert layer.input_shape == (5, 3)


def test_input_size_comes_from_the_first_data() -> None:
    layer = Daoloth(4)
    assert is_lazy(layer.weight)
    layer(torch.zeros(2, 7))
    assert layer.weight.shape == (4, 7)
    assert type(layer) is Daoloth


def test_no_bias_is_no_parameter() -> None:
    layer = Daoloth(2, input_dim=3, use_bias=False)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert [weight.shape for weight in layer.get_weights()] == [(3, 2)]
    layer.set_weights([np.ones((3, 2))])
    assert layer(torch.ones(1, 3)).tolist() == [[3.0, 3.0]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64, torch.bool])
def test_daoloth_takes_integers_and_booleans_as_numbers(dtype: torch.dtype) -> None:
    layer = Daoloth(1, kernel_initializer="ones")
    assert layer(torch.tensor([[1, 0, 1]], dtype=dtype)).tolist() == [[2.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "Daoloth: units is 0: expected an integer of at least 1"),
        ({"units": 2.5}, "units is 2.5"),
        ({"units": True}, "units is True"),
        ({"units": 1, "input_dim": -1}, "input_dim is -1"),
        ({"units": 1, "input_dim": 3, "input_shape": (4,)}, r"input_shape is \(4,\), input_dim 3"),
        ({"units": 1, "input_shape": ()}, r"expected e.g. input_shape=\(784,\)"),
        ({"units": 1, "activation": "relo"}, "no activation 'relo': did you mean 'relu'"),
        ({"units": 1, "kernel_initializer": "unifrom"}, "no initializer 'unifrom': did you mean 'uniform'"),
    ],
)
def test_wrong_sizes_and_names_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Daoloth(**arguments)


def test_numpy_integers_are_sizes() -> None:
    assert Daoloth(np.int64(2), input_dim=np.int32(3)).weight.shape == (2, 3)


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_have_the_layout_of_keras() -> None:
    layer = Daoloth(2, input_dim=3)
    kernel, bias = np.arange(6.0, dtype=np.float32).reshape(3, 2), np.array([7.0, 8.0], np.float32)
    layer.set_weights([kernel, bias])
    assert layer.weight.tolist() == kernel.T.tolist()
    back = layer.get_weights()
    assert np.array_equal(back[0], kernel)
    assert np.array_equal(back[1], bias)
    back[0][:] = 0
    assert layer.weight[0, 1] == 2.0


def test_weights_of_other_shapes_are_refused_and_change_nothing() -> None:
    layer = Daoloth(2, input_dim=3, kernel_initializer="ones")
    with pytest.raises(ValueError, match=r"weights of shapes .* do not fit: expected"):
        layer.set_weights([np.zeros((2, 3)), np.zeros(2)])
    assert layer.weight.tolist() == [[1.0] * 3] * 2


def test_embedding_weights_are_its_vectors() -> None:
    layer = TheHydra(3, 2)
    layer.set_weights([np.arange(6.0).reshape(3, 2)])
    assert layer(torch.tensor([[2, 0]])).tolist() == [[[4.0, 5.0], [0.0, 1.0]]]
    assert layer.get_weights()[0].tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]


# --- initial weights --------------------------------------------------------------------------------------------------

FAN_IN, FAN_OUT = 300, 200

# The largest absolute value (None: unbounded) and the standard deviation, from Keras' definitions.
STATISTICS: dict[str, tuple[float | None, float]] = {
    "uniform": (0.05, 0.05 / math.sqrt(3)),
    "random_uniform": (0.05, 0.05 / math.sqrt(3)),
    "normal": (None, 0.05),
    "random_normal": (None, 0.05),
    "truncated_normal": (0.1, 0.05 * 0.87962566),
    "glorot_uniform": (math.sqrt(6 / (FAN_IN + FAN_OUT)), math.sqrt(2 / (FAN_IN + FAN_OUT))),
    "glorot_normal": (None, math.sqrt(2 / (FAN_IN + FAN_OUT))),
    "he_uniform": (math.sqrt(6 / FAN_IN), math.sqrt(2 / FAN_IN)),
    "he_normal": (None, math.sqrt(2 / FAN_IN)),
    "lecun_uniform": (math.sqrt(3 / FAN_IN), math.sqrt(1 / FAN_IN)),
    "lecun_normal": (None, math.sqrt(1 / FAN_IN)),
}


def test_every_initializer_is_tested() -> None:
    assert set(INITIALIZERS) == {*STATISTICS, "zeros", "ones", "identity", "orthogonal"}


@pytest.mark.parametrize("name", STATISTICS)
def test_random_initial_kernels_have_the_documented_spread(name: str) -> None:
    torch.manual_seed(0)
    kernel = Daoloth(FAN_OUT, input_dim=FAN_IN, kernel_initializer=name).get_weights()[0]
    largest, deviation = STATISTICS[name]
    assert kernel.std() == pytest.approx(deviation, rel=0.02)
    assert abs(kernel.mean()) < 0.02 * deviation
    if largest is not None:
        assert 0.98 * largest < np.abs(kernel).max() <= largest


def test_fixed_initial_kernels() -> None:
    assert Daoloth(2, input_dim=3, kernel_initializer="ones").weight.tolist() == [[1.0] * 3] * 2
    assert Daoloth(2, input_dim=3, kernel_initializer="zeros").weight.tolist() == [[0.0] * 3] * 2
    assert Daoloth(2, input_dim=2, kernel_initializer="identity").weight.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    kernel = Daoloth(4, input_dim=4, kernel_initializer="orthogonal").get_weights()[0]
    assert np.allclose(kernel @ kernel.T, np.eye(4), atol=1e-5)


def test_bias_is_zero_or_as_told() -> None:
    assert Daoloth(2, input_dim=3).bias.tolist() == [0.0, 0.0]
    assert Daoloth(2, input_dim=3, bias_initializer="ones").bias.tolist() == [1.0, 1.0]


def test_initializer_may_be_a_function() -> None:
    layer = Daoloth(2, input_dim=3, kernel_initializer=lambda tensor: tensor.fill_(0.25))
    assert layer.weight.tolist() == [[0.25] * 3] * 2
    assert TheHydra(2, 2, embeddings_initializer=nn.init.ones_).weight.tolist() == [[1.0, 1.0]] * 2


def test_same_seed_same_initial_weights_whether_the_size_is_given_or_learned() -> None:
    torch.manual_seed(3)
    given = Daoloth(4, input_dim=5)
    torch.manual_seed(3)
    learned = Daoloth(4)
    learned(torch.zeros(1, 5))
    assert torch.equal(given.weight, learned.weight)


# --- Azatoth and activations ------------------------------------------------------------------------------------------

X = np.array([[-3.0, -0.5, 0.0, 0.5, 3.0]])

FORMULAS: dict[str, np.ndarray] = {
    "linear": X,
    "relu": np.maximum(X, 0),
    "sigmoid": 1 / (1 + np.exp(-X)),
    "softmax": np.exp(X) / np.exp(X).sum(-1, keepdims=True),
    "hard_sigmoid": np.clip(0.2 * X + 0.5, 0, 1),
    "tanh": np.tanh(X),
    "softplus": np.log1p(np.exp(X)),
    "softsign": X / (1 + np.abs(X)),
    "exponential": np.exp(X),
    "elu": np.where(X > 0, X, np.exp(X) - 1),
    "selu": 1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * (np.exp(X) - 1)),
    "swish": X / (1 + np.exp(-X)),
    "leaky_relu": np.where(X > 0, X, 0.3 * X),
    "gelu": X * 0.5 * (1 + np.array([[math.erf(x / math.sqrt(2)) for x in X[0]]])),
}


def test_every_activation_is_tested() -> None:
    assert set(FORMULAS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", FORMULAS)
def test_activation_is_its_formula(name: str) -> None:
    assert np.allclose(Azatoth(name)(torch.tensor(X)).numpy(), FORMULAS[name], atol=1e-6)


def test_activation_may_be_a_function_or_module() -> None:
    assert Azatoth(torch.square)(torch.tensor([3.0])).tolist() == [9.0]
    module = Azatoth(nn.PReLU())
    assert [name for name, _ in module.named_parameters()] == ["_activation.weight"]
    with pytest.raises(TypeError, match="activation is 3: expected a name or a function"):
        Azatoth(3)


def test_softmax_of_sequences_is_over_the_last_dimension() -> None:
    found = Azatoth("softmax")(torch.zeros(2, 3, 4))
    assert torch.allclose(found.sum(-1), torch.ones(2, 3))


# --- TheHydra ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.float32])
def test_hydra_takes_integers_of_any_type_and_floats_that_hold_them(dtype: torch.dtype) -> None:
    layer = TheHydra(4, 3)
    found = layer(torch.tensor([[0, 3]], dtype=dtype))
    assert torch.equal(found, functional.embedding(torch.tensor([[0, 3]]), layer.weight))


def test_hydra_refuses_wrong_sizes() -> None:
    with pytest.raises(ValueError, match="TheHydra: input_dim is 0"):
        TheHydra(0, 3)
    with pytest.raises(ValueError, match="TheHydra: output_dim is None"):
        TheHydra(3, None)  # type: ignore[arg-type]


def test_layers_show_their_activation() -> None:
    assert "activation=relu" in repr(Daoloth(2, input_dim=1, activation="relu"))
    assert repr(Azatoth("softmax")) == "Azatoth(softmax)"
